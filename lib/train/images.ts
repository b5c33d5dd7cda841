/** Batches of images and labels as they are handed over by a caller: what may come, how it is scaled, how it is fed. */

import { alphaAdvice, checkImageShapeOf, type LabelArray } from '../data/dataset';
import { kindOf, readClassNumbers, readPixels, type ClassNumbers, type Pixels } from '../data/values';
import { formatShape, formatValue, readArray, StridenetError } from '../errors';
import { inputTensor } from '../graph/leaves';
import { affine, checkLayout, checkPreprocessing, statedPreprocessing, type ImageLayout, type Preprocessing } from '../graph/preprocess';
import { Tensor } from '../graph/tensor';
import { elementCount, type Shape, type TypedArray } from '../graph/types';
import type { Module } from '../nn/module';
import type { Classes, TargetForm } from './target';

/** Images one after the other, in the order that the layout says; a Tensor has shape [n, ...input] or, for one image, the input's. */
export type Images = Tensor | Pixels;
/** The class of each image. */
export type Labels = Tensor | ClassNumbers;
/** What the model should give for each image, one after the other; a Tensor has the shape of its output. */
export type Targets = Tensor | Float32Array | readonly number[];

/** How raw images are read, for everything that takes them. */
export interface ReadingOptions {
  /** How raw images become what the model sees. Default: as in training (`model.preprocess`); without any, uint8 is scaled by 1/255. */
  preprocess?: Preprocessing | undefined;
  /** Order of the values of raw images: 'nhwc' for interleaved channels. Default: that of `preprocess` or of training, else 'nchw'. */
  layout?: ImageLayout | undefined;
}

/** Their names, for checkOptions. */
export const READING_OPTIONS = ['preprocess', 'layout'];

/** The element types of images. */
export type ImageDType = 'float32' | 'uint8';

export interface ImageBatch {
  readonly data: Float32Array | Uint8Array;
  readonly dtype: ImageDType;
  readonly count: number;
}

/** The shape of one image. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkInputShape(where: string, input: unknown): Shape {
  return checkImageShapeOf(where, 'input', input);
}

/**
 * How raw images become what `model` sees: what the options say or, as a whole, what the model remembers; layout is asked for by itself.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function readingOf(where: string, model: Module, input: Shape, { preprocess, layout }: ReadingOptions): Preprocessing {
  const known = statedPreprocessing(model);
  const said = checkPreprocessing(where, preprocess ?? known, input, preprocess === undefined ? 'model.preprocess.' : 'preprocess.');
  if (layout !== undefined) return { ...said, layout: checkLayout(where, 'layout', layout, input) };
  return { ...said, layout: said.layout ?? known?.layout ?? 'nchw' };
}

/** The placeholder of `n` images. */
export function imageInput(n: number, input: Shape, dtype: ImageDType, preprocess: Preprocessing): Tensor {
  const { factors, shifts } = affine(preprocess, preprocess.scale ?? (dtype === 'uint8' ? 1 / 255 : 1));
  const changes = factors.some((v) => v !== 1) || shifts.some((v) => v !== 0);
  return inputTensor(
    { name: 'images', feedDType: dtype, layout: preprocess.layout ?? 'nchw', ...(changes ? { scale: factors, shift: shifts } : {}) },
    [n, ...input],
    'float32',
  );
}

/**
 * The placeholder of what the model should give for `n` images. Values have the shape of the output where there are as many.
 * @param output shape of what the model gives
 */
export function targetInput(n: number, { kind, shape }: TargetForm, output: Shape): Tensor {
  const own = [n, ...shape];
  if (kind === 'classes') return inputTensor({ name: 'labels', feedDType: 'int32', layout: 'nchw' }, own, 'int32');
  const isOutputs = shape.length === 0 || elementCount(own) === elementCount(output);
  return inputTensor({ name: 'targets', feedDType: 'float32', layout: 'nchw' }, isOutputs ? output : own, 'float32');
}

/**
 * Images as they are fed. @param layout that of what is fed; a Tensor is put in that order
 * @throws StridenetError ERR_INVALID_ARGUMENT for another type, ERR_SHAPE_MISMATCH for a length that is no number of images
 */
export function readImages(where: string, images: Images, input: Shape, layout: ImageLayout = 'nchw'): ImageBatch {
  const data = readPixels(where, 'images', Tensor.is(images) ? tensorValues(where, images, input, layout) : images);
  const size = elementCount(input);
  if (data.length === 0 || data.length % size !== 0) {
    const advice = layout === 'nhwc' ? alphaAdvice(data.length, input) : '';
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects a multiple of ${size} values (one image is ${formatShape(input)}) but got ${data.length}.${advice}`,
    );
  }
  return { data, dtype: data instanceof Float32Array ? 'float32' : 'uint8', count: data.length / size };
}

/** The values of a batch, or of one image, in the order of `layout`. */
function tensorValues(where: string, images: Tensor, input: Shape, layout: ImageLayout): unknown {
  const { shape } = images;
  if (formatShape(shape) !== formatShape(input) && formatShape(shape.slice(1)) !== formatShape(input)) {
    const [channels, height, width] = input;
    const interleaved = input.length === 3 && formatShape(shape.slice(-3)) === formatShape([height!, width!, channels!]);
    const advice = interleaved
      ? ` Channels come before height and width, whatever the layout: use x.transpose(${shape.length === 3 ? '[2, 0, 1]' : '[0, 3, 1, 2]'}).`
      : '';
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects images of shape [n, ${input.join(', ')}] but got a tensor of shape ${formatShape(shape)}.${advice}`,
    );
  }
  const values = images.value ?? images.dataSync();
  return layout === 'nhwc' ? interleave(values, input) : values;
}

