/** Parts of data sets: the first examples, the others, or those at some places. */

import { checkInteger, formatValue, StridenetError } from '../errors';
import { elementCount } from '../graph/types';
import {
  labelSize,
  printedDataset,
  readDataset,
  sameKind,
  type AnyDataset,
  type Dataset,
  type DatasetLike,
  type DatasetStream,
  type Example,
  type LazyDataset,
} from './dataset';
import { isLazy, isStream, readLazy, readStream } from './kinds';
import type { PictureDataset } from './picture';

/**
 * The first `n` examples of a data set: of one in memory, a view without copying; of a stream, the first `n` of each pass, or all if there are fewer.
 * @throws StridenetError ERR_INVALID_ARGUMENT when `n` is not an integer in [1, dataset.length], and for what is no data set
 */
export function take(dataset: PictureDataset, n: number): PictureDataset;
export function take(dataset: LazyDataset, n: number): LazyDataset;
export function take(dataset: DatasetStream, n: number): DatasetStream;
export function take(dataset: DatasetLike, n: number): Dataset;
export function take(dataset: AnyDataset, n: number): Dataset | LazyDataset | DatasetStream {
  const where = 'data.take';
  if (isStream(dataset)) return takeOfStream(where, dataset, n);
  if (isLazy(dataset)) return lazySubset(where, dataset, range(0, checkCount(where, n, dataset.length)));
  const whole = readDataset(where, dataset);
  return view(whole, 0, checkCount(where, n, whole.length));
}

/**
 * The examples of a data set but for the first `n`: of one in memory, a view without copying; of a stream, what is left of each pass.
 * @throws StridenetError ERR_INVALID_ARGUMENT when `n` is not an integer in [0, dataset.length), and for what is no data set
 */
export function skip(dataset: PictureDataset, n: number): PictureDataset;
export function skip(dataset: LazyDataset, n: number): LazyDataset;
export function skip(dataset: DatasetStream, n: number): DatasetStream;
export function skip(dataset: DatasetLike, n: number): Dataset;
export function skip(dataset: AnyDataset, n: number): Dataset | LazyDataset | DatasetStream {
  const where = 'data.skip';
  if (isStream(dataset)) return skipOfStream(where, dataset, n);
  if (isLazy(dataset)) return lazySubset(where, dataset, range(checkSkipped(where, n, dataset.length), dataset.length));
  const whole = readDataset(where, dataset);
  return view(whole, checkSkipped(where, n, whole.length), whole.length);
}

/**
 * The examples at `indices`, in that order; an index may come more than once. Those of a data set in memory are copied.
 * @throws StridenetError ERR_INVALID_ARGUMENT when an index is not an integer in [0, dataset.length) or there is none, for a stream, which has no
 *   places, and for what is no data set; ERR_OUT_OF_MEMORY
 */
export function subset(dataset: PictureDataset, indices: ArrayLike<number>): PictureDataset;
export function subset(dataset: LazyDataset, indices: ArrayLike<number>): LazyDataset;
export function subset(dataset: DatasetLike, indices: ArrayLike<number>): Dataset;
export function subset(dataset: AnyDataset, indices: ArrayLike<number>): Dataset | LazyDataset {
  return placesOf('data.subset', dataset, indices);
}

/** What `subset` does, for others too. @param where the function that is called */
export function placesOf(where: string, dataset: AnyDataset, indices: ArrayLike<number>): Dataset | LazyDataset {
  if (isStream(dataset)) throw noPlaces(where, 'Use data.take and data.skip.');
  if (isLazy(dataset)) {
    const length = checkIndices(where, indices, dataset.length);
    return lazySubset(where, dataset, Int32Array.from({ length }, (_, i) => checkIndex(where, i, indices[i], dataset.length)));
  }
  const whole = readDataset(where, dataset);
  const length = checkIndices(where, indices, whole.length);
  const size = elementCount(whole.shape);
  const images = sameKind(whole.images, length * size);
  const perLabel = labelSize(whole);
  const labels = sameKind(whole.labels, length * perLabel);
  const weights = whole.sampleWeights && sameKind(whole.sampleWeights, length);
  for (let i = 0; i < length; i++) {
    // Checked again: what a getter gives may be another index by now.
    const index = checkIndex(where, i, indices[i], whole.length);
    images.set(whole.images.subarray(index * size, (index + 1) * size), i * size);
    labels.set(whole.labels.subarray(index * perLabel, (index + 1) * perLabel), i * perLabel);
    if (weights) weights[i] = whole.sampleWeights[index]!;
  }
  return printedDataset({ ...whole, images, labels, ...(weights && { sampleWeights: weights }), length });
}

