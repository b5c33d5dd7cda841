/** GoogLeNet (Szegedy et al.: "Going deeper with convolutions", 2014) with batch normalisation, as torchvision has it. */

import { checkBoolean, StridenetError } from '../errors';
import { tensor } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import { AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential } from '../nn';
import { normal } from '../nn/init';
import { noteBuilder } from '../nn/recipe';
import { add, concat, mul } from '../ops';
import { initialize, readOptions, type ClassifierOptions, type DropoutOptions } from './common';

/** `dropout` acts before the last linear layer; default 0.2. */
export interface GoogLeNetOptions extends ClassifierOptions, DropoutOptions {
  /** Two more classifiers in the middle, which take part in training alone; default true. */
  auxLogits?: boolean | undefined;
  /** Dropout of the auxiliary classifiers; default 0.7. */
  dropoutAux?: number | undefined;
  /**
   * For images that are normalised by ImageNet's mean [0.485, 0.456, 0.406] and deviation [0.229, 0.224, 0.225]: the model makes of them
   * images of mean 0.5 and deviation 0.5, which torchvision's weights were trained on. Needs 3 channels. Default false, as torchvision's
   * without weights; pass true when its weights are loaded.
   */
  transformInput?: boolean | undefined;
}

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;

/** Images [N, 3, H, W] normalised by ImageNet's mean and deviation, as they are when normalised by 0.5 and 0.5. */
function fromImageNet(x: Tensor): Tensor {
  const scale = IMAGENET.std.map((std) => std / 0.5);
  const shift = IMAGENET.mean.map((mean) => (mean - 0.5) / 0.5);
  return add(mul(x, tensor(scale, [1, 3, 1, 1])), tensor(shift, [1, 3, 1, 1]));
}

/** The six widths of an inception block: 1x1; 3x3 and what stands before it; "5x5" and what stands before it; after pooling. */
type Widths = readonly [ch1x1: number, ch3x3red: number, ch3x3: number, ch5x5red: number, ch5x5: number, poolProj: number];

class BasicConv2d extends Module {
  readonly conv: Conv2d;
  readonly bn: BatchNorm2d;
  readonly relu = new ReLU();

  constructor(inChannels: number, outChannels: number, kernel: number, options: { stride?: number; padding?: number } = {}) {
    super();
    this.conv = new Conv2d(inChannels, outChannels, kernel, { ...options, bias: false });
    this.bn = new BatchNorm2d(outChannels, { eps: 0.001 });
  }

  forward(x: Tensor): Tensor {
    return this.relu.forward(this.bn.forward(this.conv.forward(x)));
  }
}

/** Four branches side by side. The third has a 3x3 kernel where the paper has 5x5: torchvision's weights are so. */
class Inception extends Module {
  readonly branch1: BasicConv2d;
  readonly branch2: Sequential;
  readonly branch3: Sequential;
  readonly branch4: Sequential;

  constructor(inChannels: number, [ch1x1, ch3x3red, ch3x3, ch5x5red, ch5x5, poolProj]: Widths) {
    super();
    this.branch1 = new BasicConv2d(inChannels, ch1x1, 1);
    this.branch2 = new Sequential(new BasicConv2d(inChannels, ch3x3red, 1), new BasicConv2d(ch3x3red, ch3x3, 3, { padding: 1 }));
    this.branch3 = new Sequential(new BasicConv2d(inChannels, ch5x5red, 1), new BasicConv2d(ch5x5red, ch5x5, 3, { padding: 1 }));
    this.branch4 = new Sequential(new MaxPool2d(3, { stride: 1, padding: 1, ceilMode: true }), new BasicConv2d(inChannels, poolProj, 1));
  }

  forward(x: Tensor): Tensor {
    const branches = [this.branch1, this.branch2, this.branch3, this.branch4].map((branch) => branch.forward(x));
    return concat(branches, { axis: 1, name: this.path });
  }
}

class InceptionAux extends Module {
  readonly avgpool = new AdaptiveAvgPool2d([4, 4]);
  readonly conv: BasicConv2d;
  readonly flatten = new Flatten();
  readonly fc1 = new Linear(128 * 4 * 4, 1024);
  readonly relu = new ReLU();
  readonly fc2: Linear;
  readonly dropout: Dropout;

  constructor(inChannels: number, classes: number, dropout: number) {
    super();
    this.conv = new BasicConv2d(inChannels, 128, 1);
    this.fc2 = new Linear(1024, classes);
    this.dropout = new Dropout(dropout);
  }

  forward(x: Tensor): Tensor {
    const y = this.flatten.forward(this.conv.forward(this.avgpool.forward(x)));
    return this.fc2.forward(this.dropout.forward(this.relu.forward(this.fc1.forward(y))));
  }
}