/** Images of planes as images of pixels. */
function interleave<T extends TypedArray>(planes: T, [channels, height, width]: Shape): T {
  const pixels = planes.slice() as T;
  const [count, size] = [channels!, height! * width!];
  for (let image = 0; image < planes.length; image += count * size) {
    for (let c = 0; c < count; c++) for (let i = 0; i < size; i++) pixels[image + i * count + c] = planes[image + c * size + i]!;
  }
  return pixels;
}

/**
 * Labels as they are fed. @param classes when given, labels must lie below it @param images that `count` labels belong to
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH
 */
export function readLabels(where: string, labels: Labels, count: number, classes: Classes | undefined, images = count): Int32Array {
  const values = readClassNumbers(where, 'labels', Tensor.is(labels) ? (labels.value ?? labels.dataSync()) : labels, count, images);
  checkClasses(where, values, classes);
  return values instanceof Int32Array ? values : Int32Array.from(values);
}

/**
 * Target values as they are fed. @param shape of the model's output
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH
 */
export function readTargets(where: string, targets: unknown, shape: Shape): Float32Array {
  const given: unknown = Tensor.is(targets) ? (targets.value ?? targets.dataSync()) : targets;
  const count = elementCount(shape);
  const isList = Array.isArray(given) || kindOf(given) === 'Float32Array';
  const length = isList ? (given as ArrayLike<unknown>).length : undefined;
  const fits = Tensor.is(targets) ? formatShape(targets.shape) === formatShape(shape) : length === count;
  if (isList && !fits) {
    const got = Tensor.is(targets) ? `a tensor of shape ${formatShape(targets.shape)}` : `${length} values`;
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects targets of the shape of the model's output, ${formatShape(shape)} (${count} values), but got ${got}.` +
        (length === shape[0] ? ' Numbers of classes are for a loss of classes, such as nn.crossEntropy().' : ''),
    );
  }
  const numbers = Array.isArray(given) ? readArray(given, count) : undefined;
  if (numbers?.every((v) => typeof v === 'number')) return Float32Array.from(numbers);
  if (isList && !Array.isArray(given)) return given as Float32Array;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects target values as a Float32Array, an array of numbers or a float32 Tensor, since its loss compares values, but got ${formatValue(given)}.`,
  );
}

/**
 * What the model should give, as the placeholder `feed` of `targetInput` takes it.
 * @param classes when given, class numbers must lie below it
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH
 */
export function readWanted(where: string, wanted: Labels | Targets, feed: Tensor, classes: Classes | undefined): Int32Array | Float32Array {
  if (feed.dtype === 'float32') return readTargets(where, wanted, feed.shape);
  return readLabels(where, wanted as Labels, feed.size, classes, feed.shape[0]);
}

/** The placeholder of the weights of `n` images. */
export function weightInput(n: number): Tensor {
  return inputTensor({ name: WEIGHTS, feedDType: 'float32', layout: 'nchw' }, [n], 'float32');
}

/** The name of its feed. */
export const WEIGHTS = 'sampleWeights';

/** How many numbers the mean of a loss is of: `images`, or the labels that are not passed over. */
export function countWeights(labels: ArrayLike<number>, images: number, classes: Classes | undefined): number {
  const { ignoreIndex } = classes ?? {};
  if (ignoreIndex === undefined) return images;
  let ignored = 0;
  for (let i = 0; i < labels.length; i++) if (labels[i] === ignoreIndex) ignored++;
  return ignored === 0 ? images : ((labels.length - ignored) * images) / labels.length;
}

/** @throws StridenetError ERR_INVALID_ARGUMENT unless every label is a class or passed over; nothing is checked without `classes` */
export function checkClasses(where: string, labels: LabelArray, classes: Classes | undefined): void {
  if (classes === undefined || labels instanceof Float32Array) return;
  const { count, ignoreIndex } = classes;
  // A plain loop: there may be millions, and nothing else happens meanwhile.
  let bad = 0;
  while (bad < labels.length && ((labels[bad]! >= 0 && labels[bad]! < count) || labels[bad] === ignoreIndex)) bad++;
  if (bad === labels.length) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects labels in [0, ${count - 1}] (the model has ${count} outputs) but label ${bad} is ${labels[bad]}.`,
  );
}
