/** Losses with their options, values and gradients, against PyTorch, and metrics by definition (generateLosses.py), on native code. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { metrics, nn, ops, tensor, type Tensor } from 'stridenet';
import { scoreOf } from '../metrics/score';
import { formula, labels } from './formula';

interface Operand {
  readonly kind: 'values' | 'unit' | 'labels' | 'sides';
  readonly shape: readonly number[];
  readonly seed: number;
  readonly scale?: number;
  readonly classes?: number;
  /** Each so-manieth number is this one. */
  readonly every?: readonly [number, number | '-inf'];
}

interface Case {
  readonly loss: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly operands: readonly Operand[];
  readonly shape: readonly number[];
  readonly y: readonly number[];
  /** Of sum(y formula(y, 50)); null for labels and for what PyTorch does not differentiate by. */
  readonly gradients: readonly (readonly number[] | null)[];
}

interface MetricCase {
  readonly metric: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly operands: readonly [output: Operand, target: Operand];
  readonly value: unknown;
}

const { cases, metrics: metricCases } = JSON.parse(readFileSync(join(__dirname, 'losses.json'), 'utf8')) as {
  cases: readonly Case[];
  metrics: readonly MetricCase[];
};

/** As `make` in generateLosses.py. */
function make({ kind, shape, seed, scale, classes, every }: Operand): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const special = every?.[1] === '-inf' ? -Infinity : every?.[1];
  const replaced = <T extends Int32Array | Float32Array>(x: T): T => x.map((v, i) => (every && i % every[0] === every[0] - 1 ? special! : v)) as T;
  if (kind === 'labels') return tensor(replaced(labels(count, classes!, seed)), shape);
  if (kind === 'sides') return tensor(Float32Array.from(labels(count, 2, seed), (v) => 2 * v - 1), shape);
  const numbers = formula(count, seed, scale ?? 1);
  return tensor(replaced(kind === 'unit' ? numbers.map((v) => v / 2 + 0.5) : numbers), shape);
}

const MAKERS: Readonly<Record<string, string>> = {
  ...{ nllLoss: 'nll', crossEntropy: 'crossEntropy', mseLoss: 'mse', l1Loss: 'l1', smoothL1Loss: 'smoothL1', huberLoss: 'huber', klDiv: 'klDiv' },
  ...{ hingeLoss: 'hinge', bceWithLogits: 'bceWithLogits', focalLoss: 'focal', diceLoss: 'dice' },
  ...{ tripletMarginLoss: 'tripletMargin', cosineEmbeddingLoss: 'cosineEmbedding' },
};

/** The operation, and what the maker of nn gives, which must be the same. */
function build({ loss, options: given, operands }: Case, inputs: readonly Tensor[]): [Tensor, Tensor] {
  const options = { ...given, ...(given['p'] === 'inf' ? { p: Infinity } : {}) };
  type Call = (...args: unknown[]) => Tensor;
  const operation = (ops as unknown as Record<string, Call>)[loss]!;
  const maker = (nn as unknown as Record<string, (options: object) => Call>)[MAKERS[loss]!]!;
  const isVectors = loss.startsWith('triplet') || loss.startsWith('cosine');
  const name = { focalLoss: 'alpha', bceWithLogits: 'posWeight' }[loss] ?? 'weight';
  const weights = isVectors || inputs.length < 3 ? {} : { [name]: inputs[2] };
  const either = ['focalLoss', 'diceLoss'].includes(loss) && operands[1]!.kind !== 'labels' ? { targets: 'values' } : {};
  const direct = isVectors ? inputs : inputs.slice(0, 2);
  return [operation(...direct, { ...options, ...weights }), maker({ ...options, ...weights, ...either })(...direct)];
}

test.each(Object.keys(MAKERS).map((loss) => [loss, cases.filter((c) => c.loss === loss)] as const))('%s', async (_, own) => {
  expect(own.length).toBeGreaterThan(5);
  for (const c of own) {
    const inputs = c.operands.map(make);
    const [y, made] = build(c, inputs);
    expect(y.shape).toEqual(c.shape);
    expectClose(c, 'value', await y.data(), c.y);
    expect(await made.data()).toEqual(await y.data());
    const loss = ops.sum(ops.mul(y, tensor(formula(y.size, 50), y.shape)));
    const by = inputs.filter((__, i) => c.gradients[i]);
    const expected = c.gradients.filter((g) => g !== null);
    for (const [k, gradient] of ops.grad(loss, by).entries()) {
      expect(gradient.shape).toEqual(by[k]!.shape);
      expectClose(c, `gradient ${k}`, await gradient.data(), expected[k]!);
    }
  }
});

/** Float32: a few millionths of the largest value, or of what cancels in a sum. */
function expectClose({ loss, options, operands }: Case, what: string, actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  const cancelled = options['reduction'] === 'sum' && what === 'value' ? 1 : 0.02;
  const tolerance = 3e-6 * Math.max(...expected.map(Math.abs), cancelled);
  expected.forEach((e, i) => {
    if (Math.abs(actual[i]! - e) <= tolerance) return;
    const text = `${loss} ${JSON.stringify(options)} of ${JSON.stringify(operands)}`;
    throw new Error(`${text}: ${what} ${i} is ${actual[i]}, expected ${e} +- ${tolerance}`);
  });
}

type Maker = (...args: unknown[]) => metrics.Metric;

test.each([...new Set(metricCases.map((c) => c.metric))])('metrics.%s', async (name) => {
  for (const { metric, options, operands, value } of metricCases.filter((c) => c.metric === name)) {
    const { k, ...rest } = options;
    const maker = (metrics as unknown as Record<string, Maker>)[metric]!;
    const measured = k === undefined ? maker(rest) : maker(k, rest);
    const [output, target] = operands.map(make) as [Tensor, Tensor];
    const [actual, expected] = [await scoreOf(measured, output, target), value].map((v) => [v].flat(2) as number[]);
    expect({ metric, options, operands, count: actual!.length }).toEqual({ metric, options, operands, count: expected!.length });
    const largest = Math.max(...actual!.map((v, i) => Math.abs(v - expected![i]!)));
    expect({ metric, options, operands, close: largest <= 1e-6 }).toEqual({ metric, options, operands, close: true });
  }
});
