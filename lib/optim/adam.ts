/** Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019), as torch.optim.Adam and AdamW. */

import { checkBoolean, checkNumber } from '../errors';
import { makeUpdate } from '../ops/update';
import { checkBetas, countStep, makeOptimizer, type CommonOptions } from './builtIn';
import type { Optimizer } from './optimizer';

/** Options of `optim.adam` and `optim.adamw`. */
export interface AdamOptions extends CommonOptions<AdamOptions> {
  /** Learning rate, at least 0; default 0.001. */
  lr?: number | undefined;
  /** Factors of the moving averages of gradients and of their squares, in [0, 1); default [0.9, 0.999]. */
  betas?: readonly [number, number] | undefined;
  /** Added to the root of the squares, at least 0; default 1e-8. */
  eps?: number | undefined;
  /** At least 0; default 0 with `adam`, where it is an L2 penalty, and 0.01 with `adamw`, where it shrinks the parameter by itself. */
  weightDecay?: number | undefined;
  /** Whether the largest of all averages of squares so far counts (Reddi, Kale and Kumar, 2018); default false. */
  amsgrad?: boolean | undefined;
}

/**
 * g = gradient + weightDecay parameter; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; in step t
 * parameter -= lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.adam({ lr: 1e-3 })
 */
export function adam(options: AdamOptions = {}): Optimizer {
  return make('adam', 0, options);
}

/**
 * Adam with decoupled weight decay: parameter *= 1 - lr weightDecay in place of the L2 penalty.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.adamw({ lr: 1e-3, weightDecay: 0.05, groups: optim.noDecayOnNormAndBias() })
 */
export function adamw(options: AdamOptions = {}): Optimizer {
  return make('adamw', 0.01, options);
}

function make(name: 'adam' | 'adamw', defaultDecay: number, options: AdamOptions): Optimizer {
  const decoupled = name === 'adamw';
  return makeOptimizer(
    {
      name,
      options: ['lr', 'betas', 'eps', 'weightDecay', 'amsgrad'],
      settings: (where, { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = defaultDecay, amsgrad = false }) => ({
        lr: checkNumber(where, 'lr', lr, 0),
        betas: checkBetas(where, betas),
        eps: checkNumber(where, 'eps', eps, 0),
        weightDecay: checkNumber(where, 'weightDecay', weightDecay, 0),
        amsgrad: checkBoolean(where, 'amsgrad', amsgrad),
      }),
      slots: ({ amsgrad }) => ['exp_avg', 'exp_avg_sq', ...(amsgrad ? ['max_exp_avg_sq'] : [])],
      scalars: () => ['step'],
      updates: ({ parameter, gradient, lr, slots, scalars: [step] }, { betas: [b1, b2], eps, weightDecay }) => [
        makeUpdate('adam', [parameter, ...slots], [gradient, lr, step!], { gain1: 1 - b1, gain2: 1 - b2, eps, weightDecay, decoupled }),
        countStep(step!, lr),
      ],
    },
    options,
  );
}
