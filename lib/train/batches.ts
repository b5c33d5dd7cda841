/** Cutting a data set into batches, reading ahead where reading takes time, and keeping more than one batch under way. */

import { performance } from 'node:perf_hooks';
import { clearInterval, setInterval } from 'node:timers';
import { isLazy, isStream, type ReadyDataset } from '../data/kinds';
import { labelSize, sameKind, type Dataset, type DatasetStream, type Example, type LabelArray, type LazyDataset } from '../data/dataset';
import { isSampleWeight, readPixels, SAMPLE_WEIGHT } from '../data/values';
import { formatShape, formatValue, StridenetError } from '../errors';
import { elementCount, type Shape } from '../graph/types';
import { nextTurn } from '../runtime/task';
import type { Augmenter } from '../transforms/augmenter';
import type { StopSignal } from '../stopSignal';

export interface Batch {
  /** Valid until the next batch is asked for: a run copies its feeds before it returns. */
  readonly images: Uint8Array | Float32Array;
  /** What the model should give, `targetShape` for each image. */
  readonly labels: LabelArray;
  /** How much the loss of each image counts, where the data set says it. */
  readonly weights?: Float32Array | undefined;
  readonly count: number;
  /** Places of the images in the data set, or in the pass of a stream. */
  readonly indices: Int32Array;
}

/** One pass over a data set. */
export interface Pass {
  readonly batchSize: number;
  /** Counts from 1. */
  readonly epoch: number;
  /** Places of the images, in the order of the pass; default that of the data set. Not for streams, which have an order of their own. */
  readonly order?: Int32Array | undefined;
  /** So many batches at the beginning are left out; default 0. */
  readonly first?: number;
  /** So many batches, those left out included; default all. */
  readonly limit?: number | undefined;
  /** Whether a batch that is not full is left out. */
  readonly dropLast?: boolean;
  /** What is done to pictures and batches; default nothing. */
  readonly augmentation?: Augmentation | undefined;
}

/** How pictures of a pass are changed. */
export interface Augmentation {
  readonly augmenter: Augmenter;
  /** What random changes are drawn from, with the epoch and the place of the picture. */
  readonly seed: number;
  /** Number of classes that the labels of mixed pictures are spread over. */
  readonly classes: number;
}

/** Batches that are read while one before is computed, where reading takes time. */
const AHEAD = 2;

/** The batches of a pass. @throws StridenetError what reading throws; ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT for examples that do not fit */
export function readBatches(where: string, dataset: ReadyDataset, pass: Pass): AsyncIterable<Batch> | Iterable<Batch> {
  const { augmentation } = pass;
  if (!augmentation) return storedBatches(where, dataset, pass);
  return ahead(augmentedBatches(where, storedBatches(where, dataset, pass), pass, augmentation));
}

/** The same as they are stored. */
function storedBatches(where: string, dataset: ReadyDataset, pass: Pass): AsyncIterable<Batch> | Iterable<Batch> {
  const { batchSize, epoch, first = 0, limit = Infinity, dropLast = false } = pass;
  if (isStream(dataset)) {
    return ahead(part(streamBatches(where, dataset, epoch, batchSize, dropLast), first, limit));
  }
  const length = dropLast ? dataset.length - (dataset.length % batchSize) : dataset.length;
  const [start, end] = [Math.min(first * batchSize, length), Math.min(limit * batchSize, length)];
  if (isLazy(dataset)) return ahead(lazyBatches(dataset, batchSize, (pass.order ?? placesTo(end)).subarray(start, end)));
  return batches(dataset, batchSize, pass.order?.subarray(start, end), start, end);
}

/** 0, 1, ... up to `end`. */
function placesTo(end: number): Int32Array {
  const places = new Int32Array(end);
  for (let i = 0; i < end; i++) places[i] = i;
  return places;
}

/**
 * Consecutive batches of images in memory, of those that `order` names if given, else of those from `first` to before `end`; the last one may be
 * smaller.
 */
