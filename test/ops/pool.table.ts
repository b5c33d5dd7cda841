/** Pooling: windows, strides, paddings, dilation, ceilMode, the divisor of averages, channels around lane counts. */

import { avgPool2d, maxPool2d, type AvgPool2dOptions, type MaxPool2dOptions } from '../../lib/ops/pool';
import { relu } from '../../lib/ops/elementwise';
import type { Pair } from '../../lib/ops/window';
import type { OpRow, OpTable } from '../support/opRow';

type Shape4 = readonly [number, number, number, number];

const max = (name: string, x: Shape4, kernel: Pair, options: MaxPool2dOptions = {}): OpRow => ({
  name: `max, ${name}`,
  operands: [{ shape: x }],
  build: (a) => maxPool2d(a, kernel, options),
});
const average = (name: string, x: Shape4, kernel: Pair, options: AvgPool2dOptions = {}): OpRow => ({
  name: `average, ${name}`,
  operands: [{ shape: x }],
  build: (a) => avgPool2d(a, kernel, options),
});
const both = (name: string, x: Shape4, kernel: Pair, options: AvgPool2dOptions & MaxPool2dOptions = {}): OpRow[] => [
  max(name, x, kernel, options),
  average(name, x, kernel, options),
];

const rows: OpRow[] = [
  ...[1, 5, 6, 7, 8, 15, 16, 17, 31, 33, 63, 65].flatMap((c) => both(`${c} channels`, [1, c, 6, 5], 2)),
  ...[1, 2, 3].flatMap((s) => [0, 1].flatMap((p) => both(`3x3, stride ${s}, padding ${p}`, [3, 5, 9, 8], 3, { stride: s, padding: p }))),
  ...both('5x5, padding 2', [2, 17, 7, 9], 5, { padding: 2, stride: 2 }),
  ...both('window 1x3', [1, 4, 5, 9], [1, 3]),
  ...both('window 3x1, stride 1 and 2', [1, 4, 7, 6], [3, 1], { stride: [1, 2] }),
  ...both('window 1, stride 2', [1, 4, 5, 5], 1, { stride: 2 }),
  ...both('whole image', [3, 9, 5, 6], [5, 6]),
  ...both('stride larger than the window', [1, 4, 8, 8], 2, { stride: 3 }),
  ...both('ceil mode', [1, 4, 6, 7], [3, 2], { stride: [2, 3], ceilMode: true }),
  ...both('ceil mode and padding', [1, 4, 6, 6], 3, { stride: 2, padding: 1, ceilMode: true }),
  ...both('ceil mode where the last window would lie in the padding', [1, 4, 5, 5], 2, { stride: 2, padding: 1, ceilMode: true }),
  ...both('ceil mode, window larger than the image', [2, 5, 2, 3], 4, { stride: 3, ceilMode: true }),
  ...both('asymmetric padding', [2, 5, 6, 5], 2, { padding: [[0, 1], [1, 0]] }),
  ...both('same', [1, 5, 7, 8], 3, { stride: 2, padding: 'same' }),
  ...both('same-lower', [1, 5, 8, 7], 3, { stride: 2, padding: 'same-lower' }),
  max('dilation 2', [1, 5, 9, 8], 3, { stride: 1, dilation: 2, padding: 2 }),
  max('dilation 2 and 1, stride 2', [2, 5, 9, 8], [2, 3], { stride: 2, dilation: [2, 1], padding: [1, 0] }),
  average('padding not counted', [2, 5, 7, 6], 3, { stride: 2, padding: 1, countIncludePad: false }),
  average('padding not counted, ceil mode', [1, 5, 6, 6], 3, { stride: 2, padding: 1, ceilMode: true, countIncludePad: false }),
  average('padding not counted, asymmetric', [1, 5, 6, 5], 2, { padding: [[0, 1], [1, 0]], countIncludePad: false }),
  ...both('LeNet, first layer', [3, 6, 28, 28], 2),
  ...both('LeNet, second layer', [3, 16, 10, 10], 2),
  { name: 'max of relu', operands: [{ shape: [2, 6, 8, 8] }], build: (x) => maxPool2d(relu(x), 2) },
]; // prettier-ignore

export const poolTable: OpTable = { family: 'pooling', rows };
