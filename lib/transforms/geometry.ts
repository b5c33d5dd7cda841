/** Transforms that move pixels: crops, changes of size, flips, rotations and other maps of the plane. */

import { checkBoolean, checkNumber, formatShape, formatValue, readArray, StridenetError } from '../errors';
import {
  checkChance,
  checkFill,
  checkPositiveRange,
  checkResizing,
  checkSampling,
  checkSize,
  checkSpread,
  checkWord,
  fillLevels,
  MOST_EXTENT,
  resizingNumbers,
  samplingNumbers,
  type Fill,
  type Interpolation,
  type ResizeInterpolation,
  type ResizeOptions,
  type SamplingOptions,
} from './checks';
import { kindOf, makeTransform, type PictureShape, type Transform } from './transform';

/** What stands around a picture: one level, its border, or its mirror image without or with the border. */
export type PaddingMode = 'constant' | 'edge' | 'reflect' | 'symmetric';
const PADDING_MODES: readonly PaddingMode[] = ['constant', 'edge', 'reflect', 'symmetric'];

/** Options of `transforms.randomCrop`. */
export interface RandomCropOptions {
  /** Pixels added around the picture first: a number, [left and right, top and bottom] or [left, top, right, bottom]; default 0. */
  padding?: number | readonly [number, number] | readonly [number, number, number, number] | undefined;
  /** Whether a picture that is too small is padded on both sides with as much as it lacks; default false. */
  padIfNeeded?: boolean | undefined;
  /** The level of padding that is 'constant', 0 to 255, or one for each channel; default 0. */
  fill?: Fill | undefined;
  /** Default 'constant'. */
  paddingMode?: PaddingMode | undefined;
}

interface CropSettings {
  readonly size: readonly [number, number];
  readonly padding: readonly number[];
  readonly padIfNeeded: boolean;
  readonly fill: Fill;
  readonly paddingMode: PaddingMode;
}

