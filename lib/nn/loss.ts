/** Loss functions as values: what `fit`, `evaluate` and `Trainer` take, and what hand-written loops call. */

import { types } from 'node:util';
import { checkBoolean, checkNumber, checkOptions, formatValue, readArray, StridenetError } from '../errors';
import { tensor } from '../graph/leaves';
import { Tensor } from '../graph/tensor';
import { diceLoss, focalLoss } from '../ops/classLoss';
import { crossEntropy as crossEntropyOf, labelWeightSum, nllLoss } from '../ops/crossEntropy';
import { cosineEmbeddingLoss, tripletMarginLoss } from '../ops/embeddingLoss';
import { checkIgnoreIndex } from '../ops/labels';
import { checkReduction, type LossReduction } from '../ops/reduction';
import {
  bceWithLogits as bceWithLogitsOf,
  checkKlDivReduction,
  checkPositive,
  hingeLoss,
  huberLoss,
  klDiv as klDivOf,
  l1Loss,
  mseLoss as mseLossOf,
  smoothL1Loss,
  type KlDivReduction,
} from '../ops/valueLoss';
import { withParts, withRecipe, type Loss, type LossName, type LossRecipe } from './lossRecipe';

export { lossParts, lossRecipe, type Loss, type LossRecipe } from './lossRecipe';

/** The loss of a recipe. */
export function lossFrom(recipe: LossRecipe): Loss {
  const makers: Readonly<Record<LossName, (options: never) => Loss>> = {
    ...{ crossEntropy, nll, focal, dice, mseLoss, l1, smoothL1, huber, hinge, klDiv, bceWithLogits },
  };
  if (Object.hasOwn(makers, recipe.name)) return makers[recipe.name](recipe.options as never);
  throw new StridenetError('ERR_BAD_FILE', `A recipe of a loss expects a known name but is ${formatValue(recipe.name)}.`);
}

/** A loss that knows its parts. @param of the loss by a way of reducing it @param divisor as in `LossParts`, for a mean; default: the number of losses */
function reducible<R extends string>(
  reduction: R,
  of: (output: Tensor, targets: Tensor, reduction: R | 'none') => Tensor,
  divisor: (output: Tensor, targets: Tensor) => Tensor | number | undefined = () => undefined,
  hasClassWeights = false,
): Loss {
  const isSum = reduction === 'sum';
  return withParts((output: Tensor, targets: Tensor) => of(output, targets, reduction), {
    losses: (output, targets) => of(output, targets, 'none'),
    divisor: isSum ? () => 1 : divisor,
    hasClassWeights: hasClassWeights && !isSum,
  });
}

/** What the mean of losses of labels is divided by; for other targets their number. */
function ofLabels(weight: Tensor | undefined, ignoreIndex: number): (output: Tensor, targets: Tensor) => Tensor | undefined {
  return (output, targets) => (targets.dtype === 'int32' ? labelWeightSum(output, targets, weight, ignoreIndex) : undefined);
}

/** Options that several losses have. */
interface Reduced {
  /** 'mean' (default) or 'sum', as training needs it, or 'none': the losses themselves, for loops of one's own (weighted by `sampleWeights`, as 'mean'). */
  reduction?: LossReduction | undefined;
}

/** Options of `nn.nll`. */
export interface NllLossOptions extends Reduced {
  /** A weight for each class, a tensor of shape [classes] or its numbers; default 1. */
  weight?: Tensor | readonly number[] | Float32Array | undefined;
  /** The label that is passed over: its loss and gradient are 0, and the mean does not count it. Any int32; default -100. */
  ignoreIndex?: number | undefined;
}

/** Options of `nn.crossEntropy`. */
export interface CrossEntropyLossOptions extends NllLossOptions {
  /** In [0, 1]; default 0. */
  labelSmoothing?: number | undefined;
}

/**
 * Softmax cross entropy, mean over the batch, of class numbers [N], of masks [N, ...] for outputs [N, classes, ...], or of probabilities.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example nn.crossEntropy({ labelSmoothing: 0.1, ignoreIndex: 255 })
 * @see ops.crossEntropy
 */
