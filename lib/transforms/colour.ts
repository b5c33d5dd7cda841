/** Transforms that change levels and leave pixels where they are. */

import { checkNumber, formatShape, formatValue, StridenetError } from '../errors';
import {
  BRIGHTEST,
  checkChance,
  checkCount,
  checkFill,
  checkKernel,
  checkPositiveRange,
  checkRange,
  fillLevels,
  type Fill,
} from './checks';
import { kindOf, makeTransform, type Transform, type TransformKind } from './transform';

/** How much a property changes: a number n for factors in [1 - n, 1 + n] (hue: [-n, n]), or the range itself. */
export type Jitter = number | readonly [number, number];

/** Options of `transforms.colorJitter`. */
export interface ColorJitterOptions {
  /** Range of the factor of all levels; default 0, which changes nothing. */
  brightness?: Jitter | undefined;
  /** Range of the factor of distances from the mean grey; default 0. */
  contrast?: Jitter | undefined;
  /** Range of the factor of distances from the pixel's grey; default 0. */
  saturation?: Jitter | undefined;
  /** Range of the turn of the hue, in [-0.5, 0.5], where 1 is all the way round; default 0. */
  hue?: Jitter | undefined;
}

type Range = readonly [number, number];

/** [low, high] around 1. @throws StridenetError ERR_INVALID_ARGUMENT */
function checkFactor(where: string, name: string, value: unknown): Range {
  if (typeof value !== 'number') return checkRange(where, name, value, 0, Infinity);
  checkNumber(where, name, value, 0);
  return [Math.max(0, 1 - value), 1 + value];
}

function checkHue(where: string, value: unknown): Range {
  if (typeof value !== 'number') return checkRange(where, 'hue', value, -0.5, 0.5);
  checkNumber(where, 'hue', value, 0, 0.5);
  return value === 0 ? [0, 0] : [-value, value];
}

/** Whether it changes anything, and the range. */
function jitterNumbers([low, high]: Range, still: number): number[] {
  return [low === still && high === still ? 0 : 1, low, high];
}

export const COLOR_JITTER = kindOf<{
  readonly brightness: Range;
  readonly contrast: Range;
  readonly saturation: Range;
  readonly hue: Range;
}>({
  name: 'colorJitter',
  positional: [],
  optional: ['brightness', 'contrast', 'saturation', 'hue'],
  check: (where, { brightness = 0, contrast = 0, saturation = 0, hue = 0 }) => ({
    brightness: checkFactor(where, 'brightness', brightness),
    contrast: checkFactor(where, 'contrast', contrast),
    saturation: checkFactor(where, 'saturation', saturation),
    hue: checkHue(where, hue),
  }),
  encode: (_, { brightness, contrast, saturation, hue }) => ({
    name: 'colorJitter',
    numbers: [...jitterNumbers(brightness, 1), ...jitterNumbers(contrast, 1), ...jitterNumbers(saturation, 1), ...jitterNumbers(hue, 0)],
  }),
});

/**
 * Brightness, contrast, saturation and hue changed at random, in random order. Pictures of one channel have no saturation and no hue.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.colorJitter({ brightness: 0.2, contrast: 0.2, saturation: [0.5, 1.5], hue: 0.05 })
 */
export function colorJitter(options: ColorJitterOptions = {}): Transform {
  return makeTransform(COLOR_JITTER, {}, options);
}

/** Options of `transforms.grayscale`. */
export interface GrayscaleOptions {
  /** Channels afterwards, 1 or 3, all alike; default 1. */
  numOutputChannels?: 1 | 3 | undefined;
}

