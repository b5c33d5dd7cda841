import { epilogueOf, fuse } from '../../lib/compile/fuse';
import { randn } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import { topologicalOrder } from '../../lib/graph/traverse';
import * as ops from '../../lib/ops';

const x = randn([1, 2, 6, 6], { seed: 1 });
const weight = randn([2, 2, 3, 3], { seed: 2 });
const bias = randn([2], { seed: 3 });
const conv = (input = x): Tensor => ops.conv2d(input, weight, { bias, padding: 1 });

function fused(...outputs: Tensor[]): Tensor[] {
  return [...fuse({ feeds: [], outputs, updates: [] }).outputs];
}
const opsOf = (...outputs: Tensor[]): string[] =>
  topologicalOrder(outputs)
    .filter((node) => !node.leaf)
    .map((node) => node.op);

describe('fuse', () => {
  test.each([
    ['relu', ops.relu],
    ['sigmoid', ops.sigmoid],
    ['tanh', ops.tanh],
    ['relu6', ops.relu6],
    ['silu', ops.silu],
    ['hardswish', ops.hardswish],
  ] as const)('takes %s into a convolution', (activation, op) => {
    const [y] = fused(op(conv()));
    expect(y!.op).toBe('conv2d');
    expect(epilogueOf(y!)).toEqual({ bias: true, add: false, activation });
  });

  test('takes a residual sum and then an activation into the later convolution', () => {
    const [y] = fused(ops.relu(ops.add(conv(ops.relu(conv())), x)));
    expect(opsOf(y!)).toEqual(['conv2d', 'conv2d']);
    expect(epilogueOf(y!)).toEqual({ bias: true, add: true, activation: 'relu' });
    expect(y!.inputs[3]).toBe(x);
  });

  test('takes an activation into a linear layer without bias', () => {
    const [y] = fused(ops.relu(ops.linear(randn([3, 4]), randn([5, 4]))));
    expect(epilogueOf(y!)).toEqual({ bias: false, add: false, activation: 'relu' });
  });

  test('leaves a convolution alone whose value is used elsewhere', () => {
    const y = conv();
    expect(opsOf(...fused(ops.relu(y), y))).toEqual(['conv2d', 'relu']);
  });

  test('does not add after an activation', () => {
    expect(opsOf(...fused(ops.add(ops.relu(conv()), x)))).toEqual(['conv2d', 'add']);
  });

  test('does not take in a sum that broadcasts', () => {
    expect(opsOf(...fused(ops.add(conv(), randn([1, 2, 1, 1]))))).toEqual(['conv2d', 'add']);
  });

  test('masks the gradient of max pooling by a relu before it', () => {
    const y = ops.relu(x);
    const [dx] = ops.grad(ops.sum(ops.maxPool2d(y, 2)), [x]);
    const [masked] = fused(dx!);
    expect(masked!.op).toBe('maxPool2dGrad');
    expect(masked!.attrs.reluMask).toBe(true);
  });
});
