/** Adding up what batches give, and the scores that follow from it. */

import type { Metric, MetricValue, Total } from '../metrics/metric';
import { newArray, type Shape, type TypedArray } from '../graph/types';
import type { ScoringGraph } from './graphs';

/** What was measured of one batch: for each metric its tensors. */
export type Measured = readonly (readonly Total[])[];

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
  return {
    count,
    loss: results[0]![0]!,
    measured: measured.map((tensors) => tensors.map(({ shape }) => ({ shape, values: results[at++]! }))),
  };
}

/** The metrics of what was measured, by name. */
export function metricValues(metrics: readonly Metric[], measured: Measured, examples: number): Record<string, MetricValue> {
  return Object.fromEntries(metrics.map((metric, i) => [metric.name, metric.value(measured[i]!, examples)]));
}

/** Sums over batches. */
export class Tally {
  images = 0;
  /** Of the images' losses. */
  loss = 0;
  /** For each metric and tensor, the sums, or the values of every batch. */
  private readonly totals: { readonly shape: Shape; readonly parts: ArrayLike<number>[] }[][];

  /** @param sums of batches before, as `sums` gave them */
  constructor(
    private readonly metrics: readonly Metric[],
    start?: { readonly images: number; readonly loss: number; readonly sums: readonly (readonly SavedTotal[])[] },
  ) {
    this.images = start?.images ?? 0;
    this.loss = start?.loss ?? 0;
    this.totals = metrics.map((_, i) => (start?.sums[i] ?? []).map(({ shape, values }) => ({ shape, parts: [Float64Array.from(values)] })));
  }

  add({ count, loss, measured }: BatchScore): void {
    this.images += count;
    this.loss += loss * count;
    for (const [i, tensors] of measured.entries()) {
      const gathers = this.metrics[i]!.gather === 'concat';
      for (const [j, { shape, values }] of tensors.entries()) {
        const total = (this.totals[i]![j] ??= { shape, parts: [] });
        if (gathers) total.parts.push(values);
        else addTo((total.parts[0] ??= new Float64Array(values.length)) as Float64Array, values);
      }
    }
  }

  /** Mean loss, then the metrics by name. */
  score(): { readonly loss: number; readonly metrics: Readonly<Record<string, MetricValue>> } {
    const measured = this.totals.map((tensors) => tensors.map(({ shape, parts }) => joined(shape, parts)));
    return { loss: this.loss / this.images, metrics: metricValues(this.metrics, measured, this.images) };
  }

  /** For a checkpoint. */
  get sums(): SavedTotal[][] {
    return this.totals.map((tensors) =>
      tensors.map(({ shape, parts }) => ({ shape, values: [...Array.from(joined(shape, parts).values)] })),
    );
  }
}

/** A total as plain data. */
export interface SavedTotal {
  readonly shape: Shape;
  readonly values: readonly number[];
}

function addTo(sum: Float64Array, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) sum[i]! += values[i]!;
}

/** The parts one after the other, along the first axis. */
function joined(shape: Shape, parts: readonly ArrayLike<number>[]): Total {
  if (parts.length === 1) return { shape, values: parts[0]! };
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const values = newArray('A metric', [length], 'float32');
  let at = 0;
  for (const part of parts) {
    values.set(part, at);
    at += part.length;
  }
  const rowSize = shape.slice(1).reduce((product, extent) => product * extent, 1);
  return { shape: [length / rowSize, ...shape.slice(1)], values };
}