export const GRAYSCALE = kindOf<{ readonly numOutputChannels: 1 | 3 }>({
  name: 'grayscale',
  positional: [],
  optional: ['numOutputChannels'],
  check: (where, { numOutputChannels = 1 }) => {
    if (numOutputChannels === 1 || numOutputChannels === 3) return { numOutputChannels };
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects numOutputChannels to be 1 or 3 but got ${formatValue(numOutputChannels)}.`,
    );
  },
  after: (_, { numOutputChannels }, [, height, width]) => [numOutputChannels, height, width],
  encode: (_, { numOutputChannels }) => ({ name: 'grayscale', numbers: [numOutputChannels] }),
});

/**
 * Grey pictures of coloured ones: 0.2989 red + 0.587 green + 0.114 blue. Also makes three channels of one.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.grayscale({ numOutputChannels: 3 })
 */
export function grayscale(options: GrayscaleOptions = {}): Transform {
  return makeTransform(GRAYSCALE, {}, options);
}

interface ChanceSettings {
  readonly p: number;
}

/** A transform whose only argument is how likely it is. */
function chanceKind(name: string, usual: number): TransformKind<ChanceSettings> {
  return kindOf<ChanceSettings>({
    name,
    positional: ['p'],
    optional: [],
    check: (where, { p = usual }) => ({ p: checkChance(where, p) }),
    encode: (_, { p }) => ({ name, numbers: [p] }),
  });
}

export const RANDOM_GRAYSCALE = chanceKind('randomGrayscale', 0.1);
export const RANDOM_AUTOCONTRAST = chanceKind('randomAutocontrast', 0.5);
export const RANDOM_EQUALIZE = chanceKind('randomEqualize', 0.5);
export const RANDOM_INVERT = chanceKind('randomInvert', 0.5);

/**
 * All channels replaced by grey.
 * @param p how likely; default 0.1
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function randomGrayscale(p = 0.1): Transform {
  return makeTransform(RANDOM_GRAYSCALE, { p }, undefined);
}

/**
 * Each channel stretched so that its darkest pixel is 0 and its brightest 255.
 * @param p how likely; default 0.5
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function randomAutocontrast(p = 0.5): Transform {
  return makeTransform(RANDOM_AUTOCONTRAST, { p }, undefined);
}

/**
 * Levels of each channel replaced so that all are about as frequent.
 * @param p how likely; default 0.5
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function randomEqualize(p = 0.5): Transform {
  return makeTransform(RANDOM_EQUALIZE, { p }, undefined);
}

/**
 * The negative: 255 less the level.
 * @param p how likely; default 0.5
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function randomInvert(p = 0.5): Transform {
  return makeTransform(RANDOM_INVERT, { p }, undefined);
}

/** Options of transforms that leave some pictures alone. */
export interface ChanceOptions {
  /** How likely; default 0.5. */
  p?: number | undefined;
}

export const RANDOM_POSTERIZE = kindOf<{ readonly bits: number; readonly p: number }>({
  name: 'randomPosterize',
  positional: ['bits'],
  optional: ['p'],
  check: (where, { bits, p = 0.5 }) => ({ bits: checkCount(where, 'bits', bits, 0, 8), p: checkChance(where, p) }),
  encode: (_, { bits, p }) => ({ name: 'randomPosterize', numbers: [p, bits] }),
});

/**
 * The lower bits of each level set to 0.
 * @param bits that stay, 0 to 8
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.randomPosterize(4, { p: 0.2 })
 */
export function randomPosterize(bits: number, options: ChanceOptions = {}): Transform {
  return makeTransform(RANDOM_POSTERIZE, { bits }, options);
}

export const RANDOM_SOLARIZE = kindOf<{ readonly threshold: number; readonly p: number }>({
  name: 'randomSolarize',
  positional: ['threshold'],
  optional: ['p'],
  check: (where, { threshold, p = 0.5 }) => ({
    threshold: checkNumber(where, 'threshold', threshold, 0, BRIGHTEST),
    p: checkChance(where, p),
  }),
  encode: (_, { threshold, p }) => ({ name: 'randomSolarize', numbers: [p, threshold] }),
});

/**
 * Levels from the threshold on inverted.
 * @param threshold a level, 0 to 255
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.randomSolarize(192)
 */
export function randomSolarize(threshold: number, options: ChanceOptions = {}): Transform {
  return makeTransform(RANDOM_SOLARIZE, { threshold }, options);
}

export const RANDOM_ADJUST_SHARPNESS = kindOf<{ readonly sharpnessFactor: number; readonly p: number }>({
  name: 'randomAdjustSharpness',
  positional: ['sharpnessFactor'],
  optional: ['p'],
  check: (where, { sharpnessFactor, p = 0.5 }) => ({
    sharpnessFactor: checkNumber(where, 'sharpnessFactor', sharpnessFactor, 0),
    p: checkChance(where, p),
  }),
  encode: (_, { sharpnessFactor, p }) => ({ name: 'randomAdjustSharpness', numbers: [p, sharpnessFactor] }),
});

/**
 * The picture sharpened, or blurred.
 * @param sharpnessFactor 0 blurs, 1 changes nothing, 2 sharpens
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.randomAdjustSharpness(2)
 */
export function randomAdjustSharpness(sharpnessFactor: number, options: ChanceOptions = {}): Transform {
  return makeTransform(RANDOM_ADJUST_SHARPNESS, { sharpnessFactor }, options);
}

/** Options of `transforms.gaussianBlur`. */
export interface GaussianBlurOptions {
  /** Range of the standard deviation in pixels, or one number; default [0.1, 2]. */
  sigma?: number | readonly [number, number] | undefined;
}

export const GAUSSIAN_BLUR = kindOf<{ readonly kernelSize: readonly [number, number]; readonly sigma: Range }>({
  name: 'gaussianBlur',
  positional: ['kernelSize'],
  optional: ['sigma'],
  check: (where, { kernelSize, sigma = [0.1, 2] }) => ({
    kernelSize: checkKernel(where, kernelSize),
    sigma: checkPositiveRange(where, 'sigma', typeof sigma === 'number' ? [sigma, sigma] : sigma),
  }),
  after: (where, { kernelSize: [width, height] }, shape) => {
    if (width < 2 * shape[2] && height < 2 * shape[1]) return shape;
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects pictures whose sides are more than half of its kernel (${width} wide, ${height} high) but they are ${formatShape(shape)}. Pass a smaller kernelSize.`,
    );
  },
  encode: (_, { kernelSize, sigma }) => ({ name: 'gaussianBlur', numbers: [...kernelSize, ...sigma] }),
});