export function* batches(dataset: Dataset, batchSize: number, order?: Int32Array, first = 0, end = dataset.length): Generator<Batch> {
  const { images, labels, sampleWeights } = dataset;
  const length = order?.length ?? end;
  const size = elementCount(dataset.shape);
  const perLabel = labelSize(dataset);
  const gathered = order && { images: sameKind(images, batchSize * size), labels: sameKind(labels, batchSize * perLabel) };
  for (let start = order ? 0 : first; start < length; start += batchSize) {
    const count = Math.min(batchSize, length - start);
    if (images.length === 0 || labels.length === 0) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `The data set must stay in memory of this thread while it is read, but its ${images.length === 0 ? 'images are' : 'labels are'} detached: ` +
          'their memory was transferred elsewhere.',
      );
    }
    const indices = order?.subarray(start, start + count) ?? Int32Array.from({ length: count }, (_, i) => start + i);
    if (!gathered) {
      const end = start + count;
      yield {
        images: images.subarray(start * size, end * size),
        labels: labels.subarray(start * perLabel, end * perLabel),
        weights: sampleWeights?.subarray(start, end),
        count,
        indices,
      };
      continue;
    }
    for (let i = 0; i < count; i++) {
      const from = order[start + i]!;
      gathered.images.set(images.subarray(from * size, (from + 1) * size), i * size);
      gathered.labels.set(labels.subarray(from * perLabel, (from + 1) * perLabel), i * perLabel);
    }
    yield {
      images: gathered.images.subarray(0, count * size),
      labels: gathered.labels.subarray(0, count * perLabel),
      weights: weightsAt(dataset, indices),
      count,
      indices,
    };
  }
}

/** The same of pictures that are read when they are needed; those that cannot be read make their batch smaller, at worst empty. */
async function* lazyBatches(dataset: LazyDataset, batchSize: number, order: Int32Array): AsyncGenerator<Batch> {
  const size = elementCount(dataset.shape);
  const memory = new Ring(() => new Uint8Array(batchSize * size));
  for (let start = 0; start < order.length; start += batchSize) {
    const wanted = order.subarray(start, start + batchSize);
    const images = memory.next().subarray(0, wanted.length * size);
    const missing = new Set(await dataset.read(wanted, images));
    const present = [...wanted.keys()].filter((i) => !missing.has(i));
    for (const [to, from] of present.entries()) if (to < from) images.copyWithin(to * size, from * size, (from + 1) * size);
    const indices = Int32Array.from(present, (i) => wanted[i]!);
    yield {
      images: images.subarray(0, present.length * size),
      labels: labelsAt(dataset, indices),
      weights: weightsAt(dataset, indices),
      count: present.length,
      indices,
    };
  }
}

function labelsAt(dataset: LazyDataset, indices: Int32Array): LabelArray {
  const perLabel = labelSize(dataset);
  const labels = sameKind(dataset.labels, indices.length * perLabel);
  for (const [i, from] of indices.entries()) labels.set(dataset.labels.subarray(from * perLabel, (from + 1) * perLabel), i * perLabel);
  return labels;
}

function weightsAt({ sampleWeights }: Dataset | LazyDataset, indices: Int32Array): Float32Array | undefined {
  return sampleWeights && Float32Array.from(indices, (index) => sampleWeights[index]!);
}

