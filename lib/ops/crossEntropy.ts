/** Cross entropy of logits and the negative log likelihood of log probabilities, with PyTorch's formulas. Classes are on axis 1. */

import { checkNumber, checkOptions, formatShape, StridenetError } from '../errors';
import { scalar } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import type { Attrs, Shape } from '../graph/types';
import { broadcastTo, sum } from './broadcast';
import { build, checkDType, checkTensor, defineOp, describe, withName, type OpOptions } from './builder';
import { add, div, mul, neg, reluGrad, sub } from './elementwise';
import { checkIgnoreIndex, checkLabels, flattenPositions, oneHot } from './labels';
import type { GradientContext } from './opDef';
import { checkReduction, reduceLosses, type LossReduction } from './reduction';
import { reshape } from './shape';
import { logSoftmax, softmax } from './softmax';

interface CrossEntropyAttrs extends Attrs {
  readonly labelSmoothing: number;
  readonly ignoreIndex: number;
  readonly reduction: LossReduction;
}

const rowShape = ({ shape: [rows, , ...rest] }: Tensor): Shape => [rows!, ...rest];
const classSum = (x: Tensor): Tensor => sum(x, { axis: 1, keepDims: true });
/** A number for each position beside those of its classes. */
const besideClasses = (x: Tensor): Tensor => reshape(x, [x.shape[0]!, 1, ...x.shape.slice(1)]);

// One instruction. loss = -sum_c target_c log softmax(logits)_c for each position, reduced; the target is 1 at the label, or with label
// smoothing s 1 - s at the label plus s / classes everywhere (Szegedy et al. 2016).
defineOp<CrossEntropyAttrs>({
  name: 'crossEntropy',
  infer({ where, inputs: [logits, labels], attrs: { ignoreIndex, reduction } }) {
    checkLabels(where, 'logits', logits!, labels!, ignoreIndex);
    return { shape: reduction === 'none' ? rowShape(logits!) : [], dtype: 'float32' };
  },
  gradient: ({ inputs: [logits, labels], attrs, dy }: GradientContext<CrossEntropyAttrs>) => [
    build('crossEntropyGrad', [logits!, labels!, dy], attrs),
    null,
  ],
});

// dlogits = scale (softmax(logits) - target), 0 where the label is ignored; the mean divides by the number of other labels. The target does
// not depend on the logits.
defineOp<CrossEntropyAttrs>({
  name: 'crossEntropyGrad',
  infer: ({ inputs: [logits] }) => ({ shape: logits!.shape, dtype: 'float32' }),
  gradient({ inputs: [logits, labels, scale], attrs, dy: g, needs }: GradientContext<CrossEntropyAttrs>) {
    const { reduction, ignoreIndex } = attrs;
    const throughSoftmax = (): Tensor => {
      const p = softmax(logits!, { axis: 1 });
      const known = classSum(oneHot(labels!, logits!.shape[1]!, ignoreIndex));
      const factor = reduction === 'none' ? besideClasses(scale!) : reduction === 'sum' ? scale! : div(scale!, sum(known));
      return mul(mul(factor, known), mul(p, sub(g, classSum(mul(g, p)))));
    };
    const throughScale = (): Tensor => {
      const slope = mul(g, build('crossEntropyGrad', [logits!, labels!, broadcastTo(scalar(1), scale!.shape)], attrs));
      return reduction === 'none' ? sum(slope, { axis: 1 }) : sum(slope);
    };
    return [needs[0] ? throughSoftmax() : null, null, needs[2] ? throughScale() : null];
  },
});

/** Options of `ops.nllLoss`. */
export interface NllLossOptions extends OpOptions {
  /** A weight for each class, float32 [classes]; default 1. */
  weight?: Tensor | undefined;
  /** The label that is passed over: its loss and gradient are 0, and the mean does not count it. Any int32; default -100. */
  ignoreIndex?: number | undefined;
  /**
   * 'mean' (default): the sum divided by the sum of the weights of the labels, without weights by the number of labels; for probabilities by
   * the number of positions. 'sum', or 'none': the losses themselves, [N, ...].
   */
  reduction?: LossReduction | undefined;
}