function checkPadding(where: string, value: unknown): readonly number[] {
  const given = typeof value === 'number' ? [value] : (readArray(value, 4) ?? []);
  const fits = given.every((v) => Number.isInteger(v) && (v as number) >= 0 && (v as number) <= MOST_EXTENT);
  const [left = 0, top = left, right = left, bottom = top] = given as number[];
  if (fits && [1, 2, 4].includes(given.length)) return [left, top, right, bottom];
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects padding to be a number of pixels, [left and right, top and bottom] or [left, top, right, bottom] but got ${formatValue(value)}.`,
  );
}

/** Padding at the left, top, right and bottom, with what a small picture lacks. */
function cropPadding({ size: [height, width], padding, padIfNeeded }: CropSettings, [, rows, columns]: PictureShape): number[] {
  const [left, top, right, bottom] = padding as [number, number, number, number];
  const lacking = (size: number, extent: number): number => (padIfNeeded ? Math.max(0, size - extent) : 0);
  const [down, across] = [lacking(height, rows + top + bottom), lacking(width, columns + left + right)];
  return [left + across, top + down, right + across, bottom + down];
}

export const RANDOM_CROP = kindOf<CropSettings>({
  name: 'randomCrop',
  positional: ['size'],
  optional: ['padding', 'padIfNeeded', 'fill', 'paddingMode'],
  check: (where, { size, padding = 0, padIfNeeded = false, fill = 0, paddingMode = 'constant' }) => ({
    size: checkSize(where, 'size', size),
    padding: checkPadding(where, padding),
    padIfNeeded: checkBoolean(where, 'padIfNeeded', padIfNeeded),
    fill: checkFill(where, 'fill', fill),
    paddingMode: checkWord(where, 'paddingMode', paddingMode, PADDING_MODES),
  }),
  after: (where, options, shape) => {
    const [channels, rows, columns] = shape;
    const [height, width] = options.size;
    const [left, top, right, bottom] = cropPadding(options, shape) as [number, number, number, number];
    if (height > rows + top + bottom || width > columns + left + right) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects pictures of at least ${height}x${width} pixels with their padding but they are ${formatShape(shape)} and the padding is ` +
          `[${left}, ${top}, ${right}, ${bottom}]. Pass padIfNeeded: true or a smaller size.`,
      );
    }
    const most = {
      reflect: [rows - 1, columns - 1],
      symmetric: [rows, columns],
      constant: [MOST_EXTENT, MOST_EXTENT],
      edge: [MOST_EXTENT, MOST_EXTENT],
    };
    const [mostDown, mostAcross] = most[options.paddingMode] as [number, number];
    if (Math.max(top, bottom) > mostDown || Math.max(left, right) > mostAcross) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects a padding of at most ${mostDown} rows and ${mostAcross} columns with paddingMode '${options.paddingMode}', since pictures are ` +
          `${formatShape(shape)}, but it is [${left}, ${top}, ${right}, ${bottom}]. Pass less padding or paddingMode 'edge'.`,
      );
    }
    return [channels, height, width];
  },
  encode: (where, options, shape) => {
    const [left, top, right, bottom] = cropPadding(options, shape) as [number, number, number, number];
    const mode = PADDING_MODES.indexOf(options.paddingMode);
    return {
      name: 'randomCrop',
      numbers: [...options.size, top, left, bottom, right, mode, ...fillLevels(where, 'fill', options.fill, shape)],
    };
  },
});

/**
 * A box of the picture, at a random place of the picture with its padding.
 * @param size of the box: a number for a square, or [height, width]
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION; ERR_SHAPE_MISMATCH where it meets pictures that are too small
 * @example transforms.randomCrop(28, { padding: 2, paddingMode: 'reflect' })
 */
export function randomCrop(size: number | readonly [number, number], options: RandomCropOptions = {}): Transform {
  return makeTransform(RANDOM_CROP, { size }, options);
}

export const CENTER_CROP = kindOf<{ readonly size: readonly [number, number] }>({
  name: 'centerCrop',
  positional: ['size'],
  optional: [],
  check: (where, { size }) => ({ size: checkSize(where, 'size', size) }),
  after: (_, { size: [height, width] }, [channels]) => [channels, height, width],
  encode: (_, { size }) => ({ name: 'centerCrop', numbers: size }),
});

/**
 * The middle of the picture; around one that is too small, black.
 * @param size a number for a square, or [height, width]
 * @throws StridenetError ERR_INVALID_ARGUMENT
 * @example transforms.centerCrop(224)
 */
export function centerCrop(size: number | readonly [number, number]): Transform {
  return makeTransform(CENTER_CROP, { size }, undefined);
}

/** Options of `transforms.randomResizedCrop`. */
export interface RandomResizedCropOptions extends ResizeOptions {
  /** The range of the box's share of the area; default [0.08, 1]. */
  scale?: readonly [number, number] | undefined;
  /** The range of its width by its height; default [3 / 4, 4 / 3]. */
  ratio?: readonly [number, number] | undefined;
}

interface ResizedCropSettings {
  readonly size: readonly [number, number];
  readonly scale: readonly [number, number];
  readonly ratio: readonly [number, number];
  readonly interpolation: ResizeInterpolation;
  readonly antialias: boolean;
}

export const RANDOM_RESIZED_CROP = kindOf<ResizedCropSettings>({
  name: 'randomResizedCrop',
  positional: ['size'],
  optional: ['scale', 'ratio', 'interpolation', 'antialias'],
  check: (where, { size, scale = [0.08, 1], ratio = [3 / 4, 4 / 3], ...resizing }) => ({
    size: checkSize(where, 'size', size),
    scale: checkPositiveRange(where, 'scale', scale, 1),
    ratio: checkPositiveRange(where, 'ratio', ratio),
    ...checkResizing(where, resizing),
  }),
  after: (_, { size: [height, width] }, [channels]) => [channels, height, width],
  encode: (_, options) => ({
    name: 'randomResizedCrop',
    numbers: [...options.size, ...options.scale, ...options.ratio, ...resizingNumbers(options)],
  }),
});

/**
 * A box of random size, shape and place, brought to `size`: how networks for ImageNet are trained.
 * @param size a number for a square, or [height, width]
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.randomResizedCrop(224, { scale: [0.2, 1] })
 */
export function randomResizedCrop(size: number | readonly [number, number], options: RandomResizedCropOptions = {}): Transform {
  return makeTransform(RANDOM_RESIZED_CROP, { size }, options);
}

interface ResizeSettings {
  readonly size: number | readonly [number, number];
  readonly interpolation: ResizeInterpolation;
  readonly antialias: boolean;
}

/** A single number is the shorter side; the other one keeps the ratio. */
function resizedExtents(size: ResizeSettings['size'], [, rows, columns]: PictureShape): readonly [number, number] {
  if (typeof size !== 'number') return size;
  const longer = Math.max(1, Math.trunc((size * Math.max(rows, columns)) / Math.min(rows, columns)));
  return rows <= columns ? [size, longer] : [longer, size];
}

export const RESIZE = kindOf<ResizeSettings>({
  name: 'resize',
  positional: ['size'],
  optional: ['interpolation', 'antialias'],
  check: (where, { size, ...resizing }) => {
    const extents = checkSize(where, 'size', size);
    return { size: typeof size === 'number' ? size : extents, ...checkResizing(where, resizing) };
  },
  after: (where, { size }, shape) => {
    const [height, width] = resizedExtents(size, shape);
    if (Math.max(height, width) > MOST_EXTENT) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects pictures of at most ${MOST_EXTENT} rows and columns afterwards but pictures ${formatShape(shape)} become ${height}x${width}. Pass [height, width].`,
      );
    }
    return [shape[0], height, width];
  },
  encode: (_, options, shape) => ({ name: 'resize', numbers: [...resizedExtents(options.size, shape), ...resizingNumbers(options)] }),
});

