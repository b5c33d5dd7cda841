/** Activations beyond relu, sigmoid and tanh, on both sides of their corners and far into their tails; producers that take them in. */

import type { Tensor } from '../../lib/graph/tensor';
import * as a from '../../lib/ops/activation';
import { conv2d } from '../../lib/ops/conv';
import { linear } from '../../lib/ops/matmul';
import type { OpRow, OpTable } from '../support/opRow';

const LENGTHS = [1, 3, 8, 15, 33, 1000];

const activations: readonly (readonly [string, (x: Tensor) => Tensor])[] = [
  ['relu6', a.relu6],
  ['silu', a.silu],
  ['hardswish', a.hardswish],
  ['softplus', a.softplus],
  ['gelu', (x) => a.gelu(x)],
  ['gelu by tanh', (x) => a.gelu(x, { approximate: 'tanh' })],
  ['leakyRelu', (x) => a.leakyRelu(x)],
  ['leakyRelu of slope 2', (x) => a.leakyRelu(x, { negativeSlope: 2 })],
  ['leakyRelu of slope -0.5', (x) => a.leakyRelu(x, { negativeSlope: -0.5 })],
  ['clamp', (x) => a.clamp(x, { min: -0.7, max: 0.3 })],
  ['clamp from below', (x) => a.clamp(x, { min: 0.1 })],
  ['clamp from above', (x) => a.clamp(x, { max: 0.1 })],
  ['clamp to a smaller maximum', (x) => a.clamp(x, { min: 2, max: 0.1 })],
];

const rows = activations.flatMap(([name, f]): OpRow[] => [
  ...LENGTHS.map((n): OpRow => ({ name: `${name} of ${n}`, operands: [{ shape: [n], kind: 'wide' }], build: (x) => f(x) })),
  { name: `${name} of four axes`, operands: [{ shape: [2, 3, 5, 7] }], build: (x) => f(x) },
]);

/** More than one tile. */
const long = ([['clamp', (x) => a.clamp(x, { min: -3, max: 4 })], ['leakyRelu', a.leakyRelu]] as readonly [string, (x: Tensor) => Tensor][]).map(
  ([name, f]): OpRow => ({ name: `${name} of 20000`, operands: [{ shape: [20000], kind: 'wide' }], build: (x) => f(x) }),
); // prettier-ignore

const derivatives = [a.relu6Grad, a.siluGrad, a.hardswishGrad, a.geluGrad, a.geluTanhGrad].flatMap((f): OpRow[] =>
  [
    [[65], [65]],
    [[5, 17], [17]],
    [[2, 3, 4, 5], [2, 3, 1, 1]],
  ].map(([dy, x]) => ({
    name: `${f(0, 0).op} of [${dy!.join(', ')}] and [${x!.join(', ')}]`,
    operands: [{ shape: dy! }, { shape: x!, kind: 'wide' }],
    build: (dyValue, xValue) => f(dyValue, xValue),
  })),
); // prettier-ignore

const epilogues = ([['relu6', a.relu6], ['silu', a.silu], ['hardswish', a.hardswish]] as const).flatMap(([name, f]): OpRow[] => [
  {
    name: `linear and ${name}`,
    operands: [{ shape: [7, 9], kind: 'wide' }, { shape: [37, 9] }, { shape: [37] }],
    build: (x, w, bias) => f(linear(x, w, { bias })),
  },
  {
    name: `conv2d and ${name}`,
    operands: [{ shape: [2, 3, 6, 5], kind: 'wide' }, { shape: [19, 3, 3, 3] }, { shape: [19] }],
    build: (x, w, bias) => f(conv2d(x, w, { bias, padding: 1 })),
  },
]); // prettier-ignore

export const activationTable: OpTable = { family: 'activation', rows: [...rows, ...long, ...derivatives, ...epilogues] };
