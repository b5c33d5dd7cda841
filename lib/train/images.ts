/** Batches of images and labels as they are handed over by a caller: what may come, how it is scaled, how it is fed. */

import { checkNumber, checkOptions, formatShape, formatValue, StridenetError } from '../errors';
import { checkShape, inputTensor } from '../graph/leaves';
import { Tensor } from '../graph/tensor';
import { elementCount, type Shape } from '../graph/types';

/** Images one after the other, each in C, H, W order; a Tensor has shape [n, ...input] or, for one image, the input's. */
export type Images = Tensor | Float32Array | Uint8Array;
/** The class of each image. */
export type Labels = Tensor | Int32Array | Uint8Array;
/** What the model should give for each image, one after the other; a Tensor has the shape of its output. */
export type Targets = Tensor | Float32Array;

/** How raw values become what the model sees: (raw scale - mean) / std. */
export interface Preprocessing {
  /** Default 1/255 for uint8 images, 1 for float32. */
  scale?: number;
  /** One per channel, or one for all; default 0. */
  mean?: readonly number[];
  /** One per channel, or one for all, above 0; default 1. */
  std?: readonly number[];
}

export type ImageDType = 'float32' | 'uint8';

export interface ImageBatch {
  readonly data: Float32Array | Uint8Array;
  readonly dtype: ImageDType;
  readonly count: number;
}

/** The shape of one image. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkInputShape(where: string, input: unknown): Shape {
  if (!Array.isArray(input) || input.length === 0) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects input to be the shape of one image without the batch, such as [1, 28, 28], but got ${formatValue(input)}.`,
    );
  }
  return checkShape(`${where} input`, input);
}

/** @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION */
export function checkPreprocessing(where: string, value: Preprocessing | undefined, input: Shape): Preprocessing {
  if (value === undefined) return {};
  checkOptions(`${where} preprocess`, value, ['scale', 'mean', 'std']);
  if (value.scale !== undefined) checkNumber(where, 'preprocess.scale', value.scale);
  const channels = input.length === 3 ? input[0]! : 1;
  for (const name of ['mean', 'std'] as const) {
    const numbers = value[name];
    if (numbers === undefined) continue;
    const fits = Array.isArray(numbers) && (numbers.length === 1 || numbers.length === channels);
    if (!fits || numbers.some((v) => !Number.isFinite(v) || (name === 'std' && v <= 0))) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects preprocess.${name} to be 1 or ${channels} numbers${name === 'std' ? ' above 0' : ''} (one per channel) but got ${formatValue(numbers)}.`,
      );
    }
  }
  return value;
}

/** The placeholder of `n` images. */
export function imageInput(n: number, input: Shape, dtype: ImageDType, { scale, mean = [0], std = [1] }: Preprocessing): Tensor {
  const factor = scale ?? (dtype === 'uint8' ? 1 / 255 : 1);
  const channels = Math.max(mean.length, std.length);
  const at = (values: readonly number[], c: number): number => values[values.length === 1 ? 0 : c]!;
  const perChannel = (of: (c: number) => number): number[] => Array.from({ length: channels }, (_, c) => of(c));
  const scaling = perChannel((c) => factor / at(std, c));
  const shift = perChannel((c) => -at(mean, c) / at(std, c));
  const changes = scaling.some((v) => v !== 1) || shift.some((v) => v !== 0);
  return inputTensor(
    { name: 'images', feedDType: dtype, layout: 'nchw', ...(changes ? { scale: scaling, shift } : {}) },
    [n, ...input],
    'float32',
  );
}

/** The placeholder of `n` labels. */
export function labelInput(n: number): Tensor {
  return inputTensor({ name: 'labels', feedDType: 'int32', layout: 'nchw' }, [n], 'int32');
}

/** The placeholder of target values for an output of `shape`. */
export function targetInput(shape: Shape): Tensor {
  return inputTensor({ name: 'targets', feedDType: 'float32', layout: 'nchw' }, shape, 'float32');
}

/** @throws StridenetError ERR_INVALID_ARGUMENT for another type, ERR_SHAPE_MISMATCH for a length that is no number of images */
export function readImages(where: string, images: Images, input: Shape): ImageBatch {
  let data: unknown = images;
  if (images instanceof Tensor) {
    const fits = formatShape(images.shape) === formatShape(input) || formatShape(images.shape.slice(1)) === formatShape(input);
    if (!fits) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects images of shape [n, ${input.join(', ')}] but got a tensor of shape ${formatShape(images.shape)}.`,
      );
    }
    data = images.value ?? images.dataSync();
  }
  const dtype = imageDType(data);
  if (!dtype) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects images as a Tensor, Float32Array or Uint8Array but got ${formatValue(data)}.`,
    );
  }
  const { length } = data as Float32Array;
  const size = elementCount(input);
  if (length === 0 || length % size !== 0) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects a multiple of ${size} values (one image is ${formatShape(input)}) but got ${length}.`,
    );
  }
  return { data: data as Float32Array | Uint8Array, dtype, count: length / size };
}

/**
 * Labels as they are fed. @param classes when given, labels must lie below it
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH
 */
export function readLabels(where: string, labels: Labels, count: number, classes: number | undefined): Int32Array {
  const data: unknown = labels instanceof Tensor ? (labels.value ?? labels.dataSync()) : labels;
  const tag = Object.prototype.toString.call(data);
  if (tag !== '[object Int32Array]' && tag !== '[object Uint8Array]') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects labels as an Int32Array or Uint8Array but got ${formatValue(data)}.`,
    );
  }
  const values = data as Int32Array | Uint8Array;
  if (values.length !== count) {
    throw new StridenetError('ERR_SHAPE_MISMATCH', `${where} expects one label for each of the ${count} images but got ${values.length}.`);
  }
  checkClasses(where, values, classes);
  return tag === '[object Int32Array]' ? (values as Int32Array) : Int32Array.from(values);
}

/**
 * Target values as they are fed. @param shape of the model's output
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH
 */
export function readTargets(where: string, targets: unknown, shape: Shape): Float32Array {
  const data: unknown = targets instanceof Tensor ? (targets.value ?? targets.dataSync()) : targets;
  if (imageDType(data) !== 'float32') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects target values as a Float32Array or a float32 Tensor, since its loss compares values, but got ${formatValue(data)}.`,
    );
  }
  const values = data as Float32Array;
  const fits = targets instanceof Tensor ? formatShape(targets.shape) === formatShape(shape) : values.length === elementCount(shape);
  if (fits) return values;
  const got = targets instanceof Tensor ? `a tensor of shape ${formatShape(targets.shape)}` : `${values.length} values`;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects targets of the shape of the model's output, ${formatShape(shape)} (${elementCount(shape)} values), but got ${got}.`,
  );
}

/** @throws StridenetError ERR_INVALID_ARGUMENT unless every label lies in [0, classes); nothing is checked without `classes` */
export function checkClasses(where: string, labels: Int32Array | Uint8Array, classes: number | undefined): void {
  if (classes === undefined) return;
  const bad = labels.findIndex((label) => label < 0 || label >= classes);
  if (bad < 0) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects labels in [0, ${classes - 1}] (the model has ${classes} outputs) but label ${bad} is ${labels[bad]}.`,
  );
}

// By tag, not instanceof: arrays may come from another realm (vm contexts, test runners).
function imageDType(data: unknown): ImageDType | undefined {
  switch (Object.prototype.toString.call(data)) {
    case '[object Float32Array]':
      return 'float32';
    case '[object Uint8Array]':
      return 'uint8';
    default:
      return undefined;
  }
}
