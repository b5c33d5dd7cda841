/** What a loss is to `fit`, `evaluate` and `Trainer`, and how a checkpoint remembers one. */

import type { Tensor } from '../graph/tensor';

/**
 * From the model's output and the targets to a tensor of one element: the mean loss of the batch. `fit`, `evaluate` and `Trainer` give class
 * numbers, [N] of type int32, as targets.
 */
export interface Loss {
  (output: Tensor, targets: Tensor): Tensor;
  /** What it compares the output with: 'classes' (default), or 'values', float32 of the output's shape, which `Trainer.step` takes. */
  readonly targets?: 'classes' | 'values';
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
