/** Eager tensors: which subgraph is computed, which programs are shared, what is remembered. */

import { constantTensor, inputTensor, tensor, variableTensor } from '../../lib/graph/leaves';
import { VariableStorage } from '../../lib/graph/storage';
import type { Tensor } from '../../lib/graph/tensor';
import * as ops from '../../lib/ops';
import { gather } from '../../lib/runtime/evaluate';

const keyOf = (...tensors: Tensor[]): string => gather(tensors).key;

describe('gather', () => {
  test('equal computations on other numbers have equal keys', () => {
    const f = (values: number[]): Tensor => ops.mul(ops.exp(tensor(values)), tensor([2, 3]));
    expect(keyOf(f([1, 2]))).toBe(keyOf(f([3, 4])));
    expect(gather([f([1, 2])]).nodes).toHaveLength(4);
  });

  test('operation, attributes, shapes, types, wiring and what is asked for tell keys apart', () => {
    const [a, b] = [tensor([[1, 2]]), tensor([[3, 4]])];
    const sum = ops.add(a, b);
    const keys = [
      keyOf(sum),
      keyOf(ops.mul(a, b)),
      keyOf(ops.add(a, a)),
      keyOf(ops.add(tensor([1, 2]), tensor([3, 4]))),
      keyOf(ops.exp(sum)),
      keyOf(ops.exp(sum), sum),
      keyOf(ops.sum(a, { axis: 0 })),
      keyOf(ops.sum(a, { axis: 1 })),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('stops at values that are known', () => {
    const inner = ops.exp(tensor([1, 2]));
    const outer = ops.neg(inner);
    inner.remember(Float32Array.of(2, 7));
    expect(gather([outer]).nodes).toEqual([inner, outer]);
    expect(gather([inner]).outputs).toEqual([]);
  });

  test('walks graphs deeper than the call stack', () => {
    let x: Tensor = tensor([1]);
    for (let i = 0; i < 20_000; i++) x = ops.neg(x);
    expect(gather([x]).nodes).toHaveLength(20_001);
  });

  test('refuses placeholders', () => {
    const x = inputTensor({ name: 'images', feedDType: 'float32', layout: 'nchw' }, [2], 'float32');
    const message = 'input "images" is a placeholder';
    expect(() => gather([x])).toThrow(message);
    expect(() => gather([ops.neg(x)])).toThrow(message);
  });
});

describe('values', () => {
  test('are computed once and remembered', async () => {
    const y = ops.neg(tensor([[1, -2]]));
    expect(await y.array()).toEqual([[-1, 2]]);
    expect(y.value).toBeDefined();
    expect(y.arraySync()).toEqual([[-1, 2]]);
    expect(ops.mul(y, y).arraySync()).toEqual([[1, 4]]);
  });

  test('that depend on a variable are computed anew', () => {
    const storage = new VariableStorage([2], () => Float32Array.of(1, 2));
    const w = variableTensor(storage, 'w');
    const y = ops.neg(w);
    expect(y.arraySync()).toEqual([-1, -2]);
    storage.set(Float32Array.of(3, 4));
    expect(y.arraySync()).toEqual([-3, -4]);
    expect(w.arraySync()).toEqual([3, 4]);
  });

  test('come in logical order, whatever the memory order', () => {
    const x = tensor(
      Float32Array.from({ length: 24 }, (_, i) => i),
      [1, 2, 3, 4],
    );
    expect(Array.from(ops.neg(x).dataSync())).toEqual(Array.from({ length: 24 }, (_, i) => -i));
    expect(Array.from(ops.transpose(x, [0, 2, 3, 1]).dataSync().slice(0, 4))).toEqual([0, 12, 1, 13]);
  });

  test('are copies', async () => {
    const y = ops.neg(tensor([1]));
    const data = await y.data();
    data[0] = 9;
    expect(y.dataSync()[0]).toBe(-1);
  });

  test('many different programs do not pile up', () => {
    for (let n = 1; n <= 80; n++) expect(ops.neg(constantTensor(new Float32Array(n).fill(1), [n], 'float32')).dataSync()).toHaveLength(n);
  });

  test('overlapping evaluations agree', async () => {
    const x = tensor([1, 2, 3]);
    const results = await Promise.all(Array.from({ length: 20 }, (_, i) => ops.mul(x, tensor([i])).array()));
    expect(results).toEqual(Array.from({ length: 20 }, (_, i) => [i, 2 * i, 3 * i]));
  });
});