export function crossEntropy(options: CrossEntropyLossOptions = {}): Loss {
  const where = 'nn.crossEntropy';
  checkOptions(where, options, ['labelSmoothing', 'weight', 'ignoreIndex', 'reduction']);
  const labelSmoothing = checkNumber(where, 'labelSmoothing', options.labelSmoothing ?? 0, 0, 1);
  const { weight, ...common } = labelOptions(where, options);
  const { ignoreIndex } = common;
  const loss = reducible(
    common.reduction,
    (output, labels, reduction) => crossEntropyOf(output, labels, { labelSmoothing, weight, ignoreIndex, reduction, name: 'loss' }),
    ofLabels(weight, ignoreIndex),
    weight !== undefined,
  );
  return weightedRecipe(loss, 'crossEntropy', { labelSmoothing, ...common }, { weight });
}

/**
 * Negative log likelihood of class numbers for a model that ends in `nn.LogSoftmax`, mean over the batch.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see ops.nllLoss
 */
export function nll(options: NllLossOptions = {}): Loss {
  checkOptions('nn.nll', options, ['weight', 'ignoreIndex', 'reduction']);
  const { weight, ...common } = labelOptions('nn.nll', options);
  const { ignoreIndex } = common;
  const loss = reducible(
    common.reduction,
    (output, labels, reduction) => nllLoss(output, labels, { weight, ignoreIndex, reduction, name: 'loss' }),
    ofLabels(weight, ignoreIndex),
    weight !== undefined,
  );
  return weightedRecipe(loss, 'nll', common, { weight });
}

interface LabelOptions {
  readonly weight: Tensor | undefined;
  readonly ignoreIndex: number;
  readonly reduction: LossReduction;
}

function labelOptions(where: string, { weight, ignoreIndex, reduction }: NllLossOptions): LabelOptions {
  return {
    weight: weight === undefined ? undefined : classWeight(where, 'weight', weight),
    ignoreIndex: checkIgnoreIndex(where, ignoreIndex),
    reduction: checkReduction(where, reduction),
  };
}

/** A tensor that was computed cannot be written down in a recipe: then the loss has none. */
function weightedRecipe(
  loss: Loss,
  name: LossName,
  options: LossRecipe['options'],
  tensors: Readonly<Record<string, Tensor | undefined>>,
): Loss {
  const given = Object.entries(tensors).filter(([, value]) => value !== undefined) as [string, Tensor][];
  if (given.some(([, { value }]) => !value)) return loss;
  return withRecipe(loss, name, { ...options, ...Object.fromEntries(given.map(([key, { value }]) => [key, [...value!]])) });
}

function classWeight(where: string, name: string, weight: unknown): Tensor {
  if (Tensor.is(weight) && weight.dtype === 'float32' && weight.rank === 1) return weight;
  const numbers = types.isFloat32Array(weight) ? [...weight] : (readArray(weight) ?? []);
  if (numbers.length > 0 && numbers.every((w) => Number.isFinite(w) && Number.isFinite(Math.fround(w as number))))
    return tensor(numbers as number[]);
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${name} to be a float32 tensor of shape [classes] or an array of numbers that are finite in float32 but got ${formatValue(weight)}.`,
  );
}

/** What a loss that takes either compares the output with. */
type Targets = 'classes' | 'values';

function checkTargets(where: string, value: unknown = 'classes'): Targets {
  if (value === 'classes' || value === 'values') return value;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects targets to be 'classes' or 'values' but got ${formatValue(value)}.`);
}