/** Options of `ops.crossEntropy`. */
export interface CrossEntropyOptions extends NllLossOptions {
  /** In [0, 1]; default 0. */
  labelSmoothing?: number | undefined;
}

/**
 * Softmax cross entropy of torch.nn.CrossEntropyLoss. With p = softmax(logits), class weights w and smoothing s a position's loss is, for
 *
 * a label: -((1 - s) w_label log p_label + s / classes sum_c w_c log p_c);
 * probabilities t: -sum_c w_c ((1 - s) t_c + s / classes) log p_c.
 *
 * @param logits [N, classes], or [N, classes, ...] for a class at each position, such as the pixels of [N, classes, H, W]
 * @param target labels: [N, ...] of type int32, in [0, classes) or `ignoreIndex`; or probabilities: float32 of the shape of the logits
 * @returns a scalar, or [N, ...] with reduction 'none'; NaN if a label is out of range that was not known when the graph was built, and for the
 *   mean of no label at all
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example ops.crossEntropy(a, b, { ignoreIndex: 255 }) // logits [8, 21, 64, 64], masks of type int32, [8, 64, 64]
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor<'float32'> {
  checkOptions('crossEntropy', options, ['labelSmoothing', 'weight', 'ignoreIndex', 'reduction', 'name']);
  const where = describe('crossEntropy', options.name ?? '');
  checkTensor(where, 'logits', logits);
  checkTensor(where, 'its target', target);
  const { weight, name } = options;
  const attrs: CrossEntropyAttrs = {
    labelSmoothing: checkNumber(where, 'labelSmoothing', options.labelSmoothing ?? 0, 0, 1),
    ignoreIndex: checkIgnoreIndex(where, options.ignoreIndex),
    reduction: checkReduction(where, options.reduction),
  };
  return withName(name, () => {
    if (target.dtype === 'float32' && target.rank === logits.rank) return ofProbabilities(where, logits, target, weight, attrs);
    checkLabels(where, 'logits', logits, target, attrs.ignoreIndex);
    if (weight !== undefined) checkClassWeight(where, weight, logits.shape[1]!);
    const [x, labels] = flattenPositions(logits, target);
    const losses = weight === undefined ? build('crossEntropy', [x, labels], attrs) : weightedCrossEntropy(x, labels, weight, attrs);
    return attrs.reduction === 'none' ? reshape(losses, target.shape) : losses;
  });
}

function weightedCrossEntropy(logits: Tensor, labels: Tensor, weight: Tensor, attrs: CrossEntropyAttrs): Tensor {
  const { labelSmoothing: s, ignoreIndex, reduction } = attrs;
  const classes = logits.shape[1]!;
  const column = classColumn(weight, logits);
  const hot = oneHot(labels, classes, ignoreIndex);
  const weights = sum(mul(hot, column), { axis: 1 });
  const plain: CrossEntropyAttrs = { labelSmoothing: 0, ignoreIndex, reduction: 'none' };
  const ofLabels = mul(build('crossEntropy', [logits, labels], plain), weights);
  if (s === 0) return reduceWeighted(ofLabels, weights, reduction);
  const ofAll = neg(sum(mul(logSoftmax(logits, { axis: 1 }), column), { axis: 1 }));
  const smoothed = add(mul(ofLabels, 1 - s), mul(masked(sum(hot, { axis: 1 }), ofAll), s / classes));
  return reduceWeighted(smoothed, weights, reduction);
}

function ofProbabilities(where: string, logits: Tensor, target: Tensor, weight: Tensor | undefined, attrs: CrossEntropyAttrs): Tensor {
  const { labelSmoothing: s, ignoreIndex, reduction } = attrs;
  checkDType(where, 'logits', logits, 'float32');
  if (logits.rank < 2 || logits.shape.some((d, i) => d !== target.shape[i])) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects probabilities of the shape of its logits, [N, classes] or [N, classes, ...], but the logits are ${formatShape(logits.shape)} and the target is ${formatShape(target.shape)}.`,
    );
  }
  if (ignoreIndex >= 0) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects labels with ignoreIndex ${ignoreIndex} but its target is probabilities, of which none is passed over. Leave ignoreIndex out.`,
    );
  }
  const classes = logits.shape[1]!;
  if (weight !== undefined) checkClassWeight(where, weight, classes);
  const smoothed = s === 0 ? target : add(mul(target, 1 - s), s / classes);
  const weighted = weight === undefined ? smoothed : mul(smoothed, classColumn(weight, logits));
  return reduceLosses(neg(sum(mul(weighted, logSoftmax(logits, { axis: 1 })), { axis: 1 })), reduction);
}

/**
 * Negative log likelihood of torch.nn.NLLLoss: a position's loss is -w_label x_label.
 *
 * @param x logarithms of probabilities, as `ops.logSoftmax` gives them: [N, classes] or [N, classes, ...]
 * @param labels [N, ...] of type int32, in [0, classes) or `ignoreIndex`
 * @returns a scalar, or [N, ...] with reduction 'none'; NaN if a label is out of range that was not known when the graph was built, and for the
 *   mean of no label at all
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function nllLoss(x: Tensor, labels: Tensor, options: NllLossOptions = {}): Tensor<'float32'> {
  checkOptions('nllLoss', options, ['weight', 'ignoreIndex', 'reduction', 'name']);
  const where = describe('nllLoss', options.name ?? '');
  checkTensor(where, 'log probabilities', x);
  checkTensor(where, 'labels', labels);
  const ignoreIndex = checkIgnoreIndex(where, options.ignoreIndex);
  const reduction = checkReduction(where, options.reduction);
  checkLabels(where, 'log probabilities', x, labels, ignoreIndex);
  const { weight, name } = options;
  if (weight !== undefined) checkClassWeight(where, weight, x.shape[1]!);
  return withName(name, () => {
    const [logs, flat] = flattenPositions(x, labels);
    const hot = oneHot(flat, x.shape[1]!, ignoreIndex);
    const weights = sum(weight === undefined ? hot : mul(hot, classColumn(weight, logs)), { axis: 1 });
    // The weights are NaN where a label is no class.
    const losses = reduceWeighted(neg(mul(sum(masked(hot, logs), { axis: 1 }), weights)), weights, reduction);
    return reduction === 'none' ? reshape(losses, labels.shape) : losses;
  });
}

/**
 * What `crossEntropy`, `nllLoss` and `focalLoss` divide by to give a mean: the number of labels that are not passed over, or the sum of the weights of
 * their classes. NaN if a label is no class.
 * @param x [N, classes, ...] @param labels int32 [N, ...] @param weight float32 [classes]
 */
