/** DenseNet (Huang, Liu, van der Maaten, Weinberger: "Densely connected convolutional networks", 2016), as torchvision has it. */

import type { Tensor } from '../graph/tensor';
import { AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, Identity, Linear, MaxPool2d, Module, ReLU } from '../nn';
import { kaimingNormal } from '../nn/init';
import { noteBuilder } from '../nn/recipe';
import { concat } from '../ops';
import { initialize, NamedSequential, readOptions, zeroBias, type ClassifierOptions, type DropoutOptions } from './common';

/** `dropout` acts on what each dense layer adds; default 0. */
export interface DenseNetOptions extends ClassifierOptions, DropoutOptions {}

/** Channels that each layer adds. */
const GROWTH = 32;
/** Channels between the two convolutions of a layer. */
const BOTTLENECK = 4 * GROWTH;
const STEM_CHANNELS = 64;
/** Layers of each block of DenseNet-121. */
const LAYERS = [6, 12, 24, 16];

/** Normalise, ReLU, 1x1 convolution; normalise, ReLU, 3x3 convolution to GROWTH channels. */
class DenseLayer extends Module {
  readonly norm1: BatchNorm2d;
  readonly relu1 = new ReLU();
  readonly conv1: Conv2d;
  readonly norm2 = new BatchNorm2d(BOTTLENECK);
  readonly relu2 = new ReLU();
  readonly conv2: Conv2d;
  readonly dropout: Module;

  constructor(inChannels: number, dropout: number) {
    super();
    this.norm1 = new BatchNorm2d(inChannels);
    this.conv1 = new Conv2d(inChannels, BOTTLENECK, 1, { bias: false });
    this.conv2 = new Conv2d(BOTTLENECK, GROWTH, 3, { padding: 1, bias: false });
    this.dropout = dropout > 0 ? new Dropout(dropout) : new Identity();
  }

  forward(x: Tensor): Tensor {
    const y = this.conv1.forward(this.relu1.forward(this.norm1.forward(x)));
    return this.dropout.forward(this.conv2.forward(this.relu2.forward(this.norm2.forward(y))));
  }
}

/** Each layer sees the block's input and everything that the layers before it added. */
class DenseBlock extends Module {
  constructor(inChannels: number, layers: number, dropout: number) {
    super();
    const entries = Array.from(
      { length: layers },
      (_, i) => [`denselayer${i + 1}`, new DenseLayer(inChannels + i * GROWTH, dropout)] as const,
    );
    Object.assign(this, Object.fromEntries(entries));
  }

  forward(x: Tensor): Tensor {
    return this.children().reduce((seen, layer) => concat([seen, layer.forward(seen)], { axis: 1, name: this.path }), x);
  }
}

/** Four dense blocks, halved in channels and size between them. */
export class DenseNet extends Module {
  readonly features: NamedSequential;
  readonly relu = new ReLU();
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly flatten = new Flatten();
  classifier: Linear;
  /** For classes of one's own that extend it; otherwise call `models.densenet121`. */
  constructor(layers: readonly number[], { classes, inChannels, dropout }: Required<DenseNetOptions>) {
    super();
    const features: Record<string, Module> = {
      conv0: new Conv2d(inChannels, STEM_CHANNELS, 7, { stride: 2, padding: 3, bias: false }),
      norm0: new BatchNorm2d(STEM_CHANNELS),
      relu0: new ReLU(),
      pool0: new MaxPool2d(3, { stride: 2, padding: 1 }),
    };
    let channels = STEM_CHANNELS;
    for (const [i, count] of layers.entries()) {
      features[`denseblock${i + 1}`] = new DenseBlock(channels, count, dropout);
      channels += count * GROWTH;
      if (i === layers.length - 1) break;
      features[`transition${i + 1}`] = new NamedSequential({
        norm: new BatchNorm2d(channels),
        relu: new ReLU(),
        conv: new Conv2d(channels, channels / 2, 1, { bias: false }),
        pool: new AvgPool2d(2),
      });
      channels /= 2;
    }
    features['norm5'] = new BatchNorm2d(channels);
    this.features = new NamedSequential(features);
    this.classifier = new Linear(channels, classes);
    initialize(this, { conv: (weight) => kaimingNormal(weight), linearBias: zeroBias });
  }

  forward(x: Tensor): Tensor {
    const y = this.relu.forward(this.features.forward(x));
    return this.classifier.forward(this.flatten.forward(this.avgpool.forward(y)));
  }
}

/**
 * DenseNet-121 for images of at least 29 x 29; made for 224 x 224.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function densenet121(options: DenseNetOptions = {}): DenseNet {
  const read = readOptions('densenet121', options, { classes: 1000, inChannels: 3, dropout: 0 });
  return noteBuilder(new DenseNet(LAYERS, read), 'densenet121', read);
}