/**
 * The picture blurred by a bell curve of random width.
 * @param kernelSize odd: pixels that each one is mixed of, or [width, height]
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION; ERR_SHAPE_MISMATCH where it meets pictures that are too small
 * @example transforms.gaussianBlur(5, { sigma: [0.1, 1] })
 */
export function gaussianBlur(kernelSize: number | readonly [number, number], options: GaussianBlurOptions = {}): Transform {
  return makeTransform(GAUSSIAN_BLUR, { kernelSize }, options);
}

/** Options of `transforms.randomErasing`. */
export interface RandomErasingOptions {
  /** How likely; default 0.5. */
  p?: number | undefined;
  /** Range of the box's share of the area; default [0.02, 0.33]. */
  scale?: readonly [number, number] | undefined;
  /** Range of its height by its width; default [0.3, 3.3]. */
  ratio?: readonly [number, number] | undefined;
  /** The level, 0 to 255, one for each channel, or 'random' for random levels of every pixel; default 0. */
  value?: Fill | 'random' | undefined;
}

interface ErasingSettings {
  readonly p: number;
  readonly scale: Range;
  readonly ratio: Range;
  readonly value: Fill | 'random';
}

export const RANDOM_ERASING = kindOf<ErasingSettings>({
  name: 'randomErasing',
  positional: [],
  optional: ['p', 'scale', 'ratio', 'value'],
  check: (where, { p = 0.5, scale = [0.02, 0.33], ratio = [0.3, 3.3], value = 0 }) => ({
    p: checkChance(where, p),
    scale: checkRange(where, 'scale', scale, 0, 1),
    ratio: checkPositiveRange(where, 'ratio', ratio),
    value: value === 'random' ? value : checkFill(where, "value, unless it is 'random',", value),
  }),
  encode: (where, { p, scale, ratio, value }, shape) => {
    const random = value === 'random';
    const levels = random ? [0, 0, 0] : fillLevels(where, 'value', value, shape);
    return { name: 'randomErasing', numbers: [p, ...scale, ...ratio, random ? 1 : 0, ...levels] };
  },
});

/**
 * A random box painted over (Zhong et al., 2017). Levels are those of the picture, before mean and deviation.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.randomErasing({ p: 0.25, value: 'random' })
 */
export function randomErasing(options: RandomErasingOptions = {}): Transform {
  return makeTransform(RANDOM_ERASING, {}, options);
}
