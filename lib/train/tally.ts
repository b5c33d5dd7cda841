/** Adding up what batches give, and the scores that follow from it. */

import { formatValue, StridenetError } from '../errors';
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
  /** What the loss is the mean of: images or, where there are labels to pass over, the others; the sum of the weights of their classes. */
  readonly weight: number;
  readonly measured: Measured;
}

/** What a run of a scoring graph gave. @param labelled as `countWeights` counts; what counts unless classes have weights */
export function batchScore(
  { divisor, measured }: ScoringGraph,
  count: number,
  results: readonly TypedArray[],
  labelled: number,
): BatchScore {
  const weight = divisor ? results[1]![0]! : labelled;
  let at = divisor ? 2 : 1;
  return { count, loss: results[0]![0]!, weight, measured: measured.map((tensors) => tensors.map(() => results[at++]!)) };
}

/** The metrics of what was measured, by name. */
export async function metricValues(
  metrics: readonly Metric[],
  measured: readonly (readonly ArrayLike<number>[])[],
  examples: number,
): Promise<Record<string, MetricValue>> {
  const entries = metrics.map(async (metric, i) => [metric.name, checkValue(metric, await metric.value(measured[i]!, examples))] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** @throws StridenetError ERR_INVALID_ARGUMENT for what is neither a number nor a list nor a table of numbers */
function checkValue({ name }: Metric, value: unknown): MetricValue {
  const isNumber = (each: unknown): boolean => typeof each === 'number';
  const rows: readonly unknown[] = Array.isArray(value) ? value : [];
  const isTable =
    rows.length > 0 && rows.every((row) => Array.isArray(row) && row.length === (rows[0] as unknown[]).length && row.every(isNumber));
  if (isNumber(value) || (Array.isArray(value) && (rows.every(isNumber) || isTable))) return value as MetricValue;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `The metric ${formatValue(name)} must be a number, an array of numbers or a table of them but its value gave ${formatValue(value)}.`,
  );
}

/** Sums over batches. */
export class Tally {
  images = 0;
  /** Of the losses, each times its weight. */
  loss = 0;
  /** Of the weights. */
  weight = 0;
  /** For each metric and tensor, the sums as one array, or the values of every batch. */
  private readonly totals: ArrayLike<number>[][][];

  /** @param start sums of batches before, as `sums` gave them */
  constructor(
    private readonly metrics: readonly Metric[],
    start?: {
      readonly images: number;
      readonly loss: number;
      readonly weight?: number | undefined;
      readonly sums: readonly (readonly (readonly number[])[])[];
    },
  ) {
    this.images = start?.images ?? 0;
    this.loss = start?.loss ?? 0;
    this.weight = start?.weight ?? this.images;
    this.totals = metrics.map((_, i) => (start?.sums[i] ?? []).map((values) => [Float64Array.from(values)]));
  }

  add({ count, loss, weight, measured }: BatchScore): void {
    this.images += count;
    // A batch of nothing but labels to pass over has no mean, and no weight.
    if (weight !== 0) this.loss += loss * weight;
    this.weight += weight;
    for (const [i, tensors] of measured.entries()) {
      const gathers = this.metrics[i]!.gather === 'concat';
      for (const [j, values] of tensors.entries()) {
        const total = (this.totals[i]![j] ??= []);
        if (gathers) total.push(values);
        else addTo((total[0] ??= new Float64Array(values.length)) as Float64Array, values);
      }
    }
  }

  /** Mean of the loss so far, as if all were one batch. */
  get meanLoss(): number {
    return this.loss / this.weight;
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
