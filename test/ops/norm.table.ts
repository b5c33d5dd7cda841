/** Normalisation: channels around lane counts and beyond chunks, one image and several, offset data, fused activations and sums. */

import { constantTensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import { hardswish, relu6 } from '../../lib/ops/activation';
import { add, mul, relu } from '../../lib/ops/elementwise';
import { batchNorm2d, localResponseNorm } from '../../lib/ops/norm';
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
  ...[1, 2, 7, 8, 9, 16, 17, 33].map((c) => response(`${c} channels`, [2, c, 2, 3], 5, 0.1, 0.75, 2)),
  response('window 1', [1, 5, 2, 2], 1, 0.5, 0.75, 1),
  response('window 2', [1, 9, 2, 2], 2, 0.5, 0.5, 1),
  response('window 4, beta 1', [2, 18, 2, 2], 4, 0.5, 1, 1),
  response('window wider than the channels', [1, 5, 2, 2], 9, 0.5, 0.6, 1.5),
  response('defaults', [1, 20, 3, 3], 5, 1e-4, 0.75, 1),
]; // prettier-ignore

export const normTable: OpTable = { family: 'normalisation', rows };
