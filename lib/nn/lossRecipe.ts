/** What a loss is to `fit`, `evaluate` and `Trainer`, and how a checkpoint remembers one. */

import type { Tensor } from '../graph/tensor';

/**
 * From the model's output and the targets to a tensor of one element: the mean loss of the batch. `fit`, `evaluate` and `Trainer` give class
 * numbers, [N] of type int32, as targets. Where examples have weights (`sampleWeights`), a function of one's own gives the losses of the examples instead,
 * [N] or [N, ...], as those of the package do by themselves.
 */
export interface Loss {
  (output: Tensor, targets: Tensor): Tensor;
  /** What it compares the output with: 'classes' (default), or 'values', float32 of the output's shape, which `Trainer.step` takes. */
  readonly targets?: 'classes' | 'values';
}

/** What a loss of the package is made of: the sum of its losses, divided by something. */
export interface LossParts {
  /** Of each example one or several, [N, ...]. */
  losses(output: Tensor, targets: Tensor): Tensor;
  /** What their sum is divided by; undefined: their number. */
  divisor(output: Tensor, targets: Tensor): Tensor | number | undefined;
  /** Whether that is the sum of the weights of the labels' classes. */
  readonly hasClassWeights: boolean;
}

const partsOf = new WeakMap<Loss, LossParts>();

export function withParts(loss: Loss, parts: LossParts): Loss {
  partsOf.set(loss, parts);
  return loss;
}

/** The parts of a loss; a function of a user's own has none. */
export function lossParts(loss: Loss): LossParts | undefined {
  return partsOf.get(loss);
}

/** The losses that can be made again from plain data. */
export type LossName =
  'crossEntropy' | 'nll' | 'focal' | 'dice' | 'mseLoss' | 'l1' | 'smoothL1' | 'huber' | 'hinge' | 'klDiv' | 'bceWithLogits';

/** A loss of the package by name, with options that are plain data. */
export interface LossRecipe {
  readonly name: LossName;
  readonly options: Readonly<Record<string, unknown>>;
}

const recipes = new WeakMap<Loss, LossRecipe>();

export function withRecipe(loss: Loss, name: LossName, options: LossRecipe['options']): Loss {
  recipes.set(loss, { name, options });
  return loss;
}

/** How to make a loss again, for checkpoints; a function of a user's own has none. */
export function lossRecipe(loss: Loss): LossRecipe | undefined {
  return recipes.get(loss);
}