async function* streamBatches(
  where: string,
  stream: DatasetStream,
  epoch: number,
  batchSize: number,
  dropLast: boolean,
): AsyncGenerator<Batch> {
  const size = elementCount(stream.shape);
  const perLabel = labelSize(stream);
  const memory = { uint8: new Ring(() => new Uint8Array(batchSize * size)), float32: new Ring(() => new Float32Array(batchSize * size)) };
  let images: Uint8Array | Float32Array | undefined;
  let labels: Int32Array | Float32Array = new Int32Array(0);
  let weights: Float32Array | undefined;
  let [count, place] = [0, 0];
  const batch = (): Batch => ({
    images: images!.subarray(0, count * size),
    labels: labels.subarray(0, count * perLabel),
    weights: weights?.subarray(0, count),
    count,
    indices: Int32Array.from({ length: count }, (_, i) => place - count + i),
  });
  for await (const example of stream.examples(epoch)) {
    const pixels = readExample(where, example, place, stream);
    if (count === 0) {
      images = memory[pixels instanceof Float32Array ? 'float32' : 'uint8'].next();
      labels = new (stream.labelType === 'float32' ? Float32Array : Int32Array)(batchSize * perLabel);
      weights = stream.sampleWeights ? new Float32Array(batchSize) : undefined;
    } else if (pixels instanceof Float32Array !== images instanceof Float32Array) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects the images of a stream to be all of one type but example ${place} is a ${formatValue(pixels)}.`,
      );
    }
    images!.set(pixels, count * size);
    const { label, weight } = example;
    if (weights) weights[count] = weight!;
    for (let i = 0; i < perLabel; i++) labels[count * perLabel + i] = typeof label === 'number' ? label : label[i]!;
    count++;
    place++;
    if (count < batchSize) continue;
    yield batch();
    count = 0;
  }
  if (count > 0 && !dropLast) yield batch();
}

/** The pixels of an example. @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH that name it by its place */
function readExample(where: string, example: Example, place: number, stream: DatasetStream): Uint8Array | Float32Array {
  const { image, label, weight } = (example ?? {}) as Partial<Example>;
  const pixels = readPixels(where, `the image of example ${place}`, image);
  const size = elementCount(stream.shape);
  if (pixels.length !== size) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects images of shape ${formatShape(stream.shape)} (${size} values) but that of example ${place} has ${pixels.length} values.`,
    );
  }
  if (stream.sampleWeights ? !isSampleWeight(weight) : weight !== undefined) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      stream.sampleWeights
        ? `${where} expects weights of examples to be ${SAMPLE_WEIGHT} but that of example ${place} is ${formatValue(weight)}.`
        : `${where} expects examples without a weight from a stream that does not say sampleWeights: true but example ${place} has ${formatValue(weight)}.`,
    );
  }
  const perLabel = labelSize(stream);
  const labels: ArrayLike<unknown> = typeof label === 'number' ? [label] : (label ?? []);
  const isNumber = stream.labelType === 'float32' ? (v: unknown) => typeof v === 'number' : Number.isSafeInteger;
  if (labels.length === perLabel && Array.prototype.every.call(labels, isNumber)) return pixels;
  const wanted = stream.labelType === 'float32' ? 'numbers' : 'class numbers';
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects the label of example ${place} to be ${perLabel === 1 ? `one of ${wanted}` : `${perLabel} ${wanted}`} but got ${formatValue(label)}.`,
  );
}

/** Batches of pictures that were changed, and with labels that are spread over the classes of the pictures that were mixed. */
async function* augmentedBatches(
  where: string,
  items: AsyncIterable<Batch> | Iterable<Batch>,
  { batchSize, epoch, first = 0 }: Pass,
  { augmenter, seed, classes }: Augmentation,
): AsyncGenerator<Batch> {
  const size = elementCount(augmenter.shape);
  const memory = new Ring(() => new Uint8Array(batchSize * size));
  let batch = first;
  for await (const { images, labels, weights, count, indices } of items) {
    if (images instanceof Float32Array || (augmenter.mixes && labels instanceof Float32Array)) {
      const what = images instanceof Float32Array ? 'images of uint8 levels to transform' : 'class numbers to mix';
      throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${what} but the data set has float32 numbers.`);
    }
    const changed = memory.next().subarray(0, count * size);
    if (count > 0) await augmenter.run(images, indices, { seed, epoch }, changed);
    const mixes = augmenter.mixes && count > 0;
    // A copy of the labels: those that were gathered are the next batch's when this one is used.
    const mixed = mixes ? await augmenter.mix(changed, labels as Uint8Array | Int32Array, classes, { seed, epoch, batch }) : labels.slice();
    batch++;
    yield { images: changed, labels: mixed, weights, count, indices };
  }
}

/** Batches from number `first` to before number `limit`. */
async function* part(items: AsyncGenerator<Batch>, first: number, limit: number): AsyncGenerator<Batch> {
  let number = 0;
  if (first >= limit) return;
  for await (const item of items) {
    if (number++ >= first) yield item;
    if (number >= limit) return;
  }
}

