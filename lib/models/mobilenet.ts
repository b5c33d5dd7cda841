/** MobileNetV2 (Sandler et al.: "MobileNetV2: inverted residuals and linear bottlenecks", 2018), as torchvision has it. */

import { formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, Linear, Module, ReLU6, Sequential } from '../nn';
import { kaimingNormal, normal } from '../nn/init';
import { noteBuilder } from '../nn/recipe';
import { add } from '../ops';
import { initialize, readOptions, zeroBias, type ClassifierOptions, type DropoutOptions } from './common';

/** `dropout` acts before the linear layer; default 0.2. */
export interface MobileNetV2Options extends ClassifierOptions, DropoutOptions {
  /** Factor on all channel counts, which are rounded to multiples of 8; default 1. */
  width?: number | undefined;
}

/** Expansion, output channels, blocks, stride of the first one. */
const STAGES = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** The nearest multiple of 8 that is not more than a tenth smaller. */
function roundChannels(channels: number): number {
  const rounded = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return rounded < 0.9 * channels ? rounded + 8 : rounded;
}

/** Convolution, batch normalisation and ReLU6; the size changes by the stride alone. */
function convNormReLU6(inChannels: number, outChannels: number, kernel: number, stride = 1, groups = 1): Sequential {
  return new Sequential(
    new Conv2d(inChannels, outChannels, kernel, { stride, padding: (kernel - 1) / 2, groups, bias: false }),
    new BatchNorm2d(outChannels),
    new ReLU6(),
  );
}

/** Expand by a 1x1 convolution, filter each channel by itself, project back without an activation. */
class InvertedResidual extends Module {
  readonly conv: Sequential;
  private readonly residual: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, expansion: number) {
    super();
    const hidden = inChannels * expansion;
    this.residual = stride === 1 && inChannels === outChannels;
    this.conv = new Sequential(
      ...(expansion === 1 ? [] : [convNormReLU6(inChannels, hidden, 1)]),
      convNormReLU6(hidden, hidden, 3, stride, hidden),
      new Conv2d(hidden, outChannels, 1, { bias: false }),
      new BatchNorm2d(outChannels),
    );
  }

  forward(x: Tensor): Tensor {
    const y = this.conv.forward(x);
    return this.residual ? add(x, y) : y;
  }
}

/** A stem, 17 inverted residual blocks, a 1x1 convolution, global average pooling and a linear layer. */
export class MobileNetV2 extends Module {
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly flatten = new Flatten();
  classifier: Sequential;
  /** For classes of one's own that extend it; otherwise call `models.mobilenetV2`. */
  constructor({ classes, inChannels, width, dropout }: Required<MobileNetV2Options>) {
    super();
    let channels = roundChannels(32 * width);
    const layers: Module[] = [convNormReLU6(inChannels, channels, 3, 2)];
    for (const [expansion, unscaled, count, stride] of STAGES) {
      for (let i = 0; i < count; i++) {
        const outChannels = roundChannels(unscaled * width);
        layers.push(new InvertedResidual(channels, outChannels, i === 0 ? stride : 1, expansion));
        channels = outChannels;
      }
    }
    const last = roundChannels(1280 * Math.max(1, width));
    this.features = new Sequential(...layers, convNormReLU6(channels, last, 1));
    this.classifier = new Sequential(new Dropout(dropout), new Linear(last, classes));
    initialize(this, {
      conv: (weight) => kaimingNormal(weight, { mode: 'fanOut' }),
      linear: (weight) => normal(weight, { std: 0.01 }),
      linearBias: zeroBias,
    });
  }

  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.flatten.forward(this.avgpool.forward(this.features.forward(x))));
  }
}

/**
 * MobileNetV2 for images of any size; made for 224 x 224.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function mobilenetV2(options: MobileNetV2Options = {}): MobileNetV2 {
  const read = readOptions('mobilenetV2', options, { classes: 1000, inChannels: 3, width: 1, dropout: 0.2 });
  if (!Number.isFinite(read.width) || read.width <= 0) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `mobilenetV2 expects width to be a number above 0 but got ${formatValue(read.width)}.`,
    );
  }
  return noteBuilder(new MobileNetV2(read), 'mobilenetV2', read);
}
