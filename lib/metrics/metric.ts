/** Metrics: what `fit` and `evaluate` measure beside the loss, in the same native program. */

import { formatValue, readArray, StridenetError } from '../errors';
import { Tensor } from '../graph/tensor';
import type { Shape } from '../graph/types';
import { accuracy } from './accuracy';

/** A number, one for each class, or a table. */
export type MetricValue = number | readonly number[] | readonly (readonly number[])[];

/** What is measured of a model's outputs; one of `metrics`, or one of a user's own. */
export interface Metric {
  /** Its name in records and scores, such as 'accuracy'. */
  readonly name: string;
  /** Whether what batches give is added up (default) or put one after the other along axis 0, which `fit` does for the validation set alone. */
  readonly gather?: 'sum' | 'concat';
  /**
   * What one batch gives, computed with `ops`.
   * @param output what the model gives @param target class numbers, int32 [n, ...], or float32 values
   */
  measure(output: Tensor, target: Tensor): Tensor | readonly Tensor[];
  /**
   * The metric of all batches. @param totals of each tensor of `measure`, the sums or all values, with the shape that they have
   * @param examples number of images
   */
  value(totals: readonly Total[], examples: number): MetricValue;
}

/** What batches gave of one tensor. */
export interface Total {
  /** Of the tensor, for 'concat' with all batches along axis 0. */
  readonly shape: Shape;
  /** One after the other, in row-major order. */
  readonly values: ArrayLike<number>;
}

/** A metric as options name it: by name, as an object or as a function that gives the mean over a batch as a tensor of one element. */
export type MetricLike = 'accuracy' | Metric | ((output: Tensor, target: Tensor) => Tensor);

/** @throws StridenetError ERR_INVALID_ARGUMENT for what is no list of metrics, and for two of one name */
export function checkMetricList(where: string, given: unknown): readonly Metric[] {
  const list = readArray(given);
  if (!list) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects metrics to be an array, such as ['accuracy'], but got ${formatValue(given)}.`,
    );
  }
  const metrics = list.map((metric, i) => checkMetric(where, metric, i));
  const twice = metrics.find(({ name }, i) => metrics.findIndex((other) => other.name === name) < i);
  if (!twice) return metrics;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects metrics of different names but two are called ${formatValue(twice.name)}.`,
  );
}

function checkMetric(where: string, metric: unknown, i: number): Metric {
  if (metric === 'accuracy') return accuracy();
  if (typeof metric === 'function') return meanOf(metric as (output: Tensor, target: Tensor) => Tensor, i);
  const { name, measure, value } = (metric ?? {}) as Partial<Metric>;
  if (typeof name === 'string' && name !== '' && typeof measure === 'function' && typeof value === 'function') return metric as Metric;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects metrics[${i}] to be 'accuracy', one of metrics such as metrics.topK(5), or a function (output, target) => Tensor, but got ${formatValue(metric)}.`,
  );
}

/** The mean over the images of what a function gives as the mean of a batch. */
function meanOf(mean: (output: Tensor, target: Tensor) => Tensor, i: number): Metric {
  const name = mean.name || `metric${i}`;
  return {
    name,
    measure(output, target) {
      const value: unknown = mean(output, target);
      if (Tensor.is(value) && value.size === 1) return value.reshape([]).mul(output.shape[0]!);
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `Metric ${formatValue(name)} must return a tensor of one element, the mean over the batch, but returned ${formatValue(value)}.`,
      );
    },
    value: ([sum], examples) => sum!.values[0]! / examples,
  };
}
