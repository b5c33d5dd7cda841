/**
 * Dataset: labelled images in memory, as every source of data hands them over and as `fit` and `evaluate` take them.
 * It neither reads files nor shuffles; values stay as they were stored and are scaled where they are fed.
 */

import { formatShape, formatValue, readArray, StridenetError } from '../errors';
import { formatFields, printedAs, type Style } from '../graph/inspect';
import { checkShape } from '../graph/leaves';
import { checkPreprocessing, type ImageLayout } from '../graph/preprocess';
import { elementCount, type Shape } from '../graph/types';
import { printableName } from '../printable';
import {
  kindOf,
  NO_ALPHA,
  readClassNumbers,
  readPixels,
  readSampleWeights,
  readValues,
  type ClassNumbers,
  type Pixels,
  type SampleWeights,
} from './values';

/** What every data set says of its examples, wherever they are. */
export interface DatasetFacts {
  /** [channels, height, width] of one image, whatever the layout. */
  readonly shape: readonly [number, number, number];
  /** Shape of what the model should give for one image: [] (default) for the number of its class, [H, W] for a class for each pixel, ... */
  readonly targetShape?: Shape;
  /** Names of the classes, in label order; [] where the labels are no classes. */
  readonly classes: readonly string[];
  /** Order of the values of an image; default 'nchw'. */
  readonly layout?: ImageLayout;
  /** A stored value times `scale` is what the model sees, before mean and deviation. Default 1/255 for uint8 values, 1 for float32. */
  readonly scale?: number;
  /** Subtracted from the scaled value, one per channel. Default 0. */
  readonly mean?: readonly number[];
  /** Divides the scaled value less the mean, one per channel. Default 1. */
  readonly std?: readonly number[];
}

/** Labelled images in memory, all of one shape. */
export interface Dataset extends DatasetFacts {
  /** `length` images one after the other, each in C, H, W order unless `layout` says otherwise. */
  readonly images: Uint8Array | Float32Array;
  /** What the model should give, `targetShape` for each image: integers are classes, in [0, classes.length); float32 numbers are values. */
  readonly labels: LabelArray;
  /** How much the loss of each image counts, from 0 on; not all 0. Default: all the same, as if each were 1. */
  readonly sampleWeights?: Float32Array | undefined;
  /** Number of images. */
  readonly length: number;
}

/** What the model should give, one image after the other. */
export type LabelArray = Uint8Array | Int32Array | Float32Array;

/** Labelled pictures that are read from where they are kept when they are needed, such as the files of a folder. */
export interface LazyDataset extends DatasetFacts {
  /** As in `Dataset`; known before any picture is read. */
  readonly labels: LabelArray;
  /** As in `Dataset`. */
  readonly sampleWeights?: Float32Array | undefined;
  /** Number of pictures. */
  readonly length: number;
  /**
   * Reads pictures, off the event loop. @param indices places in the data set @param into gets them one after the other
   * @returns the places in `indices` of pictures that could not be read and are to be left out; their part of `into` means nothing
   */
  read(indices: Int32Array, into: Uint8Array): Promise<readonly number[]>;
}

/** One image and what the model should give for it. */
export interface Example {
  /** `shape` values. */
  readonly image: Pixels;
  /** The number of a class or, with a `targetShape`, so many values. */
  readonly label: number | ArrayLike<number>;
  /** How much its loss counts, from 0 on; in a stream with `sampleWeights`. */
  readonly weight?: number | undefined;
}

/** Examples that come one after the other, in an order of their own. */
export interface DatasetStream extends DatasetFacts {
  /** Element type of what the model should give; default 'int32': classes. */
  readonly labelType?: 'int32' | 'float32';
  /** Whether every example has a `weight`; default false: none has. */
  readonly sampleWeights?: boolean | undefined;
  /** Number of examples of a pass, where it is known. */
  readonly length?: number;
  /** The examples of pass number `epoch`, which counts from 1. Only so many are asked for as are needed. */
  examples(epoch: number): AsyncIterable<Example> | Iterable<Example>;
}

/** Of one image: a batch of them is a tensor. */
const MAX_IMAGE_RANK = 5;
/** More names are none of classes. */
const MOST_CLASSES = 1 << 20;
/** Names of classes that are printed. */
const PRINTED_CLASSES = 10;

