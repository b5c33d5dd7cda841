/**
 * How large the terms are that Winograd's minimal filtering sums: what its rounding errors are proportional to. The formula of
 * native/kernels/winograd_transforms.inl.h with the magnitude of every matrix and operand, in float64; it computes no convolution.
 */

import { array64, dims4, type Array64 } from '../reference/array64';

const [A, B] = [0.75, 1.5];
const POINTS = [0, A, -A, B, -B];
const SIX = 6;
/** Rows and columns of dy that a tile of the weight gradient covers; the taps that come out. */
const TILE = 4;
const TAPS = 3;

/** |B^T|, |G| for four taps and |A^T| for three outputs. */
const inputMatrix: number[][] = [
  [(A * B) ** 2, 0, A * A + B * B, 0, 1, 0],
  ...[A, A, B, B].map((p) => [0, (p * (A * B) ** 2) / p ** 2, (A * B) ** 2 / p ** 2, p, 1, 0]),
  [0, (A * B) ** 2, 0, A * A + B * B, 0, 1],
];
const weightOf = (p: number): number => 1 / Math.abs(POINTS.reduce((product, q) => (q === p ? product : product * (p - q)), 1));
const filterMatrix = [...POINTS.map((p) => range(TILE, (k) => Math.abs(p) ** k)), range(TILE, (k) => (k === TILE - 1 ? 1 : 0))];
const outputMatrix = range(TAPS, (k) => [...POINTS.map((p) => Math.abs(p) ** k * weightOf(p)), k === TAPS - 1 ? 1 : 0]);

function range<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

/** m x m^T for a square x of numbers that are all positive. */
function transform(m: readonly number[][], x: Float64Array): Float64Array {
  const inner = m[0]!.length;
  const half = new Float64Array(m.length * inner);
  const result = new Float64Array(m.length * m.length);
  m.forEach((row, i) => row.forEach((value, k) => range(inner, (j) => (half[i * inner + j]! += value * x[k * inner + j]!))));
  m.forEach((row, j) => row.forEach((value, k) => range(m.length, (i) => (result[i * m.length + j]! += value * half[i * inner + k]!))));
  return result;
}

/** Magnitudes of the square of pixels that begins at (row, column), with zeros outside the image. */
function square(x: Array64, n: number, c: number, row: number, column: number, side: number): Float64Array {
  const [, channels, height, width] = dims4(x);
  return Float64Array.from({ length: side * side }, (_, at) => {
    const [i, j] = [row + Math.floor(at / side), column + (at % side)];
    return i >= 0 && i < height && j >= 0 && j < width ? Math.abs(x.data[((n * channels + c) * height + i) * width + j]!) : 0;
  });
}

/**
 * |A^T| [ sum over tiles of (|G| |e| |G^T|) * (|B^T| |d| |B|) ] |A| for every weight of a 3x3 kernel with stride 1.
 *
 * @param padding top and left
 */
export function winogradGradWeightTerms(x: Array64, dy: Array64, padding: readonly [number, number]): Array64 {
  const [batch, channels] = dims4(x);
  const [, outputs, height, width] = dims4(dy);
  const sums = range(outputs * channels, () => new Float64Array(SIX * SIX));
  for (let n = 0; n < batch; n++) {
    for (let row = 0; row < height; row += TILE) {
      for (let column = 0; column < width; column += TILE) {
        const v = range(channels, (c) => transform(inputMatrix, square(x, n, c, row - padding[0], column - padding[1], SIX)));
        const g = range(outputs, (o) => transform(filterMatrix, square(dy, n, o, row, column, TILE)));
        sums.forEach((sum, at) => {
          const [e, d] = [g[Math.floor(at / channels)]!, v[at % channels]!];
          for (let p = 0; p < sum.length; p++) sum[p]! += e[p]! * d[p]!;
        });
      }
    }
  }
  const result = array64([outputs, channels, TAPS, TAPS]);
  sums.forEach((sum, at) => result.data.set(transform(outputMatrix, sum), at * TAPS * TAPS));
  return result;
}

/** Roundings that follow each other: over tiles, and in two dimensions of transforms of six, four and six terms. */
export function winogradGradWeightRoundings(dy: Array64): number {
  const [batch, , height, width] = dims4(dy);
  return batch * Math.ceil(height / TILE) * Math.ceil(width / TILE) + 2 * (SIX + TILE + SIX);
}
