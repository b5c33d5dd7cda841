/** Layer-wise adaptive moments (LAMB; You et al., 2020), as timm.optim.Lamb without its clipping of gradients. */

import { checkBoolean, checkNumber } from '../errors';
import { scalar } from '../graph/leaves';
import { add, div, mul, sqrt, sub } from '../ops/elementwise';
import { makeUpdate, runningAverage } from '../ops/update';
import { checkBetas, makeOptimizer, norm, trustRatio, type CommonOptions } from './builtIn';
import type { Optimizer } from './optimizer';

/** Options of `optim.lamb`. */
export interface LambOptions extends CommonOptions<LambOptions> {
  /** Learning rate, at least 0; default 0.001. */
  lr?: number | undefined;
  /** Factors of the moving averages of gradients and of their squares, in [0, 1); default [0.9, 0.999]. */
  betas?: readonly [number, number] | undefined;
  /** Added to the root of the squares, at least 0; default 1e-6. */
  eps?: number | undefined;
  /** At least 0; default 0.01. Parameters without any are updated as by `adam`, unless `alwaysAdapt`. */
  weightDecay?: number | undefined;
  /** Whether parameters without weight decay are adapted as well; default false. */
  alwaysAdapt?: boolean | undefined;
}

/**
 * r = Adam's step for a rate of 1 + weightDecay parameter; parameter -= lr |parameter| / |r| r, where the ratio is 1 if one of the norms is 0.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.lamb({ lr: 5e-3, weightDecay: 0.02, groups: optim.noDecayOnNormAndBias() })
 */
export function lamb(options: LambOptions = {}): Optimizer {
  return makeOptimizer(
    {
      name: 'lamb',
      options: ['lr', 'betas', 'eps', 'weightDecay', 'alwaysAdapt'],
      settings: (where, { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-6, weightDecay = 0.01, alwaysAdapt = false }) => ({
        lr: checkNumber(where, 'lr', lr, 0),
        betas: checkBetas(where, betas),
        eps: checkNumber(where, 'eps', eps, 0),
        weightDecay: checkNumber(where, 'weightDecay', weightDecay, 0),
        alwaysAdapt: checkBoolean(where, 'alwaysAdapt', alwaysAdapt),
      }),
      slots: () => ['exp_avg', 'exp_avg_sq'],
      // 1 - beta^t, from step to step: as a power it would lose digits.
      scalars: () => ['correction1', 'correction2'],
      updates: ({ parameter, gradient, lr, slots, scalars }, { betas: [b1, b2], eps, weightDecay, alwaysAdapt }) => {
        const gains = [1 - b1, 1 - b2] as const;
        const [c1, c2] = scalars.map((kept, i) => add(mul(kept, 1 - gains[i]!), gains[i]!)) as [typeof lr, typeof lr];
        const update = (trust: typeof lr): ReturnType<typeof makeUpdate> =>
          makeUpdate('lamb', [parameter, ...slots], [gradient, lr, c1, c2, trust], { gain1: gains[0], gain2: gains[1], eps, weightDecay });
        const corrections = scalars.map((kept, i) => runningAverage(kept, scalar(1), lr, { decay: 1 - gains[i]!, gain: gains[i]! }));
        if (weightDecay === 0 && !alwaysAdapt) return [update(scalar(1)), ...corrections];
        const [m, v] = slots as [typeof lr, typeof lr];
        const mean = add(m, mul(sub(gradient, m), gains[0]));
        const square = add(v, mul(sub(mul(gradient, gradient), v), gains[1]));
        const step = div(div(mean, c1), add(sqrt(div(square, c2)), eps));
        const direction = norm(weightDecay > 0 ? add(step, mul(parameter, weightDecay)) : step);
        const w = norm(parameter);
        return [update(trustRatio(w, direction, [w, direction])), ...corrections];
      },
    },
    options,
  );
}
