/** Local response normalisation of [N, C, H, W]. */

import { checkInteger, checkNumber, checkOptions, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Attrs, Shape } from '../graph/types';
import { build, checkDType, checkRank, checkTensor, defineOp, describe, type OpOptions } from './builder';
import { add, mul, pow, sub } from './elementwise';
import type { GradientContext, InferContext } from './opDef';

/** Options of `ops.localResponseNorm`. */
export interface LocalResponseNormOptions extends OpOptions {
  /** Channels in a window. */
  size: number;
  /** Default 1e-4. */
  alpha?: number | undefined;
  /** Default 0.75. */
  beta?: number | undefined;
  /** Default 1. */
  k?: number | undefined;
}

/** scale = alpha / size; the window of channel c is c - before .. c + after. */
export interface ResponseNormAttrs extends Attrs {
  readonly before: number;
  readonly after: number;
  readonly scale: number;
  readonly beta: number;
  readonly k: number;
}
interface WindowAttrs extends Attrs {
  readonly before: number;
  readonly after: number;
}

const sameAsX = ({ inputs: [x] }: InferContext): { shape: Shape; dtype: 'float32' } => ({ shape: x!.shape, dtype: 'float32' });

// With s = k + scale W(x^2), W the sum over a channel's window and W' that over the mirrored window:
//   y  = x s^-beta
//   dx = dy s^-beta - 2 beta scale x W'(dy x s^(-beta - 1))

defineOp<WindowAttrs>({
  name: 'channelWindowSum',
  infer: sameAsX,
  gradient: ({ attrs: { before, after }, dy }: GradientContext<WindowAttrs>) => [windowSum(dy, after, before)],
});

function windowSum(x: Tensor, before: number, after: number): Tensor {
  return build('channelWindowSum', [x], { before, after });
}

defineOp<ResponseNormAttrs>({
  name: 'localResponseNorm',
  infer: sameAsX,
  gradient: ({ inputs: [x], attrs, dy }: GradientContext<ResponseNormAttrs>) => [build('localResponseNormGrad', [x!, dy], attrs)],
});

defineOp<ResponseNormAttrs>({
  name: 'localResponseNormGrad',
  infer: sameAsX,
  // For L = sum of g dx, with Q = s^(-beta - 1), u = W(g x), t = W'(dy x Q) and f = 2 beta scale:
  //   dL/ddy = g s^-beta - f x Q u
  //   dL/dx  = -f g t - f u dy Q + 2 scale x W'(a),  a = dL/ds = -beta g dy Q + f (beta + 1) u dy x s^(-beta - 2)
  gradient({ inputs, attrs: { before, after, scale, beta, k }, dy: g }: GradientContext<ResponseNormAttrs>) {
    const [x, dy] = inputs as [Tensor, Tensor];
    const f = 2 * beta * scale;
    const s = add(mul(windowSum(mul(x, x), before, after), scale), k);
    const q = pow(s, -beta - 1);
    const u = windowSum(mul(g, x), before, after);
    const t = windowSum(mul(mul(dy, x), q), after, before);
    const a = sub(mul(mul(mul(u, mul(dy, x)), pow(s, -beta - 2)), f * (beta + 1)), mul(mul(mul(g, dy), q), beta));
    const direct = mul(add(mul(g, t), mul(mul(u, dy), q)), -f);
    return [add(direct, mul(mul(x, windowSum(a, after, before)), 2 * scale)), sub(mul(g, pow(s, -beta)), mul(mul(mul(x, q), u), f))];
  },
});

/**
 * Divides each value by a power of the mean square of its neighbours in channel direction (AlexNet):
 * y = x / (k + alpha * mean of x^2 over `size` channels around it)^beta, where channels that do not exist count as zero.
 *
 * @param x [N, C, H, W]
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example ops.localResponseNorm(x, { size: 5, alpha: 1e-4, beta: 0.75, k: 2 })
 */
export function localResponseNorm(x: Tensor, options: LocalResponseNormOptions): Tensor<'float32'> {
  checkOptions('localResponseNorm', options, ['size', 'alpha', 'beta', 'k', 'name']);
  const name = options?.name ?? '';
  const where = describe('localResponseNorm', name);
  checkTensor(where, 'its input', x);
  checkRank(where, 'an input', x, 4, '[N, C, H, W]');
  checkDType(where, 'an input', x, 'float32');
  return build('localResponseNorm', [x], responseNormAttrs(where, options), name);
}

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function responseNormAttrs(where: string, options: LocalResponseNormOptions): ResponseNormAttrs {
  const size = checkInteger(where, 'size', options?.size, 1);
  if (size > 65536) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects size to be at most 65536 but got ${size}.`);
  }
  const alpha = checkNumber(where, 'alpha', options.alpha ?? 1e-4);
  const beta = checkNumber(where, 'beta', options.beta ?? 0.75);
  const k = checkNumber(where, 'k', options.k ?? 1);
  return { before: Math.floor(size / 2), after: Math.floor((size - 1) / 2), scale: alpha / size, beta, k };
}