/**
 * The picture in another size.
 * @param size [height, width], or a number for the shorter side, with the ratio kept
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.resize(256)
 */
export function resize(size: number | readonly [number, number], options: ResizeOptions = {}): Transform {
  return makeTransform(RESIZE, { size }, options);
}

interface ChanceSettings {
  readonly p: number;
}

export const RANDOM_HORIZONTAL_FLIP = kindOf<ChanceSettings>({
  name: 'randomHorizontalFlip',
  positional: ['p'],
  optional: [],
  check: (where, { p = 0.5 }) => ({ p: checkChance(where, p) }),
  encode: (_, { p }) => ({ name: 'randomHorizontalFlip', numbers: [p] }),
});

/**
 * Left and right exchanged.
 * @param p how likely; default 0.5
 * @throws StridenetError ERR_INVALID_ARGUMENT
 * @example transforms.randomHorizontalFlip()
 */
export function randomHorizontalFlip(p = 0.5): Transform {
  return makeTransform(RANDOM_HORIZONTAL_FLIP, { p }, undefined);
}

export const RANDOM_VERTICAL_FLIP = kindOf<ChanceSettings>({
  name: 'randomVerticalFlip',
  positional: ['p'],
  optional: [],
  check: (where, { p = 0.5 }) => ({ p: checkChance(where, p) }),
  encode: (_, { p }) => ({ name: 'randomVerticalFlip', numbers: [p] }),
});

/**
 * Top and bottom exchanged.
 * @param p how likely; default 0.5
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function randomVerticalFlip(p = 0.5): Transform {
  return makeTransform(RANDOM_VERTICAL_FLIP, { p }, undefined);
}

/** Options of `transforms.randomRotation`. */
export interface RandomRotationOptions extends SamplingOptions {
  /** [x, y] of the pixel that stays, from the upper left corner; default the middle. */
  center?: readonly [number, number] | undefined;
}

type Center = readonly [number, number] | null;

function checkCenter(where: string, center: unknown): Center {
  if (center === null) return null;
  const [x, y, ...rest] = readArray(center, 2) ?? [];
  if (rest.length === 0 && [x, y].every((v) => typeof v === 'number' && Number.isFinite(v))) return [x as number, y as number];
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects center to be [x, y] in pixels but got ${formatValue(center)}.`);
}

/** The numbers of native randomAffine. */
function affineNumbers(
  ranges: { angle: readonly number[]; scale: readonly number[]; shear: readonly number[]; translate: readonly number[] },
  center: Center,
  shape: PictureShape,
  sampling: readonly number[],
): number[] {
  const middle = center === null ? [0, 0] : [center[0] - shape[2] / 2, center[1] - shape[1] / 2];
  return [...ranges.angle, ...ranges.scale, ...ranges.shear, ...ranges.translate, ...middle, ...sampling];
}

interface RotationSettings {
  readonly degrees: readonly [number, number];
  readonly interpolation: Interpolation;
  readonly fill: Fill;
  readonly center: Center;
}

export const RANDOM_ROTATION = kindOf<RotationSettings>({
  name: 'randomRotation',
  positional: ['degrees'],
  optional: ['interpolation', 'fill', 'center'],
  check: (where, { degrees, center = null, ...sampling }) => ({
    degrees: checkSpread(where, 'degrees', degrees),
    ...checkSampling(where, sampling),
    center: checkCenter(where, center),
  }),
  encode: (where, { degrees: [low, high], center, interpolation, fill }, shape) => {
    // Rotations go anticlockwise and affine maps clockwise, as in torchvision.
    const ranges = { angle: [-high, -low], scale: [1, 1], shear: [0, 0, 0, 0], translate: [0, 0] };
    return { name: 'randomAffine', numbers: affineNumbers(ranges, center, shape, samplingNumbers(where, interpolation, fill, shape)) };
  },
});

/**
 * The picture turned anticlockwise by a random angle; its size stays.
 * @param degrees [low, high], or a number for [-degrees, degrees]
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.randomRotation(10, { interpolation: 'bilinear' })
 */
export function randomRotation(degrees: number | readonly [number, number], options: RandomRotationOptions = {}): Transform {
  return makeTransform(RANDOM_ROTATION, { degrees }, options);
}

/** Options of `transforms.randomAffine`. */
export interface RandomAffineOptions extends RandomRotationOptions {
  /** Range of the angle, clockwise: [low, high], or a number for [-degrees, degrees]. */
  degrees: number | readonly [number, number];
  /** The greatest share of width and of height that it is moved by, each in [0, 1]; default [0, 0]. */
  translate?: readonly [number, number] | undefined;
  /** Range of its size; default [1, 1]. */
  scale?: readonly [number, number] | undefined;
  /** Range of the angle of a shear along x: a number n for [-n, n], [low, high], or [x low, x high, y low, y high]; default 0. */
  shear?: number | readonly [number, number] | readonly [number, number, number, number] | undefined;
}

interface AffineSettings extends RotationSettings {
  readonly translate: readonly [number, number];
  readonly scale: readonly [number, number];
  readonly shear: readonly number[];
}

function checkShear(where: string, shear: unknown): readonly number[] {
  const ranges = readArray(shear, 4);
  if (ranges?.length === 4) {
    return [...checkSpread(where, 'shear', ranges.slice(0, 2)), ...checkSpread(where, 'shear', ranges.slice(2))];
  }
  return [...checkSpread(where, 'shear', shear), 0, 0];
}

function checkShares(where: string, translate: unknown): readonly [number, number] {
  const [x, y, ...rest] = readArray(translate, 2) ?? [];
  if (rest.length === 0 && [x, y].every((v) => typeof v === 'number' && v >= 0 && v <= 1)) return [x as number, y as number];
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects translate to be shares of width and height in [0, 1], such as [0.1, 0.1], but got ${formatValue(translate)}.`,
  );
}

