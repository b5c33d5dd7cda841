/** Adadelta (Zeiler, 2012), as torch.optim.Adadelta. */

import { checkNumber } from '../errors';
import { makeUpdate } from '../ops/update';
import { makeOptimizer, type CommonOptions } from './builtIn';
import type { Optimizer } from './optimizer';

/** Options of `optim.adadelta`. */
export interface AdadeltaOptions extends CommonOptions<AdadeltaOptions> {
  /** A factor on the step, at least 0; default 1. */
  lr?: number | undefined;
  /** Factor of the moving averages, in [0, 1]; default 0.9. */
  rho?: number | undefined;
  /** Added to the squares below both roots, at least 0; default 1e-6. */
  eps?: number | undefined;
  /** L2 penalty, at least 0; default 0. */
  weightDecay?: number | undefined;
}

/**
 * g = gradient + weightDecay parameter; v = rho v + (1 - rho) g^2; d = sqrt(u + eps) / sqrt(v + eps) g; u = rho u + (1 - rho) d^2;
 * parameter -= lr d.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.adadelta()
 */
export function adadelta(options: AdadeltaOptions = {}): Optimizer {
  return makeOptimizer(
    {
      name: 'adadelta',
      options: ['lr', 'rho', 'eps', 'weightDecay'],
      settings: (where, { lr = 1, rho = 0.9, eps = 1e-6, weightDecay = 0 }) => ({
        lr: checkNumber(where, 'lr', lr, 0),
        rho: checkNumber(where, 'rho', rho, 0, 1),
        eps: checkNumber(where, 'eps', eps, 0),
        weightDecay: checkNumber(where, 'weightDecay', weightDecay, 0),
      }),
      slots: () => ['square_avg', 'acc_delta'],
      updates: ({ parameter, gradient, lr, slots }, { rho, eps, weightDecay }) => [
        makeUpdate('adadelta', [parameter, ...slots], [gradient, lr], { gain: 1 - rho, eps, weightDecay }),
      ],
    },
    options,
  );
}
