/** Focal and Dice loss, for classes that are rare or cover little of an image. Both take class numbers or values of the output's shape. */

import { checkNumber, checkOptions, formatShape, StridenetError } from '../errors';
import { tensor } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import { sum } from './broadcast';
import { build, checkDType, checkTensor, describe, withName, type OpOptions } from './builder';
import { add, div, exp, mul, neg, pow, sigmoid, sub } from './elementwise';
import { checkIgnoreIndex, checkLabels, flattenPositions, oneHot } from './labels';
import { checkReduction, checkTarget, reduceLosses, type LossReduction } from './reduction';
import { reshape } from './shape';
import { softmax } from './softmax';
import { binaryCrossEntropy, checkPositive } from './valueLoss';

/** Options of `ops.focalLoss`. */
export interface FocalLossOptions extends OpOptions {
  /** How much less answers count that are right already, from 0 on, where 0 gives the cross entropy; default 2. */
  gamma?: number | undefined;
  /**
   * For class numbers: the weight of each class, a float32 tensor [classes] or its numbers; default 1. For values: the weight of positive answers,
   * in [0, 1], 1 - alpha being that of negative ones; default 0.25.
   */
  alpha?: number | Tensor | readonly number[] | undefined;
  /** The label that is passed over: its loss and gradient are 0, and the mean does not count it. Any int32; default -100. */
  ignoreIndex?: number | undefined;
  /** 'mean' (default) over all that is not passed over, 'sum', or 'none': the losses themselves. */
  reduction?: LossReduction | undefined;
}

/**
 * Focal loss (Lin et al., 2017): (1 - p)^gamma times alpha times the cross entropy -log p, p being the probability of the right answer.
 *
 * @param x logits: [N, classes] or [N, classes, ...] for class numbers, of which softmax is taken; any shape for values, of which sigmoid is taken
 * @param target class numbers: int32 [N, ...], in [0, classes) or `ignoreIndex`; or values: float32 of the shape of x, in [0, 1], as
 *   torchvision.ops.sigmoid_focal_loss
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function focalLoss(x: Tensor, target: Tensor, options: FocalLossOptions = {}): Tensor<'float32'> {
  checkOptions('focalLoss', options, ['gamma', 'alpha', 'ignoreIndex', 'reduction', 'name']);
  const where = describe('focalLoss', options.name ?? '');
  checkTensor(where, 'logits', x);
  checkTensor(where, 'its target', target);
  const gamma = checkPositive(where, 'gamma', options.gamma ?? 2, true);
  const reduction = checkReduction(where, options.reduction);
  const ignoreIndex = checkIgnoreIndex(where, options.ignoreIndex);
  const { alpha } = options;
  if (target.dtype === 'int32') {
    checkLabels(where, 'logits', x, target, ignoreIndex);
    const weight = alpha === undefined ? undefined : classWeights(where, alpha, x.shape[1]!);
    return withName(options.name, () => ofClasses(x, target, { gamma, weight, ignoreIndex, reduction }));
  }
  checkTarget(where, x, target);
  refuseIgnoreIndex(where, options.ignoreIndex);
  const share = checkNumber(where, 'alpha, the weight of positive answers,', alpha ?? 0.25, 0, 1);
  return withName(options.name, () => {
    const p = sigmoid(x);
    const right = add(mul(p, target), mul(sub(1, p), sub(1, target)));
    const weights = add(mul(target, share), mul(sub(1, target), 1 - share));
    return reduceLosses(mul(weights, focused(binaryCrossEntropy(x, target), right, gamma)), reduction);
  });
}

/** (1 - p)^gamma times a loss. */
function focused(loss: Tensor, p: Tensor, gamma: number): Tensor {
  return gamma === 0 ? loss : mul(pow(sub(1, p), gamma), loss);
}

interface ClassFocal {
  readonly gamma: number;
  readonly weight: Tensor | undefined;
  readonly ignoreIndex: number;
  readonly reduction: LossReduction;
}

