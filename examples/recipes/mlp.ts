/**
 * A perceptron of two hidden layers: what is reached without a convolution.
 *
 *   npx ts-node examples/recipes/mlp.ts [--seed 1] [--epochs 10]
 */

import { nn, optim } from 'stridenet';
import { main, type Recipe } from './recipe';

export const recipe: Recipe = {
  model: () =>
    new nn.Sequential(
      ...[new nn.Flatten(), new nn.Linear(784, 256), new nn.ReLU(), new nn.Dropout(0.2)],
      ...[new nn.Linear(256, 128), new nn.ReLU(), new nn.Dropout(0.2), new nn.Linear(128, 10)],
    ),
  options: {
    epochs: 10,
    batchSize: 128,
    optimizer: optim.adam({ lr: 2e-3 }),
    schedule: optim.oneCycle(),
  },
};

if (require.main === module) void main(recipe);
