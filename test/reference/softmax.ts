/**
 * Softmax, and the classification loss.
 *   loss of a row = -(1 - s) log p[label] - s / K sum over k of log p[k],   p = softmax(row), s = label smoothing, K classes
 * Source: Dive into Deep Learning, section "Softmax Regression"; PyTorch's cross_entropy for smoothing.
 */

import { array64, type Array64 } from './array64';
import { transpose } from './shape';

function rows(x: Array64): { count: number; length: number } {
  const length = x.shape[x.shape.length - 1]!;
  return { count: x.data.length / length, length };
}

export function logSoftmax(x: Array64): Array64 {
  const { count, length } = rows(x);
  const y = array64(x.shape);
  for (let r = 0; r < count; r++) {
    const row = x.data.subarray(r * length, (r + 1) * length);
    const maximum = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const logOfSum = Math.log(row.reduce((sum, v) => sum + Math.exp(v - maximum), 0));
    row.forEach((v, k) => (y.data[r * length + k] = v - maximum - logOfSum));
  }
  return y;
}

export function softmax(x: Array64): Array64 {
  return { shape: x.shape, data: logSoftmax(x).data.map(Math.exp) };
}

/** What a loss over rows of classes has beside its operands. */
export interface LossAttrs {
  readonly labelSmoothing: number;
  readonly ignoreIndex: number;
  readonly reduction: 'none' | 'sum' | 'mean';
}

/** The target distribution of a label: zeros when it is ignored; null when it is no class, which makes the loss NaN. */
function target(label: number, classes: number, { labelSmoothing: s, ignoreIndex }: Omit<LossAttrs, 'reduction'>): number[] | null {
  if (label === ignoreIndex) return Array<number>(classes).fill(0);
  if (!Number.isInteger(label) || label < 0 || label >= classes) return null;
  return Array.from({ length: classes }, (_, k) => s / classes + (k === label ? 1 - s : 0));
}

/** The numbers of the classes, axis 1, brought to the end: rows of one position each. */
function classRows(x: Array64): Array64 {
  return transpose(x, [...x.shape.keys()].filter((axis) => axis !== 1).concat(1));
}

/** The inverse of `classRows`, into a shape with the classes on axis 1. */
function fromClassRows(data: Float64Array, shape: readonly number[]): Array64 {
  const [n, classes, ...rest] = shape as [number, number, ...number[]];
  const last = shape.length - 1;
  return transpose(array64([n, ...rest, classes], data), [0, last, ...rest.map((_, i) => i + 1)]);
}

/** What a mean divides by. */
function known(labels: Array64, { ignoreIndex }: LossAttrs): number {
  return labels.data.filter((label) => label !== ignoreIndex).length;
}

/** Classes on axis 1; a loss for each label, or their sum or mean. */
export function crossEntropy(logits: Array64, labels: Array64, attrs: LossAttrs): Array64 {
  const logP = logSoftmax(classRows(logits));
  const length = logits.shape[1]!;
  const losses = array64(labels.shape);
  labels.data.forEach((label, r) => {
    const t = target(label, length, attrs);
    losses.data[r] = t ? t.reduce((loss, weight, k) => (weight === 0 ? loss : loss - weight * logP.data[r * length + k]!), 0) : NaN;
  });
  if (attrs.reduction === 'none') return losses;
  const total = losses.data.reduce((a, b) => a + b, 0);
  return array64([], [attrs.reduction === 'sum' ? total : total / known(labels, attrs)]);
}

/** scale d loss / d logits = scale (softmax - target), for the mean divided by the number of labels; 0 where the label is ignored. */
export function crossEntropyGrad(logits: Array64, labels: Array64, scale: Array64, attrs: LossAttrs): Array64 {
  const p = softmax(classRows(logits));
  const length = logits.shape[1]!;
  const d = new Float64Array(logits.data.length);
  const divisor = attrs.reduction === 'mean' ? known(labels, attrs) : 1;
  labels.data.forEach((label, r) => {
    const t = target(label, length, attrs);
    const factor = scale.data[attrs.reduction === 'none' ? r : 0]! / divisor;
    for (let k = 0; k < length; k++) {
      const at = r * length + k;
      d[at] = label === attrs.ignoreIndex ? 0 : t ? factor * (p.data[at]! - t[k]!) : NaN;
    }
  });
  return fromClassRows(d, logits.shape);
}

/** Softmax or its logarithm over any axis, through the last. */
export function softmaxOver(x: Array64, axis: number, log: boolean): Array64 {
  const last = x.shape.length - 1;
  const swap = x.shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  return transpose((log ? logSoftmax : softmax)(transpose(x, swap)), swap);
}

/** 1 at the label, 0 elsewhere and for an ignored label; NaN for a label that is no class. */
export function oneHot(labels: Array64, classes: number, ignoreIndex: number): Array64 {
  const y = new Float64Array(labels.data.length * classes);
  labels.data.forEach((label, n) => {
    const row = target(label, classes, { labelSmoothing: 0, ignoreIndex });
    for (let k = 0; k < classes; k++) y[n * classes + k] = row ? row[k]! : NaN;
  });
  const [n, ...rest] = labels.shape;
  return fromClassRows(y, [n!, classes, ...rest]);
}

/** The classes of a row from the largest logit to the smallest, of equal ones the lower class first. */
function ranked(row: Float64Array): number[] {
  return [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b);
}

/** For each position its label and the classes in the order of their logits; positions whose label is ignored or no class are left out. */
function answers(logits: Array64, labels: Array64, ignoreIndex: number): { label: number; order: number[] }[] {
  const { data } = classRows(logits);
  const length = logits.shape[1]!;
  const all = [...labels.data].map((label, r) => ({ label, order: ranked(data.subarray(r * length, (r + 1) * length)) }));
  return all.filter(({ label }) => label !== ignoreIndex && label >= 0 && label < length);
}

/** [labels that are among the first k classes, labels] */
export function countTopK(logits: Array64, labels: Array64, k: number, ignoreIndex: number): Array64 {
  const found = answers(logits, labels, ignoreIndex);
  return array64([2], [found.filter(({ label, order }) => order.indexOf(label) < k).length, found.length]);
}

/** [label, first class of the order] */
export function confusionCounts(logits: Array64, labels: Array64, ignoreIndex: number): Array64 {
  const classes = logits.shape[1]!;
  const counts = array64([classes, classes]);
  for (const { label, order } of answers(logits, labels, ignoreIndex)) counts.data[label * classes + order[0]!]!++;
  return counts;
}

/** The number of rows whose first largest logit is the label's. */
export function countCorrect(logits: Array64, labels: Array64): Array64 {
  return array64([], [countTopK(logits, labels, 1, -1).data[0]!]);
}
