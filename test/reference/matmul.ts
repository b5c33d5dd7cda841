/** Matrix product and the linear layer, as loop nests. */

import { array64, type Array64 } from './array64';

/** y[m,n] = sum over k of A[m,k] B[k,n]; A is the transpose of a when transposeA, B likewise. */
export function matmul(a: Array64, b: Array64, transposeA = false, transposeB = false): Array64 {
  const [aRows, aColumns] = a.shape as [number, number];
  const [bRows, bColumns] = b.shape as [number, number];
  const [m, k] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const [k2, n] = transposeB ? [bColumns, bRows] : [bRows, bColumns];
  if (k !== k2) throw new Error(`reference matmul: [${a.shape.join()}] by [${b.shape.join()}]`);
  const y = array64([m, n]);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let t = 0; t < k; t++) {
        sum += a.data[transposeA ? t * aColumns + i : i * aColumns + t]! * b.data[transposeB ? j * bColumns + t : t * bColumns + j]!;
      }
      y.data[i * n + j] = sum;
    }
  }
  return y;
}

/** y = x W^T + b for x [N, in], W [out, in], b [out]. */
export function linear(x: Array64, weight: Array64, bias?: Array64): Array64 {
  const y = matmul(x, weight, false, true);
  const out = weight.shape[0]!;
  if (bias) for (let k = 0; k < y.data.length; k++) y.data[k]! += bias.data[k % out]!;
  return y;
}
