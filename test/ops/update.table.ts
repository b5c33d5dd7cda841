/**
 * Every instruction that updates variables, by its formula for one element in float64. A row says what its variables hold afterwards;
 * test/support/updateRow.ts says what is checked of it.
 */

import type { Update } from '../../lib/graph/graph';
import type { Tensor } from '../../lib/graph/tensor';
import { scalar } from '../../lib/graph/leaves';
import { makeUpdate, runningAverage } from '../../lib/ops/update';
import { adadelta, type AdadeltaOptions } from '../../lib/optim/adadelta';
import { adagrad, type AdagradOptions } from '../../lib/optim/adagrad';
import { adam, adamw, type AdamOptions } from '../../lib/optim/adam';
import { nadam, type NadamOptions } from '../../lib/optim/nadam';
import { rmsprop, type RmspropOptions } from '../../lib/optim/rmsprop';
import { sgd, type SgdOptions } from '../../lib/optim/sgd';
import type { Optimizer } from '../../lib/optim/optimizer';

export interface UpdateRow {
  readonly name: string;
  /** How many variables there are. */
  readonly variables: number;
  /** Such as the learning rate. */
  readonly number: number;
  readonly update: (variables: readonly Tensor[], value: Tensor, number: Tensor) => Update;
  /** Makes variables, each positive, what they can be together. */
  readonly fit?: (variables: readonly Float32Array[]) => void;
  /** What the variables of an element hold after the update by `value`, such as its gradient. */
  readonly formula: (variables: readonly number[], value: number, number: number) => readonly number[];
}

/** @param scalars what is kept of the parameter as single numbers, such as the steps so far */
function optimizerRow(name: string, optimizer: Optimizer, formula: UpdateRow['formula'], scalars: readonly number[] = []): UpdateRow {
  return {
    name: [name, ...scalars].join(', '),
    variables: 1 + optimizer.slots.length,
    number: optimizer.lr,
    update: ([parameter, ...slots], gradient, lr) =>
      optimizer.updates(parameter!, gradient, lr, slots, scalars.map((x) => scalar(x)))[0] as Update, // prettier-ignore
    formula,
  };
}

const text = (options: object): string => JSON.stringify(options);

/** torch.optim.SGD: g = gradient + weightDecay p; v = momentum v + (1 - dampening) g, at first g; p = p - lr (nesterov ? g + momentum v : v). */
function sgdRow(options: SgdOptions, steps?: number): UpdateRow {
  const { momentum = 0, dampening = 0, weightDecay = 0, nesterov = false } = options;
  const formula: UpdateRow['formula'] = ([p, v = 0], gradient, lr) => {
    const g = gradient + weightDecay * p!;
    const moved = momentum * v + (steps === 0 ? 1 : 1 - dampening) * g;
    return [p! - lr * (nesterov ? g + momentum * moved : moved), moved].slice(0, momentum > 0 ? 2 : 1);
  };
  return optimizerRow(`sgd ${text(options)}`, sgd(options), formula, steps === undefined ? [] : [steps]);
}

/** Of Adam's relatives: gradient with its penalty, the parameter shrunk, moments, and what they are divided by in step t. */
function moments(
  options: { betas?: readonly [number, number]; weightDecay?: number },
  decoupled: boolean,
  steps: number,
  [p, m, v]: readonly number[],
  gradient: number,
  lr: number,
): { g: number; p: number; m: number; v: number; c1: number; c2: number } {
  const { betas: [b1, b2] = [0.9, 0.999], weightDecay = 0 } = options;
  const g = gradient + (decoupled ? 0 : weightDecay * p!);
  const [c1, c2] = [1 - b1 ** (steps + 1), 1 - b2 ** (steps + 1)];
  return { g, p: p! * (decoupled ? 1 - lr * weightDecay : 1), m: b1 * m! + (1 - b1) * g, v: b2 * v! + (1 - b2) * g * g, c1, c2 };
}

function adamRow(make: typeof adam, options: AdamOptions, steps: number): UpdateRow {
  const { eps = 1e-8, amsgrad = false } = options;
  const formula: UpdateRow['formula'] = (variables, gradient, lr) => {
    const decay = { weightDecay: make === adamw ? 0.01 : 0, ...options };
    const { p, m, v, c1, c2 } = moments(decay, make === adamw, steps, variables, gradient, lr);
    const peak = Math.max(v, variables[3] ?? 0);
    return [p - ((lr / c1) * m) / (Math.sqrt(peak / c2) + eps), m, v, ...(amsgrad ? [peak] : [])];
  };
  return optimizerRow(`${make.name} ${text(options)}`, make(options), formula, [steps]);
}

function nadamRow(options: NadamOptions, steps: number): UpdateRow {
  const { betas: [b1] = [0.9], eps = 1e-8, momentumDecay = 4e-3, decoupledWeightDecay = false } = options;
  const mu = (t: number): number => b1 * (1 - 0.5 * 0.96 ** (t * momentumDecay));
  const before = Array.from({ length: steps }, (_, i) => mu(i + 1)).reduce((a, b) => a * b, 1);
  const formula: UpdateRow['formula'] = (variables, gradient, lr) => {
    const { g, p, m, v, c2 } = moments(options, decoupledWeightDecay, steps, variables, gradient, lr);
    const [u, next] = [mu(steps + 1), mu(steps + 2)];
    const product = before * u;
    const step = ((1 - u) / (1 - product)) * g + (next / (1 - product * next)) * m;
    return [p - (lr * step) / (Math.sqrt(v / c2) + eps), m, v];
  };
  return optimizerRow(`nadam ${text(options)}`, nadam(options), formula, [steps, before]);
}

