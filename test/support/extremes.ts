/**
 * What activations, maxima and losses give for infinities, NaN, zeros of either sign and the largest numbers, forward and backward: limits
 * where there are any, else what PyTorch gives. Checked on every instruction set, in vectors and in what is left over behind them.
 */

import { constantTensor, full, tensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import * as ops from '../../lib/ops';
import { softplus } from '../../lib/ops/activation';
import { build } from '../../lib/ops/builder';
import { reluGrad } from '../../lib/ops/elementwise';
import { normalCdf, normalDensity } from '../reference/elementwise';
import { runGraph } from './runGraph';

const NUMBERS = [Infinity, -Infinity, NaN, 0, -0, 3e38, -3e38, 1e10, -1e10, 200, -200, 100, -100, 20, -20, 6, 3, -3, 1, -1].map(
  Math.fround,
);

interface Extreme {
  readonly name: string;
  readonly results: readonly Tensor[];
  readonly expected: readonly number[];
  /** Absolute error that is no mistake: where 1 - y cancels in a derivative. Default: what float32 has no normal numbers for. */
  readonly allowed?: number;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
/** f, and its limits where the formula has none. */
const limits =
  (below: number, above: number, f: (x: number) => number) =>
  (x: number): number =>
    x === -Infinity ? below : x === Infinity ? above : f(x);
const K = Math.sqrt(2 / Math.PI);
const tanhOf = (x: number): number => Math.tanh(K * (x + 0.044715 * x ** 3));

/** [name, operation, its values, its derivative] */
const ACTIVATIONS: readonly (readonly [string, (x: Tensor) => Tensor, (x: number) => number, (x: number) => number])[] = [
  ['relu', (x) => ops.relu(x), (x) => (x <= 0 ? 0 : x), (x) => (x <= 0 ? 0 : 1)],
  ['relu6', (x) => ops.relu6(x), (x) => Math.min(Math.max(x, 0), 6), (x) => (x <= 0 || x >= 6 ? 0 : 1)],
  ['sigmoid', (x) => ops.sigmoid(x), sigmoid, (x) => sigmoid(x) * sigmoid(-x)],
  ['tanh', (x) => ops.tanh(x), Math.tanh, (x) => 1 - Math.tanh(x) ** 2],
  ['silu', (x) => ops.silu(x), limits(0, Infinity, (x) => x * sigmoid(x)), limits(0, 1, (x) => sigmoid(x) * (1 + x * sigmoid(-x)))],
  [
    'hardswish',
    (x) => ops.hardswish(x),
    limits(0, Infinity, (x) => x * (Math.min(Math.max(x + 3, 0), 6) / 6)),
    (x) => (x >= 3 ? 1 : x <= -3 ? 0 : x / 3 + 0.5),
  ],
  ['gelu', (x) => ops.gelu(x), limits(0, Infinity, (x) => x * normalCdf(x)), limits(0, 1, (x) => normalCdf(x) + x * normalDensity(x))],
  [
    'gelu by tanh',
    (x) => ops.gelu(x, { approximate: 'tanh' }),
    limits(0, Infinity, (x) => (x * (1 + tanhOf(x))) / 2),
    limits(0, 1, (x) => (1 + tanhOf(x)) / 2 + (Math.abs(x) > 50 ? 0 : (x * (1 - tanhOf(x) ** 2) * K * (1 + 3 * 0.044715 * x * x)) / 2)),
  ],
  ['softplus', softplus, limits(0, Infinity, (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))), sigmoid],
  ['leakyRelu', (x) => ops.leakyRelu(x, { negativeSlope: 0.1 }), (x) => (x > 0 ? x : 0.1 * x), (x) => (x > 0 ? 1 : 0.1)],
  ['clamp', (x) => ops.clamp(x, { min: -1, max: 3 }), (x) => Math.min(Math.max(x, -1), 3), (x) => (x >= -1 && x <= 3 ? 1 : 0)],
  ['clamp from below', (x) => ops.clamp(x, { min: -1 }), (x) => Math.max(x, -1), (x) => (x >= -1 ? 1 : 0)],
  ['exp', (x) => ops.exp(x), Math.exp, Math.exp],
  ['log', (x) => ops.log(x), Math.log, (x) => 1 / x],
  ['sqrt', (x) => ops.sqrt(x), Math.sqrt, (x) => 0.5 / Math.sqrt(x)],
  ['abs', (x) => ops.abs(x), Math.abs, (x) => (x > 0 ? 1 : x < 0 ? -1 : 0)],
  ['silu after a product', (x) => ops.silu(ops.linear(ops.reshape(x, [-1, 1]), full([1, 1], 1))), limits(0, Infinity, (x) => x * sigmoid(x)), limits(0, 1, (x) => sigmoid(x) * (1 + x * sigmoid(-x)))], // prettier-ignore
];

function activations(): Extreme[] {
  return ACTIVATIONS.flatMap(([name, f, value, derivative]) =>
    // Whole vectors and a rest; a rest alone; one number.
    [NUMBERS.concat(NUMBERS), NUMBERS.slice(0, 3), ...NUMBERS.map((x) => [x])].flatMap((numbers): Extreme[] => {
      const x = tensor(numbers);
      const y = f(x);
      return [
        { name: `${name} of ${numbers.length}`, results: [y], expected: numbers.map(value) },
        {
          name: `derivative of ${name} of ${numbers.length}`,
          results: ops.grad(ops.sum(y), [x]),
          expected: numbers.map(derivative),
          allowed: 3e-7,
        },
      ];
    }),
  );
}

const PAIRS = NUMBERS.flatMap((a) => NUMBERS.map((b) => [a, b] as const));

function maxima(): Extreme[] {
  const [a, b] = [0, 1].map((i) => tensor(PAIRS.map((pair) => pair[i]!))) as [Tensor, Tensor];
  const larger = PAIRS.map(([p, q]) => Math.max(p, q));
  const rows = tensor(PAIRS.flat(), [PAIRS.length, 2]);
  // Windows of 1 x 2 and 2 x 2 pixels of several channels.
  const window = (values: readonly number[], channels: number, h: number): Tensor => {
    const pixels = values.flatMap((v) => new Array<number>(channels).fill(v));
    return ops.transpose(tensor(pixels, [values.length / (2 * h), h, 2, channels]), [0, 3, 1, 2]);
  };
  return [
    { name: 'maximum', results: [ops.maximum(a, b)], expected: larger },
    { name: 'minimum', results: [ops.minimum(a, b)], expected: PAIRS.map(([p, q]) => Math.min(p, q)) },
    { name: 'max of rows', results: [ops.max(rows, { axis: 1 })], expected: larger },
    { name: 'max of columns', results: [ops.max(ops.transpose(rows), { axis: 0 })], expected: larger },
    ...[1, 3, 6, 16, 21].flatMap((channels): Extreme[] => {
      const repeat = (values: readonly number[]): number[] => values.flatMap((v) => new Array<number>(channels).fill(v));
      const flat = window(PAIRS.flat(), channels, 1);
      const squares = window(PAIRS.flatMap(([p, q]) => [p, -1, q, -2]), channels, 2); // prettier-ignore
      return [
        { name: `maxPool2d 1x2 of ${channels}`, results: [ops.maxPool2d(flat, [1, 2])], expected: repeat(larger) },
        {
          name: `maxPool2d 2x2 of ${channels}`,
          results: [ops.maxPool2d(squares, 2)],
          expected: repeat(PAIRS.map(([p, q]) => Math.max(p, q, -1))),
        },
        {
          name: `gradient of maxPool2d 1x2 of ${channels}, over the channels of each pixel`,
          results: [ops.sum(ops.grad(ops.sum(ops.maxPool2d(flat, [1, 2])), [flat])[0]!, { axis: [1, 2] })],
          // To the first maximum, or to the last NaN.
          expected: PAIRS.flatMap(([p, q]) => (q > p || Number.isNaN(q) ? [0, channels] : [channels, 0])),
        },
        {
          name: `gradient of maxPool2d 2x2 of relu of ${channels}, all of it`,
          results: [ops.sum(ops.grad(ops.sum(ops.maxPool2d(ops.relu(squares), 2)), [squares])[0]!, { axis: [1, 2, 3] })],
          expected: PAIRS.map(([p, q]) => (Math.max(p, q) <= 0 ? 0 : channels)),
        },
      ];
    }),
    ...[5, 70].map((channels): Extreme => {
      const dy = full([4, channels, 5, 5], 0.5);
      const mask = ops.transpose(tensor(Array.from({ length: 100 }, (_, i) => NUMBERS[i % NUMBERS.length]!).flatMap((v) => new Array<number>(channels).fill(v)), [4, 5, 5, channels]), [0, 3, 1, 2]); // prettier-ignore
      const sum = build('batchNormGradBias', [full([4, channels, 5, 5], 1), reluGrad(dy, mask), full([channels], 0), full([channels], 1)], { eps: 0 }); // prettier-ignore
      return {
        name: `batch normalisation of ${channels} under the mask of relu`,
        results: [sum],
        expected: new Array<number>(channels).fill(0.5 * 5 * NUMBERS.filter((v) => !(v <= 0)).length),
      };
    }),
  ];
}

function losses(): Extreme[] {
  const inf = Infinity;
  const softmax = (row: readonly number[]): number[] => {
    const top = Math.max(...row);
    const terms = row.map((v) => Math.exp(v - top));
    const total = terms.reduce((p, q) => p + q);
    return terms.map((v) => v / total);
  };
  const rows = [
    [-inf, 0, 1],
    [-inf, -inf, 2],
    [-inf, -inf, -inf],
    [inf, 0, 1],
    [inf, inf, 0],
    [NaN, 0, 1],
    [3e38, -3e38, 0],
    [1, 2, NaN],
  ];
  return rows.flatMap((row) =>
    [0, 30].flatMap((more): Extreme[] => {
      // More classes that never win fill vectors.
      const logits = [...row, ...new Array<number>(more).fill(-inf)];
      const x = tensor(logits, [1, logits.length]);
      const probabilities = softmax(logits);
      const text = `[${row.join()}] and ${more}`;
      return [
        { name: `softmax of ${text}`, results: [ops.softmax(x)], expected: probabilities },
        { name: `logSoftmax of ${text}`, results: [ops.logSoftmax(x)], expected: probabilities.map((p, i) => (p === 0 && logits[i]! > -inf ? logits[i]! - Math.max(...logits) : Math.log(p))) }, // prettier-ignore
        ...row.flatMap((_, label): Extreme[] => {
          const labels = constantTensor(Int32Array.of(label), [1], 'int32');
          const loss = ops.crossEntropy(x, labels);
          const p = probabilities[label]!;
          return [
            { name: `crossEntropy of ${text}, label ${label}`, results: [loss], expected: [p === 0 && row[label]! > -inf ? Math.max(...row) - row[label]! : -Math.log(p)] }, // prettier-ignore
            { name: `its gradient, ${text}, label ${label}`, results: ops.grad(loss, [x]), expected: probabilities.map((q, i) => q - (i === label ? 1 : 0)) }, // prettier-ignore
          ];
        }),
      ];
    }),
  );
}

/** Close in float32; infinities and NaN alike. Zeros of either sign are one. */
function isRight(found: number, expected: number, allowed: number): boolean {
  if (Number.isNaN(expected)) return Number.isNaN(found);
  const wanted = Math.fround(expected);
  return Number.isFinite(wanted) ? Math.abs(found - wanted) <= 2e-6 * Math.abs(wanted) + allowed : found === wanted;
}

/** What is not as it should be on this process's instruction set. */
export function checkExtremes(): string[] {
  const failures: string[] = [];
  for (const { name, results, expected, allowed = 2 ** -126 } of [...activations(), ...maxima(), ...losses()]) {
    const [found] = runGraph(results, { name, threads: 1 }) as [Float32Array];
    const wrong = expected.findIndex((value, i) => !isRight(found[i]!, value, allowed));
    if (found.length !== expected.length) failures.push(`${name}: ${found.length} numbers, expected ${expected.length}`);
    else if (wrong >= 0) failures.push(`${name}: number ${wrong} is ${found[wrong]}, expected ${expected[wrong]}`);
  }
  return failures;
}
