/**
 * A small VGG: two blocks of two convolutions with batch normalisation, and pictures that are shifted and mirrored.
 *
 *   npx ts-node examples/recipes/vgg.ts [--seed 1] [--epochs 10]
 */

import { nn, optim, transforms } from 'stridenet';
import { main, type Recipe } from './recipe';

const block = (from: number, to: number): nn.Module[] => [
  ...[new nn.Conv2d(from, to, 3, { padding: 1 }), new nn.BatchNorm2d(to), new nn.ReLU()],
  ...[new nn.Conv2d(to, to, 3, { padding: 1 }), new nn.BatchNorm2d(to), new nn.ReLU(), new nn.MaxPool2d(2)],
];

export const recipe: Recipe = {
  model: () =>
    new nn.Sequential(
      ...block(1, 32),
      ...block(32, 64),
      ...[new nn.Flatten(), new nn.Linear(64 * 49, 128), new nn.ReLU(), new nn.Dropout(0.4), new nn.Linear(128, 10)],
    ),
  options: {
    epochs: 10,
    batchSize: 128,
    augment: [transforms.randomCrop(28, { padding: 2 }), transforms.randomHorizontalFlip()],
    optimizer: optim.adamw({ lr: 3e-3, groups: optim.noDecayOnNormAndBias() }),
    schedule: optim.oneCycle(),
  },
};

if (require.main === module) void main(recipe);
