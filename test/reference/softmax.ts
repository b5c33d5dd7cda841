/**
 * Softmax over the last axis and the classification loss.
 *   loss = mean over rows of -(1 - s) log p[label] - s / K sum over k of log p[k],   p = softmax(row), s = label smoothing, K classes
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

/** The target distribution of a label; null when the label is no class, which makes the loss NaN. */
function target(label: number, classes: number, smoothing: number): number[] | null {
  if (!Number.isInteger(label) || label < 0 || label >= classes) return null;
  return Array.from({ length: classes }, (_, k) => smoothing / classes + (k === label ? 1 - smoothing : 0));
}

export function crossEntropy(logits: Array64, labels: Array64, smoothing: number): Array64 {
  const { count, length } = rows(logits);
  const logP = logSoftmax(logits);
  let loss = 0;
  for (let r = 0; r < count; r++) {
    const t = target(labels.data[r]!, length, smoothing);
    if (!t) return array64([], [NaN]);
    t.forEach((weight, k) => (loss -= weight * logP.data[r * length + k]!));
  }
  return array64([], [loss / count]);
}

/** scale d loss / d logits = scale (softmax - target) / rows */
export function crossEntropyGrad(logits: Array64, labels: Array64, scale: number, smoothing: number): Array64 {
  const { count, length } = rows(logits);
  const p = softmax(logits);
  const d = array64(logits.shape);
  for (let r = 0; r < count; r++) {
    const t = target(labels.data[r]!, length, smoothing);
    for (let k = 0; k < length; k++) d.data[r * length + k] = t ? (scale * (p.data[r * length + k]! - t[k]!)) / count : NaN;
  }
  return d;
}

/** Softmax or its logarithm over any axis, through the last. */
export function softmaxOver(x: Array64, axis: number, log: boolean): Array64 {
  const last = x.shape.length - 1;
  const swap = x.shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  return transpose((log ? logSoftmax : softmax)(transpose(x, swap)), swap);
}

/** 1 at the label, 0 elsewhere; NaN for a label that is no class. */
export function oneHot(labels: Array64, classes: number): Array64 {
  const y = array64([labels.shape[0]!, classes]);
  labels.data.forEach((label, n) => {
    const row = target(label, classes, 0);
    for (let k = 0; k < classes; k++) y.data[n * classes + k] = row ? row[k]! : NaN;
  });
  return y;
}

/** The number of rows whose first largest logit is the label's. */
export function countCorrect(logits: Array64, labels: Array64): Array64 {
  const { count, length } = rows(logits);
  let correct = 0;
  for (let r = 0; r < count; r++) {
    let best = 0;
    for (let k = 1; k < length; k++) if (logits.data[r * length + k]! > logits.data[r * length + best]!) best = k;
    if (best === labels.data[r]) correct++;
  }
  return array64([], [correct]);
}