export const RANDOM_AFFINE = kindOf<AffineSettings>({
  name: 'randomAffine',
  positional: [],
  optional: ['degrees', 'translate', 'scale', 'shear', 'interpolation', 'fill', 'center'],
  check: (where, { degrees, translate = [0, 0], scale = [1, 1], shear = 0, center = null, ...sampling }) => ({
    degrees: checkSpread(where, 'degrees', degrees),
    translate: checkShares(where, translate),
    scale: checkPositiveRange(where, 'scale', scale),
    shear: checkShear(where, shear),
    ...checkSampling(where, sampling),
    center: checkCenter(where, center),
  }),
  encode: (where, { degrees, translate, scale, shear, center, interpolation, fill }, shape) => {
    const ranges = { angle: degrees, scale, shear, translate };
    return { name: 'randomAffine', numbers: affineNumbers(ranges, center, shape, samplingNumbers(where, interpolation, fill, shape)) };
  },
});

/**
 * The picture turned clockwise, moved, scaled and sheared at random; its size stays.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.randomAffine({ degrees: 10, translate: [0.1, 0.1], scale: [0.9, 1.1], shear: 5 })
 */
export function randomAffine(options: RandomAffineOptions): Transform {
  return makeTransform(RANDOM_AFFINE, {}, options);
}

/** Options of `transforms.randomPerspective`. */
export interface RandomPerspectiveOptions extends SamplingOptions {
  /** How far corners move, as a share of half the picture, in [0, 1]; default 0.5. */
  distortionScale?: number | undefined;
  /** How likely; default 0.5. */
  p?: number | undefined;
}

interface PerspectiveSettings {
  readonly distortionScale: number;
  readonly p: number;
  readonly interpolation: Interpolation;
  readonly fill: Fill;
}

export const RANDOM_PERSPECTIVE = kindOf<PerspectiveSettings>({
  name: 'randomPerspective',
  positional: [],
  optional: ['distortionScale', 'p', 'interpolation', 'fill'],
  check: (where, { distortionScale = 0.5, p = 0.5, interpolation = 'bilinear', fill }) => ({
    distortionScale: checkNumber(where, 'distortionScale', distortionScale, 0, 1),
    p: checkChance(where, p),
    ...checkSampling(where, { interpolation, fill }),
  }),
  encode: (where, { p, distortionScale, interpolation, fill }, shape) => ({
    name: 'randomPerspective',
    numbers: [p, distortionScale, ...samplingNumbers(where, interpolation, fill, shape)],
  }),
});

/**
 * The picture seen from a random side: its corners move inwards.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.randomPerspective({ distortionScale: 0.3, p: 1 })
 */
export function randomPerspective(options: RandomPerspectiveOptions = {}): Transform {
  return makeTransform(RANDOM_PERSPECTIVE, {}, options);
}
