/**
 * Checkpoints of a Trainer: a safetensors file with the weights under their own names, optimizer slots under `optimizer/`, and
 * scalars as metadata.
 */

import { formatNames, formatShape, formatValue, StridenetError } from '../errors';
import { notedPreprocessing, notePreprocessing, PREPROCESS_KEY, preprocessingMetadata, statedPreprocessing } from '../graph/preprocess';
import type { Tensor } from '../graph/tensor';
import { parseJson } from '../io/json';
import { loadSafetensorsWithMetadata, saveSafetensors } from '../io/safetensors';
import * as models from '../models';
import { lossFrom, type LossRecipe } from '../nn/loss';
import { takeOver } from '../nn/loadStateDict';
import type { Module } from '../nn/module';
import { withVariableLimit, type Variable } from '../nn/parameter';
import { moduleFrom, type ModuleRecipe } from '../nn/recipe';
import { groupsFrom } from '../optim/groups';
import { isSlotName, slotName, type Optimizer, type OptimizerRecipe } from '../optim/optimizer';
import * as optimizers from '../optim/optimizers';
import { randomState, restoreRandomState } from '../random';
import type { ClippingOptions } from './clipping';
import { formatProgress, parseProgress, type FitProgress } from './fitProgress';
import { isSettings, type SavedSettings } from './savedSettings';
import type { TrainerOptions } from './trainerOptions';

const FORMAT = 'stridenet checkpoint 1';
/** What a checkpoint's metadata is called. */
const OWN_NAMES = ['format', 'state', 'random', 'fit', 'recipe', PREPROCESS_KEY];

/** Sequentials inside each other take three levels each. */
const RECIPE_DEPTH = 512;
/** A recipe may build a model of the package first and put other layers into it: so many variables more than the file holds it may take. */
const REPLACED_VARIABLES = 2000;

/** What a checkpoint holds beside tensors. */
export interface CheckpointState {
  readonly optimizer: string;
  readonly epoch: number;
  readonly step: number;
  /** Without the factor of a schedule. */
  readonly learningRate: number;
  readonly seed: number;
  /** Steps of a group under way, with gradient accumulation. */
  readonly inGroup?: number | undefined;
  /** Updates that averages of the weights have followed. */
  readonly averaged?: number | undefined;
  /** Epochs that the mean of the weights is of. */
  readonly averagedEpochs?: number | undefined;
  /** Those of the trainer; version 0.1 did not save them. */
  readonly settings?: SavedSettings | undefined;
}

/** A checkpoint, read at one go: its parts belong together even if another file takes its place meanwhile. */
export interface Checkpoint {
  readonly path: string;
  readonly state: CheckpointState;
  /** Of the `fit` that it was saved in. */
  readonly progress: FitProgress | undefined;
  readonly random: { readonly seed: number; readonly nextStream: number };
  /** A TrainerRecipe as JSON. */
  readonly recipe: string | undefined;
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly slots: ReadonlyMap<string, Tensor>;
}

/** How to build the trainer again, for a model of the package or one made of its layers. */
export interface TrainerRecipe {
  readonly model: ModuleRecipe;
  /** Parameters that do not train. */
  readonly frozen: readonly string[];
  /** Modules in `eval()`, and those without parameters that are frozen. */
  readonly evaluating?: readonly string[];
  readonly frozenModules?: readonly string[];
  readonly optimizer: OptimizerRecipe['options'];
  readonly loss: LossRecipe;
  readonly options: Pick<
    TrainerOptions,
    | 'input'
    | 'batchSize'
    | 'targets'
    | 'targetShape'
    | 'metrics'
    | 'preprocess'
    | 'algorithm'
    | 'accumulate'
    | 'ema'
    | keyof ClippingOptions
  >;
}

/** @throws StridenetError ERR_INVALID_ARGUMENT for metadata that is no text or takes a name that checkpoints use */
export function checkNotes(where: string, notes: unknown): Readonly<Record<string, string>> {
  if (notes === undefined) return {};
  const isRecord = typeof notes === 'object' && notes !== null && !Array.isArray(notes);
  if (!isRecord || !Object.values(notes).every((text) => typeof text === 'string')) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects metadata to be an object of strings but got ${formatValue(notes)}.`);
  }
  const taken = Object.keys(notes).find((name) => OWN_NAMES.includes(name));
  if (taken === undefined) return { ...notes };
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects metadata under other names than those of a checkpoint, such as ${taken}.`,
  );
}

