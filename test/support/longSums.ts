/**
 * Results that are sums of very many numbers, one case for every kind of kernel that adds: what scripts/sumTable.ts prints and
 * test/ops/longSums.test.ts bounds. The numbers are positive, so that the relative error of a sum is that of its additions.
 */

import { constantTensor, full } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import * as ops from '../../lib/ops';
import { build } from '../../lib/ops/builder';

/** Numbers and what they come to in float64. */
export interface Terms {
  readonly values: Float32Array;
  readonly sum: number;
}

/** One number again and again: its roundings do not cancel. */
export function equalTerms(n: number): Terms {
  const values = new Float32Array(n).fill(0.1);
  return { values, sum: n * values[0]! };
}

/** Numbers spread over (0, 1]. */
export function spreadTerms(n: number): Terms {
  const values = new Float32Array(n);
  let sum = 0;
  for (let i = 0; i < n; i++) {
    values[i] = ((Math.imul(i + 1, 0x9e3779b1) >>> 8) + 1) / 2 ** 24;
    sum += values[i]!;
  }
  return { values, sum };
}

export interface LongSum {
  readonly name: string;
  /** The most terms that are worth waiting for. */
  readonly most: number;
  /** Added up in the registers of a tile, whose chains are longer. Default false. */
  readonly inTiles?: boolean;
  /** The graph; `expected` of its first element, or of all of them, from the sum of the terms. */
  readonly graph: (terms: Terms) => { result: Tensor; expected: number; at?: number };
}

const leaf = (values: Float32Array, ...shape: number[]): Tensor => constantTensor(values, shape, 'float32');
const ones = (...shape: number[]): Tensor => full(shape, 1);
/** Height and width of an image of as many pixels as a power of ten; the first is not the larger. */
function sides(n: number): [number, number] {
  const exponent = Math.round(Math.log10(n));
  const h = (exponent % 2 === 0 ? 1 : 2.5) * 10 ** Math.floor(exponent / 2);
  return [h, n / h];
}
/** Every term `times` times, one after the other. */
function repeated(values: Float32Array, times: number): Float32Array {
  const result = new Float32Array(values.length * times);
  for (let i = 0; i < result.length; i++) result[i] = values[Math.floor(i / times)]!;
  return result;
}
const scaled = (y: Tensor, by: Tensor): Tensor => ops.sum(ops.mul(y, by));

/** The gradient of a weight of ones [o, i, k, k] over an image of ones whose result has the terms as its gradient. */
function weightGradient({ values }: Terms, o: number, i: number, k: number, images = 1, groups = 1): Tensor {
  const [h, w] = images === 1 ? sides(values.length) : [8, values.length / images / 8];
  const weight = ones(o, i / groups, k, k);
  const x = ones(images, i, h + k - 1, w + k - 1);
  // Logical order [n, o, h, w]: every channel has the same terms.
  const plane = h * w;
  const dy = new Float32Array(values.length * o);
  for (let n = 0; n < images; n++) for (let c = 0; c < o; c++) dy.set(values.subarray(n * plane, (n + 1) * plane), (n * o + c) * plane);
  return ops.grad(scaled(ops.conv2d(x, weight, { groups }), leaf(dy, images, o, h, w)), [weight])[0]!;
}

/** By images of 8 rows. */
const imagesOf = (n: number): number => n / 80;

