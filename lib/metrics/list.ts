/** What users give as `metrics`: names, metrics, and functions of Tensors. */

import { formatShape, formatValue, nearest, quote, readArray, StridenetError } from '../errors';
import { Tensor } from '../graph/tensor';
import { mul } from '../ops/elementwise';
import { reshape } from '../ops/shape';
import { accuracy, topK } from './accuracy';
import { auc } from './auc';
import { confusionMatrix, f1, iou, precision, recall } from './confusion';
import { meanAbsoluteError, meanSquaredError } from './difference';
import { checkMetricName, type Metric, type MetricFunction } from './metric';

/** Metrics that need no options, by name. */
const MAKERS = { accuracy, precision, recall, f1, iou, auc, confusionMatrix, meanAbsoluteError, meanSquaredError } as const;

/** The names of metrics that need no options, and 'top5' and the like for `metrics.topK`. */
export type MetricName = keyof typeof MAKERS | `top${number}`;

/** An entry of `metrics`. */
export type MetricEntry = MetricName | Metric | MetricFunction;

/**
 * The metrics of a list of names, metrics and functions.
 * @param where what the list is an option of, for messages
 * @throws StridenetError ERR_INVALID_ARGUMENT for what is neither, an unknown name, or two of one name
 */
export function checkMetricList(where: string, given: unknown): readonly Metric[] {
  const entries = readArray(given);
  if (!entries) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects metrics to be an array such as ['accuracy', metrics.topK(5)] but got ${formatValue(given)}.`,
    );
  }
  const metrics = entries.map((entry) => metricOf(where, entry));
  const names = metrics.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return metrics;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects metrics of different names but two are ${quote(twice)}. Give one another name: metrics.accuracy({ name: 'mine' }).`,
  );
}

function metricOf(where: string, entry: unknown): Metric {
  if (typeof entry === 'string') return named(where, entry);
  if (typeof entry === 'function') return ofFunction(where, entry as MetricFunction);
  const { name, measure, value, gather } = (entry ?? {}) as Partial<Record<keyof Metric, unknown>>;
  if (typeof measure !== 'function' || typeof value !== 'function') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects each of metrics to be a name, a function of output and target, or an object with name, measure and value but one is ${formatValue(entry)}.`,
    );
  }
  checkMetricName(where, name);
  if (gather === undefined || gather === 'sum' || gather === 'concat') return entry as Metric;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects gather of the metric ${formatValue(name)} to be 'sum' or 'concat' but got ${formatValue(gather)}.`,
  );
}

function named(where: string, name: string): Metric {
  if (Object.hasOwn(MAKERS, name)) return MAKERS[name as keyof typeof MAKERS]();
  const best = /^top([1-9]\d{0,8})$/.exec(name);
  if (best) return topK(Number(best[1]));
  const known = [...Object.keys(MAKERS), 'top5'];
  const near = nearest(name, known);
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} knows no metric ${quote(name)}. ${near ? `Did you mean ${quote(near)}?` : `Known ones: ${known.join(', ')}.`}`,
  );
}

function ofFunction(where: string, body: MetricFunction): Metric {
  const maker = Object.entries({ ...MAKERS, topK }).find(([, each]) => (each as unknown) === body)?.[0];
  if (maker !== undefined) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects in metrics what metrics.${maker} gives but got the function itself. Call it: metrics.${maker}(${maker === 'topK' ? '5' : ''}).`,
    );
  }
  const name = checkMetricName(where, body.name);
  return {
    name,
    measure(output, target) {
      const mean: unknown = body(output, target);
      if (Tensor.is(mean) && mean.size === 1 && mean.dtype === 'float32') return mul(reshape(mean, [1]), output.shape[0]!);
      const got = Tensor.is(mean) ? `${mean.dtype} ${formatShape(mean.shape)}` : formatValue(mean);
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `The metric ${quote(name)} must return one number of float32, the mean of the batch, but returned ${got}. Reduce it with ops.mean.`,
      );
    },
    value: ([total], examples) => total![0]! / examples,
  };
}
