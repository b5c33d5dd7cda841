/** What an optimizer keeps of a parameter from step to step, as variables. */

import { checkNumber } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Shape } from '../graph/types';
import { Variable } from '../nn/parameter';
import type { Optimizer } from '../optim/optimizer';
import { constantRule } from '../random';

export interface Kept {
  /** Of the parameter's shape, in the order of `optimizer.slots`. */
  readonly slots: readonly Variable[];
  /** Single numbers, in the order of `optimizer.scalars`. */
  readonly scalars: readonly Variable[];
}

/** What is kept before the first step. */
export function makeKept(optimizer: Optimizer, parameter: Tensor): Kept {
  const { slots, scalars = [], scalarStart = {} } = optimizer;
  const start = checkNumber('Trainer', 'what optimizer.slotStart gives', optimizer.slotStart?.(parameter) ?? 0);
  return {
    slots: slots.map(() => variableOf(parameter.shape, start)),
    scalars: scalars.map((name) => variableOf([], scalarStart[name] ?? 0)),
  };
}

function variableOf(shape: Shape, start: number): Variable {
  const variable = new Variable(shape);
  if (start !== 0) variable.storage.initialize(constantRule(start));
  return variable;
}
