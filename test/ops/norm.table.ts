/** Normalisation: channels around lane counts and beyond chunks, one image and several, offset data, fused activations and sums. */

import { constantTensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import { hardswish, relu6 } from '../../lib/ops/activation';
import { conv2d, type Conv2dOptions } from '../../lib/ops/conv';
import { add, mul, relu } from '../../lib/ops/elementwise';
import { batchNorm2d } from '../../lib/ops/batchNorm';
import { localResponseNorm } from '../../lib/ops/responseNorm';
import type { OpRow, OpTable } from '../support/opRow';
import { valuesOf } from '../support/values';

type Shape4 = readonly [number, number, number, number];

const training = (name: string, x: Shape4, eps = 1e-5): OpRow => ({
  name: `batchNorm2d, training, ${name}`,
  operands: [{ shape: x }, { shape: [x[1]] }, { shape: [x[1]] }],
  build: (a, weight, bias) => batchNorm2d(a, { weight, bias, training: true, eps }),
});
const column = (channels: number, kind: 'any' | 'positive', seed: number): Tensor =>
  constantTensor(valuesOf({ shape: [channels], kind }, seed), [channels], 'float32');
const evaluation = (name: string, x: Shape4): OpRow => ({
  name: `batchNorm2d, evaluation, ${name}`,
  operands: [{ shape: x }, { shape: [x[1]] }, { shape: [x[1]] }],
  build: (a, weight, bias) =>
    batchNorm2d(a, { weight, bias, runningMean: column(x[1], 'any', 5), runningVar: column(x[1], 'positive', 6) }),
});
/** After a convolution whose weight is at rest, as is all else but x: folded into what is packed. */
const folded = (name: string, x: Shape4, weight: Shape4, options: Omit<Conv2dOptions, 'bias'> = {}): OpRow => ({
  name: `batchNorm2d, evaluation, after a convolution: ${name}`,
  operands: [{ shape: x }],
  build: (a) => {
    const [kernel, channels] = [constantTensor(valuesOf({ shape: weight }, 8), weight, 'float32'), weight[0]];
    const [mean, gamma, beta, bias] = [5, 9, 10, 11].map((seed) => column(channels, 'any', seed));
    const norm = { runningMean: mean, runningVar: column(channels, 'positive', 6), weight: gamma, bias: beta };
    return batchNorm2d(conv2d(a, kernel, { ...options, bias }), norm);
  },
  order: 0,
});
const response = (name: string, x: Shape4, size: number, alpha: number, beta: number, k: number): OpRow => ({
  name: `localResponseNorm, ${name}`,
  operands: [{ shape: x }],
  build: (a) => localResponseNorm(a, { size, alpha, beta, k }),
});

const rows: OpRow[] = [
  ...[1, 2, 3, 5, 7, 8, 15, 16, 17, 24, 31, 33, 63, 65].map((c) => training(`${c} channels`, [2, c, 3, 4])),
  training('one image', [1, 6, 5, 5]),
  training('two values per channel', [2, 5, 1, 1]),
  training('several chunks', [4, 6, 24, 24]),
  training('several chunks of many channels', [3, 80, 9, 7]),
  training('large eps', [2, 4, 3, 3], 0.5),
  { name: 'batchNorm2d, training, without weight and bias', operands: [{ shape: [2, 5, 4, 3] }], build: (x) => batchNorm2d(x, { training: true }) },
  {
    name: 'batchNorm2d, training, far from zero',
    operands: [{ shape: [4, 3, 6, 5] }],
    build: (x) => batchNorm2d(add(x, 100), { training: true }),
    order: 0,
  },
  {
    name: 'batchNorm2d, training, relu',
    operands: [{ shape: [2, 6, 4, 5] }, { shape: [6] }, { shape: [6] }],
    build: (x, weight, bias) => relu(batchNorm2d(x, { weight, bias, training: true })),
  },
  {
    name: 'batchNorm2d, training, relu6',
    operands: [{ shape: [2, 19, 4, 5] }, { shape: [19], kind: 'positive' }, { shape: [19], kind: 'positive' }],
    build: (x, weight, bias) => relu6(batchNorm2d(x, { weight: mul(weight, 4), bias: mul(bias, 3), training: true })),
  },
  {
    name: 'batchNorm2d, training, hardswish and sum',
    operands: [{ shape: [2, 7, 4, 5] }, { shape: [7] }, { shape: [7] }, { shape: [2, 7, 4, 5] }],
    build: (x, weight, bias, other) => hardswish(add(batchNorm2d(x, { weight, bias, training: true }), other)),
  },
  {
    name: 'batchNorm2d, training, residual sum and relu',
    operands: [{ shape: [2, 17, 4, 3] }, { shape: [17] }, { shape: [17] }, { shape: [2, 17, 4, 3] }],
    build: (x, weight, bias, other) => relu(add(batchNorm2d(x, { weight, bias, training: true }), other)),
  },
  ...[1, 6, 16, 33].map((c) => evaluation(`${c} channels`, [2, c, 3, 4])),
  {
    name: 'batchNorm2d, evaluation, relu and sum',
    operands: [{ shape: [2, 6, 4, 5] }, { shape: [6] }, { shape: [6] }, { shape: [2, 6, 4, 5] }],
    build: (x, weight, bias, other) =>
      relu(add(batchNorm2d(x, { weight, bias, runningMean: column(6, 'any', 5), runningVar: column(6, 'positive', 6) }), mul(other, 0.5))),
  },
  ...[1, 5, 16, 33, 70].map((c) => folded(`1x1, ${c} channels`, [2, 9, 5, 4], [c, 9, 1, 1])),
  folded('7x7, stride 2', [1, 3, 18, 20], [20, 3, 7, 7], { stride: 2, padding: 3 }),
  folded('3x3, joined pixels', [1, 3, 9, 16], [5, 3, 3, 3], { padding: 1 }),
  folded('3x3, several tiles', [1, 24, 14, 14], [40, 24, 3, 3], { padding: 1 }),
  folded('3x3, many channels', [1, 64, 28, 28], [70, 64, 3, 3], { padding: 1 }),
  folded('5x5, several tiles', [1, 24, 14, 14], [40, 24, 5, 5], { padding: 2 }),
  folded('3x3, few channels', [2, 12, 24, 20], [18, 12, 3, 3], { padding: 1 }),
  folded('5x5, many images', [17, 3, 9, 8], [6, 3, 5, 5], { padding: 2 }),
  folded('3 groups', [2, 9, 7, 6], [21, 3, 3, 3], { groups: 3, padding: 1 }),
  folded('depthwise', [1, 19, 7, 6], [19, 1, 3, 3], { groups: 19, padding: 1 }),
  ...[1, 2, 7, 8, 9, 16, 17, 33].map((c) => response(`${c} channels`, [2, c, 2, 3], 5, 0.1, 0.75, 2)),
  response('window 1', [1, 5, 2, 2], 1, 0.5, 0.75, 1),
  response('window 2', [1, 9, 2, 2], 2, 0.5, 0.5, 1),
  response('window 4, beta 1', [2, 18, 2, 2], 4, 0.5, 1, 1),
  response('window wider than the channels', [1, 5, 2, 2], 9, 0.5, 0.6, 1.5),
  response('defaults', [1, 20, 3, 3], 5, 1e-4, 0.75, 1),
]; // prettier-ignore

export const normTable: OpTable = { family: 'normalisation', rows };