/** Memory that is used in turns: as many pieces as there are batches that are being read, are ready, or are being handed over. */
class Ring<T> {
  private readonly pieces: T[] = [];
  private uses = 0;

  constructor(private readonly make: () => T) {}

  next(): T {
    const at = this.uses++ % (AHEAD + 2);
    return (this.pieces[at] ??= this.make());
  }
}

/** The same items, each asked for before it is needed. */
async function* ahead<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
  const asked: Promise<IteratorResult<T>>[] = [];
  const ask = (): void => {
    const next = items.next();
    next.catch(() => undefined); // it is awaited in its turn; until then a rejection must not count as unhandled
    asked.push(next);
  };
  try {
    for (let i = 0; i < AHEAD; i++) ask();
    for (;;) {
      const { done, value } = await asked.shift()!;
      if (done) return;
      ask();
      yield value;
    }
  } finally {
    await Promise.allSettled([...asked, items.return(undefined)]);
  }
}

/** @throws StridenetError ERR_SHAPE_MISMATCH unless the images have the shape that the model was made ready for */
export function checkImageShape(where: string, dataset: { readonly shape: Shape }, input: Shape): void {
  if (formatShape(dataset.shape) === formatShape(input)) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects images of shape ${formatShape(input)} but the data set has ${formatShape(dataset.shape)}.`,
  );
}

/** How often a signal is looked at while an item is waited for. */
const MILLISECONDS_A_LOOK = 50;
/** Results may be there at once, item after item; then the event loop turns so often. */
const MILLISECONDS_A_TURN = 8;

/**
 * Submits items while at most `depth` results are outstanding and hands the results over in order, so that preparing one item
 * overlaps with computing the one before. Before it rejects - because of an item, of `done` or of `signal` - all that was submitted has
 * finished.
 */
export async function pipeline<Item, Result>(
  items: AsyncIterable<Item> | Iterable<Item>,
  depth: number,
  submit: (item: Item) => Promise<Result>,
  done: (result: Result) => unknown,
  signal?: StopSignal,
): Promise<void> {
  const outstanding: Promise<Result>[] = [];
  let turnDue = performance.now() + MILLISECONDS_A_TURN;
  try {
    for await (const item of untilAborted(items, signal)) {
      if (signal?.aborted) break;
      const result = submit(item);
      // It is awaited in its turn; until then a rejection must not count as unhandled.
      result.catch(() => undefined);
      outstanding.push(result);
      if (outstanding.length >= depth) await done(await outstanding.shift()!);
      if (performance.now() < turnDue) continue;
      await nextTurn();
      turnDue = performance.now() + MILLISECONDS_A_TURN;
    }
    while (outstanding.length > 0) await done(await outstanding.shift()!);
  } finally {
    await Promise.allSettled(outstanding);
  }
  signal?.throwIfAborted();
}

/** The items up to the moment when `signal` stops, also while one is waited for: whoever makes it may take for ever. */
async function* untilAborted<Item>(items: AsyncIterable<Item> | Iterable<Item>, signal: StopSignal | undefined): AsyncGenerator<Item> {
  if (!signal || Symbol.iterator in items) {
    yield* items;
    return;
  }
  const iterator = items[Symbol.asyncIterator]();
  let look: NodeJS.Timeout | undefined;
  const stopped = new Promise<undefined>((resolve) => {
    look = setInterval(() => signal.aborted && resolve(undefined), MILLISECONDS_A_LOOK);
  });
  let isWaiting = false;
  try {
    for (;;) {
      isWaiting = true;
      const next = iterator.next();
      next.catch(() => undefined); // nobody may be there any more when it rejects
      const result = await Promise.race([next, stopped]);
      if (result === undefined) return;
      isWaiting = false;
      if (result.done) return;
      yield result.value;
    }
  } finally {
    clearInterval(look);
    const ending = iterator.return?.(undefined);
    // One that is still making an item ends when it has made it.
    if (isWaiting) ending?.catch(() => undefined);
    else await ending;
  }
}
