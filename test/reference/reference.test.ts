/** The reference is checked by the worked examples of Dive into Deep Learning and by golden vectors from PyTorch (float64). */

import { array64, sizeOf, type Array64 } from './array64';
import { conv2d, conv2dGradInput, conv2dGradWeight, outputExtent, type ConvGeometry } from './conv';
import { binary, unary } from './elementwise';
import { linear, matmul } from './matmul';
import * as norm from './norm';
import { avgPool2d, avgPool2dGrad, maxPool2d, maxPool2dGather, maxPool2dGrad, type PoolGeometry } from './pool';
import { reduce } from './reduce';
import { transpose } from './shape';
import { countCorrect, crossEntropy, crossEntropyGrad, logSoftmax, softmax } from './softmax';
import { formula, goldenOps, labels, type OpCase } from '../golden/formula';

const plain: ConvGeometry = { stride: [1, 1], padding: [[0, 0], [0, 0]], dilation: [1, 1], groups: 1 }; // prettier-ignore
const padded: ConvGeometry = { ...plain, padding: [[1, 1], [1, 1]] }; // prettier-ignore
const range = (shape: number[], first: number): Array64 =>
  array64(
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => first + i),
  );

describe('worked examples of the course', () => {
  const x = range([1, 1, 3, 3], 0);
  const k = range([1, 1, 2, 2], 0);

  test('cross-correlation', () => {
    expect([...conv2d(x, k, plain).data]).toEqual([19, 25, 37, 43]);
    expect([...conv2d(x, k, padded).data]).toEqual([0, 3, 8, 4, 9, 19, 25, 10, 21, 37, 43, 16, 6, 7, 8, 0]);
    expect([...conv2d(x, k, { ...padded, stride: [3, 2] }).data]).toEqual([0, 8, 6, 8]);
  });

  test('several channels', () => {
    const two = array64([1, 2, 3, 3], [...range([9], 0).data, ...range([9], 1).data]);
    const weight = array64([1, 2, 2, 2], [0, 1, 2, 3, 1, 2, 3, 4]);
    expect([...conv2d(two, weight, plain).data]).toEqual([56, 72, 104, 120]);
    const three = array64(
      [3, 2, 2, 2],
      [0, 1, 2].flatMap((d) => [...weight.data].map((v) => v + d)),
    );
    expect([...conv2d(two, three, plain).data]).toEqual([56, 72, 104, 120, 76, 100, 148, 172, 96, 128, 192, 224]);
  });

  test('pooling', () => {
    const pool: PoolGeometry = { ...plain, kernelSize: [2, 2], ceilMode: false };
    expect([...maxPool2d(x, pool).data]).toEqual([4, 5, 7, 8]);
    expect([...avgPool2d(x, pool, true).data]).toEqual([2, 3, 5, 6]);
  });

  test('output size floor((n - k + p + s) / s)', () => {
    for (const [n, k, p, s, expected] of [[28, 5, 4, 1, 28], [8, 3, 2, 2, 4], [8, 5, 2, 4, 2], [224, 11, 2, 4, 54]] as const) {
      expect(outputExtent(n, k, [Math.ceil(p / 2), Math.floor(p / 2)], s)).toBe(expected);
      expect(Math.floor((n - k + p + s) / s)).toBe(expected);
    }
  }); // prettier-ignore

  test('softmax rows sum to one and cross entropy is the log of the probability', () => {
    const logits = array64([2, 3], [1, 2, 3, 0, 0, 0]);
    const p = softmax(logits);
    const plain = { labelSmoothing: 0, ignoreIndex: -100, reduction: 'mean' } as const;
    expect(p.data[3]).toBeCloseTo(1 / 3, 14);
    expect(p.data[0]! + p.data[1]! + p.data[2]!).toBeCloseTo(1, 14);
    expect(crossEntropy(logits, array64([2], [2, 1]), plain).data[0]).toBeCloseTo(-(Math.log(p.data[2]!) + Math.log(1 / 3)) / 2, 14);
    expect(crossEntropy(logits, array64([2], [3, 1]), plain).data[0]).toBeNaN();
    expect(countCorrect(logits, array64([2], [2, 0])).data[0]).toBe(2);
  });
});

