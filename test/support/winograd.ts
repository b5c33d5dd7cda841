/**
 * How large the terms are that Winograd's minimal filtering sums, which its rounding errors are proportional to: its formula
 * (test/reference/winograd.ts) with the magnitude of every matrix and operand.
 */

import type { Tensor } from '../../lib/graph/tensor';
import type { Conv2dAttrs } from '../../lib/ops/conv';
import { array64, dims4, type Array64 } from '../reference/array64';
import {
  absoluteMatrices,
  gradInputWeight,
  transform,
  transposed,
  winogradConv2d,
  winogradConv2dAdjoint,
  winogradMatrices,
  type WinogradMatrices,
  type WinogradSize,
} from '../reference/winograd';

export type WinogradForm = 'winograd2x2' | 'winograd4x4' | 'hwcn_winograd2x2';
export const WINOGRAD_FORMS: readonly WinogradForm[] = ['winograd2x2', 'winograd4x4', 'hwcn_winograd2x2'];

/** Most points and taps, by side. */
const [SIX, FIVE] = [6, 5];

function range<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** Whether the node is a convolution or a gradient of one that `form` of Winograd's minimal filtering can compute. */
export function isWinograd(node: Tensor, form: WinogradForm): boolean {
  const { op, inputs, shape, attrs } = node;
  if (op !== 'conv2d' && op !== 'conv2dGradInput' && op !== 'conv2dGradWeight') return false;
  const { stride, dilation, groups } = attrs as unknown as Conv2dAttrs;
  const [kh, kw] = (op === 'conv2dGradWeight' ? shape : inputs[1]!.shape).slice(2);
  const isPossible = kh === kw && (kh === 3 || kh === 5) && groups === 1 && [...stride, ...dilation].every((step) => step === 1);
  return isPossible && sizeFor(node, form) !== undefined;
}

/** Tile and taps, of the convolution, for the algorithm `form` of the node; undefined if it has none of that name. */
function sizeFor(node: Tensor, form: WinogradForm): WinogradSize | undefined {
  const isGradWeight = node.op === 'conv2dGradWeight';
  const [tile, taps] = [form === 'winograd4x4' ? 4 : 2, (isGradWeight ? node.shape : node.inputs[1]!.shape)[2]!];
  if (form === 'hwcn_winograd2x2' && (node.op !== 'conv2dGradInput' || taps !== 5)) return undefined;
  return tile + taps === 7 || (tile + taps === 5 && !isGradWeight) ? { tile, taps } : undefined;
}

/** The magnitudes for each number of a node that isWinograd. */
export function winogradTerms(inputs: readonly Array64[], node: Tensor, form: WinogradForm): Float64Array {
  const size = sizeFor(node, form)!;
  const [a, b] = inputs.map((x): Array64 => ({ shape: x.shape, data: x.data.map(Math.abs) })) as [Array64, Array64];
  const [top, bottom, left, right] = (node.attrs as unknown as Conv2dAttrs).padding;
  const last = size.taps - 1;
  const magnitudes = absoluteMatrices(winogradMatrices(size));
  switch (node.op) {
    case 'conv2d':
      return winogradConv2d(a, b, [[top, bottom], [left, right]], size, magnitudes).data; // prettier-ignore
    case 'conv2dGradInput':
      if (form === 'hwcn_winograd2x2') {
        const [height, width] = node.shape.slice(2) as [number, number];
        return winogradConv2dAdjoint(a, b, [height, width], [top, left], size, magnitudes).data;
      }
      return winogradConv2d(a, gradInputWeight(b), [[last - top, last - bottom], [last - left, last - right]], size, magnitudes).data; // prettier-ignore
    default:
      return gradWeightTerms(a, b, [top, left], size, magnitudes).data;
  }
}

/**
 * Roundings that follow each other: over channels or tiles, and in two dimensions of transforms of six, five and six terms at most and, in
 * the adjoint form, of sums over three tiles.
 */
export function winogradRoundings(node: Tensor, form: WinogradForm): number {
  const transforms = 2 * (SIX + FIVE + SIX + (form === 'hwcn_winograd2x2' ? 3 : 0));
  const isGradWeight = node.op === 'conv2dGradWeight';
  const [batch, channels, height, width] = node.inputs[isGradWeight ? 1 : 0]!.shape as [number, number, number, number];
  const { tile } = sizeFor(node, form)!;
  return transforms + (isGradWeight ? batch * Math.ceil(height / tile) * Math.ceil(width / tile) : channels);
}

/** Square of pixels that begins at (row, column), with zeros outside the image. */
function square(x: Array64, n: number, c: number, row: number, column: number, side: number): number[] {
  const [, channels, height, width] = dims4(x);
  return range(side * side, (at) => {
    const [i, j] = [row + Math.floor(at / side), column + (at % side)];
    return i >= 0 && i < height && j >= 0 && j < width ? x.data[((n * channels + c) * height + i) * width + j]! : 0;
  });
}

/**
 * |G^T| [ sum over tiles of (|A| |e| |A^T|) * (|B^T| |d| |B|) ] |G| for every weight of a kernel with stride 1.
 *
 * @param padding top and left
 */
function gradWeightTerms(
  x: Array64,
  dy: Array64,
  padding: readonly [number, number],
  { tile, taps }: WinogradSize,
  { a, g, bt }: WinogradMatrices,
): Array64 {
  const [batch, channels] = dims4(x);
  const [, outputs, height, width] = dims4(dy);
  const sums = range(outputs * channels, () => new Array<number>(SIX * SIX).fill(0));
  for (let n = 0; n < batch; n++) {
    for (let row = 0; row < height; row += tile) {
      for (let column = 0; column < width; column += tile) {
        const pixels = range(channels, (c) => transform(bt, square(x, n, c, row - padding[0], column - padding[1], SIX)));
        const gradients = range(outputs, (o) => transform(a, square(dy, n, o, row, column, tile)));
        sums.forEach((sum, at) => {
          const [e, d] = [gradients[Math.floor(at / channels)]!, pixels[at % channels]!];
          for (let p = 0; p < sum.length; p++) sum[p]! += e[p]! * d[p]!;
        });
      }
    }
  }
  const result = array64([outputs, channels, taps, taps]);
  sums.forEach((sum, at) => result.data.set(transform(transposed(g), sum), at * taps * taps));
  return result;
}
