/** Histograms of many numbers, counted in pieces. */

import { inPieces, type Work } from '../work';

/** Buckets of equal width between the least and the largest number. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  /** How many numbers were counted: those that are finite. */
  readonly count: number;
  readonly sum: number;
  readonly sumOfSquares: number;
  /** The upper edge of each bucket, and how many numbers it holds. */
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

/** As many as Keras has. */
const BUCKETS = 30;
/** Numbers of an item of work, some of which are a piece of well under a millisecond. */
const ITEM = 1 << 13;

/** Undefined when no number is finite. */
export function* histogramOf(values: Float32Array): Work<Histogram | undefined> {
  const items = Array.from({ length: Math.ceil(values.length / ITEM) }, (_, i) => values.subarray(i * ITEM, (i + 1) * ITEM));
  const totals: Totals = { min: Infinity, max: -Infinity, count: 0, sum: 0, sumOfSquares: 0 };
  yield* inPieces(items, (item) => addTotals(totals, item));
  const { min, max, count } = totals;
  if (count === 0) return undefined;
  if (min === max) return { ...totals, limits: [max], counts: [count] };
  const counts = new Float64Array(BUCKETS);
  yield* inPieces(items, (item) => addCounts(counts, item, min, BUCKETS / (max - min)));
  const limits = Array.from(counts, (_, i) => (i === BUCKETS - 1 ? max : min + ((i + 1) * (max - min)) / BUCKETS));
  return { ...totals, limits, counts: [...counts] };
}

type Totals = Record<'min' | 'max' | 'count' | 'sum' | 'sumOfSquares', number>;

/** Sums of an item are made in local variables: those of a closure are objects on the heap, ten times as slow. */
function addTotals(totals: Totals, item: Float32Array): void {
  let { min, max, count, sum, sumOfSquares } = totals;
  for (let i = 0; i < item.length; i++) {
    const value = item[i]!;
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
    count++;
    sum += value;
    sumOfSquares += value * value;
  }
  Object.assign(totals, { min, max, count, sum, sumOfSquares });
}

/** @param scale buckets by distance from `min` */
function addCounts(counts: Float64Array, item: Float32Array, min: number, scale: number): void {
  for (let i = 0; i < item.length; i++) {
    const value = item[i]!;
    if (Number.isFinite(value)) counts[Math.min(Math.floor((value - min) * scale), BUCKETS - 1)]!++;
  }
}
