/** Keys of programs, of derived values and of equal nodes tell every number apart, those too that JSON or `===` does not. */

import { exactKey } from '../../lib/graph/exactKey';
import { compileGraph } from '../../lib/compile/compile';
import { simplify } from '../../lib/compile/simplify';
import { full, tensor, variableTensor } from '../../lib/graph/leaves';
import { VariableStorage } from '../../lib/graph/storage';
import type { Tensor } from '../../lib/graph/tensor';
import * as ops from '../../lib/ops';
import { gather } from '../../lib/runtime/evaluate';
import { standInQueries } from '../support/standInQueries';

const NUMBERS = [0, -0, 1, -1, 5e-324, NaN, Infinity, -Infinity, Number.MAX_VALUE] as const;

test('data has one key exactly when it is equal', () => {
  const values: unknown[] = [
    ...NUMBERS,
    ...new Set(NUMBERS.map(String)),
    ...NUMBERS.map((number) => [number]),
    ...NUMBERS.map((number) => ({ number })),
    ...[true, false, null, undefined, 'null', '"', '', [], {}, [[]], [{}], ['1,2'], [1, 2], ['1', 2], [[1], 2], [1, [2]]],
    ...[{ a: 1, b: 2 }, { a: { b: 1 } }, { a: '1' }, { a: [1] }, { 'a":1,"b': 2 }],
  ];
  expect(new Set(values.map(exactKey)).size).toBe(values.length);
  expect(exactKey({ a: [1, { b: NaN }], c: 'x' })).toBe(exactKey({ a: [1, { b: NaN }], c: 'x' }));
  expect(exactKey(Float32Array.of(1, -0))).toBe(exactKey([1, -0]));
});

/** Operations whose attributes are numbers of the user's. */
const BY_NUMBER: readonly (readonly [string, (x: Tensor, value: number) => Tensor])[] = [
  ['pad2d', (x, value) => ops.pad2d(x, 1, { value })],
  ['clamp from below', (x, value) => ops.clamp(x, { min: value })],
  ['clamp from above', (x, value) => ops.clamp(x, { max: value })],
  ['leakyRelu', (x, value) => ops.leakyRelu(x, { negativeSlope: value })],
];

/** The numbers that an operation takes. */
const accepted = (make: (x: Tensor, value: number) => Tensor): number[] => {
  const x = full([1, 1, 1, 1], 1);
  return [0, -0, NaN, Infinity, -Infinity].filter((value) => {
    try {
      return make(x, value) !== x;
    } catch {
      return false;
    }
  });
};

describe.each(BY_NUMBER)('%s', (_name, make) => {
  const numbers = accepted(make);
  const x = full([1, 1, 1, 1], 1);

  test('has one eager program for each number', () => {
    expect(numbers.length).toBeGreaterThanOrEqual(2);
    expect(new Set(numbers.map((value) => gather([make(x, value)]).key)).size).toBe(numbers.length);
  });

  test('stays apart from the same with another number in one graph', () => {
    const outputs = numbers.map((value) => make(x, value));
    expect(new Set(simplify({ feeds: [], outputs, updates: [] }).outputs).size).toBe(numbers.length);
  });

  test('has one derived value for each number', () => {
    const storage = new VariableStorage([1, 1, 1, 1], () => Float32Array.of(2));
    const weight = variableTensor(storage, 'w');
    const outputs = numbers.map((value) => make(weight, value));
    const { slots } = compileGraph({ feeds: [], outputs, updates: [] }, standInQueries);
    expect(slots.filter(({ key }) => typeof key === 'string')).toHaveLength(numbers.length);
  });
});

test('constants that compare equal have derived values of their own', () => {
  const weight = variableTensor(new VariableStorage([2], () => Float32Array.of(1, -1)), 'w');
  const outputs = [0, -0, NaN].map((value) => ops.mul(weight, tensor([value, 1])));
  const { slots } = compileGraph({ feeds: [], outputs, updates: [] }, standInQueries);
  expect(new Set(slots.map(({ key }) => key).filter((key) => typeof key === 'string')).size).toBe(3);
});

test('padding with every number gives that number, alone and beside others', async () => {
  const x = full([1, 1, 1, 1], 1);
  const values = [-Infinity, Infinity, NaN, -0, 0];
  const row = (value: number): Tensor => ops.pad2d(x, [[1, 0], [0, 0]], { value }); // prettier-ignore
  for (const value of values) expect(Array.from(await row(value).data())).toEqual([value, 1]);
  const together = await ops.concat(values.map(row), { axis: 0 }).data();
  expect(Array.from(together)).toEqual(values.flatMap((value) => [value, 1]));
});
