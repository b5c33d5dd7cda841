/** Adding up what batches give, and the scores that follow from it. */

import type { Metric, MetricValue } from '../metrics/metric';
import { newArray, type Shape, type TypedArray } from '../graph/types';
import type { ScoringGraph } from './graphs';

/** What was measured of one batch: for each metric the values of its tensors. */
export type Measured = readonly (readonly TypedArray[])[];

/** What one batch gave. */
export interface BatchScore {
  /** Number of images. */
  readonly count: number;
  /** Mean loss of the batch. */
  readonly loss: number;
  readonly measured: Measured;
}

/** What a run of a scoring graph gave. */
export function batchScore({ measured }: ScoringGraph, count: number, results: readonly TypedArray[]): BatchScore {
  let at = 1;
  return { count, loss: results[0]![0]!, measured: measured.map((tensors) => tensors.map(() => results[at++]!)) };
}

/** The metrics of what was measured, by name. */
export async function metricValues(
  metrics: readonly Metric[],
  measured: readonly (readonly ArrayLike<number>[])[],
  examples: number,
): Promise<Record<string, MetricValue>> {
  const entries = metrics.map(async ({ name, value }, i) => [name, await value(measured[i]!, examples)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** Sums over batches. */
export class Tally {
  images = 0;
  /** Of the images' losses. */
  loss = 0;
  /** For each metric and tensor, the sums as one array, or the values of every batch. */
  private readonly totals: ArrayLike<number>[][][];

  /** @param start sums of batches before, as `sums` gave them */
  constructor(
    private readonly metrics: readonly Metric[],
    start?: { readonly images: number; readonly loss: number; readonly sums: readonly (readonly (readonly number[])[])[] },
  ) {
    this.images = start?.images ?? 0;
    this.loss = start?.loss ?? 0;
    this.totals = metrics.map((_, i) => (start?.sums[i] ?? []).map((values) => [Float64Array.from(values)]));
  }

  add({ count, loss, measured }: BatchScore): void {
    this.images += count;
    this.loss += loss * count;
    for (const [i, tensors] of measured.entries()) {
      const gathers = this.metrics[i]!.gather === 'concat';
      for (const [j, values] of tensors.entries()) {
        const total = (this.totals[i]![j] ??= []);
        if (gathers) total.push(values);
        else addTo((total[0] ??= new Float64Array(values.length)) as Float64Array, values);
      }
    }
  }

  /** Mean of the loss over the images so far. */
  get meanLoss(): number {
    return this.loss / this.images;
  }

  /** The metrics so far, by name. */
  async metricValues(): Promise<Record<string, MetricValue>> {
    return metricValues(
      this.metrics,
      this.totals.map((tensors) => tensors.map(joined)),
      this.images,
    );
  }

  /** For a checkpoint, where nothing is gathered. */
  get sums(): number[][][] {
    return this.totals.map((tensors) => tensors.map((total) => Array.from(joined(total))));
  }
}

function addTo(sum: Float64Array, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) sum[i]! += values[i]!;
}

/** The parts one after the other. */
function joined(parts: readonly ArrayLike<number>[]): ArrayLike<number> {
  if (parts.length === 1) return parts[0]!;
  const shape: Shape = [parts.reduce((sum, { length }) => sum + length, 0)];
  const values = newArray('A metric', shape, parts[0] instanceof Int32Array ? 'int32' : 'float32');
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  return values;
}
