/** Convolutions: channels around lane and tile counts, strides, paddings, dilation, groups, batches, and shapes of known networks. */

import { conv2d, type Conv2dOptions } from '../../lib/ops/conv';
import { relu6 } from '../../lib/ops/activation';
import { relu, sigmoid, tanh } from '../../lib/ops/elementwise';
import { add } from '../../lib/ops/elementwise';
import type { OpRow, OpTable } from '../support/opRow';

type Shape4 = readonly [number, number, number, number];

function row(name: string, x: Shape4, weight: Shape4, options: Omit<Conv2dOptions, 'bias'> & { bias?: boolean } = {}): OpRow {
  const { bias = false, ...rest } = options;
  return {
    name,
    operands: [{ shape: x }, { shape: weight }, ...(bias ? [{ shape: [weight[0]] }] : [])],
    build: (a, b, c) => conv2d(a, b, { ...rest, bias: c }),
  };
}

const CHANNELS = [1, 2, 5, 6, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65];

const rows: OpRow[] = [
  ...CHANNELS.map((c) => row(`${c} output channels`, [1, 3, 6, 7], [c, 3, 3, 3], { padding: 1, bias: true })),
  ...CHANNELS.map((c) => row(`${c} input channels`, [1, c, 6, 5], [5, c, 3, 3], { padding: 1 })),
  // Weight gradients tap by tap: blocks of several images, and several blocks of lines of which border taps leave some out.
  row('5 images of 5x5, 32 channels, stride 2', [5, 32, 9, 10], [18, 32, 3, 3], { stride: 2, padding: 1, bias: true }),
  row('blocks of lines, 16 channels, 5x5 stride 2', [2, 16, 43, 17], [6, 16, 5, 5], { stride: 2, padding: 2, bias: true }),
  row('1x1, stride 2, 64 channels', [3, 64, 7, 9], [20, 64, 1, 1], { stride: 2 }),
  row('33 to 65 channels', [1, 33, 5, 5], [65, 33, 3, 3], { padding: 1, bias: true }),
  // Tiles of 4x4 outputs, whole and cut off; blocks of 64 channels; enough tiles for several chunks.
  ...[1, 2, 3, 4, 5, 7, 8, 9, 13].map((w) => row(`3x3, ${w} output columns, padding 2`, [1, 5, 6, w], [4, 5, 3, 3], { padding: [2, 1], bias: true })),
  row('3x3, 65 to 67 channels', [1, 65, 4, 5], [67, 65, 3, 3], { padding: 1, bias: true }),
  row('3x3, 3 to 130 channels', [1, 3, 5, 5], [130, 3, 3, 3], { padding: 1 }),
  row('3x3, many tiles', [2, 2, 45, 41], [3, 2, 3, 3], { padding: 1, bias: true }),
  // Row widths around register tiles of 6 and 14 rows, and around what 2, 4 and 8 joined pixels divide.
  ...[1, 2, 3, 4, 6, 8, 11, 13, 14, 15, 16, 24, 28].map((w) => row(`output width ${w}`, [1, 2, 3, w + 2], [6, 2, 3, 3])),
  ...[1, 3, 13, 29].map((h) => row(`output height ${h}`, [1, 2, h + 2, 4], [6, 2, 3, 3])),
  ...[1, 2, 3, 4].flatMap((s) => [0, 1, 2].map((p) => row(`stride ${s}, padding ${p}`, [2, 3, 9, 8], [5, 3, 3, 3], { stride: s, padding: p, bias: true }))),
  row('strides 3 and 2', [1, 3, 10, 9], [4, 3, 3, 2], { stride: [3, 2], padding: [1, 2] }),
  row('stride larger than the kernel', [1, 3, 9, 9], [4, 3, 2, 2], { stride: 3 }),
  row('asymmetric padding', [1, 3, 6, 5], [7, 3, 3, 3], { padding: [[2, 0], [0, 1]] }),
  row('asymmetric padding, stride 2', [2, 3, 7, 6], [7, 3, 3, 3], { padding: [[0, 2], [1, 0]], stride: 2 }),
  row('padding as large as the kernel', [1, 2, 4, 4], [3, 2, 2, 2], { padding: 2 }),
  row('padding behind only', [1, 2, 5, 5], [3, 2, 3, 3], { padding: [[0, 3], [0, 3]] }),
  row('same', [1, 3, 6, 7], [5, 3, 4, 2], { padding: 'same' }),
  row('same, stride 2', [1, 3, 7, 8], [5, 3, 3, 3], { padding: 'same', stride: 2 }),
  row('same-lower', [1, 3, 6, 7], [5, 3, 4, 2], { padding: 'same-lower' }),
  row('same-lower, stride 2', [1, 3, 8, 7], [5, 3, 4, 3], { padding: 'same-lower', stride: 2 }),
  row('valid', [1, 3, 6, 7], [5, 3, 4, 2], { padding: 'valid' }),
  row('dilation 2', [1, 3, 9, 8], [5, 3, 3, 3], { dilation: 2, padding: 2 }),
  row('dilation 3 and 1, stride 2', [2, 3, 11, 8], [5, 3, 3, 3], { dilation: [3, 1], stride: 2, padding: 1 }),
  row('dilation 2 with stride 2 and odd padding', [1, 2, 9, 9], [3, 2, 3, 3], { dilation: 2, stride: 2, padding: 1 }),
  ...[2, 3, 4].map((g) => row(`${g} groups`, [2, 12, 6, 5], [24, 12 / g, 3, 3], { groups: g, padding: 1, bias: true })),
  row('two groups of 17 to 9 channels', [1, 34, 5, 5], [18, 17, 3, 3], { groups: 2 }),
  row('groups of one input channel', [1, 3, 6, 6], [12, 1, 3, 3], { groups: 3, stride: 2, padding: 1 }),
  ...[1, 5, 8, 16, 17, 33].map((c) => row(`depthwise, ${c} channels`, [1, c, 7, 6], [c, 1, 3, 3], { groups: c, padding: 1, bias: true })),
  ...[2, 3, 7, 31, 96].map((c) => row(`depthwise, ${c} channels, stride 2`, [2, c, 7, 12], [c, 1, 3, 3], { groups: c, stride: 2, padding: 1, bias: true })),
  ...[1, 2, 5, 8, 11, 19].map((w) => row(`depthwise, output width ${w}`, [1, 20, 3, w + 2], [20, 1, 3, 3], { groups: 20 })),
  ...[1, 2, 3].flatMap((s) => [0, 1, 3].map((p) => row(`depthwise, stride ${s}, padding ${p}`, [2, 6, 9, 8], [6, 1, 3, 4], { groups: 6, stride: s, padding: p }))),
  // Blocks of 2 or 4 lines in tiles of up to 4 positions, at every border of the image, and channels that fill no vector.
  ...([[1, 1], [2, 3], [3, 2], [4, 4], [5, 9], [8, 6], [11, 7]] as const).flatMap(([h, w]) =>
    [1, 2].map((s) => row(`depthwise, image ${h}x${w}, 35 channels, stride ${s}`, [2, 35, h, w], [35, 1, 3, 3], { groups: 35, stride: s, padding: 1, bias: true })),
  ),
  row('depthwise, padding wider than the image', [1, 5, 2, 3], [5, 1, 3, 3], { groups: 5, padding: 4, bias: true }),
  row('depthwise, kernel wider than the image', [2, 5, 3, 2], [5, 1, 7, 7], { groups: 5, padding: 3 }),
  row('depthwise, stride larger than the kernel', [1, 7, 9, 9], [7, 1, 2, 1], { groups: 7, stride: 3 }),
  row('depthwise, asymmetric padding, strides 2 and 1', [1, 5, 7, 6], [5, 1, 3, 3], { groups: 5, padding: [[0, 2], [1, 0]], stride: [2, 1] }),
  row('depthwise, dilation 2 with stride 2 and odd padding', [1, 6, 9, 9], [6, 1, 3, 3], { groups: 6, dilation: 2, stride: 2, padding: 1 }),
  row('depthwise, dilation 3 and 2', [1, 18, 9, 12], [18, 1, 3, 3], { groups: 18, dilation: [3, 2], padding: [3, 2] }),
  row('depthwise, 1x1', [2, 9, 3, 4], [9, 1, 1, 1], { groups: 9, bias: true }),
  ...[1, 3, 17].map((c) => row(`depthwise, ${c} channels to ${2 * c}`, [2, c, 6, 7], [2 * c, 1, 3, 3], { groups: c, padding: 1, stride: 2, bias: true })),
  row('32 groups of 4 channels (ResNeXt)', [1, 128, 4, 4], [128, 4, 3, 3], { groups: 32, padding: 1 }),
  row('depthwise, stride 2, same', [3, 19, 8, 7], [19, 1, 5, 5], { groups: 19, stride: 2, padding: 'same' }),
  row('depthwise, dilation 2', [1, 9, 8, 8], [9, 1, 3, 3], { groups: 9, dilation: 2, padding: 2 }),
  // Edges of tiles of 2x2 and 4x4 pixels, channels beside lanes, more than one block of tiles and more than one panel.
  ...[7, 17].flatMap((c) => [1, 2, 4, 5, 8, 9].map((e) => row(`3x3, ${c} channels, output ${e}x${10 - e}`, [2, c, e, 10 - e], [18, c, 3, 3], { padding: 1, bias: true }))),
  row('3x3, several blocks of tiles', [2, 17, 30, 37], [6, 17, 3, 3], { padding: 1, bias: true }),
  row('3x3, several bands of lines', [2, 16, 67, 29], [6, 16, 3, 3], { padding: 1, bias: true }),
  row('3x3, several panels, padding 2', [1, 20, 7, 7], [150, 20, 3, 3], { padding: 2 }),
  row('3x3, padding 4', [1, 3, 5, 4], [5, 3, 3, 3], { padding: 4, bias: true }),
  ...[7, 17].flatMap((c) => [1, 2, 3, 4, 7].map((e) => row(`5x5, ${c} channels, output ${e}x${8 - e}`, [2, c, e, 8 - e], [18, c, 5, 5], { padding: 2, bias: true }))),
  row('5x5, several blocks of tiles, padding 3 and 0', [2, 17, 21, 30], [6, 17, 5, 5], { padding: [3, 0], bias: true }),
  row('5x5, several bands of lines, padding 3 and 0', [2, 13, 35, 30], [6, 13, 5, 5], { padding: [3, 0], bias: true }),
  row('5x5, several panels', [1, 20, 9, 8], [150, 20, 5, 5]),
  row('5x5, 65 to 67 channels, padding 5', [1, 65, 3, 2], [67, 65, 5, 5], { padding: 5 }),
  row('1x1', [2, 17, 4, 5], [33, 17, 1, 1], { bias: true }),
  row('1x1, stride 2', [2, 16, 5, 5], [31, 16, 1, 1], { stride: 2 }),
  // Weight gradients of 1x1: blocks that do not end where an image does.
  row('1x1 to 256 channels, blocks across images', [3, 19, 10, 11], [256, 19, 1, 1], { bias: true }),
  row('3x3 to 256 channels, stride 2', [2, 5, 9, 7], [256, 5, 3, 3], { stride: 2, padding: 1, bias: true }),
  // Blocks of pixels that do not end where an image does, by blocks and, with large weights, by panels.
  row('1x1, 70 to 132 channels, blocks across images', [3, 70, 9, 7], [132, 70, 1, 1], { bias: true }),
  row('1x1, 80 to 200 channels, more weights than pixels', [2, 80, 9, 7], [200, 80, 1, 1]),
  row('1x1 with padding', [1, 4, 3, 3], [5, 4, 1, 1], { padding: 1, bias: true }),
  row('1x1 of one pixel', [3, 65, 1, 1], [7, 65, 1, 1]),
  row('kernel 1x7', [1, 5, 4, 9], [6, 5, 1, 7], { padding: [0, 3] }),
  row('kernel 7x1', [1, 5, 9, 4], [6, 5, 7, 1], { padding: [3, 0] }),
  row('kernel as large as the input', [3, 5, 4, 6], [7, 5, 4, 6], { bias: true }),
  row('kernel 11, stride 4 (AlexNet)', [1, 3, 19, 19], [8, 3, 11, 11], { stride: 4, padding: 2 }),
  row('kernel 7, stride 2 (ResNet)', [1, 3, 16, 16], [16, 3, 7, 7], { stride: 2, padding: 3 }),
  row('LeNet, first layer', [3, 1, 28, 28], [6, 1, 5, 5], { padding: 2, bias: true }),
  row('LeNet, second layer', [3, 6, 14, 14], [16, 6, 5, 5], { bias: true }),
  ...[1, 3, 16].map((n) => row(`batch ${n}`, [n, 4, 5, 5], [9, 4, 3, 3], { padding: 1, bias: true })),
  // Images in the lanes: groups of images whole and cut off, channels around the blocks of a tile, several bands of lines.
  ...[4, 8, 15, 16, 17, 33].map((n) => row(`${n} images, 3 to 6 channels`, [n, 3, 5, 7], [6, 3, 3, 3], { padding: 1, bias: true })),
  ...[1, 2, 3, 4, 5, 7, 8, 9, 13, 17].map((c) => row(`17 images, ${c} channels to ${c}`, [17, c, 4, 5], [c, c, 2, 3], { padding: 1, bias: true })),
  ...[1, 2, 3].flatMap((s) => [0, 2].map((p) => row(`18 images, stride ${s}, padding ${p}`, [18, 2, 9, 8], [5, 2, 3, 4], { stride: s, padding: p, bias: true }))),
  row('17 images, vertical dilation, asymmetric padding', [17, 3, 9, 6], [5, 3, 3, 2], { dilation: [2, 1], padding: [[3, 0], [0, 2]], bias: true }),
  row('17 images, padding wider than the image', [17, 2, 2, 3], [3, 2, 3, 3], { padding: 4, bias: true }),
  ...[1, 2, 3, 5, 8].map((e) => row(`17 images, 5x5, output ${e}x${9 - e}`, [17, 7, e + 1, 11 - e], [3, 7, 5, 5], { padding: [[2, 1], [0, 2]], bias: true })),
  row('18 images, 5x5, several bands of lines, padding 4', [18, 1, 33, 3], [2, 1, 5, 5], { padding: 4 }),
  row('17 images, 5x5, padding wider than the kernel', [17, 2, 3, 4], [3, 2, 5, 5], { padding: [6, 5] }),
  row('17 images, LeNet, first layer', [17, 1, 28, 28], [6, 1, 5, 5], { padding: 2, bias: true }),
  row('17 images, LeNet, second layer', [17, 6, 14, 14], [16, 6, 5, 5], { bias: true }),
]; // prettier-ignore

