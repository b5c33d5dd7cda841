/** Constants from values and shapes of users: what is refused, and that it is refused before memory is asked for. */

import { full, ones, randn, tensor, zeros } from '../../lib/graph/leaves';
import { Tensor } from '../../lib/graph/tensor';
import { Linear, Parameter } from '../../lib/nn';
import * as ops from '../../lib/ops';
import { expectError } from '../support/expectError';
import '../../lib/runtime/evaluate';

const anything = (value: unknown): never => value as never;

describe('shapes', () => {
  const odd: [string, unknown][] = [
    // eslint-disable-next-line no-sparse-arrays
    ['a hole', [, 2]],
    ['nothing but holes', new Array(3)],
    ['too many axes', [1, 1, 1, 1, 1, 1, 1]],
    ['a fraction', [2.5]],
    ['nought', [0]],
    ['a negative extent', [-1, -8]],
    ['NaN', [NaN]],
    ['a text', ['2']],
    ['a BigInt', [2n]],
    ['a Symbol', [Symbol('odd')]],
    ['no array', { length: 1, 0: 1 }],
    ['too large', [2 ** 40]],
    ['too large in all', [65536, 65536, 65536]],
  ];
  test.each(odd)('%s', (_, shape) => {
    expectError('ERR_INVALID_ARGUMENT', () => zeros(anything(shape)), 'zeros');
    expectError('ERR_INVALID_ARGUMENT', () => new Parameter(anything(shape)), 'Parameter');
    expectError('ERR_INVALID_ARGUMENT', () => ops.broadcastTo(tensor(1), anything(shape)), 'broadcastTo');
    expectError('ERR_INVALID_ARGUMENT', () => ops.broadcastTo(tensor(1), anything(shape)), 'broadcastTo');
  });
  test('what is checked is what is used', () => {
    let reads = 0;
    const shape = Object.defineProperty([2, 2], 0, { get: () => (reads++ === 0 ? 2 : NaN) });
    expect(ones(shape).shape).toEqual([2, 2]);
  });
  test('memory that cannot be had', () => {
    for (const make of [() => zeros([2 ** 37]), () => full([2 ** 38], 1), () => randn([2 ** 37]), () => new Parameter([2 ** 37]).value]) {
      expectError('ERR_OUT_OF_MEMORY', make, 'GiB', '[');
    }
    expectError('ERR_OUT_OF_MEMORY', () => new Linear(2 ** 37, 1).weight.value, '512.0 GiB', '[1, 137438953472]');
  });
  test('results that are too large are refused when the graph is built', () => {
    const wide = ops.broadcastTo(tensor(1), [2 ** 30]);
    expectError('ERR_INVALID_ARGUMENT', () => ops.add(wide.reshape([2 ** 30, 1]), wide.reshape([1, 2 ** 30])), 'too large');
  });
});

