/** Adam with Nesterov's momentum (Dozat, 2016), as torch.optim.NAdam. */

import { checkBoolean, checkNumber } from '../errors';
import { add, exp, mul, sub } from '../ops/elementwise';
import { makeUpdate, replacement } from '../ops/update';
import { checkBetas, countStep, makeOptimizer, type CommonOptions } from './builtIn';
import type { Optimizer } from './optimizer';

/** Options of `optim.nadam`. */
export interface NadamOptions extends CommonOptions<NadamOptions> {
  /** Learning rate, at least 0; default 0.002. */
  lr?: number | undefined;
  /** Factors of the moving averages of gradients and of their squares, in [0, 1); default [0.9, 0.999]. */
  betas?: readonly [number, number] | undefined;
  /** Added to the root of the squares, at least 0; default 1e-8. */
  eps?: number | undefined;
  /** At least 0; default 0. */
  weightDecay?: number | undefined;
  /** How fast the momentum rises to betas[0], at least 0; default 0.004. */
  momentumDecay?: number | undefined;
  /** Whether weight decay shrinks the parameter by itself, as in AdamW; default false. */
  decoupledWeightDecay?: boolean | undefined;
}

/**
 * As `adam`, where the momentum of step t is u(t) = b1 (1 - 0.96^(t momentumDecay) / 2), P(t) the product of all up to it, and
 * parameter -= lr ((1 - u(t)) / (1 - P(t)) g + u(t + 1) / (1 - P(t + 1)) m) / (sqrt(v / (1 - b2^t)) + eps).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.nadam({ lr: 2e-3 })
 */
export function nadam(options: NadamOptions = {}): Optimizer {
  return makeOptimizer(
    {
      name: 'nadam',
      options: ['lr', 'betas', 'eps', 'weightDecay', 'momentumDecay', 'decoupledWeightDecay'],
      settings: (
        where,
        { lr = 2e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0, momentumDecay = 4e-3, decoupledWeightDecay = false },
      ) => ({
        lr: checkNumber(where, 'lr', lr, 0),
        betas: checkBetas(where, betas),
        eps: checkNumber(where, 'eps', eps, 0),
        weightDecay: checkNumber(where, 'weightDecay', weightDecay, 0),
        momentumDecay: checkNumber(where, 'momentumDecay', momentumDecay, 0),
        decoupledWeightDecay: checkBoolean(where, 'decoupledWeightDecay', decoupledWeightDecay),
      }),
      slots: () => ['exp_avg', 'exp_avg_sq'],
      scalars: () => ['step', 'mu_product'],
      scalarStart: { mu_product: 1 },
      updates: ({ parameter, gradient, lr, slots, scalars: [step, product] }, settings) => {
        const { betas, eps, weightDecay, momentumDecay, decoupledWeightDecay: decoupled } = settings;
        const [b1, b2] = betas;
        const momentumOf = (t: typeof lr): typeof lr => mul(sub(1, mul(exp(mul(t, momentumDecay * Math.log(0.96))), 0.5)), b1);
        const [mu, next] = [momentumOf(add(step!, 1)), momentumOf(add(step!, 2))];
        const newProduct = mul(product!, mu);
        return [
          makeUpdate('nadam', [parameter, ...slots], [gradient, lr, step!, mu, next, newProduct], {
            gain1: 1 - b1,
            gain2: 1 - b2,
            eps,
            weightDecay,
            decoupled,
          }),
          replacement(product!, newProduct, lr),
          countStep(step!, lr),
        ];
      },
    },
    options,
  );
}