/** Nine inception blocks. Training adds the losses of the auxiliary classifiers, each times `auxiliaryWeight`. */
export class GoogLeNet extends Module {
  /** The paper's. */
  readonly auxiliaryWeight = 0.3;
  readonly transformInput: boolean;
  readonly conv1: BasicConv2d;
  readonly maxpool1 = new MaxPool2d(3, { stride: 2, ceilMode: true });
  readonly conv2 = new BasicConv2d(64, 64, 1);
  readonly conv3 = new BasicConv2d(64, 192, 3, { padding: 1 });
  readonly maxpool2 = new MaxPool2d(3, { stride: 2, ceilMode: true });
  readonly inception3a = new Inception(192, [64, 96, 128, 16, 32, 32]);
  readonly inception3b = new Inception(256, [128, 128, 192, 32, 96, 64]);
  readonly maxpool3 = new MaxPool2d(3, { stride: 2, ceilMode: true });
  readonly inception4a = new Inception(480, [192, 96, 208, 16, 48, 64]);
  readonly inception4b = new Inception(512, [160, 112, 224, 24, 64, 64]);
  readonly inception4c = new Inception(512, [128, 128, 256, 24, 64, 64]);
  readonly inception4d = new Inception(512, [112, 144, 288, 32, 64, 64]);
  readonly inception4e = new Inception(528, [256, 160, 320, 32, 128, 128]);
  readonly maxpool4 = new MaxPool2d(2, { ceilMode: true });
  readonly inception5a = new Inception(832, [256, 160, 320, 32, 128, 128]);
  readonly inception5b = new Inception(832, [384, 192, 384, 48, 128, 128]);
  readonly aux1?: InceptionAux;
  readonly aux2?: InceptionAux;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly flatten = new Flatten();
  readonly dropout: Dropout;
  fc: Linear;
  /** For classes of one's own that extend it; otherwise call `models.googlenet`. */
  constructor({ classes, inChannels, dropout, auxLogits, dropoutAux, transformInput }: Required<GoogLeNetOptions>) {
    super();
    this.transformInput = transformInput;
    this.conv1 = new BasicConv2d(inChannels, 64, 7, { stride: 2, padding: 3 });
    if (auxLogits) {
      this.aux1 = new InceptionAux(512, classes, dropoutAux);
      this.aux2 = new InceptionAux(528, classes, dropoutAux);
    }
    this.dropout = new Dropout(dropout);
    this.fc = new Linear(1024, classes);
    // torchvision cuts this normal distribution off at 200 standard deviations, which no draw reaches.
    const rule = (weight: Linear['weight']): unknown => normal(weight, { std: 0.01 });
    initialize(this, { conv: rule, linear: rule });
  }

  /** The logits. */
  forward(x: Tensor): Tensor {
    return this.body(x).logits;
  }

  /** Logits, then those of aux2 and aux1 (torchvision's order); the logits alone when the model has no auxiliary classifiers. */
  forwardAll(x: Tensor): Tensor[] {
    const { logits, middle1, middle2 } = this.body(x);
    return [logits, ...(this.aux2 ? [this.aux2.forward(middle2)] : []), ...(this.aux1 ? [this.aux1.forward(middle1)] : [])];
  }

  private body(x: Tensor): { logits: Tensor; middle1: Tensor; middle2: Tensor } {
    const through = (y: Tensor, ...layers: Module[]): Tensor => layers.reduce((z, layer) => layer.forward(z), y);
    const stem = through(this.transformInput ? fromImageNet(x) : x, this.conv1, this.maxpool1, this.conv2, this.conv3, this.maxpool2);
    const middle1 = through(stem, this.inception3a, this.inception3b, this.maxpool3, this.inception4a);
    const middle2 = through(middle1, this.inception4b, this.inception4c, this.inception4d);
    const top = through(middle2, this.inception4e, this.maxpool4, this.inception5a, this.inception5b);
    return { logits: through(top, this.avgpool, this.flatten, this.dropout, this.fc), middle1, middle2 };
  }
}

/**
 * GoogLeNet for images of at least 15 x 15; made for 224 x 224.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function googlenet(options: GoogLeNetOptions = {}): GoogLeNet {
  const defaults = { classes: 1000, inChannels: 3, dropout: 0.2, auxLogits: true, dropoutAux: 0.7, transformInput: false };
  const read = readOptions('googlenet', options, defaults);
  checkBoolean('googlenet', 'auxLogits', read.auxLogits);
  if (checkBoolean('googlenet', 'transformInput', read.transformInput) && read.inChannels !== 3) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `googlenet expects inChannels to be 3 with transformInput, which is about red, green and blue, but got ${read.inChannels}.`,
    );
  }
  return noteBuilder(new GoogLeNet(read), 'googlenet', read);
}
