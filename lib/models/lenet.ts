/** LeNet-5 as the course builds it (d2l.ai, 7.6): the 1998 network without its Gaussian output layer. */

import { checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import { ReLU, Sigmoid, Tanh, Flatten } from '../nn/activation';
import { Conv2d } from '../nn/conv';
import { type InitRule } from '../nn/init';
import { Linear } from '../nn/linear';
import type { Module } from '../nn/module';
import { AvgPool2d, MaxPool2d } from '../nn/pool';
import { Sequential } from '../nn/sequential';

/** Options of `models.lenet5`. */
export interface LeNet5Options {
  /** Default 10. */
  classes?: number | undefined;
  /** Default 1. */
  inChannels?: number | undefined;
  /** Default 'relu'; the course has 'sigmoid'. */
  activation?: 'relu' | 'sigmoid' | 'tanh' | undefined;
  /** Default 'max'; the course has 'avg'. */
  pooling?: 'max' | 'avg' | undefined;
  /** Applied to every weight, such as `nn.init.xavierUniform`; biases keep PyTorch's. Default: PyTorch's. */
  init?: InitRule | undefined;
}

const ACTIVATIONS = { relu: ReLU, sigmoid: Sigmoid, tanh: Tanh };
const POOLINGS = { max: MaxPool2d, avg: AvgPool2d };

/**
 * Convolution 6@5x5 (padding 2), pool 2, convolution 16@5x5, pool 2, then 120, 84 and `classes` units, for images [inChannels, 28, 28].
 * Parameters are named as in the course's Sequential: 0, 3, 7, 9 and 11.
 *
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example const course = models.lenet5({ activation: 'sigmoid', pooling: 'avg', init: nn.init.xavierUniform });
 * @see https://d2l.ai/chapter_convolutional-neural-networks/lenet.html
 */
export function lenet5(options: LeNet5Options = {}): Sequential {
  checkOptions('lenet5', options, ['classes', 'inChannels', 'activation', 'pooling', 'init']);
  const { classes = 10, inChannels = 1, activation = 'relu', pooling = 'max', init } = options;
  checkInteger('lenet5', 'classes', classes, 1);
  checkInteger('lenet5', 'inChannels', inChannels, 1);
  const Activation = choose('activation', activation, ACTIVATIONS);
  const Pool = choose('pooling', pooling, POOLINGS);
  if (init !== undefined && typeof init !== 'function') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `lenet5 expects init to be a function of a weight, such as nn.init.xavierUniform, but got ${formatValue(init)}.`,
    );
  }
  const model = new Sequential(
    new Conv2d(inChannels, 6, 5, { padding: 2 }),
    new Activation(),
    new Pool(2),
    new Conv2d(6, 16, 5),
    new Activation(),
    new Pool(2),
    new Flatten(),
    new Linear(16 * 5 * 5, 120),
    new Activation(),
    new Linear(120, 84),
    new Activation(),
    new Linear(84, classes),
  );
  if (init) model.apply((module: Module) => void ((module instanceof Conv2d || module instanceof Linear) && init(module.weight)));
  return model;
}

function choose<T>(name: string, value: string, choices: Readonly<Record<string, T>>): T {
  if (Object.hasOwn(choices, value)) return choices[value]!;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `lenet5 expects ${name} to be one of ${Object.keys(choices).join(', ')} but got ${formatValue(value)}.`,
  );
}
