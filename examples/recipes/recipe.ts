/** What the recipes of this folder have in common: Fashion-MNIST, a line for each epoch, and the accuracy on its 10,000 test images. */

import { parseArgs } from 'node:util';
import { data, evaluate, fit, manualSeed, type FitOptions, type nn } from 'stridenet';

/** A model, how it is trained, and for how long. */
export interface Recipe {
  readonly model: () => nn.Module;
  readonly options: Omit<FitOptions, 'seed' | 'validation'>;
}

/** Mean and deviation of the training images. */
const READING = { mean: [0.286], std: [0.353] };

/** What a recipe reached. */
export interface Result {
  readonly accuracy: number;
  /** Of training alone. */
  readonly seconds: number;
}

/** Trains with `seed` and measures on the test images, which nothing is chosen by. */
export async function cook({ model: make, options }: Recipe, seed: number, epochs = options.epochs): Promise<Result> {
  const { train, test } = await data.fashionMnist();
  manualSeed(seed);
  const model = make();
  const start = performance.now();
  await fit(model, { ...train, ...READING }, { ...options, epochs, seed });
  const seconds = (performance.now() - start) / 1000;
  const { accuracy } = await evaluate(model, { ...test, ...READING });
  return { accuracy: accuracy!, seconds };
}

/** Runs a recipe from the command line: `--seed N --epochs N`. */
export async function main(recipe: Recipe): Promise<void> {
  const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' }, epochs: { type: 'string' } } });
  const epochs = values.epochs === undefined ? undefined : Number(values.epochs);
  const { accuracy, seconds } = await cook(recipe, Number(values.seed), epochs);
  console.log(`test accuracy ${accuracy.toFixed(4)} after ${seconds.toFixed(1)} s of training`);
}
