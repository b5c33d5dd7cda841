/** The harness itself: a wrong gradient rule and a wrong kernel are found, and right ones within float32's rounding are not. */

import { tensor } from '../../lib/graph/leaves';
import { add, mul, sigmoid, sub } from '../../lib/ops/elementwise';
import { conv2d } from '../../lib/ops/conv';
import { localResponseNorm } from '../../lib/ops/responseNorm';
import { sum } from '../../lib/ops/broadcast';
import { concat } from '../../lib/ops/slice';
import { softmax } from '../../lib/ops/softmax';
import { compareSlopes } from './checkGradient';
import { rowGraph } from './opRow';
import { compare, expectRow } from './runTable';

test('a wrong gradient is far from central differences', () => {
  const x = tensor([0.5, -1.25, 2]);
  const loss = sum(mul(sigmoid(x), x));
  const { analytic, numeric, scale } = compareSlopes(loss, [x], [sigmoid(x)]); // without the term x s (1 - s)
  expect(Math.abs(analytic - numeric)).toBeGreaterThan(1e-2 * scale);
});

describe('bounds of a convolution', () => {
  const graph = rowGraph({
    name: 'row',
    operands: [{ shape: [1, 16, 6, 6] }, { shape: [8, 16, 3, 3] }],
    build: (x, w) => conv2d(x, w, { padding: 1 }),
  });
  const expected = expectRow(graph)[0]!;
  const terms = 16 * 9;

  test('hold for float32 summation and are tight', () => {
    expect(compare('row', Float32Array.from(expected.value), expected)).toEqual([]);
    for (const [i, bound] of expected.bound.entries()) {
      expect(bound).toBeGreaterThan(0);
      // Nowhere as large as a hundredth of one average product.
      expect(bound).toBeLessThan((0.01 * 0.25 * (terms + Math.abs(expected.value[i]!))) / terms);
    }
  });

  test('one missing product, a NaN and a missing value are found', () => {
    const wrong = Float32Array.from(expected.value);
    wrong[3]! += 0.05;
    expect(compare('row', wrong, expected)).toEqual([expect.stringContaining('1 of 288 wrong, first at 3')]);
    wrong[3] = NaN;
    expect(compare('row', wrong, expected)).toHaveLength(1);
    expect(compare('row', wrong.subarray(1), expected)).toEqual([expect.stringContaining('287 values')]);
  });
});

describe('bounds of values that are off', () => {
  test('of a response normalisation: a value that is far off for its size leaves its neighbours close', () => {
    const graph = rowGraph({
      name: 'row',
      operands: [{ shape: [2, 3, 3, 3] }, { shape: [2, 3, 3, 3] }],
      build: (small, large) => localResponseNorm(concat([sub(add(mul(small, 1e-6), large), large), large], { axis: 1 }), { size: 3 }),
    });
    for (const bound of expectRow(graph)[0]!.bound) expect(bound).toBeLessThan(1e-5);
  });

  test('of a softmax: a probability is off by 1 at most', () => {
    const graph = rowGraph({ name: 'row', operands: [{ shape: [3, 5] }], build: (a) => softmax(mul(a, 1e12)) });
    for (const bound of expectRow(graph)[0]!.bound) expect(bound).toBeLessThan(1.0001);
  });
});
