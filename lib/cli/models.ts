/** The models that the command line knows by name, and weights files that remember how their model was built. */

import { formatShape, formatValue, nearest, StridenetError } from '../errors';
import { parseJson } from '../io/json';
import { loadSafetensors, readSafetensorsMetadata, saveSafetensors } from '../io/safetensors';
import * as models from '../models';
import { init, type Module } from '../nn';
import { SLOT_PREFIX } from '../train/checkpoint';
import type { Arguments, OptionSpec } from './arguments';

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

/** Options of the command line that choose a variant. */
export const MODEL_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  activation: { value: 'NAME', help: 'lenet5: relu, sigmoid or tanh (default relu, or what the weights file says)' },
  pooling: { value: 'NAME', help: 'lenet5: max or avg (default max, or what the weights file says)' },
  stem: {
    value: 'NAME',
    help: 'resnet18 to resnet152: imagenet, or cifar for small images (default imagenet, or what the weights file says)',
  },
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

/** The variant asked for by --activation, --pooling and --stem. */
export function variantOf(args: Arguments): ModelOptions {
  const activation = args.choice('activation', ['relu', 'sigmoid', 'tanh']);
  const pooling = args.choice('pooling', ['max', 'avg']);
  const stem = args.choice('stem', ['imagenet', 'cifar']);
  return { ...(activation && { activation }), ...(pooling && { pooling }), ...(stem && { stem }) };
}

export function initOf(args: Arguments): ModelOptions {
  const name = args.choice('init', Object.keys(INITS) as InitName[]);
  return name ? { init: name } : {};
}

/** What a weights file says about its model. */
export interface ModelDescription {
  readonly model: string;
  readonly options: ModelOptions;
  readonly classNames: readonly string[];
  /** [channels, height, width] of the images it was trained on; absent in files of older versions. */
  readonly input?: ModelEntry['input'];
}

const DESCRIPTION_KEY = 'stridenet.model';

/** Metadata of a file that holds the model's weights. */
export function modelMetadata(description: ModelDescription): Record<string, string> {
  return { [DESCRIPTION_KEY]: JSON.stringify(description) };
}

/** Saves weights together with what is needed to build the model again. */
export async function saveModel(path: string, model: Module, description: ModelDescription): Promise<void> {
  await saveSafetensors(path, model.stateDict(), { format: 'pt', ...modelMetadata(description) });
}

/**
 * Builds a model and loads its weights. A file that this program wrote knows its variant and class names; for others the arguments,
 * `defaults` and the model's own defaults count.
 * @throws StridenetError as loadSafetensors and loadStateDict; ERR_STATE_DICT_MISMATCH when the file belongs to another model
 */
export async function loadModel(
  name: string,
  path: string,
  chosen: ModelOptions,
  defaults: { options?: ModelOptions; classNames?: readonly string[] } = {},
): Promise<{ model: Module; classNames: readonly string[] | undefined; input: ModelEntry['input'] }> {
  const entry = findModel(name);
  const description = readDescription(path, (await readSafetensorsMetadata(path))[DESCRIPTION_KEY]);
  if (description && description.model !== name) {
    throw new StridenetError(
      'ERR_STATE_DICT_MISMATCH',
      `${formatValue(path)} holds weights of ${formatValue(description.model)}, not of ${formatValue(name)}. Name the model that it was trained as.`,
    );
  }
  const weights = await loadSafetensors(path);
  // A checkpoint has what the optimizer remembers beside the weights.
  for (const tensor of weights.keys()) if (tensor.startsWith(SLOT_PREFIX)) weights.delete(tensor);
  const model = entry.build({ ...defaults.options, ...description?.options, ...chosen, init: undefined });
  model.loadStateDict(weights);
  return { model, classNames: description?.classNames ?? defaults.classNames, input: description?.input ?? entry.input };
}

function readDescription(path: string, text: string | undefined): ModelDescription | undefined {
  if (text === undefined) return undefined;
  try {
    const { model, options, classNames, input } = parseJson(text) as Partial<ModelDescription>;
    const names = Array.isArray(classNames) && classNames.every((n) => typeof n === 'string');
    const image =
      input === undefined || (Array.isArray(input) && input.length === 3 && input.every((d) => Number.isSafeInteger(d) && d > 0));
    if (typeof model === 'string' && typeof options === 'object' && names && image) return { model, options, classNames, input };
  } catch {
    // The same complaint as for any other content.
  }
  throw new StridenetError(
    'ERR_BAD_FILE',
    `${formatValue(path)} has a damaged description of its model in its metadata (${DESCRIPTION_KEY}).`,
  );
}

/** @throws StridenetError ERR_SHAPE_MISMATCH when images are not what the model takes */
export function checkImages(name: string, entry: ModelEntry, shape: readonly number[], where: string): void {
  const [, height, width] = entry.input;
  const { smallest } = entry;
  if (smallest === undefined ? shape[1] === height && shape[2] === width : shape[1]! >= smallest && shape[2]! >= smallest) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${name} expects images of ${smallest === undefined ? `${height}x${width}` : `at least ${smallest}x${smallest}`} ` +
      `but ${where} has ${formatShape(shape)} (channels, height, width).`,
  );
}
