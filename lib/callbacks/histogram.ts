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
  const starts = Array.from({ length: Math.ceil(values.length / ITEM) }, (_, i) => i * ITEM);
  let [min, max, count, sum, sumOfSquares] = [Infinity, -Infinity, 0, 0, 0];
  yield* inPieces(starts, (start) => {
    for (let i = start, end = Math.min(start + ITEM, values.length); i < end; i++) {
      const value = values[i]!;
      if (!Number.isFinite(value)) continue;
      if (value < min) min = value;
      if (value > max) max = value;
      count++;
      sum += value;
      sumOfSquares += value * value;
    }
  });
  if (count === 0) return undefined;
  if (min === max) return { min, max, count, sum, sumOfSquares, limits: [max], counts: [count] };
  const counts = new Array<number>(BUCKETS).fill(0);
  const scale = BUCKETS / (max - min);
  yield* inPieces(starts, (start) => {
    for (let i = start, end = Math.min(start + ITEM, values.length); i < end; i++) {
      const value = values[i]!;
      if (Number.isFinite(value)) counts[Math.min(Math.floor((value - min) * scale), BUCKETS - 1)]!++;
    }
  });
  const limits = counts.map((_, i) => (i === BUCKETS - 1 ? max : min + (i + 1) / scale));
  return { min, max, count, sum, sumOfSquares, limits, counts };
}
