/** Losses that are composed of other operations, with PyTorch's formulas; the plain cross entropy of class numbers is in softmax.ts. */

import { checkNumber, checkOptions, formatShape, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { sum } from './broadcast';
import { build, checkDType, checkTensor, defineOp, describe, type OpOptions } from './builder';
import { softplus } from './activation';
import { add, div, mul, neg, sub } from './elementwise';
import { mean } from './reduce';
import { checkLogitsAndLabels, crossEntropyOfLabels, logSoftmax } from './softmax';

/** How the losses of the elements become one number. */
export type LossReduction = 'mean' | 'sum';

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkReduction(where: string, value: unknown): LossReduction {
  if (value === 'mean' || value === 'sum') return value;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects reduction to be 'mean' or 'sum' but got ${formatValue(value)}.`);
}

function checkTarget(where: string, x: Tensor, target: Tensor): void {
  checkTensor(where, 'its input', x);
  checkTensor(where, 'its target', target);
  checkDType(where, 'an input', x, 'float32');
  checkDType(where, 'a target', target, 'float32');
  if (x.rank === target.rank && x.shape.every((d, i) => d === target.shape[i])) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects a target of the input's shape ${formatShape(x.shape)} but got ${formatShape(target.shape)}. Reshape one of them.`,
  );
}

/** Options of `ops.mseLoss`. */
export interface MseLossOptions extends OpOptions {
  /** 'mean' (default) or 'sum' over all elements. */
  reduction?: LossReduction | undefined;
}

/**
 * Mean (or sum) of (x - target)^2.
 * @param x any shape @param target float32 of the same shape
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function mseLoss(x: Tensor, target: Tensor, options: MseLossOptions = {}): Tensor<'float32'> {
  checkOptions('mseLoss', options, ['reduction', 'name']);
  const where = describe('mseLoss', options.name ?? '');
  const reduction = checkReduction(where, options.reduction ?? 'mean');
  checkTarget(where, x, target);
  const error = sub(x, target);
  return (reduction === 'mean' ? mean : sum)(mul(error, error), { name: options.name });
}

/** Options of `ops.bceWithLogits`. */
export interface BceWithLogitsOptions extends MseLossOptions {
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
  checkOptions('bceWithLogits', options, ['posWeight', 'reduction', 'name']);
  const where = describe('bceWithLogits', options.name ?? '');
  const reduction = checkReduction(where, options.reduction ?? 'mean');
  checkTarget(where, x, target);
  // -log sigmoid(x) = softplus(-x) and -log(1 - sigmoid(x)) = softplus(x)
  const positive = mul(target, softplus(neg(x)));
  const weighted = options.posWeight === undefined ? positive : mul(positive, checkPosWeight(where, options.posWeight, x));
  return (reduction === 'mean' ? mean : sum)(add(weighted, mul(sub(1, target), softplus(x))), { name: options.name });
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

defineOp<{ readonly classes: number }>({
  name: 'oneHot',
  infer: ({ inputs: [labels], attrs }) => ({ shape: [labels!.shape[0]!, attrs.classes], dtype: 'float32' }),
  gradient: () => [null],
});

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions extends OpOptions {
  /** In [0, 1]; default 0. */
  labelSmoothing?: number | undefined;
  /** A weight for each class, float32 [classes]; default 1. */
  weight?: Tensor | undefined;
}

/**
 * Softmax cross entropy of torch.nn.CrossEntropyLoss, reduced by the mean. With p = softmax(logits), class weights w and smoothing s:
 *
 * labels: sum over the rows of -((1 - s) w_label log p_label + s / classes sum_c w_c log p_c), divided by the sum of w_label
 * (by the number of rows without weights).
 * probabilities t: sum over the rows of -sum_c w_c ((1 - s) t_c + s / classes) log p_c, divided by the number of rows.
 *
 * @param logits [N, classes]
 * @param target labels: [N] of type int32, in [0, classes); or probabilities: [N, classes] of type float32
 * @returns the loss, a scalar; NaN if a label is out of range that was not known when the graph was built
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor<'float32'> {
  checkOptions('crossEntropy', options, ['labelSmoothing', 'weight', 'name']);
  const where = describe('crossEntropy', options.name ?? '');
  checkTensor(where, 'logits', logits);
  checkTensor(where, 'its target', target);
  const smoothing = checkNumber(where, 'labelSmoothing', options.labelSmoothing ?? 0, 0, 1);
  const { weight, name } = options;
  const isProbability = target.dtype === 'float32' && target.rank === 2;
  if (!isProbability) {
    if (weight === undefined) return crossEntropyOfLabels(logits, target, smoothing, name);
    checkLogitsAndLabels(where, logits, target);
  } else {
    checkDType(where, 'logits', logits, 'float32');
    if (logits.rank !== 2 || logits.shape.some((d, i) => d !== target.shape[i])) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects probabilities of the shape of its logits, [N, classes], but the logits are ${formatShape(logits.shape)} and the target is ${formatShape(target.shape)}.`,
      );
    }
  }
  const [rows, classes] = logits.shape as [number, number];
  if (weight !== undefined) checkClassWeight(where, weight, classes);
  const weighted = (x: Tensor): Tensor => (weight === undefined ? x : mul(x, weight));
  const distribution = isProbability ? target : build('oneHot', [target], { classes });
  const smoothed = smoothing === 0 ? distribution : add(mul(distribution, 1 - smoothing), smoothing / classes);
  const total = sum(mul(weighted(smoothed), logSoftmax(logits)));
  return isProbability ? mul(total, -1 / rows, { name }) : div(neg(total), sum(weighted(distribution)), { name });
}

/** @throws StridenetError ERR_INVALID_ARGUMENT, ERR_DTYPE_MISMATCH, ERR_SHAPE_MISMATCH */
function checkClassWeight(where: string, weight: unknown, classes: number): asserts weight is Tensor {
  checkTensor(where, 'weight', weight);
  checkDType(where, 'a weight', weight, 'float32');
  if (weight.rank === 1 && weight.shape[0] === classes) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects a weight for each class, shape [${classes}], but got ${formatShape(weight.shape)}.`,
  );
}
