/**
 * Matrix product in plain JavaScript: packed panels and a register tile of 4 x 2 in float32, which is what a careful programmer without
 * vector instructions and threads can do.
 */

const TILE_ROWS = 4;
const TILE_COLS = 2;
/** Columns of b that are packed at a time. */
const BLOCK_COLS = 64;

/** A matrix in an array: element (i, j) is data[offset + i * rowStride + j * colStride]. */
export interface Matrix {
  readonly data: Float32Array;
  readonly offset: number;
  readonly rowStride: number;
  readonly colStride: number;
}

/** Row-major. */
export function matrix(data: Float32Array, offset: number, cols: number): Matrix {
  return { data, offset, rowStride: cols, colStride: 1 };
}

export function transposed({ data, offset, rowStride, colStride }: Matrix): Matrix {
  return { data, offset, rowStride: colStride, colStride: rowStride };
}

let packedA = new Float32Array(0);
let packedB = new Float32Array(0);

/** c [m, n] += a [m, k] b [k, n] */
export function gemm(m: number, n: number, k: number, a: Matrix, b: Matrix, c: Matrix): void {
  const rowTiles = Math.ceil(m / TILE_ROWS);
  if (packedA.length < rowTiles * TILE_ROWS * k) packedA = new Float32Array(rowTiles * TILE_ROWS * k);
  if (packedB.length < BLOCK_COLS * k) packedB = new Float32Array(BLOCK_COLS * k);
  pack(packedA, TILE_ROWS, m, k, a);
  for (let first = 0; first < n; first += BLOCK_COLS) {
    const cols = Math.min(BLOCK_COLS, n - first);
    pack(packedB, TILE_COLS, cols, k, { ...transposed(b), offset: b.offset + first * b.colStride });
    for (let i = 0; i < rowTiles; i++) {
      for (let j = 0; j < cols; j += TILE_COLS) tile(i * TILE_ROWS, first + j, m, n, k, j * k, c);
    }
  }
}

/** `height` rows as panels of `rows`, zeros beyond the last: panel p holds element (i, j) at (p * k + j) * rows + i. */
function pack(to: Float32Array, rows: number, height: number, k: number, { data, offset, rowStride, colStride }: Matrix): void {
  for (let i0 = 0, at = 0; i0 < height; i0 += rows) {
    for (let j = 0; j < k; j++) {
      for (let i = i0; i < i0 + rows; i++) to[at++] = i < height ? data[offset + i * rowStride + j * colStride]! : 0;
    }
  }
}

/** One tile of c at (row, col), from the panels of row `row` and at `atB`. */
function tile(
  row: number,
  col: number,
  m: number,
  n: number,
  k: number,
  atB: number,
  { data, offset, rowStride, colStride }: Matrix,
): void {
  const { fround } = Math;
  const [a, b] = [packedA, packedB];
  let [s00, s01, s10, s11] = [fround(0), fround(0), fround(0), fround(0)];
  let [s20, s21, s30, s31] = [fround(0), fround(0), fround(0), fround(0)];
  for (let p = row * k, q = atB, end = row * k + TILE_ROWS * k; p < end; p += TILE_ROWS, q += TILE_COLS) {
    const b0 = b[q]!;
    const b1 = b[q + 1]!;
    const a0 = a[p]!;
    s00 = fround(s00 + fround(a0 * b0));
    s01 = fround(s01 + fround(a0 * b1));
    const a1 = a[p + 1]!;
    s10 = fround(s10 + fround(a1 * b0));
    s11 = fround(s11 + fround(a1 * b1));
    const a2 = a[p + 2]!;
    s20 = fround(s20 + fround(a2 * b0));
    s21 = fround(s21 + fround(a2 * b1));
    const a3 = a[p + 3]!;
    s30 = fround(s30 + fround(a3 * b0));
    s31 = fround(s31 + fround(a3 * b1));
  }
  let at = offset + row * rowStride + col * colStride;
  const both = col + 1 < n;
  const rows = Math.min(TILE_ROWS, m - row);
  data[at]! += s00;
  if (both) data[at + colStride]! += s01;
  if (rows === 1) return;
  at += rowStride;
  data[at]! += s10;
  if (both) data[at + colStride]! += s11;
  if (rows === 2) return;
  at += rowStride;
  data[at]! += s20;
  if (both) data[at + colStride]! += s21;
  if (rows === 3) return;
  at += rowStride;
  data[at]! += s30;
  if (both) data[at + colStride]! += s31;
}
