/**
 * What an optimizer is: a description that adds updates to a training graph. It holds no state; what must live from step to step
 * (momentum) are slots that the trainer keeps beside each parameter and that checkpoints hold under names made here.
 */

import { checkFunction, checkNumber, formatValue, readArray, StridenetError } from '../errors';
import type { Update } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import { checkGroupsMatch, groupRecipes, type Grouping, type GroupRecipe } from './groups';

/** What an optimizer of a user's own wants a variable to hold after the step, as a function of what all held before it. */
export interface Assignment {
  /** The parameter, or one of its slots. */
  readonly variable: Tensor;
  /** Computed with `ops`; of the variable's shape. */
  readonly value: Tensor;
}

/**
 * One of `optim`, or one of a user's own: `updates` computes with `ops`, and what it gives is compiled into the training step.
 *
 * @example
 * const signSgd: optim.Optimizer = {
 *   name: 'signSgd', options: {}, lr: 0.01, slots: [],
 *   updates: (parameter, gradient, lr) => [
 *     { variable: parameter, value: ops.sub(parameter, ops.mul(lr, ops.div(gradient, ops.add(ops.abs(gradient), 1e-12)))) },
 *   ],
 * };
 */
export interface Optimizer {
  /** 'sgd'; written into checkpoints. */
  readonly name: string;
  /** What it was made with, as plain data: a checkpoint makes one of `optim` again. */
  readonly options: Readonly<Record<string, number | boolean | readonly number[]>>;
  /** The learning rate that a schedule multiplies. */
  readonly lr: number;
  /** Names of the variables kept for each parameter, of its shape, zero at first; those of PyTorch's state, such as 'exp_avg'. */
  readonly slots: readonly string[];
  /** Where the slots of a parameter begin; default 0. */
  slotStart?(parameter: Tensor): number;
  /** Names of single numbers kept for each parameter, such as the steps that it took; default none. */
  readonly scalars?: readonly string[];
  /** Where those begin that do not begin with 0. */
  readonly scalarStart?: Readonly<Record<string, number>>;
  /**
   * How one parameter and its slots change: assignments, or what another optimizer gives, as it is. Values are tensors of what all of them
   * held before the step; one whose loss is not finite leaves everything as it was.
   * @param lr scalar @param slots in the order of `this.slots` @param scalars in that of `this.scalars`
   */
  updates(
    parameter: Tensor,
    gradient: Tensor,
    lr: Tensor,
    slots: readonly Tensor[],
    scalars?: readonly Tensor[],
  ): readonly (Assignment | Update)[];
}

// A slash, since no path of a module has one.
const SLOT_PREFIX = 'optimizer/';

/** What a checkpoint calls the slot of a parameter: 'optimizer/velocity/conv1.weight'. */
export function slotName(slot: string, parameter: string): string {
  return `${SLOT_PREFIX}${slot}/${parameter}`;
}

/** Whether a tensor of a checkpoint is a slot, not a weight. */
export function isSlotName(name: string): boolean {
  return name.startsWith(SLOT_PREFIX);
}

/** The optimizers of the table. */
const builtIn = new WeakMap<Optimizer, Grouping<object>>();

/** Marks an optimizer of the table, which `name`, `options` and its groups say everything of. It cannot be changed any more. */
export function asBuiltIn(optimizer: Optimizer, grouping: Grouping<object>): Optimizer {
  builtIn.set(Object.freeze(optimizer), grouping);
  return optimizer;
}

/** What makes an optimizer of the table again, for models whose parameters have the same names. */
export interface OptimizerRecipe {
  readonly name: string;
  readonly options: Readonly<Record<string, Optimizer['options'][string] | readonly GroupRecipe[]>>;
}

/** How an optimizer that updates these parameters is made again; undefined for one of a user's own, also a copy with another `updates`. */
export function optimizerRecipe(optimizer: Optimizer, parameters: readonly Tensor[]): OptimizerRecipe | undefined {
  const grouping = builtIn.get(optimizer);
  if (!grouping) return undefined;
  const { name, options } = optimizer;
  const groups = groupRecipes(grouping, parameters);
  return { name, options: groups.length === 0 ? options : { ...options, groups } };
}

/** @throws StridenetError ERR_INVALID_ARGUMENT for a group that has none of the parameters which the optimizer updates */
export function checkGroups(where: string, optimizer: Optimizer, parameters: readonly Tensor[]): void {
  const grouping = builtIn.get(optimizer);
  if (grouping) checkGroupsMatch(where, grouping, parameters);
}

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkOptimizer(where: string, optimizer: unknown): Optimizer {
  const { name, lr, slots, slotStart, scalars, scalarStart, updates } = (optimizer ?? {}) as Partial<Optimizer>;
  if (typeof updates !== 'function') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects an optimizer, such as optim.sgd({ lr: 0.1 }), but got ${formatValue(optimizer)}.`,
    );
  }
  if (typeof name !== 'string' || name === '') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects optimizer.name to be a text but got ${formatValue(name)}.`);
  }
  checkNumber(where, 'optimizer.lr', lr, 0);
  const kept = { slots: readArray(slots), scalars: scalars === undefined ? [] : readArray(scalars) };
  for (const [which, names] of Object.entries(kept)) {
    const all = [...(kept.slots ?? []), ...(kept.scalars ?? [])];
    if (names && !names.some((slot) => typeof slot !== 'string' || slot === '') && new Set(all).size === all.length) continue;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects optimizer.${which} to be different names, [] if it keeps nothing, but got ${formatValue(which === 'slots' ? slots : scalars)}.`,
    );
  }
  if (slotStart !== undefined) checkFunction(where, 'optimizer.slotStart', slotStart);
  for (const [which, start] of Object.entries(scalarStart ?? {})) checkNumber(where, `optimizer.scalarStart.${which}`, start);
  return optimizer as Optimizer;
}