/** The error for a stream where examples must have places. @param advice a sentence */
export function noPlaces(where: string, advice: string): StridenetError {
  return new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects a data set whose examples have places, in memory or in files, but got a stream, whose examples come one after the other. ${advice}`,
  );
}

/** A lazy data set of some places of another; `indices` are valid and nobody else's. */
function lazySubset(where: string, dataset: LazyDataset, indices: Int32Array): LazyDataset {
  const whole = readLazy(where, dataset);
  const perLabel = labelSize(whole);
  const labels = sameKind(whole.labels, indices.length * perLabel);
  indices.forEach((index, i) => labels.set(whole.labels.subarray(index * perLabel, (index + 1) * perLabel), i * perLabel));
  const { sampleWeights } = whole;
  const { paths } = whole as Partial<PictureDataset>;
  return readLazy(where, {
    ...whole,
    labels,
    ...(sampleWeights && { sampleWeights: Float32Array.from(indices, (index) => sampleWeights[index]!) }),
    length: indices.length,
    ...(paths && { paths: Array.from(indices, (index) => paths[index]!) }),
    read: (places, into) => whole.read(places.map((place) => indices[place]!), into), // prettier-ignore
  });
}

function takeOfStream(where: string, dataset: DatasetStream, n: number): DatasetStream {
  const whole = readStream(where, dataset);
  checkInteger(where, 'n', n, 1);
  return readStream(where, {
    ...whole,
    ...(whole.length !== undefined && { length: Math.min(n, whole.length) }),
    examples: (epoch) => firstOf(whole.examples(epoch), n),
  });
}

async function* firstOf(examples: AsyncIterable<Example> | Iterable<Example>, n: number): AsyncGenerator<Example> {
  let left = n;
  for await (const example of examples) {
    yield example;
    // Not one more is asked for, which might be long in coming.
    if (--left === 0) return;
  }
}

function skipOfStream(where: string, dataset: DatasetStream, n: number): DatasetStream {
  const whole = readStream(where, dataset);
  if (whole.length === undefined) checkInteger(where, 'n', n, 0);
  else checkSkipped(where, n, whole.length);
  return readStream(where, {
    ...whole,
    ...(whole.length !== undefined && { length: whole.length - n }),
    examples: (epoch) => withoutFirst(whole.examples(epoch), n),
  });
}

async function* withoutFirst(examples: AsyncIterable<Example> | Iterable<Example>, n: number): AsyncGenerator<Example> {
  let left = n;
  for await (const example of examples) if (left-- <= 0) yield example;
}

function view(whole: Dataset, begin: number, end: number): Dataset {
  const size = elementCount(whole.shape);
  const perLabel = labelSize(whole);
  const images = whole.images.subarray(begin * size, end * size);
  const labels = whole.labels.subarray(begin * perLabel, end * perLabel);
  const sampleWeights = whole.sampleWeights?.subarray(begin, end);
  return printedDataset({ ...whole, images, labels, ...(sampleWeights && { sampleWeights }), length: end - begin });
}

function range(begin: number, end: number): Int32Array {
  return Int32Array.from({ length: end - begin }, (_, i) => begin + i);
}

function checkCount(where: string, n: number, length: number): number {
  checkInteger(where, 'n', n, 1);
  if (n <= length) return n;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects n to be at most ${length}, the length of the data set, but got ${n}.`);
}

function checkSkipped(where: string, n: number, length: number): number {
  checkInteger(where, 'n', n, 0);
  if (n < length) return n;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects n to be below ${length}, the length of the data set, but got ${n}.`);
}

/** Their number. */
function checkIndices(where: string, indices: ArrayLike<unknown>, length: number): number {
  const { length: count } = Object(indices) as { length?: unknown };
  if (!Number.isSafeInteger(count) || (count as number) < 1 || typeof indices === 'string') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects indices to be an array of at least one index but got ${formatValue(indices)}.`,
    );
  }
  for (let i = 0; i < (count as number); i++) checkIndex(where, i, indices[i], length);
  return count as number;
}

function checkIndex(where: string, i: number, index: unknown, length: number): number {
  if (Number.isInteger(index) && (index as number) >= 0 && (index as number) < length) return index as number;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects indices in [0, ${length}) but indices[${i}] is ${formatValue(index)}.`);
}
