/** Adagrad (Duchi, Hazan and Singer, 2011), as torch.optim.Adagrad. */

import { checkNumber } from '../errors';
import { makeUpdate } from '../ops/update';
import { countStep, makeOptimizer, type CommonOptions } from './builtIn';
import type { Optimizer } from './optimizer';

/** Options of `optim.adagrad`. */
export interface AdagradOptions extends CommonOptions<AdagradOptions> {
  /** Learning rate, at least 0; default 0.01. */
  lr?: number | undefined;
  /** By how much of itself the divisor of the rate grows in each step, at least 0; default 0. */
  lrDecay?: number | undefined;
  /** L2 penalty, at least 0; default 0. */
  weightDecay?: number | undefined;
  /** Where the sums of squares begin, at least 0; default 0. */
  initialAccumulatorValue?: number | undefined;
  /** Added to the root of the sum, at least 0; default 1e-10. */
  eps?: number | undefined;
}

/**
 * g = gradient + weightDecay parameter; sum += g^2; in step t parameter -= lr / (1 + (t - 1) lrDecay) g / (sqrt(sum) + eps).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.adagrad({ lr: 0.01 })
 */
export function adagrad(options: AdagradOptions = {}): Optimizer {
  return makeOptimizer(
    {
      name: 'adagrad',
      options: ['lr', 'lrDecay', 'weightDecay', 'initialAccumulatorValue', 'eps'],
      settings: (where, { lr = 1e-2, lrDecay = 0, weightDecay = 0, initialAccumulatorValue = 0, eps = 1e-10 }) => ({
        lr: checkNumber(where, 'lr', lr, 0),
        lrDecay: checkNumber(where, 'lrDecay', lrDecay, 0),
        weightDecay: checkNumber(where, 'weightDecay', weightDecay, 0),
        initialAccumulatorValue: checkNumber(where, 'initialAccumulatorValue', initialAccumulatorValue, 0),
        eps: checkNumber(where, 'eps', eps, 0),
      }),
      slots: () => ['sum'],
      slotStart: ({ initialAccumulatorValue }) => initialAccumulatorValue,
      scalars: () => ['step'],
      updates: ({ parameter, gradient, lr, slots, scalars: [step] }, { lrDecay, weightDecay, eps }) => [
        makeUpdate('adagrad', [parameter, ...slots], [gradient, lr, step!], { lrDecay, weightDecay, eps }),
        countStep(step!, lr),
      ],
    },
    options,
  );
}
