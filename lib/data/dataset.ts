/**
 * Dataset: labelled images in memory, as every source of data hands them over and as `fit` and `evaluate` take them.
 * It neither reads files nor shuffles; values stay as they were stored and are scaled where they are fed.
 */

import { checkInteger, formatValue, StridenetError } from '../errors';

/** Labelled images, all of one shape. */
export interface Dataset {
  /** `length` images one after the other, each in C, H, W order. */
  readonly images: Uint8Array | Float32Array;
  /** The class of each image, in [0, classes.length). */
  readonly labels: Uint8Array | Int32Array;
  /** [channels, height, width] of one image. */
  readonly shape: readonly [number, number, number];
  /** Names of the classes, in label order. */
  readonly classes: readonly string[];
  /** Number of images. */
  readonly length: number;
  /** A stored value times `scale` is what the model sees, before mean and deviation. Default 1/255 for Uint8Array, 1 for Float32Array. */
  readonly scale?: number;
  /** Subtracted from the scaled value, one per channel. Default 0. */
  readonly mean?: readonly number[];
  /** Divides the scaled value less the mean, one per channel. Default 1. */
  readonly std?: readonly number[];
}

/** A data set with its usual division. */
export interface TrainTest {
  readonly train: Dataset;
  readonly test: Dataset;
}

/**
 * The first `n` images of a data set, without copying.
 * @throws StridenetError ERR_INVALID_ARGUMENT when `n` is not an integer in [1, dataset.length]
 */
export function take(dataset: Dataset, n: number): Dataset {
  checkInteger('data.take', 'n', n, 1);
  if (n > dataset.length) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `data.take expects n to be at most ${dataset.length}, the length of the data set, but got ${n}.`);
  }
  const size = imageSize(dataset);
  return { ...dataset, images: dataset.images.subarray(0, n * size), labels: dataset.labels.subarray(0, n), length: n };
}

/**
 * The images at `indices`, copied in that order; an index may come more than once.
 * @throws StridenetError ERR_INVALID_ARGUMENT when an index is not an integer in [0, dataset.length)
 */
export function subset(dataset: Dataset, indices: ArrayLike<number>): Dataset {
  const size = imageSize(dataset);
  const images = sameKind(dataset.images, indices.length * size);
  const labels = sameKind(dataset.labels, indices.length);
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (!Number.isInteger(index) || index < 0 || index >= dataset.length) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `data.subset expects indices in [0, ${dataset.length}) but indices[${i}] is ${formatValue(index)}.`,
      );
    }
    images.set(dataset.images.subarray(index * size, (index + 1) * size), i * size);
    labels[i] = dataset.labels[index]!;
  }
  return { ...dataset, images, labels, length: indices.length };
}

/** Number of values of one image. */
function imageSize(dataset: Dataset): number {
  const [channels, height, width] = dataset.shape;
  return channels * height * width;
}

function sameKind<T extends Uint8Array | Int32Array | Float32Array>(like: T, length: number): T {
  return new (like.constructor as new (length: number) => T)(length);
}
