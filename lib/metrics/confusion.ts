/** Metrics of classes that derive from which class was taken for which: the confusion matrix, precision, recall, F1 and intersection over union. */

import { checkInteger, formatShape, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { sum } from '../ops/broadcast';
import { confusionCounts } from '../ops/counts';
import { mul, sub } from '../ops/elementwise';
import { checkIgnoreIndex } from '../ops/labels';
import { reshape } from '../ops/shape';
import { metricName, type Metric, type MetricOptions } from './metric';
import { checkThreshold, decide, refuseValues } from './threshold';

/** Options of `metrics.confusionMatrix`. */
export interface ConfusionMatrixOptions extends MetricOptions {
  /** The label that is passed over, as is every one that is no class. Any int32; default -100. */
  ignoreIndex?: number | undefined;
}

/**
 * Entry [t][p] is the number of labels of class t for which class p had the largest output: rows are what is true, columns what was said.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function confusionMatrix(options: ConfusionMatrixOptions = {}): Metric {
  const where = 'metrics.confusionMatrix';
  const name = metricName(where, options, ['ignoreIndex'], 'confusionMatrix');
  const ignoreIndex = checkIgnoreIndex(where, options.ignoreIndex);
  return {
    name,
    measure: (output, target) => countClasses(where, output, target, ignoreIndex),
    value([counts]) {
      const classes = Math.sqrt(counts!.length);
      const all = Array.from(counts!);
      return Array.from({ length: classes }, (_, t) => all.slice(t * classes, (t + 1) * classes));
    },
  };
}

function countClasses(where: string, output: Tensor, target: Tensor, ignoreIndex: number): Tensor {
  refuseValues(where, target);
  return confusionCounts(output, target, { ignoreIndex });
}

/** How the scores of the classes become one number, if they do. */
export type Average = 'macro' | 'micro' | 'weighted' | 'none';

/** Options of `metrics.precision`, `recall`, `f1` and `iou`. */
export interface ClassScoreOptions extends MetricOptions {
  /**
   * 'macro' (default): the mean over the classes that are true or were said at least once; 'micro': one score of all answers together;
   * 'weighted': the mean weighted by how often each class is true; 'none': the score of each class.
   */
  average?: Average | undefined;
  /** The score of this class alone, whose name then ends in its number, such as 'recall1'; not together with `average`. */
  class?: number | undefined;
  /** The label that is passed over, as is every one that is no class. Any int32; default -100. */
  ignoreIndex?: number | undefined;
  /**
   * For targets of values in [0, 1], one for each output, such as several labels for an example: the probability, the sigmoid of the output, above
   * which the answer is yes, in (0, 1). Default: targets are class numbers.
   */
  threshold?: number | undefined;
}

/** What is true of a class and was said (hits), was said and is not true, is true and was not said. */
interface Answers {
  readonly hits: number;
  readonly wrong: number;
  readonly missed: number;
}
type Score = (answers: Answers) => number;

/** 0 where there is nothing to divide by, as scikit-learn has it. */
const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/**
 * Of the answers for a class, the share that is right; 0 for a class that was never said.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example metrics.precision({ average: 'none' }) // the precision of each class
 */
export function precision(options: ClassScoreOptions = {}): Metric {
  return classScore('precision', options, ({ hits, wrong }) => ratio(hits, hits + wrong));
}

/**
 * Of the labels of a class, the share that was found; 0 for a class without labels.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function recall(options: ClassScoreOptions = {}): Metric {
  return classScore('recall', options, ({ hits, missed }) => ratio(hits, hits + missed));
}

/**
 * The harmonic mean of precision and recall.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function f1(options: ClassScoreOptions = {}): Metric {
  return classScore('f1', options, ({ hits, wrong, missed }) => ratio(2 * hits, 2 * hits + wrong + missed));
}

/**
 * Intersection over union: of the pixels that are of a class or were taken for it, the share that is both; by default the mean over classes.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function iou(options: ClassScoreOptions = {}): Metric {
  return classScore('iou', options, ({ hits, wrong, missed }) => ratio(hits, hits + wrong + missed));
}

function classScore(own: string, options: ClassScoreOptions, score: Score): Metric {
  const where = `metrics.${own}`;
  const only = options?.class;
  const fallback = Number.isInteger(only) ? `${own}${only}` : own;
  const average = checkAverage(where, options?.average, only);
  const name = metricName(where, options, ['average', 'class', 'ignoreIndex', 'threshold'], fallback);
  const threshold = checkThreshold(where, options.threshold, options.ignoreIndex);
  const ignoreIndex = checkIgnoreIndex(where, options.ignoreIndex);
  return {
    name,
    measure(output, target) {
      const classes = output.shape[1] ?? 1;
      if (only !== undefined && only >= classes) {
        throw new StridenetError(
          'ERR_INVALID_ARGUMENT',
          `${where} expects class to be in [0, ${classes - 1}] (the output is ${formatShape(output.shape)}) but got ${only}.`,
        );
      }
      return threshold === undefined
        ? countClasses(where, output, target, ignoreIndex)
        : countDecisions(...decide(where, output, target, threshold));
    },
    value(totals) {
      const answers = totals.length === 1 ? fromMatrix(totals[0]!) : fromDecisions(totals);
      return only === undefined ? averaged(answers, average, score) : score(answers[only]!);
    },
  };
}

/** @throws StridenetError ERR_INVALID_ARGUMENT */
function checkAverage(where: string, average: unknown, only: unknown): Average {
  if (only !== undefined) {
    checkInteger(where, 'class', only, 0);
    if (average !== undefined) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects average or class but got both, ${formatValue(average)} and ${formatValue(only)}.`,
      );
    }
  }
  if (average === undefined) return 'macro';
  if (average === 'macro' || average === 'micro' || average === 'weighted' || average === 'none') return average;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects average to be 'macro', 'micro', 'weighted' or 'none' but got ${formatValue(average)}.`,
  );
}

/** Hits, wrong and missed answers of each class, axis 1; outputs of one axis are one class. */
function countDecisions(answer: Tensor, truth: Tensor): readonly Tensor[] {
  const columns = [answer, truth].map((x) => (x.rank > 1 ? x : reshape(x, [x.size, 1]))) as [Tensor, Tensor];
  const axis = columns[0].shape.map((_, i) => i).filter((i) => i !== 1);
  const [said, found, hits] = [columns[0], columns[1], mul(columns[0], columns[1])].map((x) => sum(x, { axis })) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  return [hits, sub(said, hits), sub(found, hits)];
}

function fromDecisions([hits, wrong, missed]: readonly ArrayLike<number>[]): Answers[] {
  return Array.from(hits!, (count, i) => ({ hits: count, wrong: wrong![i]!, missed: missed![i]! }));
}

function fromMatrix(counts: ArrayLike<number>): Answers[] {
  const classes = Math.sqrt(counts.length);
  const answers = Array.from({ length: classes }, () => ({ hits: 0, wrong: 0, missed: 0 }));
  for (let t = 0; t < classes; t++) {
    for (let p = 0; p < classes; p++) {
      const count = counts[t * classes + p]!;
      if (t === p) answers[t]!.hits = count;
      else {
        answers[t]!.missed += count;
        answers[p]!.wrong += count;
      }
    }
  }
  return answers;
}

function averaged(answers: readonly Answers[], average: Average, score: Score): number | number[] {
  if (average === 'none') return answers.map(score);
  const total = (of: (a: Answers) => number): number => answers.reduce((sofar, a) => sofar + of(a), 0);
  if (average === 'micro') return score({ hits: total((a) => a.hits), wrong: total((a) => a.wrong), missed: total((a) => a.missed) });
  const weight = ({ hits, wrong, missed }: Answers): number => (average === 'weighted' ? hits + missed : Math.sign(hits + wrong + missed));
  return ratio(
    total((a) => weight(a) * score(a)),
    total(weight),
  );
}