/** What functions take for a data set: one made by hand may hold pixels of a canvas and labels in any array of integers. */
export type DatasetLike = Omit<Dataset, 'images' | 'labels' | 'sampleWeights'> & {
  /** `length` images one after the other. */
  readonly images: Pixels;
  /** The class of each image or, as a Float32Array, values: `targetShape` for each. */
  readonly labels: ClassNumbers | Float32Array;
  /** How much the loss of each image counts, as in `Dataset`. */
  readonly sampleWeights?: SampleWeights | undefined;
};

/** What `fit` and `evaluate` take. */
export type AnyDataset = DatasetLike | LazyDataset | DatasetStream;

/** A data set with its usual division. */
export interface TrainTest {
  /** To learn from. */
  readonly train: Dataset;
  /** To measure with. */
  readonly test: Dataset;
}

/**
 * The data set with its images and labels as they are fed, sharing memory with what was given where it can. Checks every field but
 * not whether labels are below a number of classes.
 *
 * @throws StridenetError ERR_INVALID_ARGUMENT naming the field, ERR_SHAPE_MISMATCH unless the parts fit each other
 */
export function readDataset(where: string, dataset: unknown): Dataset {
  const given = (dataset ?? {}) as Partial<DatasetLike>;
  const { images: pixels, labels: numbers, shape: extents, classes, length: count, targetShape, sampleWeights, ...rest } = given;
  if (typeof dataset !== 'object' || (pixels === undefined && numbers === undefined)) {
    const parts = Object.keys(rest).filter((name) => ['train', 'test', 'validation'].includes(name));
    const advice = parts.length > 0 ? ` Pass one of its parts: ${parts.join(', ')}.` : '';
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects a data set { images, labels, shape, classes, length }, such as data.fashionMnist() gives, but got ${formatValue(dataset)}.${advice}`,
    );
  }
  const shape = checkImageShapeOf(where, "the data set's shape", extents);
  const images = readPixels(where, "the data set's images", pixels);
  const size = elementCount(shape);
  const length = checkLength(where, count, images.length / size);
  const target = checkTargetShape(where, "the data set's targetShape", targetShape);
  const labelCount = kindOf(numbers) === undefined ? undefined : numbers?.length;
  const wanted = length * elementCount(target);
  if (images.length !== length * size || (labelCount !== undefined && labelCount !== wanted)) {
    const labels = target.length === 0 ? 'as many labels' : `labels of shape ${formatShape(target)} (${wanted} values)`;
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects ${length} images of shape ${formatShape(shape)} (${length * size} values) and ${labels} but the data set has ` +
        `${images.length} values and ${labelCount ?? 'no'} labels.${alphaAdvice(images.length, shape, length)}`,
    );
  }
  const { scale, mean, std, layout } = rest;
  return printedDataset({
    images,
    labels: readLabels(where, "the data set's labels", numbers, length, target, classes),
    shape: shape as Dataset['shape'],
    ...(target.length > 0 && { targetShape: target }),
    classes: readArray(classes ?? [], 0) ? [] : checkClassNames(where, "the data set's classes", classes),
    ...weightsOf(where, sampleWeights, length),
    length,
    ...checkPreprocessing(where, { scale, mean, std, layout }, shape, "the data set's "),
  });
}

/** The field of the weights, if there are any. @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH */
export function weightsOf(where: string, weights: unknown, length: number): { readonly sampleWeights?: Float32Array } {
  return weights === undefined ? {} : { sampleWeights: readSampleWeights(where, "the data set's sampleWeights", weights, length) };
}

/**
 * The shape of one image. @param what the argument, for messages
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function checkImageShapeOf(where: string, what: string, shape: unknown): Shape {
  const extents = readArray(shape, MAX_IMAGE_RANK) ?? [];
  if (extents.length > 0 && extents.every((d) => Number.isSafeInteger(d) && (d as number) > 0)) return checkShape(where, extents);
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${what} to be the shape of one image without the batch, such as [1, 28, 28], but got ${formatValue(shape)}.`,
  );
}

/**
 * The shape of what the model should give for one image. @param what the argument, for messages
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function checkTargetShape(where: string, what: string, shape: unknown): Shape {
  if (shape === undefined) return [];
  const extents = readArray(shape, MAX_IMAGE_RANK);
  if (extents?.every((d) => Number.isSafeInteger(d) && (d as number) > 0)) return checkShape(where, extents);
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${what} to be the shape of what the model should give for one image, such as [] for a class or [4] for four values, but got ` +
      `${formatValue(shape)}.`,
  );
}

/**
 * Classes or, as a Float32Array, values; where classes have names and each image has one number, that is the number of a class.
 * @param count number of images
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH
 */
