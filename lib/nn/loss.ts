/** Loss functions as values: what `fit`, `evaluate` and `Trainer` take, and what hand-written loops call. */

import { checkNumber, checkOptions, formatValue, readArray, StridenetError } from '../errors';
import { tensor } from '../graph/leaves';
import { Tensor } from '../graph/tensor';
import {
  bceWithLogits as bceWithLogitsOf,
  checkReduction,
  crossEntropy as crossEntropyOf,
  mseLoss as mseLossOf,
  type LossReduction,
} from '../ops/loss';

/**
 * From the model's output and the targets to a tensor of one element: the mean loss of the batch. `fit`, `evaluate` and `Trainer` give class
 * numbers, [N] of type int32, as targets.
 */
export interface Loss {
  (output: Tensor, targets: Tensor): Tensor;
  /** What it compares the output with: 'classes' (default), or 'values', float32 of the output's shape, which `Trainer.step` takes. */
  readonly targets?: 'classes' | 'values';
}

/** A loss of this file by name, with options that are plain data. */
export type LossRecipe =
  | { readonly name: 'crossEntropy'; readonly options: { readonly labelSmoothing: number; readonly weight?: readonly number[] } }
  | { readonly name: 'mseLoss' | 'bceWithLogits'; readonly options: { readonly reduction: LossReduction } };

const recipes = new WeakMap<Loss, LossRecipe>();

function withRecipe(loss: Loss, recipe: LossRecipe): Loss {
  recipes.set(loss, recipe);
  return loss;
}

/** How to make a loss again, for checkpoints; a function of a user's own has none. */
export function lossRecipe(loss: Loss): LossRecipe | undefined {
  return recipes.get(loss);
}

/** The loss of a recipe. */
export function lossFrom(recipe: LossRecipe): Loss {
  switch (recipe.name) {
    case 'crossEntropy':
      return crossEntropy(recipe.options);
    case 'mseLoss':
      return mseLoss(recipe.options);
    case 'bceWithLogits':
      return bceWithLogits(recipe.options);
    default:
      throw new StridenetError('ERR_BAD_FILE', `A recipe of a loss expects a known name but is ${formatValue(recipe)}.`);
  }
}

/** Options of `nn.crossEntropy`. */
export interface CrossEntropyLossOptions {
  /** In [0, 1]; default 0. */
  labelSmoothing?: number | undefined;
  /** A weight for each class, a tensor of shape [classes] or its numbers; default 1. */
  weight?: Tensor | readonly number[] | undefined;
}

/**
 * Softmax cross-entropy, mean over the batch.
 * @see ops.crossEntropy
 */
export function crossEntropy(options: CrossEntropyLossOptions = {}): Loss {
  checkOptions('nn.crossEntropy', options, ['labelSmoothing', 'weight']);
  const labelSmoothing = checkNumber('nn.crossEntropy', 'labelSmoothing', options.labelSmoothing ?? 0, 0, 1);
  const weight = options.weight === undefined ? undefined : classWeight(options.weight);
  const loss = (output: Tensor, labels: Tensor): Tensor => crossEntropyOf(output, labels, { labelSmoothing, weight, name: 'loss' });
  if (weight === undefined) return withRecipe(loss, { name: 'crossEntropy', options: { labelSmoothing } });
  // A value that was computed cannot be written down in a recipe.
  if (!weight.value) return loss;
  return withRecipe(loss, { name: 'crossEntropy', options: { labelSmoothing, weight: [...weight.value] } });
}

function classWeight(weight: unknown): Tensor {
  if (Tensor.is(weight) && weight.dtype === 'float32' && weight.rank === 1) return weight;
  const numbers = readArray(weight) ?? [];
  if (numbers.length > 0 && numbers.every((w) => Number.isFinite(w) && Number.isFinite(Math.fround(w as number))))
    return tensor(numbers as number[]);
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `nn.crossEntropy expects weight to be a float32 tensor of shape [classes] or an array of numbers that are finite in float32 but got ${formatValue(weight)}.`,
  );
}

/** Options of `nn.mseLoss`. */
export interface MseLossOptions {
  /** 'mean' (default) or 'sum' over all elements. */
  reduction?: LossReduction | undefined;
}

/**
 * Mean (or sum) of the squared differences to a float32 target of the output's shape.
 * @see ops.mseLoss
 */
export function mseLoss(options: MseLossOptions = {}): Loss {
  checkOptions('nn.mseLoss', options, ['reduction']);
  const reduction = checkReduction('nn.mseLoss', options.reduction ?? 'mean');
  const loss = (output: Tensor, target: Tensor): Tensor => mseLossOf(output, target, { reduction, name: 'loss' });
  return withRecipe(Object.assign(loss, { targets: 'values' } as const), { name: 'mseLoss', options: { reduction } });
}

/** Options of `nn.bceWithLogits`. */
export interface BceWithLogitsLossOptions {
  /** Weight of the positive answers, broadcast to the output's shape; default 1. */
  posWeight?: Tensor | undefined;
  /** 'mean' (default) or 'sum' over all elements. */
  reduction?: LossReduction | undefined;
}

/**
 * Binary cross-entropy of the sigmoid of the output with a float32 target of the output's shape.
 * @see ops.bceWithLogits
 */
export function bceWithLogits(options: BceWithLogitsLossOptions = {}): Loss {
  checkOptions('nn.bceWithLogits', options, ['posWeight', 'reduction']);
  const reduction = checkReduction('nn.bceWithLogits', options.reduction ?? 'mean');
  const { posWeight } = options;
  if (posWeight !== undefined && !Tensor.is(posWeight)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `nn.bceWithLogits expects posWeight to be a Tensor but got ${formatValue(posWeight)}.`,
    );
  }
  const loss = (output: Tensor, target: Tensor): Tensor => bceWithLogitsOf(output, target, { posWeight, reduction, name: 'loss' });
  const values = Object.assign(loss, { targets: 'values' } as const);
  return posWeight === undefined ? withRecipe(values, { name: 'bceWithLogits', options: { reduction } }) : values;
}
