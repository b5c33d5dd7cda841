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

import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { build, defineOp } from './builder';

export interface SgdAttrs extends Attrs {
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
}

defineOp<SgdAttrs>({ name: 'sgdVelocity', infer: ({ inputs: [param] }) => ({ shape: param!.shape, dtype: 'float32' }) });
defineOp<SgdAttrs>({ name: 'sgdParam', infer: ({ inputs: [param] }) => ({ shape: param!.shape, dtype: 'float32' }) });

/** One update of a graph: after a run `variable` holds what `value` was. */
export interface Update {
  readonly variable: Tensor;
  readonly value: Tensor;
}

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
