/**
 * Residual networks (He, Zhang, Ren, Sun: "Deep residual learning for image recognition", 2015): those for ImageNet as torchvision has them,
 * and those for CIFAR of section 4.2.
 */

import { checkInteger, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, Identity, Linear, MaxPool2d, Module, ReLU, Sequential } from '../nn';
import { kaimingNormal } from '../nn/init';
import { noteBuilder } from '../nn/recipe';
import { add, maxPool2d } from '../ops';
import { padAt } from '../ops/slice';
import { checkChoice, initialize, readOptions, type ClassifierOptions, type DropoutOptions } from './common';

/** `dropout` acts before the linear layer; default 0: the paper has none. */
export interface ResNetOptions extends ClassifierOptions, DropoutOptions {
  /**
   * What stands before the blocks: 'imagenet' (default), a 7x7 convolution of stride 2 and maximum pooling; or 'cifar', a 3x3 convolution of
   * stride 1 and no pooling, for images of about 32 x 32.
   */
  stem?: 'imagenet' | 'cifar' | undefined;
}

function conv3x3(inChannels: number, outChannels: number, stride = 1): Conv2d {
  return new Conv2d(inChannels, outChannels, 3, { stride, padding: 1, bias: false });
}

function conv1x1(inChannels: number, outChannels: number, stride = 1): Conv2d {
  return new Conv2d(inChannels, outChannels, 1, { stride, bias: false });
}

/** The 1x1 convolution that fits the input to the output of a block; undefined where they fit already. */
function projection(inChannels: number, outChannels: number, stride: number): Sequential | undefined {
  if (stride === 1 && inChannels === outChannels) return undefined;
  return new Sequential(conv1x1(inChannels, outChannels, stride), new BatchNorm2d(outChannels));
}

/** relu(bn(conv3x3(relu(bn(conv3x3(x))))) + shortcut(x)) */
class BasicBlock extends Module {
  static readonly expansion = 1;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly relu = new ReLU();
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly downsample?: Module;

  /** @param shortcut undefined: the input itself */
  constructor(
    inChannels: number,
    channels: number,
    stride: number,
    shortcut = projection(inChannels, channels, stride) as Module | undefined,
  ) {
    super();
    this.conv1 = conv3x3(inChannels, channels, stride);
    this.bn1 = new BatchNorm2d(channels);
    this.conv2 = conv3x3(channels, channels);
    this.bn2 = new BatchNorm2d(channels);
    this.downsample = shortcut;
  }

  forward(x: Tensor): Tensor {
    const y = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    const residual = this.bn2.forward(this.conv2.forward(y));
    return this.relu.forward(add(residual, this.downsample?.forward(x) ?? x));
  }
}

/** 1x1 to a quarter of the channels, 3x3, 1x1 back. The stride is in the 3x3 convolution, as in torchvision. */
class Bottleneck extends Module {
  static readonly expansion = 4;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  readonly relu = new ReLU();
  readonly downsample?: Module;

  constructor(inChannels: number, channels: number, stride: number) {
    super();
    const outChannels = channels * Bottleneck.expansion;
    this.conv1 = conv1x1(inChannels, channels);
    this.bn1 = new BatchNorm2d(channels);
    this.conv2 = conv3x3(channels, channels, stride);
    this.bn2 = new BatchNorm2d(channels);
    this.conv3 = conv1x1(channels, outChannels);
    this.bn3 = new BatchNorm2d(outChannels);
    this.downsample = projection(inChannels, outChannels, stride);
  }

  forward(x: Tensor): Tensor {
    let y = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    y = this.relu.forward(this.bn2.forward(this.conv2.forward(y)));
    const residual = this.bn3.forward(this.conv3.forward(y));
    return this.relu.forward(add(residual, this.downsample?.forward(x) ?? x));
  }
}

/** Blocks of each stage, by depth. */
const BLOCKS = {
  18: [BasicBlock, [2, 2, 2, 2]],
  34: [BasicBlock, [3, 4, 6, 3]],
  50: [Bottleneck, [3, 4, 6, 3]],
  101: [Bottleneck, [3, 4, 23, 3]],
  152: [Bottleneck, [3, 8, 36, 3]],
} as const;
type Depth = keyof typeof BLOCKS;