function ofClasses(logits: Tensor, target: Tensor, { gamma, weight, ignoreIndex, reduction }: ClassFocal): Tensor {
  const [x, labels] = flattenPositions(logits, target);
  const entropy = build('crossEntropy', [x, labels], { labelSmoothing: 0, ignoreIndex, reduction: 'none' });
  const plain = focused(entropy, exp(neg(entropy)), gamma);
  const hot = oneHot(labels, x.shape[1]!, ignoreIndex);
  const column = weight && reshape(weight, [1, weight.size, ...x.shape.slice(2).map(() => 1)]);
  const losses = column ? mul(plain, sum(mul(hot, column), { axis: 1 })) : plain;
  if (reduction === 'mean') return div(sum(losses), sum(hot));
  return reduction === 'sum' ? sum(losses) : reshape(losses, target.shape);
}

function classWeights(where: string, alpha: number | Tensor | readonly number[], classes: number): Tensor {
  const weight: unknown = Array.isArray(alpha) ? tensor(alpha as number[]) : alpha;
  checkTensor(where, 'alpha, for class numbers the weight of each class,', weight);
  checkDType(where, 'alpha', weight, 'float32');
  if (weight.rank === 1 && weight.shape[0] === classes) return weight;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects in alpha a weight for each class, shape [${classes}], but got ${formatShape(weight.shape)}.`,
  );
}

function refuseIgnoreIndex(where: string, ignoreIndex: number | undefined): void {
  if (ignoreIndex === undefined) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects class numbers with ignoreIndex ${ignoreIndex} but its target is values, of which none is passed over. Leave ignoreIndex out.`,
  );
}

/** Options of `ops.diceLoss`. */
export interface DiceLossOptions extends OpOptions {
  /** Added above and below the fraction, so that an image without a class has a loss of 0 and no division by 0; from 0 on, default 1. */
  smooth?: number | undefined;
  /** The label whose positions are passed over. Any int32; default -100. */
  ignoreIndex?: number | undefined;
  /** 'mean' (default) or 'sum' over images and classes, or 'none': [N, classes]. */
  reduction?: LossReduction | undefined;
}

/**
 * Dice loss (Milletari et al., 2016, with plain sums below): for each image and class, 1 - (2 sum p t + smooth) / (sum p + sum t + smooth),
 * the sums being over the positions of the image.
 *
 * @param x logits [N, classes, ...], for class numbers softmax over the classes, for values sigmoid
 * @param target class numbers: int32 [N, ...], in [0, classes) or `ignoreIndex`; or values: float32 of the shape of x, in [0, 1]
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function diceLoss(x: Tensor, target: Tensor, options: DiceLossOptions = {}): Tensor<'float32'> {
  checkOptions('diceLoss', options, ['smooth', 'ignoreIndex', 'reduction', 'name']);
  const where = describe('diceLoss', options.name ?? '');
  checkTensor(where, 'logits', x);
  checkTensor(where, 'its target', target);
  const smooth = checkPositive(where, 'smooth', options.smooth ?? 1, true);
  const reduction = checkReduction(where, options.reduction);
  const ignoreIndex = checkIgnoreIndex(where, options.ignoreIndex);
  const isClasses = target.dtype === 'int32';
  if (isClasses) checkLabels(where, 'logits', x, target, ignoreIndex);
  else {
    checkTarget(where, x, target);
    refuseIgnoreIndex(where, options.ignoreIndex);
    if (x.rank < 2) {
      throw new StridenetError('ERR_SHAPE_MISMATCH', `${where} expects logits of shape [N, classes, ...] but got ${formatShape(x.shape)}.`);
    }
  }
  return withName(options.name, () => {
    const [p, t] = isClasses ? classProbabilities(x, target, ignoreIndex) : [sigmoid(x), target];
    const overPositions = (values: Tensor): Tensor => {
      const axis = values.shape.map((_, i) => i).slice(2);
      return axis.length === 0 ? values : sum(values, { axis });
    };
    const both = overPositions(mul(p, t));
    const dice = div(add(mul(both, 2), smooth), add(add(overPositions(p), overPositions(t)), smooth));
    return reduceLosses(sub(1, dice), reduction);
  });
}

/** Probabilities and labels as rows of 0 and 1; both are 0 where a position is passed over. */
function classProbabilities(logits: Tensor, target: Tensor, ignoreIndex: number): [p: Tensor, t: Tensor] {
  const [x, labels] = flattenPositions(logits, target);
  const t = oneHot(labels, x.shape[1]!, ignoreIndex);
  return [mul(softmax(x, { axis: 1 }), sum(t, { axis: 1, keepDims: true })), t];
}