function rmspropRow(options: RmspropOptions): UpdateRow {
  const { alpha = 0.99, eps = 1e-8, weightDecay = 0, momentum = 0, centered = false } = options;
  const row = optimizerRow(`rmsprop ${text(options)}`, rmsprop(options), ([p, v, ...more], gradient, lr) => {
    const g = gradient + weightDecay * p!;
    const square = alpha * v! + (1 - alpha) * g * g;
    const mean = centered ? alpha * more[0]! + (1 - alpha) * g : 0;
    const step = g / (Math.sqrt(square - mean * mean) + eps) + momentum * (more.at(-1) ?? 0);
    return [p! - lr * step, square, ...(centered ? [mean] : []), ...(momentum > 0 ? [step] : [])];
  });
  // A mean of squares is at least the square of the mean.
  return { ...row, fit: ([, squares, means]) => centered && squares!.forEach((x, i) => (squares![i] = x + means![i]! ** 2)) };
}

function adagradRow(options: AdagradOptions, steps: number): UpdateRow {
  const { lrDecay = 0, eps = 1e-10, weightDecay = 0 } = options;
  const formula: UpdateRow['formula'] = ([p, sum], gradient, lr) => {
    const g = gradient + weightDecay * p!;
    const squares = sum! + g * g;
    return [p! - ((lr / (1 + steps * lrDecay)) * g) / (Math.sqrt(squares) + eps), squares];
  };
  return optimizerRow(`adagrad ${text(options)}`, adagrad(options), formula, [steps]);
}

function adadeltaRow(options: AdadeltaOptions): UpdateRow {
  const { rho = 0.9, eps = 1e-6, weightDecay = 0 } = options;
  return optimizerRow(`adadelta ${text(options)}`, adadelta(options), ([p, v, u], gradient, lr) => {
    const g = gradient + weightDecay * p!;
    const square = rho * v! + (1 - rho) * g * g;
    const step = (Math.sqrt(u! + eps) / Math.sqrt(square + eps)) * g;
    return [p! - lr * step, square, rho * u! + (1 - rho) * step * step];
  });
}

/** Their trust ratios come from norms; here they are numbers. */
const larsRow: UpdateRow = {
  name: 'lars',
  variables: 2,
  number: 0.5,
  update: (variables, gradient, lr) =>
    makeUpdate('lars', variables, [gradient, lr, scalar(0.75)], { momentum: 0.9, weightDecay: 0.01, nesterov: true }),
  formula: ([p, v], gradient, lr) => {
    const g = 0.75 * (gradient + 0.01 * p!);
    const moved = 0.9 * v! + g;
    return [p! - lr * (g + 0.9 * moved), moved];
  },
};
const lambRow: UpdateRow = {
  name: 'lamb',
  variables: 3,
  number: 0.1,
  update: (variables, gradient, lr) => {
    const inputs = [gradient, lr, scalar(0.5), scalar(0.25), scalar(1.5)];
    return makeUpdate('lamb', variables, inputs, { gain1: 0.1, gain2: 0.001, eps: 1e-6, weightDecay: 0.01 });
  },
  formula: ([p, m, v], gradient, lr) => {
    const [mean, square] = [0.9 * m! + 0.1 * gradient, 0.999 * v! + 0.001 * gradient * gradient];
    return [p! - lr * 1.5 * (mean / 0.5 / (Math.sqrt(square / 0.25) + 1e-6) + 0.01 * p!), mean, square];
  },
};

export const updateRows: readonly UpdateRow[] = [
  {
    name: 'runningAverage',
    variables: 1,
    number: 0,
    update: ([running], value, guard) => runningAverage(running!, value, guard, { decay: 0.9, gain: 0.125 }),
    formula: ([running], value) => [0.9 * running! + 0.125 * value],
  },
  sgdRow({ lr: 0.1 }),
  sgdRow({ lr: 0.1, weightDecay: 0.01 }),
  sgdRow({ lr: 0.5, momentum: 0.9 }),
  sgdRow({ lr: 0.5, momentum: 0.9, weightDecay: 0.01, nesterov: true }),
  sgdRow({ lr: 0.5, momentum: 0.9, dampening: 0.3 }, 0),
  sgdRow({ lr: 0.5, momentum: 0.9, dampening: 0.3 }, 1),
  adamRow(adam, { lr: 0.1 }, 0),
  adamRow(adam, { lr: 0.1, weightDecay: 0.1, betas: [0.8, 0.99] }, 7),
  adamRow(adam, { lr: 0.1, amsgrad: true, eps: 0.01 }, 100_000),
  adamRow(adamw, { lr: 0.1 }, 3),
  adamRow(adamw, { lr: 0.1, weightDecay: 0.2, amsgrad: true }, 3),
  nadamRow({ lr: 0.1 }, 0),
  nadamRow({ lr: 0.1, weightDecay: 0.1, momentumDecay: 0.1 }, 4),
  nadamRow({ lr: 0.1, weightDecay: 0.1, decoupledWeightDecay: true }, 4),
  rmspropRow({ lr: 0.1 }),
  rmspropRow({ lr: 0.1, momentum: 0.9, weightDecay: 0.1, alpha: 0.9 }),
  rmspropRow({ lr: 0.1, eps: 0.1, centered: true }),
  rmspropRow({ lr: 0.1, eps: 0.1, momentum: 0.9, centered: true }),
  adagradRow({ lr: 0.1 }, 0),
  adagradRow({ lr: 0.1, lrDecay: 0.1, weightDecay: 0.1 }, 5),
  adadeltaRow({}),
  adadeltaRow({ lr: 0.5, rho: 0.8, weightDecay: 0.1 }),
  larsRow,
  lambRow,
];
