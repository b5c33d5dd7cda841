/**
 * Updates: how a step changes variables. An update is a record and no node, since one instruction writes several variables at once, such
 * as a parameter and what its optimizer keeps of it. What each instruction computes stands in native/program/ops.def; which of them
 * an optimizer asks for stands in lib/optim.
 */

import { formatShape, StridenetError } from '../errors';
import type { Update } from '../graph/graph';
import { scalar } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import type { Shape } from '../graph/types';
import { checkDType, checkTensor, describe } from './builder';

const made = new WeakSet<object>();

/**
 * The update of `variables` by an instruction. Operands that the instruction can do without may be left out at the end of either list.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_DTYPE_MISMATCH, ERR_SHAPE_MISMATCH for operands that do not fit each other
 */
export function makeUpdate(op: string, variables: readonly Tensor[], inputs: readonly Tensor[], attributes: Update['attributes']): Update {
  const first: unknown = variables[0];
  checkTensor(op, 'variable 0', first);
  const where = describe(op, first.name);
  variables.forEach((variable, i) => checkOperand(where, `variable ${i}`, variable, first.shape));
  inputs.forEach((input, i) => checkOperand(where, `input ${i}`, input, i === 0 ? first.shape : []));
  const update = Object.freeze({
    op,
    variables: Object.freeze([...variables]),
    inputs: Object.freeze([...inputs]),
    attributes: Object.freeze({ ...attributes }),
  });
  made.add(update);
  return update;
}

function checkOperand(where: string, what: string, operand: unknown, shape: Shape): void {
  checkTensor(where, what, operand);
  checkDType(where, what, operand, 'float32');
  if (formatShape(operand.shape) === formatShape(shape)) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects ${what} of shape ${formatShape(shape)} but got ${formatShape(operand.shape)}.`,
  );
}

/** Whether `value` came from `makeUpdate`, not a copy of such an update. */
export function isUpdate(value: unknown): value is Update {
  return typeof value === 'object' && value !== null && made.has(value);
}

/** running = decay running + gain value, unless the scalar `guard` is not finite. */
export function runningAverage(running: Tensor, value: Tensor, guard: Tensor, { decay, gain }: { decay: number; gain: number }): Update {
  return makeUpdate('runningAverage', [running], [value, guard], { decay, gain });
}

/** variable = value, unless the scalar `guard` is not finite. */
export function replacement(variable: Tensor, value: Tensor, guard: Tensor): Update {
  return runningAverage(variable, value, guard, { decay: 0, gain: 1 });
}

/** An update that layers ask for while their graph is built: it is made when the guard of the step is known. */
export interface DeferredUpdate {
  readonly variable: Tensor;
  /** @param guard a scalar: not finite in a step that must change nothing */
  readonly update: (guard: Tensor) => Update;
}

let deferred: DeferredUpdate[] | undefined;

/** Runs `body` and collects the updates that it asks for. */
export function collectUpdates<T>(body: () => T): { result: T; updates: readonly DeferredUpdate[] } {
  const outer = deferred;
  const updates: DeferredUpdate[] = [];
  deferred = updates;
  try {
    return { result: body(), updates };
  } finally {
    deferred = outer;
  }
}

/**
 * Asks the training graph that is being built to update `variable` in every step. Where no such graph is being built nothing
 * happens: nodes are pure, and evaluating them writes no variable.
 */
export function deferUpdate(variable: Tensor, update: DeferredUpdate['update']): void {
  deferred?.push({ variable, update });
}

/** Asks for `counter` (a scalar) to grow by one in every step. */
export function countStep(counter: Tensor): void {
  deferUpdate(counter, (guard) => runningAverage(counter, scalar(1), guard, { decay: 1, gain: 1 }));
}
