/** The public `nn` namespace: modules, layers, initialisation and losses. */

export * as init from './init';
export { Flatten, Identity, ReLU, Sigmoid, Tanh } from './activation';
export { Conv2d, type Conv2dLayerOptions } from './conv';
export { Linear } from './linear';
export { crossEntropy, type Loss } from './loss';
export { Module, type LoadStateDictOptions } from './module';
export { Parameter, Variable } from './parameter';
export { AvgPool2d, MaxPool2d, type AvgPool2dLayerOptions, type MaxPool2dLayerOptions } from './pool';
export { Sequential } from './sequential';
