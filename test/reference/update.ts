/**
 * One step of stochastic gradient descent, as torch.optim.SGD:
 *   g = grad + weightDecay p;   v = momentum v + g;   p = p - lr (nesterov ? g + momentum v : v)
 * The velocity starts at zero, which gives PyTorch's first step (v = g). A learning rate that is not finite changes nothing.
 */

import type { Array64 } from './array64';

export interface SgdOptions {
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
}

/** Returns the new parameter and velocity; the arguments are left alone. */
export function sgd(param: Array64, grad: Array64, velocity: Array64, options: SgdOptions): { param: Array64; velocity: Array64 } {
  const { lr, momentum, weightDecay, nesterov } = options;
  if (!Number.isFinite(lr)) return { param, velocity };
  const g = grad.data.map((d, i) => d + weightDecay * param.data[i]!);
  const v = velocity.data.map((old, i) => momentum * old + g[i]!);
  const next = param.data.map((p, i) => p - lr * (nesterov ? g[i]! + momentum * v[i]! : v[i]!));
  return { param: { shape: param.shape, data: next }, velocity: { shape: velocity.shape, data: v } };
}
