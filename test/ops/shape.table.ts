/** Operations that reorder: four-axis values are stored channels-last, so reshape and flatten move numbers too. */

import { add, mul } from '../../lib/ops/elementwise';
import { flatten, reshape, transpose } from '../../lib/ops/shape';
import type { OpRow, OpTable } from '../support/opRow';

const PERMUTED: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[5, 7], [1, 0]],
  [[33, 65], [1, 0]],
  [[3, 4, 5], [2, 0, 1]],
  [[3, 4, 5], [0, 2, 1]],
  [[2, 3, 4, 5], [0, 2, 3, 1]],
  [[2, 3, 4, 5], [0, 3, 1, 2]],
  [[2, 3, 4, 5], [3, 2, 1, 0]],
  [[2, 17, 1, 5], [1, 0, 3, 2]],
  [[2, 3, 1, 4, 5], [4, 1, 0, 3, 2]],
  [[2, 2, 3, 2, 2, 3], [5, 3, 1, 0, 2, 4]],
]; // prettier-ignore

const RESHAPED: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[12], [3, 4]],
  [[2, 3, 4, 5], [2, 60]],
  [[2, 60], [2, 3, 4, 5]],
  [[2, 3, 4, 5], [3, 2, 5, 4]],
  [[2, 3, 4, 5], [120]],
  [[6, 1, 1, 1], [6]],
  [[1, 1, 4, 5], [4, 5]],
  [[4, 5], [1, 1, 4, 5]],
  [[2, 17, 1, 1], [2, 17]],
  [[2, 3, 4, 5, 1], [2, 3, 20]],
  [[], [1, 1]],
]; // prettier-ignore

const text = (shape: readonly number[]): string => `[${shape.join(', ')}]`;

export const shapeTable: OpTable = {
  family: 'shape',
  rows: [
    ...PERMUTED.map(([shape, permutation]): OpRow => ({
      name: `transpose ${text(shape)} by ${text(permutation)}`,
      operands: [{ shape }],
      build: (x) => transpose(x, permutation),
    })),
    ...RESHAPED.map(([from, to]): OpRow => ({
      name: `reshape ${text(from)} to ${text(to)}`,
      operands: [{ shape: from }],
      build: (x) => reshape(x, to),
    })),
    { name: 'flatten', operands: [{ shape: [3, 16, 5, 5] }], build: (x) => flatten(x) },
    {
      name: 'reshape between products',
      operands: [{ shape: [2, 3, 4, 5] }, { shape: [6, 20] }],
      build: (x, y) => mul(reshape(mul(x, x), [6, 20]), y),
    },
    {
      name: 'transposed there and back',
      operands: [{ shape: [2, 3, 4, 5] }],
      build: (x) => add(transpose(transpose(x, [1, 2, 3, 0]), [3, 0, 1, 2]), x),
    },
  ],
};
