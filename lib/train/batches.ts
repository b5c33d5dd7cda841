/** Cutting a data set into batches, and keeping more than one of them under way. */

import { formatShape, formatValue, StridenetError } from '../errors';
import type { Dataset } from '../data/dataset';
import { elementCount, type Shape } from '../graph/types';

export interface Batch {
  /** Valid until the next batch is asked for: a run copies its feeds before it returns. */
  readonly images: Uint8Array | Float32Array;
  readonly labels: Uint8Array | Int32Array;
  readonly count: number;
}

/** Consecutive batches, of the images that `order` names if given, else of all; the last one may be smaller. */
export function* batches(dataset: Dataset, batchSize: number, order?: Int32Array): Generator<Batch> {
  const { images, labels } = dataset;
  const length = order?.length ?? dataset.length;
  const size = elementCount(dataset.shape);
  const gathered = order && { images: sameKind(images, batchSize * size), labels: sameKind(labels, batchSize) };
  for (let start = 0; start < length; start += batchSize) {
    const count = Math.min(batchSize, length - start);
    if (!gathered) {
      yield { images: images.subarray(start * size, (start + count) * size), labels: labels.subarray(start, start + count), count };
      continue;
    }
    for (let i = 0; i < count; i++) {
      const from = order[start + i]!;
      gathered.images.set(images.subarray(from * size, (from + 1) * size), i * size);
      gathered.labels[i] = labels[from]!;
    }
    yield { images: gathered.images.subarray(0, count * size), labels: gathered.labels.subarray(0, count), count };
  }
}

/** @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH unless `dataset` is a Dataset whose parts fit each other */
export function checkDataset(where: string, dataset: unknown): asserts dataset is Dataset {
  const { images, labels, shape, length } = (dataset ?? {}) as Partial<Dataset>;
  if (!ArrayBuffer.isView(images) || !ArrayBuffer.isView(labels) || !Array.isArray(shape) || typeof length !== 'number') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects a data set { images, labels, shape, classes, length }, such as data.fashionMnist() gives, but got ${formatValue(dataset)}.`,
    );
  }
  const size = elementCount(shape);
  if (length < 1 || images.length !== length * size || labels.length !== length) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects ${length} images of shape ${formatShape(shape)} (${length * size} values) and as many labels but the data set has ` +
        `${images.length} values and ${labels.length} labels.`,
    );
  }
}

/** @throws StridenetError ERR_SHAPE_MISMATCH unless the images have the shape that the model was made ready for */
export function checkImageShape(where: string, dataset: Dataset, input: Shape): void {
  if (formatShape(dataset.shape) === formatShape(input)) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects images of shape ${formatShape(input)} but the data set has ${formatShape(dataset.shape)}.`,
  );
}

/**
 * Submits items while at most `depth` results are outstanding and hands the results over in order, so that preparing one item
 * overlaps with computing the one before. Before it rejects - because of an item, of `done` or of `signal` - all that was submitted has
 * finished.
 */
export async function pipeline<Item, Result>(
  items: Iterable<Item>,
  depth: number,
  submit: (item: Item) => Promise<Result>,
  done: (result: Result) => unknown,
  signal?: AbortSignal,
): Promise<void> {
  const outstanding: Promise<Result>[] = [];
  try {
    for (const item of items) {
      if (signal?.aborted) break;
      const result = submit(item);
      // It is awaited in its turn; until then a rejection must not count as unhandled.
      result.catch(() => undefined);
      outstanding.push(result);
      if (outstanding.length >= depth) await done(await outstanding.shift()!);
    }
    while (outstanding.length > 0) await done(await outstanding.shift()!);
  } finally {
    await Promise.allSettled(outstanding);
  }
  signal?.throwIfAborted();
}

function sameKind<T extends Uint8Array | Int32Array | Float32Array>(like: T, length: number): T {
  return new (like.constructor as new (length: number) => T)(length);
}
