/** Stochastic gradient descent with momentum, Nesterov momentum and weight decay, as torch.optim.SGD. */

import { checkBoolean, checkNumber, StridenetError } from '../errors';
import { makeUpdate } from '../ops/update';
import { countStep, makeOptimizer, type CommonOptions } from './builtIn';
import type { Optimizer } from './optimizer';

/** Options of `optim.sgd`. */
export interface SgdOptions extends CommonOptions<SgdOptions> {
  /** Learning rate, at least 0; default 0.001. */
  lr?: number | undefined;
  /** At least 0; default 0. */
  momentum?: number | undefined;
  /** How much of a gradient the momentum leaves out, but for the first; default 0. */
  dampening?: number | undefined;
  /** L2 penalty, at least 0; default 0. */
  weightDecay?: number | undefined;
  /** Needs momentum and no dampening; default false. */
  nesterov?: boolean | undefined;
}

/**
 * g = gradient + weightDecay parameter; velocity = momentum velocity + (1 - dampening) g, at first g;
 * parameter -= lr (nesterov ? g + momentum velocity : velocity).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 5e-4, nesterov: true })
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  return makeOptimizer(
    {
      name: 'sgd',
      options: ['lr', 'momentum', 'dampening', 'weightDecay', 'nesterov'],
      settings: (where, { lr = 1e-3, momentum = 0, dampening = 0, weightDecay = 0, nesterov = false }) => {
        const settings = {
          lr: checkNumber(where, 'lr', lr, 0),
          momentum: checkNumber(where, 'momentum', momentum, 0),
          dampening: checkNumber(where, 'dampening', dampening),
          weightDecay: checkNumber(where, 'weightDecay', weightDecay, 0),
          nesterov: checkBoolean(where, 'nesterov', nesterov),
        };
        if (settings.nesterov && (settings.momentum === 0 || settings.dampening !== 0)) {
          const [wanted, is] =
            settings.momentum === 0 ? ['a momentum above 0', `momentum is 0`] : ['a dampening of 0', `it is ${settings.dampening}`];
          throw new StridenetError(
            'ERR_INVALID_ARGUMENT',
            `${where} expects ${wanted} with nesterov but ${is}. ${settings.momentum === 0 ? 'Pass momentum, such as 0.9.' : 'Leave one of them out.'}`,
          );
        }
        return settings;
      },
      slots: ({ momentum }) => (momentum > 0 ? ['velocity'] : []),
      scalars: ({ momentum, dampening }) => (momentum > 0 && dampening !== 0 ? ['step'] : []),
      updates: ({ parameter, gradient, lr, slots, scalars: [step] }, { lr: _, ...attributes }) => [
        makeUpdate('sgd', [parameter, ...slots], step ? [gradient, lr, step] : [gradient, lr], attributes),
        ...(step ? [countStep(step, lr)] : []),
      ],
    },
    options,
  );
}
