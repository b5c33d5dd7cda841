/**
 * stridenet: train and serve convolutional neural networks on the CPU.
 *
 * @packageDocumentation
 */

// For Symbol.dispose in the types, whatever library the user's settings name.
/// <reference lib="esnext.disposable" preserve="true" />

import './runtime/evaluate';

export { full, ones, randn, tensor, zeros, type RandnOptions, type TensorOptions } from './graph/leaves';
export { Tensor } from './graph/tensor';
export type { ArrayOf, DType, DTypeOf, ElementType, NestedArray, Shape, TypedArray } from './graph/types';
export { StridenetError, type ErrorCode } from './errors';
export { manualSeed } from './random';
export * as ops from './ops';
export * as nn from './nn';
export * as models from './models';
export * as metrics from './metrics';
export * as optim from './optim';
export * as callbacks from './callbacks';
export * as transforms from './transforms';
export * as data from './data';
export * from './train';
export { watch, type Watch, type WatchOptions } from './report/watch';
export { summary, type LayerSummary, type Summary } from './summary';
export { loadSafetensors, readSafetensorsMetadata, saveSafetensors } from './io/safetensors';
