/** Reductions over every kind of axis set, long and short, and broadcasting to a shape, which is their gradient. */

import { broadcastTo, sum } from '../../lib/ops/broadcast';
import { max, mean } from '../../lib/ops/reduce';
import type { OpRow, OpTable } from '../support/opRow';

const CASES: readonly (readonly [readonly number[], number | readonly number[] | undefined])[] = [
  [[1], undefined],
  [[17], undefined],
  [[1000], 0],
  [[5, 33], 0],
  [[5, 33], 1],
  [[65, 7], [0, 1]],
  [[257, 3], 0],
  [[3, 257], -1],
  [[3, 4, 5], 1],
  [[3, 4, 5], [0, 2]],
  [[2, 17, 5, 6], [0, 2, 3]],
  [[2, 17, 5, 6], [2, 3]],
  [[2, 17, 5, 6], 1],
  [[2, 17, 5, 6], 3],
  [[2, 3, 5, 6], undefined],
  [[2, 3, 2, 3, 4], [1, 3]],
]; // prettier-ignore

const reductions = [
  ['sum', sum],
  ['mean', mean],
  ['max', max],
] as const;

const rows = reductions.flatMap(([name, f]) =>
  CASES.flatMap(([shape, axis]) =>
    [false, true].map((keepDims): OpRow => ({
      name: `${name} of [${shape.join(', ')}] over ${String(axis)}${keepDims ? ', kept' : ''}`,
      operands: [{ shape }],
      build: (x) => f(x, { axis, keepDims }),
    })),
  ),
);

const BROADCASTS: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[], [7]],
  [[1], [3, 5]],
  [[5, 1], [5, 17]],
  [[17], [4, 17]],
  [[3, 1, 1], [2, 3, 4, 5]],
  [[1, 3, 1, 5], [2, 3, 4, 5]],
]; // prettier-ignore

const broadcasts = BROADCASTS.map(([from, to]): OpRow => ({
  name: `[${from.join(', ')}] to [${to.join(', ')}]`,
  operands: [{ shape: from }],
  build: (x) => broadcastTo(x, to),
}));

export const reduceTable: OpTable = { family: 'reduction', rows: [...rows, ...broadcasts] };
