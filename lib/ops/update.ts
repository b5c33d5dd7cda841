/**
 * Optimizer steps as pure nodes. They appear only as values of graph updates; the compiler joins the two nodes of a parameter
 * into one in-place instruction. (PyTorch's SGD with dampening 0.)
 *
 *   g        = grad + weightDecay param
 *   velocity = momentum velocity + g
 *   param    = param - lr (nesterov ? g + momentum velocity : velocity)
 *
 * A learning rate that is not finite leaves both as they are.
 */

import type { Update } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { scalar } from '../graph/leaves';
import { build, defineOp } from './builder';

export interface SgdAttrs extends Attrs {
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
}

defineOp<SgdAttrs>({ name: 'sgdVelocity', infer: ({ inputs: [param] }) => ({ shape: param!.shape, dtype: 'float32' }) });
defineOp<SgdAttrs>({ name: 'sgdParam', infer: ({ inputs: [param] }) => ({ shape: param!.shape, dtype: 'float32' }) });

/**
 * The updates of one SGD step.
 * @param lr a scalar tensor @param velocity a variable of the parameter's shape; absent when momentum is 0
 */
export function sgdUpdates(param: Tensor, grad: Tensor, lr: Tensor, velocity: Tensor | undefined, attrs: SgdAttrs): Update[] {
  const name = param.name && `${param.name}/update`;
  if (!velocity) return [{ variable: param, value: build('sgdParam', [param, grad, lr], attrs, name) }];
  const moved = build('sgdVelocity', [param, grad, velocity], attrs, name);
  return [
    { variable: velocity, value: moved },
    { variable: param, value: build('sgdParam', [param, grad, lr, moved], attrs, name) },
  ];
}

export interface RunningAverageAttrs extends Attrs {
  readonly decay: number;
  readonly gain: number;
}

defineOp<RunningAverageAttrs>({ name: 'runningAverage', infer: ({ inputs: [running] }) => ({ shape: running!.shape, dtype: 'float32' }) });

/** decay running + gain value, or `running` as it is when the scalar `guard` is not finite. Only as the value of an update. */
export function runningAverage(running: Tensor, value: Tensor, guard: Tensor, attrs: RunningAverageAttrs): Tensor {
  return build('runningAverage', [running, value, guard], attrs, running.name && `${running.name}/update`);
}

/** `value`, or `variable` as it is when the scalar `guard` is not finite. Only as the value of an update. */
export function replacement(variable: Tensor, value: Tensor, guard: Tensor): Tensor {
  return runningAverage(variable, value, guard, { decay: 0, gain: 1 });
}

/** Whether a node is the step of an optimizer of this package, which has its guard in itself. */
export function isOptimizerStep({ op }: Tensor): boolean {
  return op === 'sgdParam' || op === 'sgdVelocity';
}

/** An update that layers ask for while their graph is built: its value is made when the guard of the step is known. */
export interface DeferredUpdate {
  readonly variable: Tensor;
  /** @param guard a scalar: not finite in a step that must change nothing */
  readonly value: (guard: Tensor) => Tensor;
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
 * Asks the training graph that is being built to set `variable` in every step. Where no such graph is being built nothing
 * happens: nodes are pure, and evaluating them writes no variable.
 */
export function deferUpdate(variable: Tensor, value: DeferredUpdate['value']): void {
  deferred?.push({ variable, value });
}

/** Asks for `counter` (a scalar) to grow by one in every step. */
export function countStep(counter: Tensor): void {
  deferUpdate(counter, (guard) => runningAverage(counter, scalar(1), guard, { decay: 1, gain: 1 }));
}
