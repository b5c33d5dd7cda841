/** Least squares with coefficients that are not negative. */

const SWEEPS = 20_000;
const TOLERANCE = 1e-16;

/**
 * The x >= 0 that makes sum over i of (sum over j of rows[i][j] x[j] - targets[i])^2 least, by cyclic coordinate descent on the normal
 * equations (Franc, Hlavac, Navara: Sequential coordinate-wise algorithm for the non-negative least squares problem, 2005). A
 * coefficient whose column is zero is 0.
 * @param rows [m][n]
 */
export function leastSquares(rows: readonly (readonly number[])[], targets: readonly number[]): number[] {
  const n = rows[0]?.length ?? 0;
  const columns = Array.from({ length: n }, (_, j) => rows.map((row) => row[j]!));
  const products = columns.map((a) => columns.map((b) => dot(a, b)));
  const gradient = columns.map((a) => -dot(a, targets)); // of half the sum of squares, at x
  const x = new Array<number>(n).fill(0);
  for (let sweep = 0; sweep < SWEEPS; ++sweep) {
    let largest = 0;
    for (let j = 0; j < n; ++j) {
      const own = products[j]![j]!;
      if (own === 0) continue;
      const next = Math.max(0, x[j]! - gradient[j]! / own);
      const step = next - x[j]!;
      if (step === 0) continue;
      for (let k = 0; k < n; ++k) gradient[k]! += step * products[j]![k]!;
      x[j] = next;
      largest = Math.max(largest, step * step * own);
    }
    if (largest < TOLERANCE) break;
  }
  return x;
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0);
}
