/**
 * Winograd's convolution F(m x m, r x r) as its formula, for its error bound and to check the matrices: with the transforms' matrices
 * A, G and B, for each tile of m x m outputs
 *
 *   y = A^T [ sum over channels of (G g G^T) * (B^T d B) ] A,     * elementwise
 *
 * Source: A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016. The matrices follow from the points by
 * Toom and Cook's construction: at a finite point p, with n = product of (p - q) over the other finite points q, row p of A is
 * p^k, row p of G is p^k / n, and row p of B^T holds the coefficients of the product of (x - q); infinity takes the leading coefficients.
 */

import { array64, dims4, type Array64 } from './array64';
import { outputExtent } from './conv';

/** m and r. */
export interface WinogradSize {
  readonly tile: number;
  readonly taps: number;
}

/** Finite points of the kernels by m + r - 1; the last point is infinity. */
const POINTS: Readonly<Record<number, readonly number[]>> = { 4: [0, 1, -1], 6: [0, 0.75, -0.75, 1.5, -1.5] };

export type Matrix = readonly (readonly number[])[];

export interface WinogradMatrices {
  /** [P, m], [P, r] and [P, P] for P = m + r - 1 points. */
  readonly a: Matrix;
  readonly g: Matrix;
  readonly bt: Matrix;
}

export function winogradMatrices({ tile, taps }: WinogradSize): WinogradMatrices {
  const points = POINTS[tile + taps - 1]!;
  const count = points.length + 1;
  const powers = (p: number, n: number): number[] => Array.from({ length: n }, (_, k) => p ** k);
  const last = (n: number): number[] => Array.from({ length: n }, (_, k) => (k === n - 1 ? 1 : 0));
  /** Coefficients of the product of (x - q), lowest first, over `count` columns. */
  const polynomial = (roots: readonly number[]): number[] => {
    let c = [1];
    for (const q of roots) c = [...c, 0].map((_, k) => (c[k - 1] ?? 0) - q * (c[k] ?? 0));
    return [...c, ...new Array<number>(count - c.length).fill(0)];
  };
  const others = (p: number): number[] => points.filter((q) => q !== p);
  return {
    a: [...points.map((p) => powers(p, tile)), last(tile)],
    g: [...points.map((p) => powers(p, taps).map((v) => v / others(p).reduce((n, q) => n * (p - q), 1))), last(taps)],
    bt: [...points.map((p) => polynomial(others(p))), polynomial(points)],
  };
}

export function absoluteMatrices({ a, g, bt }: WinogradMatrices): WinogradMatrices {
  const abs = (x: Matrix): Matrix => x.map((row) => row.map(Math.abs));
  return { a: abs(a), g: abs(g), bt: abs(bt) };
}

/** m x m^T for a square x. */
export function transform(m: Matrix, x: readonly number[]): number[] {
  const n = m[0]!.length;
  const half = m.map((row) => Array.from({ length: n }, (_, j) => row.reduce((sum, v, i) => sum + v * x[i * n + j]!, 0)));
  return half.flatMap((row) => m.map((other) => other.reduce((sum, v, j) => sum + v * row[j]!, 0)));
}

export const transposed = (x: Matrix): Matrix => x[0]!.map((_, j) => x.map((row) => row[j]!));

/**
 * The convolution of stride 1 of x [N, C, H, W] with w [O, C, r, r] and padding [[top, bottom], [left, right]], computed with the given
 * matrices. Paddings may be negative: then the edge is not read.
 */
