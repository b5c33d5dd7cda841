/**
 * A product of transposed rows (a weight gradient) so large that it is written past the caches, against sums in double made here, and the same
 * bits for every number of threads. Small products are the business of matmul.table.ts.
 */

import { constantTensor } from '../../lib/graph/leaves';
import { matmul } from '../../lib/ops/matmul';
import { transpose } from '../../lib/ops/shape';
import { runGraph, sameBits } from '../support/runGraph';

const [K, M] = [5, 2050];

// Rows of the result that start on cache lines, and rows that do not.
test.each([2064, 2050])('%i columns', (n) => {
  const as = Float32Array.from({ length: K * M }, (_, i) => Math.sin(0.7 * i));
  const bs = Float32Array.from({ length: K * n }, (_, i) => Math.cos(1.3 * i));
  const y = matmul(transpose(constantTensor(as, [K, M], 'float32')), constantTensor(bs, [K, n], 'float32'));
  const [first, ...others] = [1, 2, 3].map((threads) => runGraph([y], { name: `${threads} threads`, threads })[0]!);
  let worst = 0;
  for (let row = 0; row < M; row++) {
    for (let column = 0; column < n; column++) {
      let expected = 0;
      for (let k = 0; k < K; k++) expected += as[k * M + row]! * bs[k * n + column]!;
      worst = Math.max(worst, Math.abs(first![row * n + column]! - expected));
    }
  }
  expect(worst).toBeLessThan(1e-6);
  for (const other of others) expect(sameBits(other, first!)).toBe(true);
});
