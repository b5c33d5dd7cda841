/** The share of right answers: of class numbers, of the k best classes, or of several labels for each example. */

import { checkInteger, formatShape, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { sum } from '../ops/broadcast';
import { countTopK } from '../ops/counts';
import { equal, mul } from '../ops/elementwise';
import { checkIgnoreIndex } from '../ops/labels';
import { metricName, type Metric, type MetricOptions } from './metric';
import { checkThreshold, decide, refuseValues } from './threshold';

/** Options of `metrics.topK`. */
export interface TopKOptions extends MetricOptions {
  /** The label that is passed over, as is every one that is no class. Any int32; default -100. */
  ignoreIndex?: number | undefined;
}

/** Options of `metrics.accuracy`. */
export interface AccuracyOptions extends TopKOptions {
  /**
   * For targets of values in [0, 1], one for each output, such as several labels for an example: the probability, the sigmoid of the output, above
   * which the answer is yes, in (0, 1). Default: targets are class numbers.
   */
  threshold?: number | undefined;
}

/**
 * The share of labels, or with `threshold` of values, whose answer is right; of masks, the share of pixels. NaN without a label.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function accuracy(options: AccuracyOptions = {}): Metric {
  const where = 'metrics.accuracy';
  const name = metricName(where, options, ['threshold', 'ignoreIndex'], 'accuracy');
  const threshold = checkThreshold(where, options.threshold, options.ignoreIndex);
  if (threshold === undefined) return ofClasses(where, name, 1, options.ignoreIndex);
  return {
    name,
    measure(output, target) {
      const [answer, truth] = decide(where, output, target, threshold);
      return mul(sum(equal(answer, truth)), output.shape[0]! / output.size);
    },
    value: ([right], examples) => right![0]! / examples,
  };
}

/**
 * The share of labels that are among the k classes of the largest outputs; of equal ones the lower class comes first. Its name is 'top5' for
 * k = 5. NaN without a label.
 * @param k at least 1
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function topK(k: number, options: TopKOptions = {}): Metric {
  checkInteger('metrics.topK', 'k', k, 1);
  return ofClasses('metrics.topK', metricName('metrics.topK', options, ['ignoreIndex'], `top${k}`), k, options.ignoreIndex);
}

function ofClasses(where: string, name: string, k: number, ignored: number | undefined): Metric {
  const ignoreIndex = checkIgnoreIndex(where, ignored);
  return {
    name,
    measure(output: Tensor, target: Tensor) {
      refuseValues(where, target);
      if (output.rank >= 2 && k > output.shape[1]!) {
        throw new StridenetError(
          'ERR_INVALID_ARGUMENT',
          `${where} expects k to be at most the number of classes, ${output.shape[1]} (the output is ${formatShape(output.shape)}), but got ${k}.`,
        );
      }
      return countTopK(output, target, k, { ignoreIndex });
    },
    value: ([counts]) => counts![0]! / counts![1]!,
  };
}