export function labelWeightSum(x: Tensor, labels: Tensor, weight: Tensor | undefined, ignoreIndex: number): Tensor<'float32'> {
  const [flatX, flat] = flattenPositions(x, labels);
  const hot = oneHot(flat, x.shape[1]!, ignoreIndex);
  return sum(weight === undefined ? hot : mul(hot, classColumn(weight, flatX)));
}

/** x where the mask is positive, else 0, whatever x is there: 0 times infinity would be NaN. */
function masked(mask: Tensor, x: Tensor): Tensor {
  return reluGrad(x, mask);
}

/** Weights of classes that broadcast along axis 1. */
function classColumn(weight: Tensor, { rank }: Tensor): Tensor {
  return reshape(
    weight,
    Array.from({ length: rank }, (_, axis) => (axis === 1 ? weight.size : 1)),
  );
}

function reduceWeighted(losses: Tensor, weights: Tensor, reduction: LossReduction): Tensor {
  return reduction === 'mean' ? div(sum(losses), sum(weights)) : reduceLosses(losses, reduction);
}

/** @throws StridenetError ERR_INVALID_ARGUMENT, ERR_DTYPE_MISMATCH, ERR_SHAPE_MISMATCH */
function checkClassWeight(at: string, weight: unknown, classes: number): asserts weight is Tensor {
  checkTensor(at, 'weight', weight);
  checkDType(at, 'a weight', weight, 'float32');
  if (weight.rank === 1 && weight.shape[0] === classes) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${at} expects a weight for each class, shape [${classes}], but got ${formatShape(weight.shape)}.`,
  );
}