/** Values have no label that could be passed over. */
function ignoredLabel(where: string, targets: Targets, ignoreIndex: number | undefined): number | undefined {
  if (targets === 'classes') return checkIgnoreIndex(where, ignoreIndex);
  if (ignoreIndex === undefined) return undefined;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ignoreIndex with targets: 'classes' only, since values have no label to pass over, but got ${formatValue(ignoreIndex)}.`,
  );
}

/** Options of `nn.focal`. */
export interface FocalLossOptions extends Reduced {
  /** How much less answers count that are right already, from 0 on; default 2. */
  gamma?: number | undefined;
  /** For classes: a weight for each class, default 1. For values: the weight of positive answers, in [0, 1], default 0.25. */
  alpha?: number | Tensor | readonly number[] | undefined;
  /** 'classes' (default): softmax and class numbers; 'values': sigmoid and float32 of the output's shape. */
  targets?: 'classes' | 'values' | undefined;
  /** The class number that is passed over, with targets 'classes'; default -100. */
  ignoreIndex?: number | undefined;
}

/**
 * Focal loss: cross entropy in which answers that are right already count less, for classes that are rare.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example nn.focal({ gamma: 2, alpha: [0.25, 0.75] })
 * @see ops.focalLoss
 */
export function focal(options: FocalLossOptions = {}): Loss {
  const where = 'nn.focal';
  checkOptions(where, options, ['gamma', 'alpha', 'targets', 'ignoreIndex', 'reduction']);
  const targets = checkTargets(where, options.targets);
  const gamma = checkPositive(where, 'gamma', options.gamma ?? 2, true);
  const reduction = checkReduction(where, options.reduction);
  const ignoreIndex = ignoredLabel(where, targets, options.ignoreIndex);
  const common = { gamma, reduction, ...(ignoreIndex === undefined ? {} : { ignoreIndex }) };
  if (targets === 'values') {
    const alpha = checkNumber(where, 'alpha, the weight of positive answers,', options.alpha ?? 0.25, 0, 1);
    const loss = reducible(reduction, (output, target, by) => focalLoss(output, target, { alpha, ...common, reduction: by, name: 'loss' }));
    return withRecipe(ofValues(loss), 'focal', { alpha, targets, ...common });
  }
  const alpha = options.alpha === undefined ? undefined : classWeight(where, 'alpha', options.alpha);
  const loss = reducible(
    reduction,
    (output, labels, by) => focalLoss(output, labels, { alpha, ...common, reduction: by, name: 'loss' }),
    ofLabels(undefined, ignoreIndex!), // of classes, it is known
  );
  return weightedRecipe(loss, 'focal', { targets, ...common }, { alpha });
}

/** Options of `nn.dice`. */
export interface DiceLossOptions extends Reduced {
  /** Added above and below the fraction, from 0 on; default 1. */
  smooth?: number | undefined;
  /** 'classes' (default): softmax and class numbers; 'values': sigmoid and float32 of the output's shape. */
  targets?: 'classes' | 'values' | undefined;
  /** The class number whose positions are passed over, with targets 'classes'; default -100. */
  ignoreIndex?: number | undefined;
}

/**
 * Dice loss: one less the overlap of what a segmentation finds and what is there, mean over images and classes.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see ops.diceLoss
 */
export function dice(options: DiceLossOptions = {}): Loss {
  const where = 'nn.dice';
  checkOptions(where, options, ['smooth', 'targets', 'ignoreIndex', 'reduction']);
  const targets = checkTargets(where, options.targets);
  const smooth = checkPositive(where, 'smooth', options.smooth ?? 1, true);
  const reduction = checkReduction(where, options.reduction);
  const ignoreIndex = ignoredLabel(where, targets, options.ignoreIndex);
  const common = { smooth, reduction, ...(ignoreIndex === undefined ? {} : { ignoreIndex }) };
  const loss = reducible(reduction, (output, target, by) => diceLoss(output, target, { ...common, reduction: by, name: 'loss' }));
  return withRecipe(targets === 'values' ? ofValues(loss) : loss, 'dice', { targets, ...common });
}

function ofValues(loss: (output: Tensor, target: Tensor) => Tensor): Loss {
  return Object.assign(loss, { targets: 'values' } as const);
}

/** Options of `nn.mse` and `nn.mseLoss`. */
export type MseLossOptions = Reduced;

/**
 * Mean (or sum) of the squared differences to a float32 target of the output's shape.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see ops.mseLoss
 */
export function mseLoss(options: MseLossOptions = {}): Loss {
  checkOptions('nn.mseLoss', options, ['reduction']);
  const reduction = checkReduction('nn.mseLoss', options.reduction);
  const loss = reducible(reduction, (output, target, by) => mseLossOf(output, target, { reduction: by, name: 'loss' }));
  return withRecipe(ofValues(loss), 'mseLoss', { reduction });
}

/** The same as `nn.mseLoss`, beside `nn.l1` and the others. */
export const mse = mseLoss;

/** Options of `nn.l1`. */
export type L1LossOptions = Reduced;

/**
 * Mean (or sum) of the absolute differences to a float32 target of the output's shape.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see ops.l1Loss
 */
export function l1(options: L1LossOptions = {}): Loss {
  checkOptions('nn.l1', options, ['reduction']);
  const reduction = checkReduction('nn.l1', options.reduction);
  const loss = reducible(reduction, (output, target, by) => l1Loss(output, target, { reduction: by, name: 'loss' }));
  return withRecipe(ofValues(loss), 'l1', { reduction });
}

/** Options of `nn.smoothL1`. */
export interface SmoothL1LossOptions extends Reduced {
  /** Where the square ends and the straight line begins, from 0 on, where 0 gives `nn.l1`; default 1. */
  beta?: number | undefined;
}

/**
 * Mean (or sum) of the Huber loss divided by its bound, of a float32 target of the output's shape.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see ops.smoothL1Loss
 */
export function smoothL1(options: SmoothL1LossOptions = {}): Loss {
  checkOptions('nn.smoothL1', options, ['beta', 'reduction']);
  const beta = checkPositive('nn.smoothL1', 'beta', options.beta ?? 1, true);
  const reduction = checkReduction('nn.smoothL1', options.reduction);
  const loss = reducible(reduction, (output, target, by) => smoothL1Loss(output, target, { beta, reduction: by, name: 'loss' }));
  return withRecipe(ofValues(loss), 'smoothL1', { beta, reduction });
}

/** Options of `nn.huber`. */
export interface HuberLossOptions extends Reduced {
  /** Where the square ends and the straight line begins, greater than 0; default 1. */
  delta?: number | undefined;
}

/**
 * Mean (or sum) of the Huber loss of a float32 target of the output's shape.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see ops.huberLoss
 */
export function huber(options: HuberLossOptions = {}): Loss {
  checkOptions('nn.huber', options, ['delta', 'reduction']);
  const delta = checkPositive('nn.huber', 'delta', options.delta ?? 1);
  const reduction = checkReduction('nn.huber', options.reduction);
  const loss = reducible(reduction, (output, target, by) => huberLoss(output, target, { delta, reduction: by, name: 'loss' }));
  return withRecipe(ofValues(loss), 'huber', { delta, reduction });
}

/** Options of `nn.hinge`. */
export interface HingeLossOptions extends Reduced {
  /** What the product of output and target should reach; default 1. */
  margin?: number | undefined;
}

/**
 * Mean (or sum) of max(0, margin - target output) for float32 targets of -1 and 1.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see ops.hingeLoss
 */
export function hinge(options: HingeLossOptions = {}): Loss {
  checkOptions('nn.hinge', options, ['margin', 'reduction']);
  const margin = checkNumber('nn.hinge', 'margin', options.margin ?? 1);
  const reduction = checkReduction('nn.hinge', options.reduction);
  const loss = reducible(reduction, (output, target, by) => hingeLoss(output, target, { margin, reduction: by, name: 'loss' }));
  return withRecipe(ofValues(loss), 'hinge', { margin, reduction });
}

/** Options of `nn.klDiv`. */
export interface KlDivLossOptions {
  /** The target is logarithms of probabilities, too; default false. */
  logTarget?: boolean | undefined;
  /** 'mean' (default) over all elements, 'sum', 'none', or 'batchmean': the sum divided by the number of examples, as the formula has it. */
  reduction?: KlDivReduction | undefined;
}

/**
 * Kullback-Leibler divergence between a float32 target of probabilities and an output of their logarithms.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see ops.klDiv
 */
export function klDiv(options: KlDivLossOptions = {}): Loss {
  checkOptions('nn.klDiv', options, ['logTarget', 'reduction']);
  const logTarget = checkBoolean('nn.klDiv', 'logTarget', options.logTarget ?? false);
  const reduction = checkKlDivReduction('nn.klDiv', options.reduction);
  const loss = reducible(
    reduction,
    (output, target, by) => klDivOf(output, target, { logTarget, reduction: by, name: 'loss' }),
    reduction === 'batchmean' ? ({ shape }) => shape[0] : undefined,
  );
  return withRecipe(ofValues(loss), 'klDiv', { logTarget, reduction });
}

/** Options of `nn.bceWithLogits`. */
export interface BceWithLogitsLossOptions extends Reduced {
  /** Weight of the positive answers, broadcast to the output's shape; default 1. */
  posWeight?: Tensor | undefined;
}

/**
 * Binary cross-entropy of the sigmoid of the output with a float32 target of the output's shape.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see ops.bceWithLogits
 */
export function bceWithLogits(options: BceWithLogitsLossOptions = {}): Loss {
  checkOptions('nn.bceWithLogits', options, ['posWeight', 'reduction']);
  const reduction = checkReduction('nn.bceWithLogits', options.reduction);
  const { posWeight } = options;
  if (posWeight !== undefined && !Tensor.is(posWeight)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `nn.bceWithLogits expects posWeight to be a Tensor but got ${formatValue(posWeight)}.`,
    );
  }
  const loss = ofValues(
    reducible(reduction, (output, target, by) => bceWithLogitsOf(output, target, { posWeight, reduction: by, name: 'loss' })),
  );
  return posWeight === undefined ? withRecipe(loss, 'bceWithLogits', { reduction }) : loss;
}

/** Options of `nn.tripletMargin`. */
export interface TripletMarginOptions extends Reduced {
  /** How much farther the negative should be than the positive, greater than 0; default 1. */
  margin?: number | undefined;
  /** The norm of the distances, greater than 0, Infinity for the largest difference; default 2. */
  p?: number | undefined;
  /** Added to each difference, from 0 on; default 1e-6. */
  eps?: number | undefined;
  /** Take the distance from positive to negative where it is less than that from anchor to negative; default false. */
  swap?: boolean | undefined;
}

/**
 * The loss of anchors, of examples of the same kind and of examples of another, for steps of one's own: `fit` gives a loss one output.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example nn.tripletMargin({ margin: 0.2 })(x, a, b) // anchor, positive, negative
 * @see ops.tripletMarginLoss
 */
export function tripletMargin(options: TripletMarginOptions = {}): (anchor: Tensor, positive: Tensor, negative: Tensor) => Tensor {
  const where = 'nn.tripletMargin';
  checkOptions(where, options, ['margin', 'p', 'eps', 'swap', 'reduction']);
  const checked = {
    margin: checkPositive(where, 'margin', options.margin ?? 1),
    p: options.p === Infinity ? Infinity : checkPositive(where, 'p', options.p ?? 2),
    eps: checkPositive(where, 'eps', options.eps ?? 1e-6, true),
    swap: checkBoolean(where, 'swap', options.swap ?? false),
    reduction: checkReduction(where, options.reduction),
  };
  return (anchor, positive, negative) => tripletMarginLoss(anchor, positive, negative, { ...checked, name: 'loss' });
}

/** Options of `nn.cosineEmbedding`. */
export interface CosineEmbeddingOptions extends Reduced {
  /** The cosine up to which vectors that belong apart cost nothing, in [-1, 1]; default 0. */
  margin?: number | undefined;
}

/**
 * The loss of pairs of vectors, whose target is 1 if they belong together and -1 if not, for steps of one's own: `fit` gives a loss one output.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see ops.cosineEmbeddingLoss
 */
export function cosineEmbedding(options: CosineEmbeddingOptions = {}): (a: Tensor, b: Tensor, target: Tensor) => Tensor {
  const where = 'nn.cosineEmbedding';
  checkOptions(where, options, ['margin', 'reduction']);
  const margin = checkNumber(where, 'margin', options.margin ?? 0, -1, 1);
  const reduction = checkReduction(where, options.reduction);
  return (a, b, target) => cosineEmbeddingLoss(a, b, target, { margin, reduction, name: 'loss' });
}
