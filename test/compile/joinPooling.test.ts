import { compileGraph } from '../../lib/compile/compile';
import { differentiate } from '../../lib/ops/differentiate';
import type { NativeQueries } from '../../lib/compile/ir';
import { ALGORITHM } from '../../lib/compile/opcodes';
import { constantTensor, randn } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import type { Shape } from '../../lib/graph/types';
import * as ops from '../../lib/ops';
import { nativeQueries } from '../../lib/runtime/queries';
import { runGraph } from '../support/runGraph';
import { DIRECT, standInQueries } from '../support/standInQueries';
import { uniform } from '../support/values';

/** Convolutions keep images in the lanes. */
const queries: NativeQueries = {
  ...standInQueries,
  candidates: () => [{ ...DIRECT, algorithm: ALGORITHM.hwcn }],
  accepts: (instruction) => nativeQueries().accepts(instruction),
};

/** Small whole numbers: their sums of products are exact, and there are many ties. */
function whole(shape: Shape, least: number, most: number, seed: number): Tensor {
  const random = uniform(seed);
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => least + Math.floor((most - least + 1) * random()));
  return constantTensor(data, shape, 'float32');
}

const x = whole([19, 2, 9, 8], 0, 2, 1);
const weight = whole([5, 2, 3, 3], -1, 1, 2);
const bias = whole([5], -2, 2, 3);
const conv = (images = x): Tensor => ops.conv2d(images, weight, { bias, padding: 1 });

/** Gradients of a weighted sum. */
function gradients(y: Tensor, ...variables: Tensor[]): Tensor[] {
  return differentiate(ops.sum(ops.mul(y, whole(y.shape, -3, 3, 4))), variables).map((gradient) => gradient!);
}

function opcodes(...outputs: Tensor[]): string[] {
  const { lists } = compileGraph({ feeds: [], outputs, updates: [] }, queries);
  return lists.step.map(({ opcode }) => opcode).filter((opcode) => /conv2d(?!_pack)|pool/.test(opcode));
}

describe('joinPooling', () => {
  test('takes pooling into the convolution', () => {
    expect(opcodes(ops.maxPool2d(ops.sigmoid(conv()), [3, 2]))).toEqual(['conv2d_max_pool2d']);
  });

  test.each([
    ['relu', ops.relu],
    ['no activation', (y: Tensor): Tensor => y],
  ])('takes its gradient into the weight gradient: %s', (_, activation) => {
    const y = ops.maxPool2d(activation(conv()), 2);
    expect(opcodes(y, ...gradients(y, weight, bias))).toEqual(['conv2d_max_pool2d', 'conv2d_max_pool2d_grad_weight']);
  });

  test('leaves a convolution alone whose value or whose gradient is needed elsewhere', () => {
    const y = conv();
    expect(opcodes(ops.maxPool2d(y, 2), ops.exp(y))).toEqual(['conv2d', 'max_pool2d']);
    expect(opcodes(y, ops.maxPool2d(y, 2))).toContain('max_pool2d');
    const images = randn([19, 2, 9, 8], { seed: 1 });
    const pooled = ops.maxPool2d(ops.relu(conv(images)), 2);
    expect(opcodes(pooled, ...gradients(pooled, weight, images))).toContain('max_pool2d_grad');
    // The derivative of the sigmoid reads its result.
    const curved = ops.maxPool2d(ops.sigmoid(conv()), 2);
    expect(opcodes(curved, ...gradients(curved, weight))).toContain('max_pool2d_grad');
  });

  test('leaves windows alone that overlap, reach beyond the image or leave gaps', () => {
    const y = (): Tensor => ops.relu(conv());
    for (const pooled of [
      ops.maxPool2d(y(), 3, { stride: 2 }),
      ops.maxPool2d(y(), 2, { stride: 3 }),
      ops.maxPool2d(y(), 2, { padding: 1 }),
      ops.maxPool2d(y(), 2, { dilation: 2 }),
      ops.maxPool2d(y(), 2, { ceilMode: true }),
      ops.maxPool2d(y(), 1),
    ]) {
      expect(opcodes(pooled)).toEqual(['conv2d', 'max_pool2d']);
    }
  });

  test('leaves a residual sum and other algorithms alone', () => {
    expect(opcodes(ops.maxPool2d(ops.add(conv(), randn([19, 5, 9, 8])), 2))).toEqual(['conv2d', 'max_pool2d']);
    const { lists } = compileGraph({ feeds: [], outputs: [ops.maxPool2d(conv(), 2)], updates: [] }, standInQueries);
    expect(lists.step.map(({ opcode }) => opcode)).toContain('max_pool2d');
  });

  // Values are whole numbers, so the order of sums changes no bit.
  test.each([
    ['relu', ops.relu, 2],
    ['no activation', (y: Tensor): Tensor => y, 2],
    ['relu, windows of 3x4', ops.relu, [3, 4]],
  ] as const)('gives what is computed one after the other, among ties too: %s', (_, activation, window) => {
    const y = ops.maxPool2d(activation(conv()), window);
    const outputs = [y, ...gradients(y, weight, bias)];
    const separate = runGraph(outputs, { name: 'unfused', threads: 1, fuse: false });
    for (const threads of [1, 2, 3]) {
      expect(runGraph(outputs, { name: 'joined', threads, form: { algorithm: 'hwcn' } })).toEqual(separate);
    }
  });

  test('NaN wins', () => {
    const values = Float32Array.from({ length: 19 * 2 * 9 * 8 }, (_, i) => (i % 97 === 5 ? NaN : i % 5));
    const y = ops.maxPool2d(conv(constantTensor(values, [19, 2, 9, 8], 'float32')), 2);
    const [separate] = runGraph([y], { name: 'unfused', threads: 1, fuse: false });
    const [joined] = runGraph([y], { name: 'joined', threads: 2, form: { algorithm: 'hwcn' } });
    expect(joined).toEqual(separate);
    expect(joined!.some(Number.isNaN) && !joined!.every(Number.isNaN)).toBe(true);
  });
});
