/** The public `nn` namespace: modules, layers, initialisation and losses. */

export * as init from './init';
export { Flatten, GELU, Hardswish, Identity, LeakyReLU, LogSoftmax, ReLU, ReLU6, Sigmoid, SiLU, Softmax, Tanh } from './activation';
export type {
  FlattenLayerOptions,
  GELULayerOptions,
  LeakyReLULayerOptions,
  LogSoftmaxLayerOptions,
  SoftmaxLayerOptions,
} from './activation';
export { ModuleDict, ModuleList } from './containers';
export { Conv2d, type Conv2dLayerOptions } from './conv';
export { Dropout, Dropout2d } from './dropout';
export { Linear, type LinearLayerOptions } from './linear';
export {
  bceWithLogits,
  cosineEmbedding,
  crossEntropy,
  dice,
  focal,
  hinge,
  huber,
  klDiv,
  l1,
  mse,
  mseLoss,
  nll,
  smoothL1,
  tripletMargin,
} from './loss';
export type {
  BceWithLogitsLossOptions,
  CosineEmbeddingOptions,
  CrossEntropyLossOptions,
  DiceLossOptions,
  FocalLossOptions,
  HingeLossOptions,
  HuberLossOptions,
  KlDivLossOptions,
  L1LossOptions,
  Loss,
  MseLossOptions,
  NllLossOptions,
  SmoothL1LossOptions,
  TripletMarginOptions,
} from './loss';
export { type LoadedStateDict, type LoadStateDictOptions } from './loadStateDict';
export { Module } from './module';
export { ReflectionPad2d, ReplicationPad2d, ZeroPad2d } from './pad';
export { BatchNorm2d, LocalResponseNorm, type BatchNorm2dLayerOptions, type LocalResponseNormLayerOptions } from './norm';
export { Parameter, Variable } from './parameter';
export { AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool2d, MaxPool2d, type AvgPool2dLayerOptions, type MaxPool2dLayerOptions } from './pool';
export { Sequential } from './sequential';
