/** Cutting a data set into batches, and keeping more than one of them under way. */

import { performance } from 'node:perf_hooks';
import { sameKind, type Dataset } from '../data/dataset';
import { formatShape, StridenetError } from '../errors';
import { elementCount, type Shape } from '../graph/types';
import { nextTurn } from '../runtime/task';
import type { StopSignal } from '../stopSignal';

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
    if (images.length === 0 || labels.length === 0) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `The data set must stay in memory of this thread while it is read, but its ${images.length === 0 ? 'images are' : 'labels are'} detached: ` +
          'their memory was transferred elsewhere.',
      );
    }
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

/** @throws StridenetError ERR_SHAPE_MISMATCH unless the images have the shape that the model was made ready for */
export function checkImageShape(where: string, dataset: Dataset, input: Shape): void {
  if (formatShape(dataset.shape) === formatShape(input)) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects images of shape ${formatShape(input)} but the data set has ${formatShape(dataset.shape)}.`,
  );
}

/** Results may be there at once, item after item; then the event loop turns so often. */
const MILLISECONDS_A_TURN = 8;

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
  signal?: StopSignal,
): Promise<void> {
  const outstanding: Promise<Result>[] = [];
  let turnDue = performance.now() + MILLISECONDS_A_TURN;
  try {
    for (const item of items) {
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
