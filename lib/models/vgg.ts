/** VGG (Simonyan and Zisserman: "Very deep convolutional networks for large-scale image recognition", 2014), with and without batch normalisation. */

import type { Tensor } from '../graph/tensor';
import { AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential } from '../nn';
import { kaimingNormal, normal } from '../nn/init';
import { noteBuilder } from '../nn/recipe';
import { initialize, readOptions, zeroBias, type ClassifierOptions, type DropoutOptions } from './common';

/** `dropout` acts after the first two linear layers; default 0.5. */
export interface VGGOptions extends ClassifierOptions, DropoutOptions {}

/** Output channels of the five stages. */
const CHANNELS = [64, 128, 256, 512, 512];
/** Convolutions of each stage, by depth. */
const CONVOLUTIONS = { 11: [1, 1, 2, 2, 2], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4] } as const;
type Depth = keyof typeof CONVOLUTIONS;

/** Five stages of 3x3 convolutions, each halved by pooling, then 4096, 4096 and `classes` units. */
export class VGG extends Module {
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d([7, 7]);
  readonly flatten = new Flatten();
  classifier: Sequential;
  /** For classes of one's own that extend it; otherwise call `models.vgg11` to `models.vgg19bn`. */
  constructor(depth: Depth, batchNorm: boolean, { classes, inChannels, dropout }: Required<VGGOptions>) {
    super();
    const layers: Module[] = [];
    let channels = inChannels;
    for (const [stage, count] of CONVOLUTIONS[depth].entries()) {
      for (let i = 0; i < count; i++) {
        layers.push(new Conv2d(channels, CHANNELS[stage]!, 3, { padding: 1 }));
        channels = CHANNELS[stage]!;
        if (batchNorm) layers.push(new BatchNorm2d(channels));
        layers.push(new ReLU());
      }
      layers.push(new MaxPool2d(2));
    }
    this.features = new Sequential(...layers);
    this.classifier = new Sequential(
      new Linear(channels * 7 * 7, 4096),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, 4096),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, classes),
    );
    initialize(this, {
      conv: (weight) => kaimingNormal(weight, { mode: 'fanOut', nonlinearity: 'relu' }),
      linear: (weight) => normal(weight, { std: 0.01 }),
      convBias: zeroBias,
      linearBias: zeroBias,
    });
  }

  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.flatten.forward(this.avgpool.forward(this.features.forward(x))));
  }
}

/**
 * A builder for images of at least 32 x 32; made for 224 x 224.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION (what it returns)
 */
function vgg(depth: Depth, batchNorm = false): (options?: VGGOptions) => VGG {
  const where = `vgg${depth}${batchNorm ? 'bn' : ''}`;
  return (options = {}) => {
    const read = readOptions(where, options, { classes: 1000, inChannels: 3, dropout: 0.5 });
    return noteBuilder(new VGG(depth, batchNorm, read), where, read);
  };
}

/** VGG with 8 convolutions (configuration A). */
export const vgg11 = vgg(11);
/** VGG with 10 convolutions (configuration B). */
export const vgg13 = vgg(13);
/** VGG with 13 convolutions (configuration D). */
export const vgg16 = vgg(16);
/** VGG with 16 convolutions (configuration E). */
export const vgg19 = vgg(19);
/** `vgg11` with batch normalisation. */
export const vgg11bn = vgg(11, true);
/** `vgg13` with batch normalisation. */
export const vgg13bn = vgg(13, true);
/** `vgg16` with batch normalisation. */
export const vgg16bn = vgg(16, true);
/** `vgg19` with batch normalisation. */
export const vgg19bn = vgg(19, true);
