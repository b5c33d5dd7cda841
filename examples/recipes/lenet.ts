/**
 * LeNet with batch normalisation, trained in seconds: AdamW and one cycle of the learning rate.
 *
 *   npx ts-node examples/recipes/lenet.ts [--seed 1] [--epochs 3]
 */

import { nn, optim } from 'stridenet';
import { main, type Recipe } from './recipe';

export const recipe: Recipe = {
  model: () =>
    new nn.Sequential(
      ...[new nn.Conv2d(1, 6, 5, { padding: 2 }), new nn.BatchNorm2d(6), new nn.ReLU(), new nn.MaxPool2d(2)],
      ...[new nn.Conv2d(6, 16, 5), new nn.BatchNorm2d(16), new nn.ReLU(), new nn.MaxPool2d(2)],
      ...[new nn.Flatten(), new nn.Linear(400, 120), new nn.ReLU(), new nn.Linear(120, 84), new nn.ReLU(), new nn.Linear(84, 10)],
    ),
  options: {
    epochs: 3,
    batchSize: 128,
    optimizer: optim.adamw({ lr: 4e-3 }),
    schedule: optim.oneCycle(),
  },
};

if (require.main === module) void main(recipe);