/** The values are those at the time of the call. @throws StridenetError ERR_FILE_ACCESS */
export async function saveCheckpoint(
  path: string,
  model: Module,
  slots: ReadonlyMap<string, Variable>,
  state: CheckpointState,
  {
    recipe,
    progress,
    notes,
  }: { recipe: TrainerRecipe | undefined; progress: FitProgress | undefined; notes: Readonly<Record<string, string>> },
): Promise<void> {
  const metadata = {
    ...notes,
    format: FORMAT,
    state: JSON.stringify(state),
    random: JSON.stringify(randomState()),
    ...(progress && { fit: formatProgress(progress) }),
    ...(recipe && { recipe: JSON.stringify(recipe) }),
    ...preprocessingMetadata(statedPreprocessing(model)),
  };
  await saveSafetensors(path, new Map([...model.stateDict(), ...slots]), metadata);
}

/** @throws StridenetError ERR_FILE_ACCESS, ERR_BAD_FILE */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { tensors, metadata } = await loadSafetensorsWithMetadata(path);
  const parsed = parseMetadata(path, metadata);
  const part = (isSlot: boolean): Map<string, Tensor> => new Map([...tensors].filter(([name]) => isSlotName(name) === isSlot));
  const weights = notePreprocessing(part(false), () => notedPreprocessing(tensors));
  return { path, ...parsed, recipe: metadata['recipe'], weights, slots: part(true) };
}

/**
 * Model and options as they were when the checkpoint was saved.
 * @throws StridenetError ERR_BAD_FILE; ERR_INVALID_ARGUMENT when the file cannot say
 */
export function rebuildFromCheckpoint({ path, state, recipe: text, weights }: Checkpoint): { model: Module; options: TrainerOptions } {
  if (text === undefined) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `Trainer.resume expects a model and options for ${path}: it was saved with a model, loss or optimizer whose code is not in the file. ` +
        'Pass them: Trainer.resume(path, model, options).',
    );
  }
  const random = randomState();
  try {
    const recipe = parseJson(text, RECIPE_DEPTH) as TrainerRecipe;
    const model = withVariableLimit(2 * weights.size + REPLACED_VARIABLES, () => moduleFrom(recipe.model, models));
    const frozen = new Set(recipe.frozen);
    const modules = new Map(model.namedModules());
    for (const path of recipe.frozenModules ?? []) modules.get(path)?.freeze();
    for (const path of recipe.evaluating ?? []) modules.get(path)!.training = false;
    for (const parameter of model.parameters()) parameter.requiresGrad = !frozen.has(parameter.name);
    return {
      model,
      options: { ...recipe.options, optimizer: optimizerFrom(state.optimizer, recipe.optimizer), loss: lossFrom(recipe.loss) },
    };
  } catch (error) {
    restoreRandomState(random);
    const reason = (error as Error).message.replace(/\.?$/, '.');
    throw new StridenetError('ERR_BAD_FILE', `${path} does not say how its model is built: ${reason}`, { cause: error });
  }
}

/** Whether there are values of a slot. */
export function holdsSlot({ slots }: Checkpoint, slot: string): boolean {
  return [...slots.keys()].some((name) => name.startsWith(slotName(slot, '')));
}

/** @throws Error for a name that the table does not have; StridenetError for options that the optimizer refuses */
function optimizerFrom(name: string, { groups, ...options }: OptimizerRecipe['options']): Optimizer {
  const make: unknown = Object.hasOwn(optimizers, name) ? optimizers[name as keyof typeof optimizers] : undefined;
  if (typeof make !== 'function') throw new Error(`there is no optimizer ${formatValue(name)}`);
  return (make as (options: object) => Optimizer)(groups === undefined ? options : { ...options, groups: groupsFrom(groups) });
}

/**
 * The slots of a trainer, each with its values in a checkpoint.
 * @param optional slots by their first names of which either side may have none; they are left out
 * @throws StridenetError ERR_STATE_DICT_MISMATCH unless they are those of the same model and optimizer
 */
