/** Layer-wise adaptive rates (LARS; You, Gitman and Ginsburg, 2017), as timm.optim.Lars. */

import { checkBoolean, checkNumber, StridenetError } from '../errors';
import { scalar } from '../graph/leaves';
import { add, mul } from '../ops/elementwise';
import { makeUpdate } from '../ops/update';
import { makeOptimizer, norm, trustRatio, type CommonOptions } from './builtIn';
import type { Optimizer } from './optimizer';

/** Options of `optim.lars`. */
export interface LarsOptions extends CommonOptions<LarsOptions> {
  /** Learning rate, at least 0; default 1. */
  lr?: number | undefined;
  /** At least 0; default 0. */
  momentum?: number | undefined;
  /** L2 penalty, at least 0; default 0. Parameters without one are updated as by `sgd`, unless `alwaysAdapt`. */
  weightDecay?: number | undefined;
  /** Needs momentum; default false. */
  nesterov?: boolean | undefined;
  /** The part of a layer's norm that a step may move it by, above 0; default 0.001. */
  trustCoefficient?: number | undefined;
  /** Added to the norm of gradients, at least 0; default 1e-8. */
  eps?: number | undefined;
  /** Whether parameters without weight decay are adapted as well; default false. */
  alwaysAdapt?: boolean | undefined;
}

/**
 * trust = trustCoefficient |parameter| / (|gradient| + weightDecay |parameter| + eps), 1 where one of the norms is 0;
 * g = trust (gradient + weightDecay parameter), then as `sgd`.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.lars({ lr: 2, momentum: 0.9, weightDecay: 1e-4, groups: optim.noDecayOnNormAndBias() })
 */
export function lars(options: LarsOptions = {}): Optimizer {
  return makeOptimizer(
    {
      name: 'lars',
      options: ['lr', 'momentum', 'weightDecay', 'nesterov', 'trustCoefficient', 'eps', 'alwaysAdapt'],
      settings: (
        where,
        { lr = 1, momentum = 0, weightDecay = 0, nesterov = false, trustCoefficient = 1e-3, eps = 1e-8, alwaysAdapt = false },
      ) => {
        const settings = {
          lr: checkNumber(where, 'lr', lr, 0),
          momentum: checkNumber(where, 'momentum', momentum, 0),
          weightDecay: checkNumber(where, 'weightDecay', weightDecay, 0),
          nesterov: checkBoolean(where, 'nesterov', nesterov),
          trustCoefficient: checkNumber(where, 'trustCoefficient', trustCoefficient, Number.MIN_VALUE),
          eps: checkNumber(where, 'eps', eps, 0),
          alwaysAdapt: checkBoolean(where, 'alwaysAdapt', alwaysAdapt),
        };
        if (!settings.nesterov || settings.momentum > 0) return settings;
        throw new StridenetError(
          'ERR_INVALID_ARGUMENT',
          `${where} expects a momentum above 0 with nesterov but momentum is 0. Pass momentum, such as 0.9.`,
        );
      },
      slots: ({ momentum }) => (momentum > 0 ? ['velocity'] : []),
      updates: ({ parameter, gradient, lr, slots }, settings) => {
        const { momentum, weightDecay, nesterov, trustCoefficient, eps, alwaysAdapt } = settings;
        if (weightDecay === 0 && !alwaysAdapt) {
          return [makeUpdate('lars', [parameter, ...slots], [gradient, lr, scalar(1)], { momentum, weightDecay, nesterov })];
        }
        const [w, g] = [norm(parameter), norm(gradient)];
        const trust = trustRatio(mul(w, trustCoefficient), add(add(g, mul(w, weightDecay)), eps), [w, g]);
        return [makeUpdate('lars', [parameter, ...slots], [gradient, lr, trust], { momentum, weightDecay, nesterov })];
      },
    },
    options,
  );
}
