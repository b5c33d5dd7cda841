/** Losses that compare float32 values with targets of the same shape, composed of other operations, with PyTorch's formulas. */

import { checkBoolean, checkNumber, checkOptions, formatShape, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { softplus } from './activation';
import { sum } from './broadcast';
import { checkDType, checkTensor, describe, withName, type OpOptions } from './builder';
import { abs, add, div, equal, exp, log, minimum, mul, neg, relu, sub } from './elementwise';
import { checkReduction, checkTarget, reduceLosses, type LossOptions, type LossReduction } from './reduction';

/** Checks what the losses of this file have in common and reduces the losses of the elements that `body` makes. */
function elementLoss(
  op: string,
  x: Tensor,
  target: Tensor,
  options: LossOptions,
  known: readonly string[],
  body: (where: string) => Tensor,
): Tensor {
  checkOptions(op, options, [...known, 'reduction', 'name']);
  const where = describe(op, options.name ?? '');
  const reduction = checkReduction(where, options.reduction);
  checkTarget(where, x, target);
  return withName(options.name, () => reduceLosses(body(where), reduction));
}

/** A number greater than 0, or from 0 on. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkPositive(where: string, name: string, value: unknown, orZero = false): number {
  const number = checkNumber(where, name, value);
  // What float32 rounds to 0 counts as 0.
  if (Math.fround(number) > 0 || (orZero && number >= 0)) return number;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${name} to be ${orZero ? 'at least' : 'greater than'} 0 but got ${formatValue(value)}.`,
  );
}

/** Options of `ops.mseLoss`. */
export type MseLossOptions = LossOptions;

/**
 * Mean (or sum) of (x - target)^2.
 * @param x any shape @param target float32 of the same shape
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function mseLoss(x: Tensor, target: Tensor, options: MseLossOptions = {}): Tensor<'float32'> {
  return elementLoss('mseLoss', x, target, options, [], () => {
    const error = sub(x, target);
    return mul(error, error);
  });
}

/** Options of `ops.l1Loss`. */
export type L1LossOptions = LossOptions;

/**
 * Mean (or sum) of |x - target|; the derivative where they are equal is 0.
 * @param x any shape @param target float32 of the same shape
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function l1Loss(x: Tensor, target: Tensor, options: L1LossOptions = {}): Tensor<'float32'> {
  return elementLoss('l1Loss', x, target, options, [], () => abs(sub(x, target)));
}

/** d^2 / 2 where d = |x - target| is at most delta, else delta (d - delta / 2). */
function huberOf(x: Tensor, target: Tensor, delta: number): Tensor {
  const distance = abs(sub(x, target));
  const clipped = minimum(distance, delta);
  return mul(clipped, sub(distance, mul(clipped, 0.5)));
}

/** Options of `ops.huberLoss`. */
export interface HuberLossOptions extends LossOptions {
  /** Where the square ends and the straight line begins, greater than 0; default 1. */
  delta?: number | undefined;
}

/**
 * Mean (or sum) of the Huber loss: with d = |x - target|, d^2 / 2 up to delta and delta (d - delta / 2) beyond.
 * @param x any shape @param target float32 of the same shape
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function huberLoss(x: Tensor, target: Tensor, options: HuberLossOptions = {}): Tensor<'float32'> {
  return elementLoss('huberLoss', x, target, options, ['delta'], (where) =>
    huberOf(x, target, checkPositive(where, 'delta', options.delta ?? 1)),
  );
}

/** Options of `ops.smoothL1Loss`. */
export interface SmoothL1LossOptions extends LossOptions {
  /** Where the square ends and the straight line begins, from 0 on, where 0 gives `l1Loss`; default 1. */
  beta?: number | undefined;
}

/**
 * Mean (or sum) of the Huber loss divided by its bound: with d = |x - target|, d^2 / (2 beta) up to beta and d - beta / 2 beyond.
 * @param x any shape @param target float32 of the same shape
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function smoothL1Loss(x: Tensor, target: Tensor, options: SmoothL1LossOptions = {}): Tensor<'float32'> {
  return elementLoss('smoothL1Loss', x, target, options, ['beta'], (where) => {
    const beta = checkPositive(where, 'beta', options.beta ?? 1, true);
    return Math.fround(beta) === 0 ? abs(sub(x, target)) : div(huberOf(x, target, beta), beta);
  });
}

/** Options of `ops.bceWithLogits`. */
export interface BceWithLogitsOptions extends LossOptions {
  /** Weight of the positive answers, a tensor that broadcasts to the output's shape; default 1. */
  posWeight?: Tensor | undefined;
}

/**
 * Binary cross entropy of sigmoid(x): mean (or sum) of -(posWeight target log sigmoid(x) + (1 - target) log(1 - sigmoid(x))), in a form
 * that neither overflows nor cancels.
 * @param x any shape @param target float32 of the same shape, in [0, 1]
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function bceWithLogits(x: Tensor, target: Tensor, options: BceWithLogitsOptions = {}): Tensor<'float32'> {
  return elementLoss('bceWithLogits', x, target, options, ['posWeight'], (where) => {
    const { posWeight } = options;
    return binaryCrossEntropy(x, target, posWeight === undefined ? undefined : checkPosWeight(where, posWeight, x));
  });
}

/** -log sigmoid(x) = softplus(-x) and -log(1 - sigmoid(x)) = softplus(x), weighted by the target. */
export function binaryCrossEntropy(x: Tensor, target: Tensor, posWeight?: Tensor): Tensor {
  const positive = mul(target, softplus(neg(x)));
  return add(posWeight === undefined ? positive : mul(positive, posWeight), mul(sub(1, target), softplus(x)));
}

function checkPosWeight(where: string, posWeight: unknown, x: Tensor): Tensor {
  checkTensor(where, 'posWeight', posWeight);
  checkDType(where, 'posWeight', posWeight, 'float32');
  const offset = x.rank - posWeight.rank;
  if (offset < 0 || posWeight.shape.some((d, i) => d !== 1 && d !== x.shape[offset + i])) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects a posWeight that broadcasts to its input ${formatShape(x.shape)} but got ${formatShape(posWeight.shape)}.`,
    );
  }
  return posWeight;
}

/** Options of `ops.hingeLoss`. */
export interface HingeLossOptions extends LossOptions {
  /** What the product of output and target should reach; default 1. */
  margin?: number | undefined;
}

/**
 * Mean (or sum) of max(0, margin - target x), the loss of support vector machines and Keras's `Hinge`. It is not torch's
 * `hinge_embedding_loss`, which compares distances.
 * @param x any shape @param target float32 of the same shape, -1 or 1
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function hingeLoss(x: Tensor, target: Tensor, options: HingeLossOptions = {}): Tensor<'float32'> {
  return elementLoss('hingeLoss', x, target, options, ['margin'], (where) =>
    relu(sub(checkNumber(where, 'margin', options.margin ?? 1), mul(target, x))),
  );
}

/** How `ops.klDiv` makes one number of the terms. */
export type KlDivReduction = LossReduction | 'batchmean';

/** Options of `ops.klDiv`. */
export interface KlDivOptions extends OpOptions {
  /** The target is logarithms of probabilities, too; default false. */
  logTarget?: boolean | undefined;
  /**
   * 'mean' (default) over all elements, 'sum', 'none', or 'batchmean', the sum divided by the extent of axis 0: the divergence of
   * distributions of one axis, as the formula has it.
   */
  reduction?: KlDivReduction | undefined;
}

/**
 * Kullback-Leibler divergence of torch.nn.KLDivLoss: target (log target - x), or exp(target) (target - x) with `logTarget`. Terms of
 * probability 0 are 0.
 * @param x logarithms of probabilities, any shape @param target float32 of the same shape: probabilities, or logarithms of them
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function klDiv(x: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor<'float32'> {
  checkOptions('klDiv', options, ['logTarget', 'reduction', 'name']);
  const where = describe('klDiv', options.name ?? '');
  const reduction = checkKlDivReduction(where, options.reduction);
  const logTarget = checkBoolean(where, 'logTarget', options.logTarget ?? false);
  checkTarget(where, x, target);
  return withName(options.name, () => {
    const terms = logTarget ? mul(exp(target), sub(target, x)) : sub(mul(target, log(add(target, equal(target, 0)))), mul(target, x));
    return reduction === 'batchmean' ? mul(sum(terms), 1 / (x.shape[0] ?? 1)) : reduceLosses(terms, reduction);
  });
}

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkKlDivReduction(where: string, value: unknown = 'mean'): KlDivReduction {
  if (value === 'batchmean' || value === 'none' || value === 'mean' || value === 'sum') return value;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects reduction to be 'none', 'mean', 'batchmean' or 'sum' but got ${formatValue(value)}.`,
  );
}
