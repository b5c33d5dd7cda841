/** AlexNet in its one-tower form (Krizhevsky: "One weird trick for parallelizing convolutional neural networks", 2014), as torchvision has it. */

import type { Tensor } from '../graph/tensor';
import { AdaptiveAvgPool2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential } from '../nn';
import { noteBuilder } from '../nn/recipe';
import { readOptions, type ClassifierOptions, type DropoutOptions } from './common';

/** `dropout` acts before the first two linear layers; default 0.5. */
export interface AlexNetOptions extends ClassifierOptions, DropoutOptions {}

/** Five convolutions, then 4096, 4096 and `classes` units. */
export class AlexNet extends Module {
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d([6, 6]);
  readonly flatten = new Flatten();
  classifier: Sequential;
  /** For classes of one's own that extend it; otherwise call `models.alexnet`. */
  constructor({ classes, inChannels, dropout }: Required<AlexNetOptions>) {
    super();
    this.features = new Sequential(
      new Conv2d(inChannels, 64, 11, { stride: 4, padding: 2 }),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
      new Conv2d(64, 192, 5, { padding: 2 }),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
      new Conv2d(192, 384, 3, { padding: 1 }),
      new ReLU(),
      new Conv2d(384, 256, 3, { padding: 1 }),
      new ReLU(),
      new Conv2d(256, 256, 3, { padding: 1 }),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
    );
    this.classifier = new Sequential(
      new Dropout(dropout),
      new Linear(256 * 6 * 6, 4096),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, 4096),
      new ReLU(),
      new Linear(4096, classes),
    );
  }

  forward(x: Tensor): Tensor {
    return this.classifier.forward(this.flatten.forward(this.avgpool.forward(this.features.forward(x))));
  }
}

/**
 * AlexNet for images of at least 63 x 63; made for 224 x 224. Layers start as PyTorch starts them.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function alexnet(options: AlexNetOptions = {}): AlexNet {
  const read = readOptions('alexnet', options, { classes: 1000, inChannels: 3, dropout: 0.5 });
  return noteBuilder(new AlexNet(read), 'alexnet', read);
}
