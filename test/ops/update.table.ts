/**
 * Every instruction that updates variables, by its formula for one element in float64. A row says what its variables hold afterwards;
 * test/support/updateRow.ts says what is checked of it.
 */

import type { Update } from '../../lib/graph/graph';
import type { Tensor } from '../../lib/graph/tensor';
import { runningAverage } from '../../lib/ops/update';
import { sgd, type SgdOptions } from '../../lib/optim/sgd';
import type { Optimizer } from '../../lib/optim/optimizer';

export interface UpdateRow {
  readonly name: string;
  /** How many variables there are. */
  readonly variables: number;
  /** Such as the learning rate. */
  readonly number: number;
  readonly update: (variables: readonly Tensor[], value: Tensor, number: Tensor) => Update;
  /** What the variables of an element hold after the update by `value`, such as its gradient. */
  readonly formula: (variables: readonly number[], value: number, number: number) => readonly number[];
}

function optimizerRow(name: string, optimizer: Optimizer, formula: UpdateRow['formula']): UpdateRow {
  return {
    name,
    variables: 1 + optimizer.slots.length,
    number: optimizer.lr,
    update: ([parameter, ...slots], gradient, lr) => optimizer.updates(parameter!, gradient, lr, slots)[0] as Update,
    formula,
  };
}

/** torch.optim.SGD: g = gradient + weightDecay p; v = momentum v + g; p = p - lr (nesterov ? g + momentum v : v). */
function sgdRow(options: SgdOptions): UpdateRow {
  const { momentum = 0, weightDecay = 0, nesterov = false } = options;
  return optimizerRow(`sgd ${JSON.stringify(options)}`, sgd(options), ([p, v = 0], gradient, lr) => {
    const g = gradient + weightDecay * p!;
    const moved = momentum * v + g;
    return [p! - lr * (nesterov ? g + momentum * moved : moved), moved].slice(0, momentum > 0 ? 2 : 1);
  });
}

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
];
