/**
 * A residual network of nine layers (after "How to train your ResNet", Page 2018) with augmentation, one cycle of the learning rate, label smoothing
 * and an average of the weights:
 *
 *   npx ts-node examples/recipes/resnet.ts [--seed 1] [--epochs 10]
 */

import { nn, ops, optim, transforms, type Tensor } from 'stridenet';
import { main, type Recipe } from './recipe';

const convolution = (from: number, to: number): nn.Sequential =>
  new nn.Sequential(new nn.Conv2d(from, to, 3, { padding: 1, bias: false }), new nn.BatchNorm2d(to), new nn.ReLU());

/** x + f(x), with two convolutions in f. */
class Residual extends nn.Module {
  first: nn.Sequential;
  second: nn.Sequential;

  constructor(channels: number) {
    super();
    this.first = convolution(channels, channels);
    this.second = convolution(channels, channels);
  }

  override forward(x: Tensor): Tensor {
    return ops.add(x, this.second.forward(this.first.forward(x)));
  }
}

export const recipe: Recipe = {
  model: () =>
    new nn.Sequential(
      convolution(1, 32),
      ...[convolution(32, 64), new nn.MaxPool2d(2), new Residual(64)],
      ...[convolution(64, 128), new nn.MaxPool2d(2)],
      ...[convolution(128, 256), new nn.MaxPool2d(2), new Residual(256)],
      ...[new nn.AdaptiveAvgPool2d(1), new nn.Flatten(), new nn.Dropout(0.2), new nn.Linear(256, 10)],
    ),
  options: {
    epochs: 10,
    batchSize: 128,
    augment: [
      transforms.randomCrop(28, { padding: 2 }),
      transforms.randomHorizontalFlip(),
      transforms.randomErasing({ p: 0.3, scale: [0.02, 0.2] }),
    ],
    loss: nn.crossEntropy({ labelSmoothing: 0.05 }),
    optimizer: optim.sgd({ lr: 0.2, momentum: 0.9, nesterov: true, weightDecay: 5e-4, groups: optim.noDecayOnNormAndBias() }),
    schedule: optim.oneCycle({ pctStart: 0.25, divFactor: 10 }),
    ema: { decay: 0.998 },
  },
};

if (require.main === module) void main(recipe);