/** A stem, four stages of residual blocks, global average pooling and a linear layer. */
export class ResNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1 = new BatchNorm2d(64);
  readonly relu = new ReLU();
  readonly maxpool: Module;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly flatten = new Flatten();
  readonly dropout: Module;
  fc: Linear;
  /** For classes of one's own that extend it; otherwise call `models.resnet18` to `models.resnet152`. */
  constructor(depth: Depth, { classes, inChannels, stem, dropout }: Required<ResNetOptions>) {
    super();
    const small = stem === 'cifar';
    this.conv1 = small ? conv3x3(inChannels, 64) : new Conv2d(inChannels, 64, 7, { stride: 2, padding: 3, bias: false });
    this.maxpool = small ? new Identity() : new MaxPool2d(3, { stride: 2, padding: 1 });
    const [Block, counts] = BLOCKS[depth];
    let width = 64;
    const stage = (channels: number, count: number, stride: number): Sequential => {
      const blocks = Array.from({ length: count }, (_, i) => {
        const block = new Block(width, channels, i === 0 ? stride : 1);
        width = channels * Block.expansion;
        return block;
      });
      return new Sequential(...blocks);
    };
    this.layer1 = stage(64, counts[0], 1);
    this.layer2 = stage(128, counts[1], 2);
    this.layer3 = stage(256, counts[2], 2);
    this.layer4 = stage(512, counts[3], 2);
    this.dropout = dropout > 0 ? new Dropout(dropout) : new Identity();
    this.fc = new Linear(width, classes);
    initialize(this, { conv: (weight) => kaimingNormal(weight, { mode: 'fanOut', nonlinearity: 'relu' }) });
  }

  forward(x: Tensor): Tensor {
    let y = this.maxpool.forward(this.relu.forward(this.bn1.forward(this.conv1.forward(x))));
    for (const layer of [this.layer1, this.layer2, this.layer3, this.layer4]) y = layer.forward(y);
    return this.fc.forward(this.dropout.forward(this.flatten.forward(this.avgpool.forward(y))));
  }
}

/**
 * A builder for images of any size; made for 224 x 224.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION (what it returns)
 */
function resnet(depth: Depth): (options?: ResNetOptions) => ResNet {
  const where = `resnet${depth}`;
  const defaults: Required<ResNetOptions> = { classes: 1000, inChannels: 3, dropout: 0, stem: 'imagenet' };
  return (options = {}) => {
    const read = readOptions(where, options, defaults);
    checkChoice(where, 'stem', read.stem, ['imagenet', 'cifar']);
    return noteBuilder(new ResNet(depth, read), where, read);
  };
}

/** ResNet of 8 basic blocks. */
export const resnet18 = resnet(18);
/** ResNet of 16 basic blocks. */
export const resnet34 = resnet(34);
/** ResNet of 16 bottleneck blocks. */
export const resnet50 = resnet(50);
/** ResNet of 33 bottleneck blocks. */
export const resnet101 = resnet(101);
/** ResNet of 50 bottleneck blocks. */
export const resnet152 = resnet(152);

/**
 * The parameter-free shortcut (option A of the paper): every second pixel, and zeros for the new channels, half of them in front and half
 * behind.
 */
class PaddedShortcut extends Module {
  constructor(private readonly newChannels: number) {
    super();
  }

  forward(x: Tensor): Tensor {
    const kept = maxPool2d(x, 1, { stride: 2, name: this.path });
    const [n, channels, height, width] = kept.shape as readonly [number, number, number, number];
    return padAt(kept, [0, this.newChannels / 2, 0, 0], [n, channels + this.newChannels, height, width], 0, this.path);
  }
}

/** 6 n + 2. */
const MOST_LAYERS = 9998;

/** The residual network for CIFAR-10: 3x3 convolutions of 16, 32 and 64 channels, (depth - 2) / 6 blocks each. */
export class ResNetCifar extends Module {
  readonly conv1: Conv2d;
  readonly bn1 = new BatchNorm2d(16);
  readonly relu = new ReLU();
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly flatten = new Flatten();
  linear: Linear;
  /** For classes of one's own that extend it; otherwise call `models.resnetCifar`. */
  constructor(depth: number, { classes, inChannels }: Required<ClassifierOptions>) {
    super();
    this.conv1 = conv3x3(inChannels, 16);
    const stage = (from: number, to: number): Sequential => {
      const blocks = Array.from({ length: (depth - 2) / 6 }, (_, i) =>
        i === 0 && from !== to ? new BasicBlock(from, to, 2, new PaddedShortcut(to - from)) : new BasicBlock(to, to, 1),
      );
      return new Sequential(...blocks);
    };
    this.layer1 = stage(16, 16);
    this.layer2 = stage(16, 32);
    this.layer3 = stage(32, 64);
    this.linear = new Linear(64, classes);
    const rule = (weight: Linear['weight']): unknown => kaimingNormal(weight);
    initialize(this, { conv: rule, linear: rule });
  }

  forward(x: Tensor): Tensor {
    let y = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    for (const layer of [this.layer1, this.layer2, this.layer3]) y = layer.forward(y);
    return this.linear.forward(this.flatten.forward(this.avgpool.forward(y)));
  }
}

/**
 * The residual network of section 4.2 for images of about 32 x 32, with parameter-free shortcuts.
 *
 * @param depth 20, 32, 44, 56, 110 or 1202 in the paper; 6 n + 2, at most 9998
 * @param options classes is 10 by default
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function resnetCifar(depth: number, options: ClassifierOptions = {}): ResNetCifar {
  checkInteger('resnetCifar', 'depth', depth, 8);
  if (depth > MOST_LAYERS) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `resnetCifar expects depth to be at most ${MOST_LAYERS} but got ${formatValue(depth)}. The paper's deepest network has 1202 layers.`,
    );
  }
  if (depth % 6 !== 2) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `resnetCifar expects depth to be 6 n + 2, such as 20, 32 or 56, but got ${formatValue(depth)}.`,
    );
  }
  const read = readOptions('resnetCifar', options, { classes: 10, inChannels: 3 });
  return noteBuilder(new ResNetCifar(depth, read), 'resnetCifar', depth, read);
}
