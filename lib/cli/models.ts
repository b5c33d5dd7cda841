/** Models as the command line takes them, and weights files that remember how their model was built. */

import { formatNames, formatShape, formatValue, StridenetError } from '../errors';
import { parseJson } from '../io/json';
import { loadSafetensors, readSafetensorsMetadata, saveSafetensors } from '../io/safetensors';
import { findModel, type ModelEntry, type ModelOptions } from '../models/catalogue';
import type { Module } from '../nn';
import { isSlotName } from '../optim/optimizer';
import type { Arguments, OptionSpec } from './arguments';

/** Options of the command line that choose a variant. */
export const MODEL_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  activation: { value: 'NAME', help: 'lenet5: relu, sigmoid or tanh (default relu, or what the weights file says)' },
  pooling: { value: 'NAME', help: 'lenet5: max or avg (default max, or what the weights file says)' },
  stem: {
    value: 'NAME',
    help: 'resnet18 to resnet152: imagenet, or cifar for small images (default imagenet, or what the weights file says)',
  },
};

/** The variant asked for by --activation, --pooling and --stem. */
export function variantOf(args: Arguments): ModelOptions {
  const activation = args.choice('activation', ['relu', 'sigmoid', 'tanh']);
  const pooling = args.choice('pooling', ['max', 'avg']);
  const stem = args.choice('stem', ['imagenet', 'cifar']);
  return { ...(activation && { activation }), ...(pooling && { pooling }), ...(stem && { stem }) };
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
  for (const tensor of weights.keys()) if (isSlotName(tensor)) weights.delete(tensor);
  const model = entry.build({ ...defaults.options, ...description?.options, ...chosen, init: undefined });
  model.loadStateDict(weights);
  return { model, classNames: description?.classNames ?? defaults.classNames, input: description?.input ?? entry.input };
}

/** Names of the classes that a file of this program was trained on, if it says them. @throws StridenetError ERR_FILE_ACCESS, ERR_BAD_FILE */
export async function trainedClasses(path: string): Promise<readonly string[] | undefined> {
  return readDescription(path, (await readSafetensorsMetadata(path))[DESCRIPTION_KEY])?.classNames;
}

/** Folders of other names would be counted as other classes. @param weights the file @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkClassNames(weights: string, trained: readonly string[] | undefined, classes: readonly string[]): void {
  if (!trained || trained.join('\n') === classes.join('\n')) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${formatValue(weights)} is for the classes ${formatNames(trained)} but the folders of pictures are ${formatNames(classes)}.`,
  );
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
    // Refuses it in the words that any other content gets.
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