export function pairSlots(
  { path, state, slots: all }: Checkpoint,
  slots: ReadonlyMap<string, Variable>,
  optimizer: string,
  optional: readonly string[],
): [Variable, Tensor][] {
  const prefixes = optional.map((slot) => slotName(slot, ''));
  const required = <T>(named: ReadonlyMap<string, T>): Map<string, T> =>
    new Map([...named].filter(([name]) => !prefixes.some((prefix) => name.startsWith(prefix))));
  const [saved, wanted] = [required(all), required(slots)];
  checkSlots(path, saved, wanted, state.optimizer, optimizer);
  return [...wanted].map(([name, variable]) => [variable, saved.get(name)!]);
}

/**
 * Puts the values of a checkpoint into `model` and `slots`, and the global random state; nothing changes unless everything fits. Values stay
 * in the file until they are needed.
 * @param slots what `pairSlots` gave
 * @throws StridenetError ERR_STATE_DICT_MISMATCH
 */
export function restoreCheckpoint({ weights, random }: Checkpoint, model: Module, slots: readonly [Variable, Tensor][]): void {
  model.loadStateDict(weights);
  takeOver(slots);
  restoreRandomState(random);
}

function parseMetadata(path: string, metadata: Record<string, string>): Pick<Checkpoint, 'state' | 'progress' | 'random'> {
  const refuse = (reason: string): never => {
    throw new StridenetError(
      'ERR_BAD_FILE',
      `${path} is not a checkpoint of trainer.save: ${reason}. Load a file of weights with model.loadStateDict(await loadSafetensors(path)).`,
    );
  };
  if (metadata['format'] !== FORMAT) refuse(`its metadata does not say "${FORMAT}"`);
  let parsed: { state: Record<string, unknown>; random: Record<string, unknown> };
  let progress: FitProgress | undefined;
  try {
    parsed = { state: parseJson(metadata['state'] ?? '{}') as never, random: parseJson(metadata['random'] ?? '{}') as never };
    progress = metadata['fit'] === undefined ? undefined : parseProgress(metadata['fit']);
  } catch {
    return refuse('its metadata is damaged');
  }
  const counts = [
    parsed.state?.['epoch'],
    parsed.state?.['step'],
    parsed.state?.['seed'],
    parsed.random?.['seed'],
    parsed.random?.['nextStream'],
  ];
  const optional = [parsed.state?.['inGroup'], parsed.state?.['averaged'], parsed.state?.['averagedEpochs']].filter((n) => n !== undefined);
  counts.push(...optional);
  const rate = parsed.state?.['learningRate'];
  if (counts.some((n) => !Number.isSafeInteger(n) || (n as number) < 0) || typeof rate !== 'number' || !(rate >= 0)) {
    refuse('its metadata lacks epoch, step, learning rate or random state');
  }
  if (!isSettings(parsed.state['settings'])) refuse('its settings are damaged');
  if (metadata['fit'] !== undefined && !progress) refuse('it does not say where its fit stood');
  return { ...parsed, progress } as never;
}

function checkSlots(
  path: string,
  saved: ReadonlyMap<string, Tensor>,
  slots: ReadonlyMap<string, Variable>,
  savedOptimizer: string,
  optimizer: string,
): void {
  const missing = [...slots.keys()].filter((name) => !saved.has(name));
  const unexpected = [...saved.keys()].filter((name) => !slots.has(name));
  const misshaped = [...slots].filter(([name, { shape }]) => saved.has(name) && formatShape(saved.get(name)!.shape) !== formatShape(shape));
  if (savedOptimizer === optimizer && missing.length + unexpected.length + misshaped.length === 0) return;
  const problems = [
    ...(savedOptimizer === optimizer ? [] : [`it was saved with optimizer ${savedOptimizer}`]),
    ...(missing.length ? [`missing: ${formatNames(missing)}`] : []),
    ...(unexpected.length ? [`unexpected: ${formatNames(unexpected)}`] : []),
    ...(misshaped.length ? [`of another shape: ${formatNames(misshaped.map(([name]) => name))}`] : []),
  ];
  throw new StridenetError(
    'ERR_STATE_DICT_MISMATCH',
    `${path} expects the model and the optimizer that it was saved with (this one is ${optimizer}); ${problems.join('; ')}.` +
      (savedOptimizer === optimizer ? '' : ' To train with another one, load the weights alone (model.loadStateDict) and begin anew.'),
  );
}
