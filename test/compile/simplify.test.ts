import { simplify } from '../../lib/compile/simplify';
import { tensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import { topologicalOrder } from '../../lib/graph/traverse';
import * as ops from '../../lib/ops';

const x = tensor([
  [1, 2, 3],
  [4, 5, 6],
]);

function simplified(output: Tensor): Tensor {
  return simplify({ feeds: [], outputs: [output], updates: [] }).outputs[0]!;
}

describe('simplify', () => {
  test('makes equal nodes one', () => {
    const result = simplified(ops.add(ops.exp(x), ops.exp(x)));
    expect(result.inputs[0]).toBe(result.inputs[1]);
  });

  test('keeps nodes apart whose attributes differ', () => {
    const result = simplified(ops.add(ops.sum(x, { axis: 0, keepDims: true }), ops.sum(x, { axis: 1, keepDims: true })));
    expect(result.inputs[0]).not.toBe(result.inputs[1]);
  });

  test.each<[string, () => Tensor, () => Tensor]>([
    ['reshape there and back', () => ops.reshape(ops.reshape(x, [6]), [2, 3]), () => x],
    ['two transposes that undo each other', () => ops.transpose(ops.transpose(x)), () => x],
    ['two negations', () => ops.neg(ops.neg(x)), () => x],
    ['a factor of one', () => ops.mul(x, 1), () => x],
    ['a divisor of one', () => ops.div(x, 1), () => x],
    ['a power of one', () => ops.pow(x, 1), () => x],
  ])('drops %s', (_name, make, expected) => {
    expect(simplified(make())).toBe(expected());
  });

  test('joins reshapes into one', () => {
    const result = simplified(ops.reshape(ops.reshape(x, [6]), [3, 2]));
    expect([result.op, result.inputs[0]]).toEqual(['reshape', x]);
  });

  test('keeps a factor of one that broadcasts', () => {
    const one = tensor([1], [1, 1]);
    const result = simplified(ops.mul(tensor([2], [1]), one));
    expect(result.shape).toEqual([1, 1]);
  });

  test('keeps two relus as one and nothing more', () => {
    const result = simplified(ops.relu(ops.relu(x)));
    expect(topologicalOrder([result]).map((node) => node.op)).toEqual(['constant', 'relu']);
  });
});
