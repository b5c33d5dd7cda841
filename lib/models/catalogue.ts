/** The models by name, as the command line and the benchmarks know them. */

import { formatValue, nearest, StridenetError } from '../errors';
import { init, type Module } from '../nn';
import * as models from '.';

/** What distinguishes two models of one name. Plain data: it is stored beside the weights. */
export interface ModelOptions {
  readonly classes?: number;
  readonly inChannels?: number;
  readonly activation?: 'relu' | 'sigmoid' | 'tanh';
  readonly pooling?: 'max' | 'avg';
  readonly stem?: 'imagenet' | 'cifar';
  readonly init?: InitName;
}

export interface ModelEntry {
  /** [channels, height, width] that the model is made for. */
  readonly input: readonly [number, number, number];
  /** Smallest height and width that the model takes; absent: it takes no other size than its own. */
  readonly smallest?: number;
  readonly build: (options: ModelOptions) => Module;
}

const INITS = { 'xavier-uniform': init.xavierUniform, 'xavier-normal': init.xavierNormal } as const;
type InitName = keyof typeof INITS;
/** The initial weights that have a name. */
export const INIT_NAMES = Object.keys(INITS) as InitName[];

/** A model for ImageNet that takes images of other sizes too. */
function imagenet(build: (options: models.ClassifierOptions) => Module, smallest: number): ModelEntry {
  return { input: [3, 224, 224], smallest, build: (options) => build(given(options)) };
}

/** A residual network for CIFAR. */
function cifar(depth: number): ModelEntry {
  return { input: [3, 32, 32], smallest: 1, build: (options) => models.resnetCifar(depth, given(options)) };
}

/** Without what is undefined: a model refuses options that it does not know, such as --pooling for a ResNet. */
function given(options: ModelOptions): models.ClassifierOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** The one table of names. */
export const MODELS: Readonly<Record<string, ModelEntry>> = {
  lenet5: {
    input: [1, 28, 28],
    build: ({ init: name, ...options }) => models.lenet5({ ...given(options), init: name && ((weight) => INITS[name](weight)) }),
  },
  alexnet: imagenet(models.alexnet, 63),
  vgg11: imagenet(models.vgg11, 32),
  vgg13: imagenet(models.vgg13, 32),
  vgg16: imagenet(models.vgg16, 32),
  vgg19: imagenet(models.vgg19, 32),
  vgg11bn: imagenet(models.vgg11bn, 32),
  vgg13bn: imagenet(models.vgg13bn, 32),
  vgg16bn: imagenet(models.vgg16bn, 32),
  vgg19bn: imagenet(models.vgg19bn, 32),
  nin: imagenet(models.nin, 67),
  googlenet: imagenet(models.googlenet, 15),
  resnet18: imagenet(models.resnet18, 1),
  resnet34: imagenet(models.resnet34, 1),
  resnet50: imagenet(models.resnet50, 1),
  resnet101: imagenet(models.resnet101, 1),
  resnet152: imagenet(models.resnet152, 1),
  densenet121: imagenet(models.densenet121, 29),
  mobilenetV2: imagenet(models.mobilenetV2, 1),
  resnetCifar20: cifar(20),
  resnetCifar32: cifar(32),
  resnetCifar44: cifar(44),
  resnetCifar56: cifar(56),
  resnetCifar110: cifar(110),
};

/** @throws StridenetError ERR_UNKNOWN_MODEL with the nearest name */
export function findModel(name: string): ModelEntry {
  if (Object.hasOwn(MODELS, name)) return MODELS[name]!;
  const names = Object.keys(MODELS);
  const near = nearest(name, names);
  throw new StridenetError(
    'ERR_UNKNOWN_MODEL',
    `There is no model ${formatValue(name)}. ${near ? `Did you mean "${near}"?` : `Models: ${names.join(', ')}.`}`,
  );
}