/** What compile joins into one instruction. */
const fused: OpRow[] = ([relu, sigmoid, tanh, relu6] as const).flatMap((activation) => [
  {
    name: `bias and ${activation.name}`,
    operands: [{ shape: [2, 5, 6, 7] }, { shape: [17, 5, 3, 3] }, { shape: [17] }],
    build: (x, w, b) => activation(conv2d(x, w, { bias: b, padding: 1 })),
  },
  {
    name: `bias, residual and ${activation.name}`,
    operands: [{ shape: [2, 5, 6, 7] }, { shape: [17, 5, 3, 3] }, { shape: [17] }, { shape: [2, 17, 6, 7] }],
    build: (x, w, b, r) => activation(add(conv2d(x, w, { bias: b, padding: 1 }), r)),
  },
  {
    name: `1x1, bias, residual and ${activation.name}`,
    operands: [{ shape: [3, 66, 9, 7] }, { shape: [70, 66, 1, 1] }, { shape: [70] }, { shape: [3, 70, 9, 7] }],
    build: (x, w, b, r) => activation(add(conv2d(x, w, { bias: b }), r)),
  },
  {
    name: `18 images, bias, residual and ${activation.name}`,
    operands: [{ shape: [18, 3, 4, 5] }, { shape: [7, 3, 3, 3] }, { shape: [7] }, { shape: [18, 7, 4, 5] }],
    build: (x, w, b, r) => activation(add(conv2d(x, w, { bias: b, padding: 1 }), r)),
  },
  {
    name: `depthwise, bias, residual and ${activation.name}`,
    operands: [{ shape: [2, 21, 5, 9] }, { shape: [21, 1, 3, 3] }, { shape: [21] }, { shape: [2, 21, 5, 9] }],
    build: (x, w, b, r) => activation(add(conv2d(x, w, { bias: b, padding: 1, groups: 21 }), r)),
  },
]);

export const conv2dTable: OpTable = { family: 'conv2d', rows: [...rows, ...fused] };