export function readLabels(where: string, what: string, labels: unknown, count: number, target: Shape, classes: unknown): LabelArray {
  const total = count * elementCount(target);
  const areClasses = target.length === 0 && (readArray(classes, MOST_CLASSES) ?? []).length > 0;
  if (kindOf(labels) === 'Float32Array' && !areClasses) return readValues(where, what, labels, total);
  return readClassNumbers(where, what, labels, total, count);
}

/** Names of classes, in label order. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkClassNames(where: string, what: string, classes: unknown): readonly string[] {
  const names = readArray(classes, MOST_CLASSES) ?? [];
  if (names.length > 0 && names.every((name) => typeof name === 'string')) return names;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${what} to be the names of the classes in label order, such as ['cat', 'dog'], but got ${formatValue(classes)}.`,
  );
}

/**
 * What to do about pixels with alpha, as a canvas gives them: text for an error about `values` that are no images of three channels.
 * @param count number of images, if it is known
 */
export function alphaAdvice(values: number, [channels, height, width]: Shape, count?: number): string {
  const size = 4 * height! * width!;
  if (channels !== 3 || !(count === undefined ? values > 0 && values % size === 0 : values === count * size)) return '';
  return ` It would fit pixels of four values: leave alpha out with pixels.filter(${NO_ALPHA}).`;
}

/** Values of what the model should give for one image. */
export function labelSize({ targetShape = [] }: DatasetFacts): number {
  return elementCount(targetShape);
}

/** An array of zeros of the element type of `like`. @throws StridenetError ERR_OUT_OF_MEMORY */
export function sameKind<T extends Uint8Array | Int32Array | Float32Array>(like: T, length: number): T {
  try {
    return new (like.constructor as new (length: number) => T)(length);
  } catch (error) {
    throw new StridenetError('ERR_OUT_OF_MEMORY', `Cannot allocate ${length} values for images.`, { cause: error });
  }
}

/** @param images number of images that there are, for messages; NaN when that is not known */
export function checkLength(where: string, length: unknown, images: number): number {
  if (Number.isSafeInteger(length) && (length as number) > 0) return length as number;
  if (length === 0) throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects a data set of at least one image but this one is empty.`);
  const advice = Number.isInteger(images) && images > 0 ? ` Its images are ${images} of its shape.` : '';
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects the data set's length to be the number of its images, at least 1, but got ${formatValue(length)}.${advice}`,
  );
}

/** The data set itself, which `console.log` prints in a line. */
export function printedDataset(dataset: Dataset): Dataset {
  return printedAs(dataset, 'Dataset', (style) => formatDataset(dataset, style));
}

function formatDataset(dataset: Dataset, style: Style): string {
  const { length, shape, targetShape, images, labels, sampleWeights } = dataset;
  const counts = formatFields({ length, shape, targetShape }, style);
  const weights = sampleWeights ? ', sampleWeights: Float32Array' : '';
  const arrays = `images: ${images.constructor.name}, labels: ${labels.constructor.name}${weights}`;
  return `${style.stylize('Dataset', 'special')}(${[counts, arrays, formatRest(dataset, style)].join(', ')})`;
}

/** Classes and how values are read, as every kind of data set prints them. */
export function formatRest({ classes, layout, scale, mean, std }: DatasetFacts, style: Style): string {
  const names = classes.slice(0, PRINTED_CLASSES).map((name) => style.stylize(`'${printableName(name)}'`, 'string'));
  const rest = classes.length > PRINTED_CLASSES ? [`... ${classes.length - PRINTED_CLASSES} more`] : [];
  const reading = formatFields({ layout: layout === 'nchw' ? undefined : layout, scale, mean, std }, style);
  return [`classes: [${[...names, ...rest].join(', ')}]`, reading].filter(Boolean).join(', ');
}