export const LONG_SUMS: readonly LongSum[] = [
  { name: 'sum', most: 1e8, graph: ({ values, sum }) => ({ result: ops.sum(leaf(values, values.length)), expected: sum }) },
  {
    name: 'mean',
    most: 1e8,
    graph: ({ values, sum }) => ({ result: ops.mean(leaf(values, values.length)), expected: sum / values.length }),
  },
  {
    name: 'sum of 3 columns',
    most: 1e7,
    graph: ({ values, sum }) => ({ result: ops.sum(leaf(repeated(values, 3), values.length, 3), { axis: 0 }), expected: sum }),
  },
  {
    name: 'sum of 80 columns',
    most: 1e6,
    graph: ({ values, sum }) => ({ result: ops.sum(leaf(repeated(values, 80), values.length, 80), { axis: 0 }), expected: sum }),
  },
  {
    name: 'sum over planes of 2 channels',
    most: 1e7,
    graph({ values, sum }) {
      const [h, w] = sides(values.length);
      return { result: ops.sum(leaf(concatenated(values, values), 1, 2, h, w), { axis: [0, 2, 3] }), expected: sum };
    },
  },
  {
    name: 'globalAvgPool2d',
    most: 1e8,
    graph: ({ values, sum }) => ({
      result: ops.globalAvgPool2d(leaf(values, 1, 1, ...sides(values.length))),
      expected: sum / values.length,
    }),
  },
  {
    name: 'globalAvgPool2d of 64 channels',
    most: 1e6,
    graph: ({ values, sum }) => ({
      result: ops.globalAvgPool2d(leaf(concatenated(...new Array<Float32Array>(64).fill(values)), 1, 64, ...sides(values.length))),
      expected: sum / values.length,
    }),
  },
  {
    name: 'adaptiveAvgPool2d',
    most: 1e7,
    graph({ values, sum }) {
      const [h, w] = sides(values.length);
      return { result: ops.adaptiveAvgPool2d(leaf(concatenated(values, values), 1, 1, 2 * h, w), [2, 1]), expected: sum / values.length };
    },
  },
  {
    name: 'avgPool2d',
    most: 1e7,
    graph({ values, sum }) {
      const [h, w] = sides(values.length);
      return { result: ops.avgPool2d(leaf(values, 1, 1, h, w), [h, w]), expected: sum / values.length };
    },
  },
  {
    name: 'avgPool2d, gradient of windows that overlap',
    most: 1e4,
    graph({ values, sum }) {
      const [h, w] = sides(values.length);
      const x = ones(1, 1, 2 * h - 1, 2 * w - 1);
      const y = ops.avgPool2d(x, [h, w], { stride: 1 });
      return {
        result: ops.grad(scaled(y, leaf(values, 1, 1, h, w)), [x])[0]!,
        expected: sum / values.length,
        at: (h - 1) * (2 * w - 1) + w - 1,
      };
    },
  },
  {
    name: 'adaptiveAvgPool2d, gradient of windows that overlap',
    most: 1e7,
    graph({ values, sum }) {
      const x = ones(1, 1, 1, 1);
      const [h, w] = sides(values.length);
      return { result: ops.grad(scaled(ops.adaptiveAvgPool2d(x, [h, w]), leaf(values, 1, 1, h, w)), [x])[0]!, expected: sum };
    },
  },
  {
    name: 'maxPool2d, gradient of windows that overlap',
    most: 1e4,
    graph({ values, sum }) {
      const [h, w] = sides(values.length);
      const at = (h - 1) * (2 * w - 1) + w - 1;
      const pixels = new Float32Array((2 * h - 1) * (2 * w - 1));
      pixels[at] = 1;
      const x = leaf(pixels, 1, 1, 2 * h - 1, 2 * w - 1);
      return { result: ops.grad(scaled(ops.maxPool2d(x, [h, w], { stride: 1 }), leaf(values, 1, 1, h, w)), [x])[0]!, expected: sum, at };
    },
  },
  ...[1, 24, 80].flatMap((channels): LongSum[] => {
    const of = (values: Float32Array): Tensor => leaf(repeated(values, channels), values.length, channels);
    const image = (values: Float32Array): Tensor =>
      ops.transpose(ops.reshape(of(values), [1, ...sides(values.length), channels]), [0, 3, 1, 2]);
    const most = channels === 1 ? 1e8 : channels === 24 ? 1e7 : 1e6;
    const column = (value: number): Tensor => full([channels], value);
    const gradient = (kind: 'batchNormGradWeight' | 'batchNormGradBias', values: Float32Array): Tensor =>
      build(kind, [ones(1, channels, ...sides(values.length)), image(values), column(0), column(1)], { eps: 0 });
    return [
      {
        name: `batch normalisation of ${channels} channels, mean`,
        most,
        graph: ({ values, sum }) => ({ result: build('batchNormMean', [image(values)], {}), expected: sum / values.length }),
      },
      {
        name: `batch normalisation of ${channels} channels, gradient of the weight`,
        most,
        graph: ({ values, sum }) => ({ result: gradient('batchNormGradWeight', values), expected: sum }),
      },
      {
        name: `batch normalisation of ${channels} channels, gradient of the bias`,
        most,
        graph: ({ values, sum }) => ({ result: gradient('batchNormGradBias', values), expected: sum }),
      },
    ];
  }),
  {
    name: 'batch normalisation, variance',
    most: 1e8,
    graph({ values }) {
      const [h, w] = sides(values.length);
      // Half of the numbers are -v and half are v: their mean is 0 and their variance the mean of the squares.
      const signed = values.map((v, i) => (i % 2 === 0 ? v : -values[i - 1]!));
      let squares = 0;
      for (const v of signed) squares += v * v;
      return { result: build('batchNormVariance', [leaf(signed, 1, 1, h, w)], {}), expected: squares / values.length };
    },
  },
  ...[1, 16, 64].map((columns): LongSum => ({
    name: `matmul of [2, n] by [n, ${columns}]`,
    inTiles: true,
    most: columns === 1 ? 1e7 : 1e6,
    graph: ({ values, sum }) => ({
      result: ops.matmul(leaf(concatenated(values, values), 2, values.length), ones(values.length, columns)),
      expected: sum,
    }),
  })),
  {
    name: 'linear of n inputs, 10 outputs, weights at rest',
    inTiles: true,
    most: 1e6,
    graph: ({ values, sum }) => ({ result: ops.linear(leaf(values, 1, values.length), ones(10, values.length)), expected: sum }),
  },
  ...[1, 16, 64].map((columns): LongSum => ({
    name: `linear of ${columns}, gradient of the weight`,
    inTiles: true,
    most: columns === 1 ? 1e7 : 1e6,
    graph({ values, sum }) {
      const weight = ones(columns, columns);
      const y = ops.linear(ones(values.length, columns), weight);
      return { result: ops.grad(scaled(y, leaf(repeated(values, columns), values.length, columns)), [weight])[0]!, expected: sum };
    },
  })),
  {
    name: 'linear of 16, gradient of the bias',
    inTiles: true,
    most: 1e6,
    graph({ values, sum }) {
      const bias = ones(16);
      const weight = ones(16, 16);
      const y = ops.linear(ones(values.length, 16), weight, { bias });
      const [db] = ops.grad(scaled(y, leaf(repeated(values, 16), values.length, 16)), [bias, weight]);
      return { result: db!, expected: sum };
    },
  },
  {
    name: 'conv2d 1x1 of n channels',
    inTiles: true,
    most: 1e6,
    graph: ({ values, sum }) => ({ result: ops.conv2d(leaf(values, 1, values.length, 1, 1), ones(4, values.length, 1, 1)), expected: sum }),
  },
  {
    name: 'conv2d of a large kernel',
    inTiles: true,
    most: 1e6,
    graph({ values, sum }) {
      const [h, w] = sides(values.length);
      return { result: ops.conv2d(leaf(values, 1, 1, h, w), ones(4, 1, h, w)), expected: sum };
    },
  },
  {
    name: 'conv2d, gradient of the input, n channels',
    inTiles: true,
    most: 1e6,
    graph({ values, sum }) {
      const x = ones(1, 4, 1, 1);
      const weight = ones(values.length, 4, 1, 1);
      return { result: ops.grad(scaled(ops.conv2d(x, weight), leaf(values, 1, values.length, 1, 1)), [x])[0]!, expected: sum };
    },
  },
  ...(
    [
      ['conv2d 1x1 of 1 channel', 1, 1, 1, 1e7],
      ['conv2d 1x1 of 16', 16, 16, 1, 1e6],
      ['conv2d 3x3 of 1', 1, 1, 3, 1e7],
      ['conv2d 3x3 of 3 to 8', 8, 3, 3, 1e6],
      ['conv2d 3x3 of 32', 32, 32, 3, 1e6],
    ] as const
  ).map(([name, o, i, k, most]): LongSum => ({
    name: `${name}, gradient of the weight`,
    most,
    inTiles: true,
    graph: (terms) => ({ result: weightGradient(terms, o, i, k), expected: terms.sum }),
  })),
  {
    name: 'depthwise of a large kernel',
    inTiles: true,
    most: 1e5,
    graph({ values, sum }) {
      const [h, w] = sides(values.length);
      return { result: ops.conv2d(leaf(concatenated(values, values), 1, 2, h, w), ones(2, 1, h, w), { groups: 2 }), expected: sum };
    },
  },
  {
    name: 'depthwise 3x3 of 16, gradient of the weight',
    inTiles: true,
    most: 1e6,
    graph: (terms) => ({ result: weightGradient(terms, 16, 16, 3, 1, 16), expected: terms.sum }),
  },
  {
    name: 'conv2d 5x5 of 1 to 6, many images, gradient of the weight',
    inTiles: true,
    most: 1e6,
    graph: (terms) => ({ result: weightGradient(terms, 6, 1, 5, imagesOf(terms.values.length)), expected: terms.sum }),
  },
  {
    name: 'conv2d 3x3 of 16, many images, gradient of the weight',
    inTiles: true,
    most: 1e6,
    graph: (terms) => ({ result: weightGradient(terms, 16, 16, 3, imagesOf(terms.values.length)), expected: terms.sum }),
  },
  {
    name: 'conv2d 3x3 of 4, gradient of the bias',
    inTiles: true,
    most: 1e6,
    graph({ values, sum }) {
      const [h, w] = sides(values.length);
      const [bias, weight] = [ones(4), ones(4, 1, 3, 3)];
      const y = ops.conv2d(ones(1, 1, h + 2, w + 2), weight, { bias });
      const [db] = ops.grad(scaled(y, leaf(concatenated(values, values, values, values), 1, 4, h, w)), [bias, weight]);
      return { result: db!, expected: sum };
    },
  },
  {
    name: 'softmax, sum of the exponentials',
    most: 1e8,
    graph: ({ values }) => {
      let denominator = 0;
      for (const v of values) denominator += Math.exp(v);
      return { result: ops.softmax(leaf(values, 1, values.length)), expected: Math.exp(values[0]!) / denominator };
    },
  },
  {
    name: 'crossEntropy, mean over rows',
    most: 1e7,
    graph({ values }) {
      // Logits [v, 0] with label 1: the loss is log(1 + e^v).
      const logits = new Float32Array(2 * values.length);
      let total = 0;
      for (const [i, v] of values.entries()) {
        logits[2 * i] = v;
        total += Math.log1p(Math.exp(v));
      }
      const labels = constantTensor(new Int32Array(values.length).fill(1), [values.length], 'int32');
      return { result: ops.crossEntropy(leaf(logits, values.length, 2), labels), expected: total / values.length };
    },
  },
  {
    name: 'crossEntropy, smoothed over classes',
    most: 1e7,
    graph({ values, sum }) {
      let denominator = 0;
      for (const v of values) denominator += Math.exp(v);
      const labels = constantTensor(Int32Array.of(0), [1], 'int32');
      const n = values.length;
      const logSum = Math.log(denominator);
      // The sum of v - log s over the classes, far from 0.
      const result = ops.crossEntropy(leaf(values, 1, n), labels, { labelSmoothing: 1 });
      return { result, expected: logSum - sum / n };
    },
  },
  {
    name: 'localResponseNorm, window of n channels',
    most: 1e4,
    graph({ values }) {
      let squares = 0;
      for (const v of values) squares += v * v;
      const n = values.length;
      const result = ops.localResponseNorm(leaf(values, 1, n, 1, 1), { size: 2 * n + 1, alpha: 2 * n + 1, beta: 1, k: 0 });
      return { result, expected: values[0]! / squares };
    },
  },
];

function concatenated(...parts: readonly Float32Array[]): Float32Array {
  const result = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

/** The relative error of a case. */
export async function errorOf({ graph }: LongSum, terms: Terms): Promise<number> {
  const { result, expected, at = 0 } = graph(terms);
  return Math.abs((await result.data())[at]! - expected) / Math.abs(expected);
}

/** The sum in float32 by halves: what a careful sum in this precision comes to. */
export function pairwise(values: Float32Array): number {
  if (values.length === 1) return values[0]!;
  const half = values.length >> 1;
  return Math.fround(pairwise(values.subarray(0, half)) + pairwise(values.subarray(half)));
}

/**
 * What the error may be: a short chain's, of numbers whose roundings go the same way, and two roundings more for each doubling of n. One chain of
 * n numbers is off by hundreds of units at 10^4 and by thousands at 10^6.
 */
export function errorBound({ inTiles = false }: LongSum, n: number): number {
  return ((inTiles ? 256 : 64) + 2 * Math.log2(n)) * 2 ** -24;
}
