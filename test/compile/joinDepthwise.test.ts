import { compileGraph } from '../../lib/compile/compile';
import type { NativeQueries } from '../../lib/compile/ir';
import { ALGORITHM } from '../../lib/compile/opcodes';
import { randn } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import type { TypedArray } from '../../lib/graph/types';
import * as ops from '../../lib/ops';
import { nativeQueries } from '../../lib/runtime/queries';
import { runGraph } from '../support/runGraph';
import { DIRECT, standInQueries } from '../support/standInQueries';

type Conv2dOptions = Parameters<typeof ops.conv2d>[2];

/** Depthwise convolutions take their own algorithm. */
const queries: NativeQueries = {
  ...standInQueries,
  candidates: ({ attrs: { groups } }) => [groups === 1 ? DIRECT : { ...DIRECT, algorithm: ALGORITHM.depthwise }],
  accepts: (instruction) => nativeQueries().accepts(instruction),
};

/** 64 channels of 64 x 64 pixels are exactly the megabyte from which on they are joined. */
const images = randn([1, 3, 64, 64], { seed: 1 });

function expansion(x: Tensor, channels: number, options: Conv2dOptions = {}): Tensor {
  return ops.conv2d(x, randn([channels, x.shape[1]!, 1, 1], { seed: 2 }), { bias: randn([channels], { seed: 3 }), ...options });
}

function depthwise(x: Tensor, options: Conv2dOptions = {}, kernel = 3): Tensor {
  const [, channels] = x.shape as [number, number];
  const bias = randn([channels], { seed: 5 });
  return ops.conv2d(x, randn([channels, 1, kernel, kernel], { seed: 4 }), { bias, padding: 1, groups: channels, ...options });
}

function opcodes(...outputs: Tensor[]): string[] {
  const { lists } = compileGraph({ feeds: [], outputs, updates: [] }, queries);
  return lists.step.map(({ opcode }) => opcode).filter((opcode) => /conv2d(?!_pack)/.test(opcode));
}

function bytesOf({ buffer, byteOffset, byteLength }: TypedArray): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

describe('joinDepthwise', () => {
  test('takes a 1x1 convolution into the depthwise convolution', () => {
    expect(opcodes(ops.relu(depthwise(ops.relu6(expansion(images, 64)))))).toEqual(['conv2d_pointwise_depthwise']);
    expect(opcodes(depthwise(expansion(images, 64), { stride: 2 }))).toEqual(['conv2d_pointwise_depthwise']);
  });

  test('leaves a convolution alone whose result is small or read elsewhere', () => {
    const u = expansion(images, 64);
    expect(opcodes(depthwise(u), ops.exp(u))).toEqual(['conv2d', 'conv2d']);
    expect(opcodes(u, depthwise(u))).toEqual(['conv2d', 'conv2d']);
    expect(opcodes(depthwise(expansion(images, 48)))).toEqual(['conv2d', 'conv2d']);
  });

  test.each([
    ['padding around the 1x1 convolution', () => depthwise(expansion(images, 64, { padding: 1 }))],
    ['a residual sum between', () => depthwise(ops.add(expansion(images, 64), randn([1, 64, 64, 64])))],
    ['a residual sum behind', () => ops.add(depthwise(expansion(images, 64)), randn([1, 64, 64, 64]))],
    ['channels that fill no vector', () => depthwise(expansion(images, 66))],
    ['a weight that is large itself', () => depthwise(expansion(randn([1, 136, 64, 64]), 64))],
    ['5x5', () => depthwise(expansion(images, 64), {}, 5)],
    ['dilation', () => depthwise(expansion(images, 64), { dilation: 2 })],
    ['stride 3', () => depthwise(expansion(images, 64), { stride: 3 })],
    ['two strides', () => depthwise(expansion(images, 64), { stride: [1, 2] })],
  ])('leaves others alone: %s', (_, build) => {
    expect(opcodes(build())).toEqual(['conv2d', 'conv2d']);
  });

  const same = (x: Tensor): Tensor => x;
  test.each([
    ['stride 1', [1, 3, 64, 64], 64, ops.relu6, { stride: 1 }],
    ['stride 2', [1, 3, 64, 64], 64, ops.relu6, { stride: 2 }],
    ['odd extents, stride 2, two images', [2, 5, 53, 51], 64, ops.relu, { stride: 2 }],
    ['three images, no padding', [3, 17, 37, 50], 48, same, { padding: 0 }],
    [
      'padding of whole blocks, stride 1',
      [1, 3, 70, 60],
      80,
      same,
      {
        padding: [
          [11, 9],
          [5, 7],
        ],
      },
    ],
    [
      'padding of whole blocks, stride 2',
      [2, 3, 70, 60],
      48,
      ops.sigmoid,
      {
        stride: 2,
        padding: [
          [12, 13],
          [0, 6],
        ],
      },
    ],
    ['images of two lines', [30, 4, 2, 100], 64, ops.relu, { stride: 1 }],
    ['images of a line, stride 2', [30, 4, 1, 200], 64, ops.relu, { stride: 2 }],
  ] as const)('gives what is computed one after the other, to the bit: %s', (_, shape, channels, activation, options) => {
    const y = activation(depthwise(activation(expansion(randn(shape, { seed: 6 }), channels)), options));
    const { lists } = compileGraph({ feeds: [], outputs: [y], updates: [] }, nativeQueries(), { algorithm: 'exact' });
    expect(lists.step.map(({ opcode }) => opcode)).toContain('conv2d_pointwise_depthwise');
    const [separate] = runGraph([y], { name: 'unfused', threads: 1, fuse: false });
    for (const threads of [1, 2, 3]) {
      const [joined] = runGraph([y], { name: 'joined', threads });
      expect(Buffer.compare(bytesOf(joined!), bytesOf(separate!))).toBe(0);
    }
  });
});
