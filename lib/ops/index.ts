/** The public operations (`ops.*`): functions from tensors to tensors. Shapes are checked when they are called; nothing runs. */

import './methods';

export { abs, add, div, exp, log, maximum, minimum, mul, neg, pow, relu, sigmoid, sqrt, sub, tanh } from './elementwise';
export { conv2d, type Conv2dOptions } from './conv';
export { avgPool2d, maxPool2d, type AvgPool2dOptions, type MaxPool2dOptions } from './pool';
export { linear, matmul } from './matmul';
export { broadcastTo, max, mean, sum, type ReduceOptions } from './reduce';
export { detach, flatten, reshape, transpose } from './shape';
export { countCorrect, crossEntropy, logSoftmax, softmax } from './softmax';
export { grad } from '../compile/differentiate';
export type { Padding, Pair } from './window';
