/** RMSprop (Tieleman and Hinton, 2012; centered: Graves, 2013), as torch.optim.RMSprop. */

import { checkBoolean, checkNumber } from '../errors';
import { makeUpdate } from '../ops/update';
import { makeOptimizer, type CommonOptions } from './builtIn';
import type { Optimizer } from './optimizer';

/** Options of `optim.rmsprop`. */
export interface RmspropOptions extends CommonOptions<RmspropOptions> {
  /** Learning rate, at least 0; default 0.01. */
  lr?: number | undefined;
  /** Factor of the moving average of squares, in [0, 1]; default 0.99. */
  alpha?: number | undefined;
  /** Added to the root of the squares, at least 0; default 1e-8. */
  eps?: number | undefined;
  /** L2 penalty, at least 0; default 0. */
  weightDecay?: number | undefined;
  /** At least 0; default 0. */
  momentum?: number | undefined;
  /** Whether gradients are divided by their standard deviation instead; default false. */
  centered?: boolean | undefined;
}

/**
 * g = gradient + weightDecay parameter; v = alpha v + (1 - alpha) g^2; d = g / (sqrt(v) + eps), with `centered` sqrt(v - mean(g)^2);
 * buffer = momentum buffer + d; parameter -= lr buffer.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.rmsprop({ lr: 1e-3, momentum: 0.9 })
 */
export function rmsprop(options: RmspropOptions = {}): Optimizer {
  return makeOptimizer(
    {
      name: 'rmsprop',
      options: ['lr', 'alpha', 'eps', 'weightDecay', 'momentum', 'centered'],
      settings: (where, { lr = 1e-2, alpha = 0.99, eps = 1e-8, weightDecay = 0, momentum = 0, centered = false }) => ({
        lr: checkNumber(where, 'lr', lr, 0),
        alpha: checkNumber(where, 'alpha', alpha, 0, 1),
        eps: checkNumber(where, 'eps', eps, 0),
        weightDecay: checkNumber(where, 'weightDecay', weightDecay, 0),
        momentum: checkNumber(where, 'momentum', momentum, 0),
        centered: checkBoolean(where, 'centered', centered),
      }),
      slots: ({ momentum, centered }) => ['square_avg', ...(centered ? ['grad_avg'] : []), ...(momentum > 0 ? ['momentum_buffer'] : [])],
      updates: ({ parameter, gradient, lr, slots }, { alpha, eps, weightDecay, momentum, centered }) => [
        makeUpdate(centered ? 'rmspropCentered' : 'rmsprop', [parameter, ...slots], [gradient, lr], {
          gain: 1 - alpha,
          eps,
          weightDecay,
          momentum,
        }),
      ],
    },
    options,
  );
}
