/** The area under the curve of true over false positives. */

import { formatShape, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { checkLabelShape } from '../ops/labels';
import { checkTarget } from '../ops/reduction';
import { softmax } from '../ops/softmax';
import { Task } from '../runtime/task';
import type { Work } from '../work';
import { metricName, type Metric, type MetricOptions, type MetricValue } from './metric';

/** Options of `metrics.auc`. */
export interface AucOptions extends MetricOptions {
  /** 'macro' (default): the mean over the classes, each against the rest; 'none': the area of each class. Two classes have one area. */
  average?: 'macro' | 'none' | undefined;
}

/**
 * The area under the receiver operating characteristic: how likely an example of a class has a larger output for it than one of another class,
 * equal ones counting half. Of class numbers, int32 [n], the probability of class 1 of two or of each class against the rest; of values, float32 of
 * the output's shape, each output by itself. A class that is always or never true has none: it is NaN, and not in the mean. All outputs are kept
 * until the end.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function auc(options: AucOptions = {}): Metric {
  const where = 'metrics.auc';
  const name = metricName(where, options, ['average'], 'auc');
  const average = checkAverage(where, options.average);
  return {
    name,
    gather: 'concat',
    measure(output, target) {
      if (target.dtype === 'int32') return [softmax(checkRows(where, output, target), { axis: 1 }), target];
      checkTarget(where, output, target);
      return [output, target];
    },
    value: ([scores, targets], examples) => new Task(areas(scores!, targets!, examples, average)).inSlices(),
  };
}

function checkAverage(where: string, value: unknown = 'macro'): 'macro' | 'none' {
  if (value === 'macro' || value === 'none') return value;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects average to be 'macro' or 'none' but got ${formatValue(value)}.`);
}

function checkRows(where: string, output: Tensor, labels: Tensor): Tensor {
  checkLabelShape(where, 'outputs', output, labels);
  if (output.rank === 2 && output.shape[1]! > 1) return output;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects outputs of shape [n, classes] with at least 2 classes for class numbers but got ${formatShape(output.shape)}. ` +
      'For one output that says yes or no, give values of its shape as targets.',
  );
}

/** Numbers are handled in so many at a time, some milliseconds. */
const PIECE = 1 << 14;

function* areas(scores: ArrayLike<number>, targets: ArrayLike<number>, examples: number, average: 'macro' | 'none'): Work<MetricValue> {
  const outputs = scores.length / examples;
  const isClass = targets.length !== scores.length;
  const isTrue = isClass ? (i: number, c: number) => targets[i] === c : (i: number, c: number) => targets[i * outputs + c]! > 0.5;
  // A label that is no class belongs to none.
  const counts = isClass ? (i: number) => targets[i]! >= 0 && targets[i]! < outputs : () => true;
  const found: number[] = [];
  for (let c = isClass && outputs === 2 ? 1 : 0; c < outputs; c++) {
    const [yes, no] = [new Float32Array(examples), new Float32Array(examples)];
    let [yesCount, noCount] = [0, 0];
    for (let i = 0; i < examples; i++) {
      if (i % PIECE === 0) yield;
      if (!counts(i)) continue;
      const score = scores[i * outputs + c]!;
      if (isTrue(i, c)) yes[yesCount++] = score;
      else no[noCount++] = score;
    }
    found.push(yield* areaOf(yield* sorted(yes.subarray(0, yesCount)), yield* sorted(no.subarray(0, noCount))));
  }
  if (average === 'none') return found;
  const known = found.filter((area) => !Number.isNaN(area));
  return known.reduce((a, b) => a + b, 0) / known.length;
}

/** Sorts runs by themselves and merges them, so that no piece takes long. */
function* sorted(values: Float32Array): Work<Float32Array> {
  const { length } = values;
  for (let start = 0; start < length; start += PIECE) {
    values.subarray(start, start + PIECE).sort();
    yield;
  }
  let [from, to] = [values, length > PIECE ? new Float32Array(length) : values];
  for (let width = PIECE; width < length; width *= 2) {
    for (let start = 0; start < length; start += 2 * width) {
      const [middle, end] = [Math.min(start + width, length), Math.min(start + 2 * width, length)];
      let [a, b] = [start, middle];
      for (let at = start; at < end; at++) {
        if (at % PIECE === 0) yield;
        // NaN stands at the end of a run and stays there.
        to[at] = b >= end || (a < middle && !(from[a]! > from[b]!) && !Number.isNaN(from[a]!)) ? from[a++]! : from[b++]!;
      }
    }
    [from, to] = [to, from];
  }
  return from;
}

/** The share of pairs in which the first is larger, equal ones counting half; NaN without a pair, or with a NaN, which stands last. */
function* areaOf(yes: Float32Array, no: Float32Array): Work<number> {
  if (yes.length === 0 || no.length === 0 || Number.isNaN(yes.at(-1)!) || Number.isNaN(no.at(-1)!)) return NaN;
  let [less, upTo, total] = [0, 0, 0];
  for (const [i, score] of yes.entries()) {
    if (i % PIECE === 0) yield;
    while (less < no.length && no[less]! < score) less++;
    while (upTo < no.length && no[upTo]! <= score) upTo++;
    total += (less + upTo) / 2;
  }
  return total / yes.length / no.length;
}
