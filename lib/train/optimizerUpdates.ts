/** What an optimizer asks for in a step, checked: it may be one of a user's own. */

import { formatShape, formatValue, readArray, StridenetError } from '../errors';
import type { Update } from '../graph/graph';
import { Tensor } from '../graph/tensor';
import type { Parameter } from '../nn/parameter';
import type { Assignment, Optimizer } from '../optim/optimizer';
import { isUpdate, replacement } from '../ops/update';
import type { Kept } from './kept';

/**
 * What the optimizer wants for one parameter; assignments get the guard that the updates of our optimizers have in themselves.
 * @param rate not finite in a step that must change nothing
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH for updates that are none
 */
export function optimizerUpdates(
  optimizer: Optimizer,
  parameter: Parameter,
  gradient: Tensor,
  rate: Tensor,
  { slots, scalars }: Kept,
): Update[] {
  const where = `The updates of optimizer ${formatValue(optimizer.name)} for ${parameter.name || 'a parameter'}`;
  const given: unknown = optimizer.updates(parameter, gradient, rate, slots, scalars);
  const updates = readArray(given) ?? [];
  if (updates.length === 0) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} must be an array of { variable, value } but are ${formatValue(given)}.`);
  }
  const seen = new Set<Tensor>();
  const checkVariable = (variable: Tensor, i: number): void => {
    if (![parameter, ...slots, ...scalars].some((own) => own === variable) || seen.has(variable)) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} must set the parameter and its slots, each at most once, but number ${i} sets ${seen.has(variable) ? 'one again' : 'another variable'}.`,
      );
    }
    seen.add(variable);
  };
  return updates.map((update: unknown, i) => {
    if (isUpdate(update)) {
      for (const variable of update.variables) checkVariable(variable, i);
      return update;
    }
    const { variable, value } = (update ?? {}) as Partial<Assignment>;
    if (!(variable instanceof Tensor) || !(value instanceof Tensor)) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} must be { variable, value } of Tensors, or what another optimizer gives as it is, but number ${i} is ${formatValue(update)}.`,
      );
    }
    checkVariable(variable, i);
    if (value.dtype !== 'float32' || formatShape(value.shape) !== formatShape(variable.shape)) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} must be float32 of shape ${formatShape(variable.shape)} but number ${i} is ${value.dtype} of ${formatShape(value.shape)}.`,
      );
    }
    return replacement(variable, value, rate);
  });
}
