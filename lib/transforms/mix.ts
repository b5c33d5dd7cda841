/** Transforms of batches: each picture mixed with the one before it, and their labels as well. */

import { checkNumber } from '../errors';
import type { Philox } from '../random';
import { kindOf, makeTransform, type PictureShape, type Transform, type TransformKind } from './transform';

/** Options of `transforms.mixup` and `transforms.cutmix`. */
export interface MixOptions {
  /** Of the beta distribution that the share of a picture is drawn from, above 0; default 1, where all shares are equally likely. */
  alpha?: number | undefined;
}

export interface MixSettings {
  readonly alpha: number;
}

function mixKind(name: string): TransformKind<MixSettings> {
  return kindOf<MixSettings>({
    name,
    positional: [],
    optional: ['alpha'],
    check: (where, { alpha = 1 }) => ({ alpha: checkNumber(where, 'alpha', alpha, 1e-3, 1e6) }),
  });
}

export const MIXUP = mixKind('mixup');
export const CUTMIX = mixKind('cutmix');

/**
 * Each picture of a batch, and its label, becomes a weighted mean with the one before it (Zhang et al., 2018). Stands behind all transforms of
 * pictures; the loss must take probabilities.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.mixup({ alpha: 0.2 })
 */
export function mixup(options: MixOptions = {}): Transform {
  return makeTransform(MIXUP, {}, options);
}

/**
 * Each picture of a batch gets a box out of the one before it, and its label the box's share of that one's (Yun et al., 2019). Stands behind
 * all transforms of pictures; the loss must take probabilities.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example transforms.cutmix({ alpha: 1 })
 */
export function cutmix(options: MixOptions = {}): Transform {
  return makeTransform(CUTMIX, {}, options);
}

/** A number from the distribution Beta(alpha, alpha). */
export function drawBeta(alpha: number, random: Philox): number {
  const [a, b] = [logGamma(alpha, random), logGamma(alpha, random)];
  return 1 / (1 + Math.exp(b - a));
}

/** The logarithm of a number from the gamma distribution (Marsaglia and Tsang, 2000), which may be too small itself. */
function logGamma(alpha: number, random: Philox): number {
  // Of a shape below 1: that of the shape plus 1, times u^(1 / shape).
  const boost = alpha < 1 ? Math.log(openUniform(random)) / alpha : 0;
  const d = (alpha < 1 ? alpha + 1 : alpha) - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.fillNormal(new Float32Array(2))[0]!;
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(openUniform(random)) < 0.5 * x * x + d - d * v + d * Math.log(v)) return Math.log(d * v) + boost;
  }
}

/** Above 0. */
function openUniform(random: Philox): number {
  return (random.uint32() + 0.5) * 2 ** -32;
}

/** The box that `cutmix` takes from the other picture, [top, left, height, width], and the share that is left of the own one. */
export function drawBox(own: number, [, height, width]: PictureShape, random: Philox): { box: Int32Array; own: number } {
  const [x, y] = [random.below(width), random.below(height)];
  const half = 0.5 * Math.sqrt(1 - own);
  const [halfWidth, halfHeight] = [Math.trunc(half * width), Math.trunc(half * height)];
  const [left, top] = [Math.max(0, x - halfWidth), Math.max(0, y - halfHeight)];
  const [right, bottom] = [Math.min(width, x + halfWidth), Math.min(height, y + halfHeight)];
  return {
    box: Int32Array.of(top, left, bottom - top, right - left),
    own: 1 - ((right - left) * (bottom - top)) / (width * height),
  };
}
