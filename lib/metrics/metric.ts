/** What a metric is: what each batch contributes, computed beside the loss, and one value of what all batches contributed. */

import { checkOptions, formatShape, formatValue, StridenetError } from '../errors';
import { Tensor } from '../graph/tensor';

/** A number, one for each class, or a matrix. */
export type MetricValue = number | readonly number[] | readonly (readonly number[])[];

/**
 * What `fit`, `evaluate` and `Trainer` measure beside the loss.
 * @example
 * const largest: metrics.Metric = {
 *   name: 'meanLargest',
 *   measure: (output) => output.max({ axis: 1 }).sum(),
 *   value: ([total], examples) => total![0]! / examples,
 * };
 */
export interface Metric {
  /** The key in records and scores, a word in camelCase: 'accuracy', 'top5'. */
  readonly name: string;
  /** What becomes of the contributions of the batches: they are added up (default), or put one after the other along axis 0. */
  readonly gather?: 'sum' | 'concat' | undefined;
  /**
   * What a batch contributes, in the same native program as the loss: one tensor of float32 or several, with 'concat' also of int32. The
   * arguments are never to be changed in number or kind between batches; only their first extent, the number of examples, may be smaller.
   * @param output what the model gives, [n, ...] @param target class numbers, int32 [n, ...], or values, float32
   */
  measure(output: Tensor, target: Tensor): Tensor | readonly Tensor[];
  /**
   * The metric, from what the batches contributed: an array of numbers for each tensor of `measure`, in row-major order (Float64Array for sums,
   * Float32Array or Int32Array one after the other).
   * @param examples how many examples there were, at least 1
   */
  value(totals: readonly ArrayLike<number>[], examples: number): MetricValue | Promise<MetricValue>;
}

/** A metric as a function of Tensors: a scalar, the mean over the examples of a batch. Its name is the function's. */
export type MetricFunction = (output: Tensor, target: Tensor) => Tensor;

/** Options that all metrics of the package have. */
export interface MetricOptions {
  /** The key in records and scores, a word in camelCase; default: the metric's own name. */
  name?: string | undefined;
}

/** Keys that records of `fit` have anyway. */
const TAKEN = ['epoch', 'loss', 'imagesPerSecond', 'learningRate', 'seconds'];

/** @throws StridenetError ERR_INVALID_ARGUMENT unless it is a word in camelCase that is not the key of anything else */
export function checkMetricName(where: string, name: unknown): string {
  if (typeof name === 'string' && /^[a-z][A-Za-z0-9]{0,63}$/.test(name) && !TAKEN.includes(name) && !/^val[A-Z]/.test(name)) return name;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects the name of a metric to be a word in camelCase such as 'accuracy', other than ${TAKEN.join(', ')} and val..., but got ${formatValue(name)}.`,
  );
}

/** Checks the keys of options and gives the metric's name. @throws StridenetError ERR_UNKNOWN_OPTION, ERR_INVALID_ARGUMENT */
export function metricName(where: string, options: MetricOptions, known: readonly string[], fallback: string): string {
  checkOptions(where, options, [...known, 'name']);
  return checkMetricName(where, options.name ?? fallback);
}

/**
 * What a metric contributes for a batch, checked: the Tensors of `measure`.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_DTYPE_MISMATCH, ERR_SHAPE_MISMATCH
 */
export function measureBatch(metric: Metric, output: Tensor, target: Tensor): readonly Tensor[] {
  const given: unknown = metric.measure(output, target);
  const tensors: readonly unknown[] = Array.isArray(given) ? given : [given];
  const where = `The metric ${formatValue(metric.name)}`;
  if (tensors.length === 0 || !tensors.every(Tensor.is)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects measure to return a Tensor or several but it returned ${formatValue(given)}.`,
    );
  }
  for (const { dtype, shape } of tensors) {
    if (metric.gather !== 'concat' && dtype !== 'float32') {
      throw new StridenetError(
        'ERR_DTYPE_MISMATCH',
        `${where} expects measure to return float32, to be added up, but it returned ${dtype}.`,
      );
    }
    if (metric.gather === 'concat' && shape[0] !== output.shape[0]) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects measure to return a row for each of ${output.shape[0]} examples, to be put one after the other, but it returned ${formatShape(shape)}.`,
      );
    }
  }
  return tensors;
}