/** Runs a golden case: the output, and the gradients of sum(y v). */
function compute(c: OpCase): { y: Array64; gradients: (v: Array64) => Array64[] } {
  const inputs = c.shapes.map((shape, k) => array64(shape, formula(sizeOf(shape), k + 1, c.inputScale ?? 1)));
  const [a, b, bias] = inputs as [Array64, Array64, Array64];
  const conv = c.attrs as unknown as ConvGeometry;
  const pool = { dilation: [1, 1], ...c.attrs } as unknown as PoolGeometry;
  switch (c.op) {
    case 'conv2d':
      return {
        y: conv2d(a, b, conv, bias),
        gradients: (v) => [
          conv2dGradInput(v, b, a.shape, conv),
          conv2dGradWeight(a, v, b.shape, conv),
          ...(bias ? [reduce('sum', v, [0, 2, 3], false)] : []),
        ],
      };
    case 'maxPool2d':
      return { y: maxPool2d(a, pool), gradients: (v) => [maxPool2dGrad(a, v, pool)] };
    case 'avgPool2d': {
      const count = c.attrs['countIncludePad'] as boolean;
      return { y: avgPool2d(a, pool, count), gradients: (v) => [avgPool2dGrad(v, a.shape, pool, count)] };
    }
    case 'linear':
      return { y: linear(a, b, bias), gradients: (v) => [matmul(v, b), matmul(v, a, true), reduce('sum', v, [0], false)] };
    case 'matmul': {
      const { transposeA, transposeB } = c.attrs as { transposeA: boolean; transposeB: boolean };
      return {
        y: matmul(a, b, transposeA, transposeB),
        gradients: (v) => [
          transposeA ? matmul(b, v, transposeB, true) : matmul(v, b, false, !transposeB),
          transposeB ? matmul(v, a, true, transposeA) : matmul(a, v, !transposeA, false),
        ],
      };
    }
    case 'batchNorm2d': {
      const { training, eps } = c.attrs as { training: boolean; eps: number };
      const channels = a.shape[1]!;
      const column = (values: ArrayLike<number>, shift = 0): Array64 =>
        array64(
          [channels],
          Array.from(values, (v) => v + shift),
        );
      const mean = training ? norm.batchNormMean(a) : column(formula(channels, 10));
      const variance = training ? norm.batchNormVariance(a) : column(formula(channels, 11), 1.5);
      const weight = inputs[1] ?? column(new Float64Array(channels), 1);
      return {
        y: norm.batchNorm(a, mean, variance, weight, bias ?? column(new Float64Array(channels)), eps),
        gradients: (v) => {
          const dweight = norm.batchNormGradWeight(a, v, mean, variance, eps);
          const dbias = norm.batchNormGradBias(v);
          const zero = column(new Float64Array(channels));
          // In evaluation the statistics do not depend on x: the terms that stand for them are zero.
          const sums = training ? [dweight, dbias] : [zero, zero];
          const dx = norm.batchNormGradInput([a, v, mean, variance, weight, ...sums], eps);
          return inputs.length > 1 ? [dx, dweight, dbias] : [dx];
        },
      };
    }
    case 'localResponseNorm': {
      const { size, alpha, beta, k } = c.attrs as Record<'size' | 'alpha' | 'beta' | 'k', number>;
      const options = { before: Math.floor(size / 2), after: Math.floor((size - 1) / 2), scale: alpha / size, beta, k };
      return { y: norm.localResponseNorm(a, options), gradients: (v) => [norm.localResponseNormGrad(a, v, options)] };
    }
    case 'softmax': {
      // dx = y (v - sum of v y over the row)
      const y = softmax(a);
      return {
        y,
        gradients: (v) => {
          const vy = binary('mul', v, y);
          return [binary('sub', vy, binary('mul', y, reduce('sum', vy, [1], true)))];
        },
      };
    }
    case 'logSoftmax':
      // dx = v - softmax(x) sum of v over the row
      return { y: logSoftmax(a), gradients: (v) => [binary('sub', v, binary('mul', softmax(a), reduce('sum', v, [1], true)))] };
    case 'crossEntropy': {
      const target = array64([a.shape[0]!], labels(a.shape[0]!, a.shape[1]!, 1));
      const attrs = { labelSmoothing: c.attrs['labelSmoothing'] as number, ignoreIndex: -100, reduction: 'mean' } as const;
      return {
        y: crossEntropy(a, target, attrs),
        // The case scales its input inside the loss.
        gradients: (v) => [crossEntropyGrad(a, target, array64([], [v.data[0]! * (c.inputScale ?? 1)]), attrs)],
      };
    }
    default: {
      const y = unary(c.op, a);
      return { y, gradients: (v) => [binary(`${c.op}Grad`, v, y)] };
    }
  }
}

describe('golden vectors from PyTorch', () => {
  test.each(goldenOps().map((c) => [`${c.op}: ${c.name}`, c] as const))('%s', (_, c) => {
    const { y, gradients } = compute(c);
    expect(y.shape).toEqual(c.shape);
    expectClose(y, c.y);
    gradients(array64(y.shape, formula(y.data.length, 50))).forEach((gradient, k) => expectClose(gradient, c.gradients[k]!));
  });
});

/** Equal up to the ten digits that the file has. */
function expectClose(actual: Array64, expected: readonly number[]): void {
  expect(actual.data.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  expected.forEach((e, i) => expect(Math.abs(actual.data[i]! - e)).toBeLessThanOrEqual(1e-9 * largest));
}

test('gather is the derivative of the pooling gradient', () => {
  const pool: PoolGeometry = { ...padded, kernelSize: [3, 2], stride: [2, 2], ceilMode: true };
  const x = array64([1, 2, 6, 5], formula(60, 1));
  const t = array64([1, 2, 6, 5], formula(60, 2));
  const y = maxPool2dGather(x, t, pool);
  const dy = array64(y.shape, formula(y.data.length, 3));
  const left = maxPool2dGrad(x, dy, pool).data.reduce((sum, v, i) => sum + v * t.data[i]!, 0);
  const right = y.data.reduce((sum, v, i) => sum + v * dy.data[i]!, 0);
  expect(left).toBeCloseTo(right, 12);
});

test('transpose and broadcasting', () => {
  const x = range([2, 3, 4], 0);
  expect([...transpose(x, [2, 0, 1]).data.subarray(0, 6)]).toEqual([0, 4, 8, 12, 16, 20]);
  expect([...binary('add', range([2, 1], 0), range([3], 10)).data]).toEqual([10, 11, 12, 11, 12, 13]);
  expect([...reduce('mean', range([2, 3], 0), [1], false).data]).toEqual([1, 4]);
  expect([...reduce('max', range([2, 3], 0), [0], true).data]).toEqual([3, 4, 5]);
});