describe('values', () => {
  const cyclic: unknown[] = [];
  cyclic.push(cyclic);
  let deep: unknown[] = [1];
  for (let i = 0; i < 100_000; i++) deep = [deep];
  let shared: unknown[] = [1];
  for (let i = 0; i < 30; i++) shared = Array<unknown>(8).fill(shared);
  test.each<[string, unknown]>([
    ['cyclic', cyclic],
    ['deep', deep],
    ['shared', shared],
  ])('%s arrays are nested too deep', (_, values) => {
    expectError('ERR_INVALID_ARGUMENT', () => tensor(anything(values)), 'at most 6 deep');
  });
  test('arrays that share their entries and are too large', () => {
    let large: unknown[] = Array<unknown>(1000).fill(1);
    for (let i = 0; i < 5; i++) large = Array<unknown>(1000).fill(large);
    expectError('ERR_INVALID_ARGUMENT', () => tensor(anything(large)), 'too large');
  });
  test.each<[string, unknown, string]>([
    // eslint-disable-next-line no-sparse-arrays
    ['a hole', [1, , 3], 'undefined'],
    ['a text', ['1'], '"1"'],
    ['a BigInt', [1n], '1n'],
    ['nothing', [], '[]'],
    ['what only says that it is a typed array', { [Symbol.toStringTag]: 'Float32Array', length: 1 }, 'an object'],
  ])('%s', (_, values, got) => {
    expectError('ERR_INVALID_ARGUMENT', () => tensor(anything(values)), 'numbers', got);
  });
  test('ragged nesting names both shapes', () => {
    expectError('ERR_SHAPE_MISMATCH', () => tensor([[1, 2], [3]]), 'entry 0 has shape [2]', 'entry 1 has shape [1]'); // prettier-ignore
    expectError('ERR_SHAPE_MISMATCH', () => tensor([[1], 2]), 'entry 0 has shape [1]', 'entry 1 has shape []'); // prettier-ignore
    expectError('ERR_SHAPE_MISMATCH', () => tensor([1, [2]]), 'entry 0 has shape []', 'entry 1 has shape [1]');
  });
  test('values are converted as typed arrays do it', () => {
    expect(tensor([[1, 2], [3, 4]]).dataSync()).toEqual(Float32Array.of(1, 2, 3, 4)); // prettier-ignore
    expect(tensor([0.1], [1]).dataSync()).toEqual(Float32Array.of(0.1));
    expect(tensor([-(2 ** 31), -0, 2 ** 31 - 1], [3], { dtype: 'int32' }).dataSync()).toEqual(Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1));
    expect(tensor(Float32Array.of(1, 2), [2], { dtype: 'uint8' }).dataSync()).toEqual(Uint8Array.of(1, 2));
    expect(tensor(5).arraySync()).toBe(5);
  });
  test.each<[string, unknown, 'int32' | 'uint8', string, string]>([
    ['a fraction', [1, 1.5], 'int32', '[1] is 1.5', '-2147483648 to 2147483647'],
    ['NaN', [[0, 1], [NaN, 3]], 'int32', '[1, 0] is NaN', 'integers'], // prettier-ignore
    ['infinity', -Infinity, 'int32', '[] is -Infinity', 'integers'],
    ['above int32', [2 ** 31], 'int32', '[0] is 2147483648', 'integers'],
    ['above uint8', [255, 256], 'uint8', '[1] is 256', '0 to 255'],
    ['below uint8', [-1], 'uint8', '[0] is -1', '0 to 255'],
    ['in a typed array of fractions', Float32Array.of(0, 0.5), 'uint8', '[1] is 0.5', '0 to 255'],
    ['in a typed array of integers', Int32Array.of(300), 'uint8', '[0] is 300', '0 to 255'],
  ])('what an integer type cannot hold is not changed but refused: %s', (_, values, dtype, got, range) => {
    expectError('ERR_INVALID_ARGUMENT', () => tensor(anything(values), undefined, { dtype }), dtype, got, range);
  });
});

test('tensors made alike compare as equal, by their fields', () => {
  expect(tensor([1, 2])).toEqual(tensor([1, 2]));
  expect(tensor([1, 2])).not.toEqual(tensor([1, 3]));
  expect(tensor([1, 2])).not.toEqual(tensor([1, 2], [2, 1]));
  expect(ops.relu(tensor([1]))).not.toEqual(ops.abs(tensor([1])));
});

test('what only looks like a tensor is refused by name', () => {
  const x = tensor([1, 2]);
  expectError('ERR_INVALID_ARGUMENT', () => ops.relu(anything(new Proxy(x, {}))), 'a Tensor but got a Proxy');
  expectError('ERR_INVALID_ARGUMENT', () => ops.relu(Object.create(Tensor.prototype) as Tensor), 'a Tensor');
});

test('results that no program can hand out', () => {
  expectError('ERR_OUT_OF_MEMORY', () => ops.broadcastTo(tensor(1), [2 ** 31]).dataSync(), '[2147483648]', '2147483647');
  expectError('ERR_OUT_OF_MEMORY', () => ops.broadcastTo(tensor(1), [2 ** 30, 2]).dataSync(), '8.0 GiB', 'at most 4 GiB');
  expectError('ERR_OUT_OF_MEMORY', () => ops.sum(ops.broadcastTo(tensor(1), [2 ** 32])).dataSync(), '[4294967296]');
});
