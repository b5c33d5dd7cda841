/**
 * stridenet: train and serve convolutional neural networks on the CPU.
 *
 * @packageDocumentation
 */

import './runtime/evaluate';

export { full, ones, randn, tensor, zeros } from './graph/leaves';
export { Tensor } from './graph/tensor';
export type { DType, NestedArray, Shape, TypedArray } from './graph/types';
export { StridenetError, type ErrorCode } from './errors';
export { manualSeed } from './random';
export * as ops from './ops';
export * as nn from './nn';
export * as models from './models';
export * as optim from './optim';
export * as data from './data';
export * from './train';
export { summary, type LayerSummary, type Summary } from './summary';
export { loadSafetensors, readSafetensorsMetadata, saveSafetensors } from './io/safetensors';
