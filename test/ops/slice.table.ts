/** concat, slice and padding: every axis, runs short and long, more operands than an instruction has, sides of every size. */

import { add, mul } from '../../lib/ops/elementwise';
import { pad2d, type Pad2dOptions, type PadAmount } from '../../lib/ops/pad';
import { concat, slice } from '../../lib/ops/slice';
import type { OpRow, OpTable } from '../support/opRow';

const text = (value: unknown): string => JSON.stringify(value);

const joined = (axis: number, ...shapes: (readonly number[])[]): OpRow => ({
  name: `concat ${shapes.length < 6 ? text(shapes) : `${shapes.length} of ${text(shapes[0])}`} along ${axis}`,
  operands: shapes.map((shape) => ({ shape })),
  build: (...parts) => concat(parts, { axis }),
});
const part = (shape: readonly number[], start: readonly number[], stop?: readonly number[]): OpRow => ({
  name: `slice ${text(shape)} from ${text(start)} to ${text(stop)}`,
  operands: [{ shape }],
  build: (x) => slice(x, start, stop),
});
const padded = (shape: readonly number[], padding: PadAmount, options: Pad2dOptions): OpRow => ({
  name: `pad ${text(shape)} by ${text(padding)}, ${text(options)}`,
  operands: [{ shape }],
  build: (x) => pad2d(x, padding, options),
});
const continued = (shape: readonly number[], padding: PadAmount): OpRow[] => [
  padded(shape, padding, { mode: 'constant', value: 0.5 }),
  padded(shape, padding, { mode: 'reflect' }),
  padded(shape, padding, { mode: 'replicate' }),
];

const rows: OpRow[] = [
  joined(0, [3], [1], [5]),
  joined(1, [2, 3, 4, 5], [2, 5, 4, 5]),
  joined(1, [2, 16, 7, 7], [2, 1, 7, 7], [2, 33, 7, 7], [2, 8, 7, 7]),
  joined(0, [2, 3, 4, 5], [1, 3, 4, 5], [3, 3, 4, 5]),
  joined(2, [2, 3, 4, 5], [2, 3, 1, 5]),
  joined(-1, [2, 3, 4, 5], [2, 3, 4, 7]),
  joined(1, [3, 4], [3, 1]),
  joined(2, [2, 2, 3, 2, 2, 3], [2, 2, 1, 2, 2, 3]),
  joined(0, [40, 3, 20, 20], [1, 3, 20, 20]),
  joined(1, ...Array.from({ length: 8 }, () => [2, 3, 2, 2])),
  joined(1, ...Array.from({ length: 9 }, () => [2, 3, 2, 2])),
  joined(1, ...Array.from({ length: 21 }, (_, i) => [1, 1 + (i % 3), 3, 2])),
  { name: 'concat of one tensor twice', operands: [{ shape: [2, 3, 4, 4] }], build: (x) => concat([x, mul(x, x), x]) },
  part([7], [2], [5]),
  part([5, 6], [1, 2], [4, -1]),
  part([2, 9, 4, 5], [0, 3], [2, 5]),
  part([2, 9, 4, 5], [1]),
  part([2, 9, 4, 5], [0, 0, 1, 2], [2, 9, 3, 3]),
  part([2, 9, 4, 5], [1, -4, 1, 1], [2, -1, -1, -1]),
  part([3, 4, 5], [0, 1], [3, 3]),
  part([2, 2, 3, 2, 2, 3], [1, 0, 1, 0, 1, 1]),
  part([3, 20000], [1, 100], [3, 19999]),
  {
    name: 'slices of a concat',
    operands: [{ shape: [2, 3, 4, 4] }, { shape: [2, 3, 4, 4] }],
    build: (x, y) => add(slice(concat([x, y]), [0, 1], [2, 4]), x),
  },
  ...continued([2, 3, 5, 6], 1),
  ...continued([1, 17, 4, 5], [2, 3]),
  ...continued([2, 5, 4, 4], [[3, 0], [1, 2]]),
  ...continued([1, 1, 6, 3], [[0, 5], [2, 2]]),
  ...continued([3, 2, 1, 4], [0, 2]),
  padded([2, 3, 2, 1], [[4, 3], [5, 1]], { mode: 'replicate' }),
  padded([1, 3, 1, 9000], 1, { value: -1 }),
]; // prettier-ignore

export const sliceTable: OpTable = { family: 'concat, slice and pad', rows };
