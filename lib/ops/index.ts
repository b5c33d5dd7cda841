/** The public operations (`ops.*`): functions from tensors to tensors. Shapes are checked when they are called; nothing runs. */

import './methods';

export { abs, add, div, exp, log, maximum, minimum, mul, neg, pow, relu, sigmoid, sqrt, sub, tanh, type TensorLike } from './elementwise';
export { conv2d, type Conv2dOptions } from './conv';
export { avgPool2d, maxPool2d, type AvgPool2dOptions, type MaxPool2dOptions } from './pool';
export { adaptiveAvgPool2d, globalAvgPool2d } from './adaptivePool';
export { concat, slice, type ConcatOptions } from './slice';
export { pad2d, type Pad2dOptions, type PadAmount, type PadMode } from './pad';
export { dropout, dropout2d, type DropoutOptions } from './dropout';
export { linear, matmul, type LinearOptions } from './matmul';
export { batchNorm2d, type BatchNorm2dOptions } from './batchNorm';
export { localResponseNorm, type LocalResponseNormOptions } from './responseNorm';
export { broadcastTo, sum, type ReduceOptions } from './broadcast';
export { max, mean } from './reduce';
export { detach, flatten, reshape, transpose } from './shape';
export { clamp, gelu, hardswish, leakyRelu, relu6, silu } from './activation';
export type { ClampOptions, GeluApproximation, GeluOptions, LeakyReluOptions } from './activation';
export { crossEntropy, nllLoss, type CrossEntropyOptions, type NllLossOptions } from './crossEntropy';
export { bceWithLogits, hingeLoss, huberLoss, klDiv, l1Loss, mseLoss, smoothL1Loss } from './valueLoss';
export type {
  BceWithLogitsOptions,
  HingeLossOptions,
  HuberLossOptions,
  KlDivOptions,
  KlDivReduction,
  L1LossOptions,
  MseLossOptions,
  SmoothL1LossOptions,
} from './valueLoss';
export { diceLoss, focalLoss, type DiceLossOptions, type FocalLossOptions } from './classLoss';
export { cosineEmbeddingLoss, tripletMarginLoss } from './embeddingLoss';
export type { CosineEmbeddingLossOptions, TripletMarginLossOptions } from './embeddingLoss';
export type { LossOptions, LossReduction } from './reduction';
export { confusionCounts, countTopK, type CountOptions } from './counts';
export { countCorrect, logSoftmax, softmax, type SoftmaxOptions } from './softmax';
export { grad } from './differentiate';
export type { OpOptions } from './builder';
export type { Padding, Pair } from './window';
