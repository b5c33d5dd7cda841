/**
 * How large the terms are that Winograd's minimal filtering sums, which its rounding errors are proportional to: its formula
 * (test/reference/winograd.ts) with the magnitude of every matrix and operand.
 */

import type { Tensor } from '../../lib/graph/tensor';
import type { Conv2dAttrs } from '../../lib/ops/conv';
import { array64, dims4, type Array64 } from '../reference/array64';
import { absoluteMatrices, gradInputWeight, transform, transposed, winogradConv2d, winogradMatrices } from '../reference/winograd';

export type WinogradForm = 'winograd2x2' | 'winograd4x4';
export const WINOGRAD_FORMS: readonly WinogradForm[] = ['winograd2x2', 'winograd4x4'];

/** Points, rows and columns of dy that a tile of the weight gradient covers, and taps. */
const [SIX, TILE, TAPS] = [6, 4, 3];

function range<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** The magnitudes for each number of a convolution or one of its gradients; there is no weight gradient with the small tiles. */
export function winogradTerms(inputs: readonly Array64[], node: Tensor, form: WinogradForm): Float64Array {
  const [a, b] = inputs.map((x): Array64 => ({ shape: x.shape, data: x.data.map(Math.abs) })) as [Array64, Array64];
  const [top, bottom, left, right] = (node.attrs as unknown as Conv2dAttrs).padding;
  const m = form === 'winograd4x4' ? 4 : 2;
  const magnitudes = absoluteMatrices(winogradMatrices(m));
  switch (node.op) {
    case 'conv2d':
      return winogradConv2d(a, b, [[top, bottom], [left, right]], m, magnitudes).data; // prettier-ignore
    case 'conv2dGradInput':
      return winogradConv2d(a, gradInputWeight(b), [[2 - top, 2 - bottom], [2 - left, 2 - right]], m, magnitudes).data; // prettier-ignore
    default:
      return m === 4 ? gradWeightTerms(a, b, [top, left]).data : new Float64Array(node.size);
  }
}

/** Roundings that follow each other: over channels or tiles, and in two dimensions of transforms of six, four and six terms. */
export function winogradRoundings({ op, inputs }: Tensor): number {
  const transforms = 2 * (SIX + TILE + SIX);
  const [batch, channels, height, width] = inputs[op === 'conv2dGradWeight' ? 1 : 0]!.shape as [number, number, number, number];
  return transforms + (op === 'conv2dGradWeight' ? batch * Math.ceil(height / TILE) * Math.ceil(width / TILE) : channels);
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
 * |G^T| [ sum over tiles of (|A| |e| |A^T|) * (|B^T| |d| |B|) ] |G| for every weight of a 3x3 kernel with stride 1.
 *
 * @param padding top and left
 */
function gradWeightTerms(x: Array64, dy: Array64, padding: readonly [number, number]): Array64 {
  const { a, g, bt } = absoluteMatrices(winogradMatrices(4));
  const [batch, channels] = dims4(x);
  const [, outputs, height, width] = dims4(dy);
  const sums = range(outputs * channels, () => new Array<number>(SIX * SIX).fill(0));
  for (let n = 0; n < batch; n++) {
    for (let row = 0; row < height; row += TILE) {
      for (let column = 0; column < width; column += TILE) {
        const pixels = range(channels, (c) => transform(bt, square(x, n, c, row - padding[0], column - padding[1], SIX)));
        const gradients = range(outputs, (o) => transform(a, square(dy, n, o, row, column, TILE)));
        sums.forEach((sum, at) => {
          const [e, d] = [gradients[Math.floor(at / channels)]!, pixels[at % channels]!];
          for (let p = 0; p < sum.length; p++) sum[p]! += e[p]! * d[p]!;
        });
      }
    }
  }
  const result = array64([outputs, channels, TAPS, TAPS]);
  sums.forEach((sum, at) => result.data.set(transform(transposed(g), sum), at * TAPS * TAPS));
  return result;
}
