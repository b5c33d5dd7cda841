/** Losses between vectors, for networks that learn distances: triplet margin and cosine embedding, with PyTorch's formulas. */

import { checkBoolean, checkNumber, checkOptions, formatShape, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { clamp } from './activation';
import { sum } from './broadcast';
import { checkDType, checkTensor, describe, withName } from './builder';
import { abs, add, div, equal, minimum, mul, pow, sqrt, sub } from './elementwise';
import { max } from './reduce';
import { checkReduction, checkTarget, reduceLosses, type LossOptions } from './reduction';
import { checkPositive } from './valueLoss';

/** Options of `ops.tripletMarginLoss`. */
export interface TripletMarginLossOptions extends LossOptions {
  /** How much farther the negative should be than the positive, greater than 0; default 1. */
  margin?: number | undefined;
  /** The norm of the distances, greater than 0, Infinity for the largest difference; default 2. */
  p?: number | undefined;
  /** Added to each difference, from 0 on; default 1e-6. */
  eps?: number | undefined;
  /** Take the distance from positive to negative where it is less than that from anchor to negative (Balntas et al., 2016); default false. */
  swap?: boolean | undefined;
}

/**
 * Mean (or sum) of max(0, margin + |anchor - positive| - |anchor - negative|), as torch.nn.TripletMarginLoss.
 * @param anchor [N, D] or any shape whose last axis is the vector @param positive, negative float32 of the same shape
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function tripletMarginLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: TripletMarginLossOptions = {},
): Tensor<'float32'> {
  checkOptions('tripletMarginLoss', options, ['margin', 'p', 'eps', 'swap', 'reduction', 'name']);
  const where = describe('tripletMarginLoss', options.name ?? '');
  const margin = checkPositive(where, 'margin', options.margin ?? 1);
  const p = options.p === Infinity ? Infinity : checkPositive(where, 'p', options.p ?? 2);
  const eps = checkPositive(where, 'eps', options.eps ?? 1e-6, true);
  const swap = checkBoolean(where, 'swap', options.swap ?? false);
  const reduction = checkReduction(where, options.reduction);
  checkTarget(where, anchor, positive);
  checkTarget(where, anchor, negative);
  checkVectors(where, anchor);
  return withName(options.name, () => {
    const distance = (a: Tensor, b: Tensor): Tensor => norm(add(sub(a, b), eps), p);
    const far = distance(anchor, negative);
    const farther = swap ? minimum(far, distance(positive, negative)) : far;
    return reduceLosses(clamp(add(sub(distance(anchor, positive), farther), margin), { min: 0 }), reduction);
  });
}

/** The p-norm over the last axis. Its derivative at 0 is 0, as in PyTorch. */
function norm(x: Tensor, p: number): Tensor {
  const size = abs(x);
  const axis = -1;
  if (p === 1) return sum(size, { axis });
  if (p === Infinity) return max(size, { axis });
  const total = sum(p === 2 ? mul(x, x) : pow(size, p), { axis });
  // The root has no derivative at 0: there it is taken at 1, and 1 is subtracted.
  const isZero = equal(total, 0);
  const shifted = add(total, isZero);
  return sub(p === 2 ? sqrt(shifted) : pow(shifted, 1 / p), isZero);
}

/** Options of `ops.cosineEmbeddingLoss`. */
export interface CosineEmbeddingLossOptions extends LossOptions {
  /** The cosine up to which vectors that belong apart cost nothing, in [-1, 1]; default 0. */
  margin?: number | undefined;
}

/**
 * Mean (or sum) of 1 - cos(a, b) where the target is 1 and max(0, cos(a, b) - margin) where it is -1, as torch.nn.CosineEmbeddingLoss.
 * @param a [N, D] @param b float32 of the same shape @param target float32 [N]: 1 for vectors that belong together, -1 for others
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function cosineEmbeddingLoss(a: Tensor, b: Tensor, target: Tensor, options: CosineEmbeddingLossOptions = {}): Tensor<'float32'> {
  checkOptions('cosineEmbeddingLoss', options, ['margin', 'reduction', 'name']);
  const where = describe('cosineEmbeddingLoss', options.name ?? '');
  const margin = checkNumber(where, 'margin', options.margin ?? 0, -1, 1);
  const reduction = checkReduction(where, options.reduction);
  checkTarget(where, a, b);
  checkVectors(where, a);
  checkSides(where, target, a);
  return withName(options.name, () => {
    const axis = -1;
    // As PyTorch has it: no division by 0 for a vector of zeros.
    const square = (x: Tensor): Tensor => add(sum(mul(x, x), { axis }), 1e-12);
    const cosine = div(sum(mul(a, b), { axis }), sqrt(mul(square(a), square(b))));
    const together = mul(equal(target, 1), sub(1, cosine));
    const apart = mul(equal(target, -1), clamp(sub(cosine, margin), { min: 0 }));
    return reduceLosses(add(together, apart), reduction);
  });
}

function checkVectors(where: string, x: Tensor): void {
  if (x.rank >= 2) return;
  throw new StridenetError('ERR_SHAPE_MISMATCH', `${where} expects vectors of shape [N, D] but got ${formatShape(x.shape)}.`);
}

/** @throws StridenetError unless the target is float32 with a number for each vector, -1 or 1 where they are known */
function checkSides(where: string, target: Tensor, x: Tensor): void {
  checkTensor(where, 'its target', target);
  checkDType(where, 'a target of -1 and 1', target, 'float32');
  const wanted = x.shape.slice(0, -1);
  if (target.rank !== wanted.length || target.shape.some((d, i) => d !== wanted[i])) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects a target for each vector, shape ${formatShape(wanted)}, but got ${formatShape(target.shape)}.`,
    );
  }
  const bad = target.value?.find((side) => side !== 1 && side !== -1);
  if (bad === undefined) return;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects targets of -1 and 1 but one is ${formatValue(bad)}.`);
}
