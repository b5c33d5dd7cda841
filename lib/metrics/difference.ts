/** How far outputs are from values: the mean absolute and the mean squared error. */

import type { Tensor } from '../graph/tensor';
import { sum } from '../ops/broadcast';
import { abs, mul, sub } from '../ops/elementwise';
import { checkTarget } from '../ops/reduction';
import { metricName, type Metric, type MetricOptions } from './metric';

/**
 * The mean of |output - target| for a float32 target of the output's shape.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function meanAbsoluteError(options: MetricOptions = {}): Metric {
  return meanOf('meanAbsoluteError', options, abs);
}

/**
 * The mean of (output - target)^2 for a float32 target of the output's shape.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function meanSquaredError(options: MetricOptions = {}): Metric {
  return meanOf('meanSquaredError', options, (difference) => mul(difference, difference));
}

function meanOf(own: string, options: MetricOptions, cost: (difference: Tensor) => Tensor): Metric {
  const where = `metrics.${own}`;
  return {
    name: metricName(where, options, [], own),
    measure(output, target) {
      checkTarget(where, output, target);
      return mul(sum(cost(sub(output, target))), output.shape[0]! / output.size);
    },
    value: ([total], examples) => total![0]! / examples,
  };
}
