/**
 * Modules as plain data, so that a checkpoint can build its model again: what constructor to call with which arguments. Covers
 * the layers of this folder; a class of the user's has no recipe, since its code is not in the file.
 */

import { formatValue, StridenetError } from '../errors';
import { Flatten, GELU, Hardswish, Identity, LeakyReLU, LogSoftmax, ReLU, ReLU6, Sigmoid, SiLU, Softmax, Tanh } from './activation';
import { Conv2d } from './conv';
import { Dropout, Dropout2d } from './dropout';
import { Linear } from './linear';
import type { Module } from './module';
import { BatchNorm2d, LocalResponseNorm } from './norm';
import { ReflectionPad2d, ReplicationPad2d, ZeroPad2d } from './pad';
import { AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool2d, MaxPool2d } from './pool';
import { Sequential } from './sequential';

export interface ModuleRecipe {
  /** Name of the class. */
  readonly kind: string;
  /** Arguments of its constructor; recipes in place of modules. */
  readonly args: readonly unknown[];
}

interface Kind {
  readonly type: unknown;
  args(module: Module): unknown[];
  make(args: readonly unknown[]): Module;
}

/** @param args the constructor's arguments, read back from an instance */
function kind<M extends Module, Args extends unknown[]>(type: new (...args: Args) => M, args: (module: M) => [...Args]): Kind {
  return { type, args: (module) => args(module as M), make: (values) => new type(...(values as Args)) };
}

const KINDS: Readonly<Record<string, Kind>> = {
  Conv2d: kind(Conv2d, ({ inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias }) => [
    inChannels,
    outChannels,
    kernelSize,
    { stride, padding, dilation, groups, bias: bias !== undefined },
  ]),
  Linear: kind(Linear, ({ inFeatures, outFeatures, bias }) => [inFeatures, outFeatures, { bias: bias !== undefined }]),
  MaxPool2d: kind(MaxPool2d, ({ kernelSize, stride, padding, dilation, ceilMode }) => [
    kernelSize,
    { stride, padding, dilation, ceilMode },
  ]),
  AvgPool2d: kind(AvgPool2d, ({ kernelSize, stride, padding, ceilMode, countIncludePad }) => [
    kernelSize,
    { stride, padding, ceilMode, countIncludePad },
  ]),
  AdaptiveAvgPool2d: kind(AdaptiveAvgPool2d, ({ outputSize }) => [outputSize]),
  GlobalAvgPool2d: kind(GlobalAvgPool2d, () => []),
  ZeroPad2d: kind(ZeroPad2d, ({ padding }) => [padding]),
  ReflectionPad2d: kind(ReflectionPad2d, ({ padding }) => [padding]),
  ReplicationPad2d: kind(ReplicationPad2d, ({ padding }) => [padding]),
  Dropout: kind(Dropout, ({ p }) => [p]),
  Dropout2d: kind(Dropout2d, ({ p }) => [p]),
  BatchNorm2d: kind(BatchNorm2d, ({ numFeatures, eps, momentum, affine, trackRunningStats }) => [
    numFeatures,
    { eps, momentum, affine, trackRunningStats },
  ]),
  LocalResponseNorm: kind(LocalResponseNorm, ({ size, alpha, beta, k }) => [size, { alpha, beta, k }]),
  Flatten: kind(Flatten, ({ startAxis }) => [{ startAxis }]),
  ReLU: kind(ReLU, () => []),
  Sigmoid: kind(Sigmoid, () => []),
  Tanh: kind(Tanh, () => []),
  Identity: kind(Identity, () => []),
  ReLU6: kind(ReLU6, () => []),
  LeakyReLU: kind(LeakyReLU, ({ negativeSlope }) => [{ negativeSlope }]),
  GELU: kind(GELU, ({ approximate }) => [{ approximate }]),
  SiLU: kind(SiLU, () => []),
  Hardswish: kind(Hardswish, () => []),
  Softmax: kind(Softmax, ({ axis }) => [{ axis }]),
  LogSoftmax: kind(LogSoftmax, ({ axis }) => [{ axis }]),
};

/** The recipe of a module made of this package's layers alone, or undefined. */
export function recipeOf(module: Module): ModuleRecipe | undefined {
  if (module.constructor === Sequential) {
    const args = [...(module as Sequential)].map(recipeOf);
    return args.includes(undefined) ? undefined : { kind: 'Sequential', args };
  }
  const found = Object.entries(KINDS).find(([, { type }]) => module.constructor === type);
  return found && { kind: found[0], args: found[1].args(module) };
}

/** A new module from a recipe. @throws StridenetError ERR_BAD_FILE for what is no recipe */
export function moduleFrom(recipe: unknown): Module {
  const { kind: name, args } = (recipe ?? {}) as Partial<ModuleRecipe>;
  if (typeof name !== 'string' || !Array.isArray(args) || (name !== 'Sequential' && !Object.hasOwn(KINDS, name))) {
    throw new StridenetError('ERR_BAD_FILE', `A recipe of a model expects a known kind and its arguments but is ${formatValue(recipe)}.`);
  }
  return name === 'Sequential' ? new Sequential(...args.map(moduleFrom)) : KINDS[name]!.make(args);
}
