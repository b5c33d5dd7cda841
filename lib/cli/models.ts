/** The models that the command line knows by name, and weights files that remember how their model was built. */

import { formatShape, formatValue, nearest, StridenetError } from '../errors';
import { loadSafetensors, readSafetensorsMetadata, saveSafetensors } from '../io/safetensors';
import { lenet5 } from '../models';
import { init, type Module } from '../nn';
import type { Arguments, OptionSpec } from './arguments';

/** What distinguishes two models of one name. Plain data: it is stored beside the weights. */
export interface ModelOptions {
  readonly classes?: number;
  readonly inChannels?: number;
  readonly activation?: 'relu' | 'sigmoid' | 'tanh';
  readonly pooling?: 'max' | 'avg';
  readonly init?: InitName;
}

export interface ModelEntry {
  /** [channels, height, width] that the model is made for. */
  readonly input: readonly [number, number, number];
  readonly build: (options: ModelOptions) => Module;
}

const INITS = { 'xavier-uniform': init.xavierUniform, 'xavier-normal': init.xavierNormal } as const;
type InitName = keyof typeof INITS;

/** The one table of names. */
export const MODELS: Readonly<Record<string, ModelEntry>> = {
  lenet5: {
    input: [1, 28, 28],
    build: ({ init: name, ...options }) => lenet5({ ...options, init: name && ((weight) => INITS[name](weight)) }),
  },
};

/** Options of the command line that choose a variant. */
export const MODEL_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  activation: { value: 'NAME', help: 'lenet5: relu, sigmoid or tanh (default relu, or what the weights file says)' },
  pooling: { value: 'NAME', help: 'lenet5: max or avg (default max, or what the weights file says)' },
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

/** The variant asked for by --activation and --pooling. */
export function variantOf(args: Arguments): ModelOptions {
  const activation = args.choice('activation', ['relu', 'sigmoid', 'tanh']);
  const pooling = args.choice('pooling', ['max', 'avg']);
  return { ...(activation && { activation }), ...(pooling && { pooling }) };
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
}

const DESCRIPTION_KEY = 'stridenet.model';

/** Saves weights together with what is needed to build the model again. */
export async function saveModel(path: string, model: Module, description: ModelDescription): Promise<void> {
  await saveSafetensors(path, model.stateDict(), { format: 'pt', [DESCRIPTION_KEY]: JSON.stringify(description) });
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
): Promise<{ model: Module; classNames: readonly string[] | undefined }> {
  const entry = findModel(name);
  const description = readDescription(path, (await readSafetensorsMetadata(path))[DESCRIPTION_KEY]);
  if (description && description.model !== name) {
    throw new StridenetError(
      'ERR_STATE_DICT_MISMATCH',
      `${formatValue(path)} holds weights of ${formatValue(description.model)}, not of ${formatValue(name)}. Name the model that it was trained as.`,
    );
  }
  const weights = await loadSafetensors(path);
  const model = entry.build({ ...defaults.options, ...description?.options, ...chosen, init: undefined });
  model.loadStateDict(weights);
  return { model, classNames: description?.classNames ?? defaults.classNames };
}

function readDescription(path: string, text: string | undefined): ModelDescription | undefined {
  if (text === undefined) return undefined;
  try {
    const { model, options, classNames } = JSON.parse(text) as Partial<ModelDescription>;
    const names = Array.isArray(classNames) && classNames.every((n) => typeof n === 'string');
    if (typeof model === 'string' && typeof options === 'object' && names) return { model, options, classNames };
  } catch {
    // The same complaint as for any other content.
  }
  throw new StridenetError(
    'ERR_BAD_FILE',
    `${formatValue(path)} has a damaged description of its model in its metadata (${DESCRIPTION_KEY}).`,
  );
}

/** @throws StridenetError ERR_SHAPE_MISMATCH when images are not what the model is made for */
export function checkImages(name: string, entry: ModelEntry, shape: readonly number[], where: string): void {
  if (shape[1] === entry.input[1] && shape[2] === entry.input[2]) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${name} expects images of ${entry.input[1]}x${entry.input[2]} but ${where} has ${formatShape(shape)} (channels, height, width).`,
  );
}
