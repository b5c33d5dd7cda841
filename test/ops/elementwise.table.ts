/** Functions of one and two tensors: lengths around lane counts, every kind of broadcasting, four axes (stored in another order). */

import type { Tensor } from '../../lib/graph/tensor';
import * as e from '../../lib/ops/elementwise';
import type { Operand } from '../support/values';
import type { OpRow, OpTable } from '../support/opRow';

const LENGTHS = [1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 65, 1000];
type Kind = NonNullable<Operand['kind']>;
type Unary = (x: Tensor) => Tensor;
type Binary = (a: Tensor, b: Tensor) => Tensor;

const unaryKinds: readonly (readonly [string, Unary, Kind])[] = [
  ['neg', e.neg, 'any'],
  ['abs', e.abs, 'any'],
  ['sign', e.sign, 'any'],
  ['exp', e.exp, 'wide'],
  ['log', e.log, 'positive'],
  ['sqrt', e.sqrt, 'positive'],
  ['relu', e.relu, 'any'],
  ['sigmoid', e.sigmoid, 'wide'],
  ['tanh', e.tanh, 'wide'],
];
const binaryKinds: readonly (readonly [string, Binary, Kind])[] = [
  ['add', e.add, 'any'],
  ['sub', e.sub, 'any'],
  ['mul', e.mul, 'any'],
  ['div', e.div, 'positive'],
  ['pow', e.pow, 'positive'],
  ['maximum', e.maximum, 'any'],
  ['minimum', e.minimum, 'any'],
  ['greater', e.greater, 'any'],
  ['greaterEqual', e.greaterEqual, 'any'],
  ['equal', e.equal, 'any'],
  ['reluGrad', e.reluGrad, 'any'],
  ['sigmoidGrad', e.sigmoidGrad, 'any'],
  ['tanhGrad', e.tanhGrad, 'any'],
];
/** Pairs of shapes that broadcast. */
const PAIRS: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[7], [7]],
  [[33], []],
  [[], [17]],
  [[5, 17], [17]],
  [[5, 17], [5, 1]],
  [[5, 1], [1, 9]],
  [[2, 3, 4, 5], [2, 3, 4, 5]],
  [[2, 17, 3, 5], [17, 1, 1]],
  [[2, 3, 4, 5], [4, 5]],
  [[2, 3, 4, 5], [2, 3, 1, 1]],
  [[2, 3, 4, 5], [1, 1, 1, 5]],
  [[3, 4, 1], [1, 4, 9]],
  [[2, 1, 3, 1, 5], [4, 1, 2, 1]],
]; // prettier-ignore

const unaryRows = unaryKinds.flatMap(([name, f, kind]): OpRow[] => [
  ...LENGTHS.map((n): OpRow => ({ name: `${name} of ${n}`, operands: [{ shape: [n], kind }], build: (x) => f(x) })),
  { name: `${name} of four axes`, operands: [{ shape: [2, 3, 5, 7], kind }], build: (x) => f(x) },
]);
const binaryRows = binaryKinds.flatMap(([name, f, kind]) =>
  PAIRS.map(([a, b]): OpRow => ({
    name: `${name} of [${a.join(', ')}] and [${b.join(', ')}]`,
    operands: [
      { shape: a, kind },
      { shape: b, kind },
    ],
    build: (x, y) => f(x, y),
  })),
);
const scalarRows: OpRow[] = [
  { name: 'number on the left', operands: [{ shape: [5, 7] }], build: (x) => e.sub(1, x) },
  { name: 'number on the right', operands: [{ shape: [2, 3, 4, 5], kind: 'positive' }], build: (x) => e.pow(x, 3) },
  { name: 'a tensor with itself', operands: [{ shape: [3, 7] }], build: (x) => e.mul(x, x) },
];

export const elementwiseTable: OpTable = { family: 'elementwise', rows: [...unaryRows, ...binaryRows, ...scalarRows] };
