/**
 * Batch normalisation of a value so large that its results are written past the caches: forward and gradient against sums in double made
 * here, and the same bits for every number of threads. Small values are the business of norm.table.ts.
 */

import { constantTensor } from '../../lib/graph/leaves';
import { grad } from '../../lib/ops';
import { add, mul, relu } from '../../lib/ops/elementwise';
import { batchNorm2d } from '../../lib/ops/batchNorm';
import { sum } from '../../lib/ops/broadcast';
import { runGraph, sameBits } from '../support/runGraph';

const SHAPE = [4, 32, 91, 91] as const;
const [N, C, H, W] = SHAPE;
const PLANE = H * W;
const EPS = 1e-5;

const wave = (seed: number): Float32Array => Float32Array.from({ length: N * C * PLANE }, (_, i) => Math.sin(i * seed) + 0.3 * seed);
const channelOf = (i: number): number => Math.floor(i / PLANE) % C;
const sums = (value: (i: number) => number): Float64Array => {
  const result = new Float64Array(C);
  for (let i = 0; i < N * C * PLANE; i++) result[channelOf(i)]! += value(i);
  return result;
};

test('forward with sum and relu, and the gradient', () => {
  const [xs, others, factors] = [wave(0.7), wave(1.3), wave(2.1)];
  const x = constantTensor(xs, SHAPE, 'float32');
  const y = relu(add(batchNorm2d(x, { training: true, eps: EPS }), constantTensor(others, SHAPE, 'float32')));
  const [dx] = grad(sum(mul(y, constantTensor(factors, SHAPE, 'float32'))), [x]);

  const count = N * PLANE;
  const mean = sums((i) => xs[i]!).map((s) => s / count);
  const inverse = sums((i) => (xs[i]! - mean[channelOf(i)]!) ** 2).map((s) => 1 / Math.sqrt(s / count + EPS));
  const hat = (i: number): number => (xs[i]! - mean[channelOf(i)]!) * inverse[channelOf(i)]!;
  const dy = (i: number): number => (hat(i) + others[i]! > 0 ? factors[i]! : 0);
  const dbias = sums(dy);
  const dweight = sums((i) => dy(i) * hat(i));

  const results = [1, 2, 3].map((threads) => runGraph([y, dx!], { name: `${threads} threads`, threads }));
  const [output, gradient] = results[0]!;
  let [worst, worstGradient] = [0, 0];
  for (let i = 0; i < xs.length; i++) {
    const c = channelOf(i);
    worst = Math.max(worst, Math.abs(output![i]! - Math.max(0, hat(i) + others[i]!)));
    // A mask that rounding decides is not a mistake.
    if (Math.abs(hat(i) + others[i]!) < 1e-5) continue;
    const expected = inverse[c]! * (dy(i) - dbias[c]! / count - (hat(i) * dweight[c]!) / count);
    worstGradient = Math.max(worstGradient, Math.abs(gradient![i]! - expected));
  }
  expect(worst).toBeLessThan(1e-5);
  expect(worstGradient).toBeLessThan(1e-5);
  for (const other of results.slice(1)) other.forEach((values, k) => expect(sameBits(values, results[0]![k]!)).toBe(true));
});
