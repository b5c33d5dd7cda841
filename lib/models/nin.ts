/** Network in network (Lin, Chen, Yan, 2013) as the course has it (d2l.ai, 8.3). */

import { AdaptiveAvgPool2d, Conv2d, Dropout, Flatten, MaxPool2d, ReLU, Sequential } from '../nn';
import { xavierUniform } from '../nn/init';
import { initialize, readOptions, type ClassifierOptions, type DropoutOptions } from './common';

/** `dropout` acts before the last block; default 0.5. */
export interface NiNOptions extends ClassifierOptions, DropoutOptions {}

/** A convolution followed by two 1x1 convolutions: a small network applied at every pixel. */
function block(inChannels: number, outChannels: number, kernel: number, stride: number, padding: number): Sequential {
  return new Sequential(
    new Conv2d(inChannels, outChannels, kernel, { stride, padding }),
    new ReLU(),
    new Conv2d(outChannels, outChannels, 1),
    new ReLU(),
    new Conv2d(outChannels, outChannels, 1),
    new ReLU(),
  );
}

/**
 * Four blocks and global average pooling in place of linear layers, made for 224 x 224. Weights start as the course starts them
 * (xavier-uniform).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see https://d2l.ai/chapter_convolutional-modern/nin.html
 */
export function nin(options: NiNOptions = {}): Sequential {
  const { classes, inChannels, dropout } = readOptions('nin', options, { classes: 1000, inChannels: 3, dropout: 0.5 });
  const model = new Sequential(
    block(inChannels, 96, 11, 4, 0),
    new MaxPool2d(3, { stride: 2 }),
    block(96, 256, 5, 1, 2),
    new MaxPool2d(3, { stride: 2 }),
    block(256, 384, 3, 1, 1),
    new MaxPool2d(3, { stride: 2 }),
    new Dropout(dropout),
    block(384, classes, 3, 1, 1),
    new AdaptiveAvgPool2d(1),
    new Flatten(),
  );
  return initialize(model, { conv: (weight) => xavierUniform(weight) });
}