export function winogradConv2d(
  x: Array64,
  w: Array64,
  padding: readonly [readonly [number, number], readonly [number, number]],
  size: WinogradSize,
  { a, g, bt }: WinogradMatrices = winogradMatrices(size),
): Array64 {
  const { tile: m, taps: r } = size;
  const [batch, channels, height, width] = dims4(x);
  const [outChannels] = dims4(w);
  const [oh, ow] = [outputExtent(height, r, padding[0], 1), outputExtent(width, r, padding[1], 1)];
  const y = array64([batch, outChannels, oh, ow]);
  const at = transposed(a);
  const edge = m + r - 1;
  const filters = Array.from({ length: outChannels * channels }, (_, k) => transform(g, [...w.data.subarray(k * r * r, (k + 1) * r * r)]));
  for (let n = 0; n < batch; n++) {
    for (let top = 0; top < oh; top += m) {
      for (let left = 0; left < ow; left += m) {
        const tiles = Array.from({ length: channels }, (_, c) => {
          const pixel = (i: number, j: number): number => {
            const [row, column] = [top - padding[0][0] + i, left - padding[1][0] + j];
            const isInside = row >= 0 && row < height && column >= 0 && column < width;
            return isInside ? x.data[((n * channels + c) * height + row) * width + column]! : 0;
          };
          return transform(
            bt,
            Array.from({ length: edge * edge }, (_, k) => pixel(Math.floor(k / edge), k % edge)),
          );
        });
        for (let o = 0; o < outChannels; o++) {
          const products = new Array<number>(edge * edge).fill(0);
          for (let c = 0; c < channels; c++) {
            const u = filters[o * channels + c]!;
            for (let k = 0; k < products.length; k++) products[k]! += u[k]! * tiles[c]![k]!;
          }
          const results = transform(at, products);
          for (let i = 0; i < m && top + i < oh; i++) {
            for (let j = 0; j < m && left + j < ow; j++)
              y.data[((n * outChannels + o) * oh + top + i) * ow + left + j] = results[i * m + j]!;
          }
        }
      }
    }
  }
  return y;
}

/**
 * The input gradient of that convolution as its adjoint: for each tile of m x m pixels of dy [N, O, H, W],
 *
 *   dx += B [ sum over channels of dy of (G g G^T) * (A dy A^T) ] B^T
 *
 * at the pixels of dx [N, C, ...extents] that the tile was computed from.
 *
 * @param padding top and left
 */
export function winogradConv2dAdjoint(
  dy: Array64,
  w: Array64,
  extents: readonly [number, number],
  padding: readonly [number, number],
  size: WinogradSize,
  { a, g, bt }: WinogradMatrices = winogradMatrices(size),
): Array64 {
  const { tile: m, taps: r } = size;
  const [batch, outChannels, oh, ow] = dims4(dy);
  const [, channels] = dims4(w);
  const [height, width] = extents;
  const dx = array64([batch, channels, height, width]);
  const edge = m + r - 1;
  const b = transposed(bt);
  const filters = Array.from({ length: outChannels * channels }, (_, k) => transform(g, [...w.data.subarray(k * r * r, (k + 1) * r * r)]));
  for (let n = 0; n < batch; n++) {
    for (let top = 0; top < oh; top += m) {
      for (let left = 0; left < ow; left += m) {
        const tiles = Array.from({ length: outChannels }, (_, o) => {
          const pixel = (row: number, column: number): number =>
            row < oh && column < ow ? dy.data[((n * outChannels + o) * oh + row) * ow + column]! : 0;
          return transform(
            a,
            Array.from({ length: m * m }, (_, k) => pixel(top + Math.floor(k / m), left + (k % m))),
          );
        });
        for (let c = 0; c < channels; c++) {
          const products = new Array<number>(edge * edge).fill(0);
          tiles.forEach((e, o) => {
            for (let k = 0; k < products.length; k++) products[k]! += filters[o * channels + c]![k]! * e[k]!;
          });
          transform(b, products).forEach((v, k) => {
            const [row, column] = [top - padding[0] + Math.floor(k / edge), left - padding[1] + (k % edge)];
            if (row >= 0 && row < height && column >= 0 && column < width)
              dx.data[((n * channels + c) * height + row) * width + column]! += v;
          });
        }
      }
    }
  }
  return dx;
}

/** The weight with which the input gradient of a convolution is one of dy: [C, O, r, r], taps rotated. */
export function gradInputWeight(w: Array64): Array64 {
  const [outChannels, channels, kh, kw] = dims4(w);
  const taps = kh * kw;
  const result = array64([channels, outChannels, kh, kw]);
  for (let o = 0; o < outChannels; o++) {
    for (let c = 0; c < channels; c++) {
      for (let k = 0; k < taps; k++) result.data[(c * outChannels + o) * taps + k] = w.data[(o * channels + c + 1) * taps - 1 - k]!;
    }
  }
  return result;
}
