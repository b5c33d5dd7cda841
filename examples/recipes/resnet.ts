/**
 * A residual network of nine layers (after "How to train your ResNet", Page 2018) with mirrored pictures, one cycle of the learning rate, label
 * smoothing and an average of the weights:
 *
 *   npx ts-node examples/recipes/resnet.ts [--seed 1] [--epochs 12]
 */

import { nn, ops, optim, tensor, transforms, type Tensor } from 'stridenet';
import { main, type Recipe } from './recipe';

/** With `halved`, on pictures of half the height and width: the largest of each four values stays. */
const convolution = (from: number, to: number, { halved = false } = {}): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(from, to, 3, { padding: 1, bias: false }),
    ...(halved ? [new nn.MaxPool2d(2)] : []),
    ...[new nn.BatchNorm2d(to), new nn.ReLU()],
  );

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

/** Evaluates a picture and its mirror image and adds what they say, as training has seen both (test-time augmentation). */
class BothSides extends nn.Module {
  network: nn.Module;

  constructor(network: nn.Module) {
    super();
    this.network = network;
  }

  override forward(x: Tensor): Tensor {
    if (this.training) return this.network.forward(x);
    const width = x.shape[3]!;
    const reversed = Float32Array.from({ length: width * width }, (_, i) => (Math.floor(i / width) + (i % width) === width - 1 ? 1 : 0));
    const mirrored = ops.matmul(x, tensor(reversed, [width, width]));
    return ops.mul(ops.add(this.network.forward(x), this.network.forward(mirrored)), 0.5);
  }
}

export const recipe: Recipe = {
  model: () =>
    new BothSides(
      new nn.Sequential(
        ...[convolution(1, 32), convolution(32, 64, { halved: true }), new Residual(64)],
        ...[convolution(64, 128, { halved: true }), new Residual(128), convolution(128, 256)],
        ...[new nn.AdaptiveAvgPool2d(1), new nn.Flatten(), new nn.Linear(256, 10)],
      ),
    ),
  options: {
    epochs: 12,
    batchSize: 128,
    augment: [transforms.randomHorizontalFlip()],
    loss: nn.crossEntropy({ labelSmoothing: 0.05 }),
    optimizer: optim.sgd({ lr: 0.2, momentum: 0.9, nesterov: true, weightDecay: 5e-4, groups: optim.noDecayOnNormAndBias() }),
    schedule: optim.oneCycle({ pctStart: 0.25, divFactor: 10 }),
    ema: { decay: 0.995 },
  },
};

if (require.main === module) void main(recipe);
