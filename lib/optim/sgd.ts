/** Stochastic gradient descent with momentum, Nesterov momentum and weight decay, as torch.optim.SGD (dampening 0). */

import { checkBoolean, checkNumber, checkOptions, StridenetError } from '../errors';
import { makeUpdate } from '../ops/update';
import { asBuiltIn, type Optimizer } from './optimizer';

/** Options of `optim.sgd`. */
export interface SgdOptions {
  /** Learning rate, at least 0; default 0.001. */
  lr?: number | undefined;
  /** At least 0; default 0. */
  momentum?: number | undefined;
  /** L2 penalty, at least 0; default 0. */
  weightDecay?: number | undefined;
  /** Needs momentum; default false. */
  nesterov?: boolean | undefined;
}

/**
 * g = gradient + weightDecay parameter; velocity = momentum velocity + g; parameter -= lr (nesterov ? g + momentum velocity : velocity).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  checkOptions('optim.sgd', options, ['lr', 'momentum', 'weightDecay', 'nesterov']);
  const lr = checkNumber('optim.sgd', 'lr', options.lr ?? 1e-3, 0);
  const momentum = checkNumber('optim.sgd', 'momentum', options.momentum ?? 0, 0);
  const weightDecay = checkNumber('optim.sgd', 'weightDecay', options.weightDecay ?? 0, 0);
  const nesterov = checkBoolean('optim.sgd', 'nesterov', options.nesterov ?? false);
  if (nesterov && momentum === 0) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      'optim.sgd expects a momentum above 0 with nesterov but momentum is 0. Pass momentum, such as 0.9.',
    );
  }
  return asBuiltIn({
    name: 'sgd',
    options: { lr, momentum, weightDecay, nesterov },
    lr,
    slots: momentum > 0 ? ['velocity'] : [],
    updates: (parameter, gradient, rate, [velocity]) => [
      makeUpdate('sgd', velocity ? [parameter, velocity] : [parameter], [gradient, rate], { momentum, weightDecay, nesterov }),
    ],
  });
}
