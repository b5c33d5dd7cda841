/** Gradient clipping: what becomes of the gradients of a step before the optimizer sees them. */

import { checkNumber } from '../errors';
import type { Tensor } from '../graph/tensor';
import { clamp } from '../ops/activation';
import { sum } from '../ops/broadcast';
import { add, div, minimum, mul, sqrt } from '../ops/elementwise';

/** How gradients are clipped; by value first if both are given. */
export interface ClippingOptions {
  /** All gradients together are scaled down to this norm where theirs is larger (torch.nn.utils.clip_grad_norm_); default none. */
  gradientClipNorm?: number | undefined;
  /** Every element is limited to [-x, x] (torch.nn.utils.clip_grad_value_); default none. */
  gradientClipValue?: number | undefined;
}

export const CLIPPING_OPTIONS = ['gradientClipNorm', 'gradientClipValue'] as const;

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkClipping(where: string, options: ClippingOptions): ClippingOptions {
  return Object.fromEntries(
    CLIPPING_OPTIONS.flatMap((name) => {
      return options[name] === undefined ? [] : [[name, checkNumber(where, name, options[name], Number.MIN_VALUE)] as const];
    }),
  );
}

/** Added to the norm, as in PyTorch. */
const NORM_EPS = 1e-6;

/** @param gradients undefined for what the loss does not depend on */
export function clipGradients<G extends Tensor | null | undefined>(
  gradients: readonly G[],
  { gradientClipNorm, gradientClipValue }: ClippingOptions,
): readonly (G | Tensor)[] {
  const each = (change: (gradient: Tensor) => Tensor, list: readonly (G | Tensor)[]): (G | Tensor)[] =>
    list.map((gradient) => gradient && change(gradient));
  let clipped: readonly (G | Tensor)[] = gradients;
  if (gradientClipValue !== undefined) {
    clipped = each((gradient) => clamp(gradient, { min: -gradientClipValue, max: gradientClipValue }), clipped);
  }
  if (gradientClipNorm === undefined) return clipped;
  const squares = clipped.flatMap((gradient) => (gradient ? [sum(mul(gradient, gradient))] : []));
  if (squares.length === 0) return clipped;
  const norm = sqrt(squares.reduce((a, b) => add(a, b)));
  const scale = minimum(div(gradientClipNorm, add(norm, NORM_EPS)), 1);
  return each((gradient) => mul(gradient, scale), clipped);
}
