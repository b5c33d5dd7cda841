/** What settings of a training are made into: optimizer, schedule, transforms, callbacks. */

import { csvLogger, earlyStopping, htmlReport, tensorBoard } from '../callbacks';
import { formatShape, nearest, StridenetError } from '../errors';
import type { Shape } from '../graph/types';
import { crossEntropy } from '../nn';
import * as optim from '../optim';
import type { Optimizer, Schedule } from '../optim';
import type { Callback, FitOptions } from '../train';
import * as transforms from '../transforms';
import type { Transform } from '../transforms';
import { Augmenter } from '../transforms/augmenter';
import type { ModelEntry } from '../models/catalogue';
import { UsageError } from './arguments';
import type { AnyLoaded } from './datasets';
import { within } from './settings/kinds';
import { AUGMENT_PRESETS, resolvePresets, VALIDATION_PRESETS, type Presets, type TransformSetting } from './settings/presets';
import { leavesOf, flagOf, type Settings, type TrainSettings } from './settings/settings';

/** What of the options of `fit` follows from settings, and of transforms from the pictures too. */
export type TrainOptions = Pick<
  FitOptions,
  | 'epochs'
  | 'batchSize'
  | 'seed'
  | 'threads'
  | 'loss'
  | 'optimizer'
  | 'schedule'
  | 'augment'
  | 'validationTransforms'
  | 'mix'
  | 'ema'
  | 'accumulate'
  | 'gradientClipNorm'
  | 'gradientClipValue'
  | 'metrics'
  | 'dropLast'
  | 'limitBatches'
  | 'fastDevRun'
>;

/** Where settings were said, for messages: those of flags are the user's to change, others stand in the file. */
export interface Origin {
  readonly flags: Settings;
  readonly file?: { readonly path: string; readonly settings: Settings } | undefined;
}

/** @throws UsageError, StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION for what does not go together */
export function trainOptionsOf(settings: TrainSettings, origin: Origin): Omit<TrainOptions, keyof PictureOptions> {
  checkContradictions(settings);
  checkMonitors(settings);
  const {
    epochs,
    batchSize,
    seed,
    threads,
    ema,
    accumulate,
    gradientClipNorm,
    gradientClipValue,
    metrics,
    dropLast,
    limitBatches,
    fastDevRun,
  } = settings;
  const { mixup, cutmix } = settings;
  const mix = blaming(origin, mixup ? 'mixup' : 'cutmix', () => {
    if (mixup) return transforms.create('mixup', mixup);
    return cutmix && transforms.create('cutmix', cutmix);
  });
  return {
    epochs,
    batchSize,
    seed,
    threads,
    loss: crossEntropy({ labelSmoothing: settings.labelSmoothing }),
    optimizer: blaming(origin, 'optimizer', () => optimizerOf(settings.optimizer)),
    schedule: blaming(origin, 'schedule', () => scheduleOf(settings.schedule, epochs)),
    mix,
    ema: ema && blaming(origin, 'ema', () => checkedEma(ema)),
    accumulate,
    gradientClipNorm,
    gradientClipValue,
    metrics: metrics as FitOptions['metrics'],
    dropLast,
    limitBatches,
    fastDevRun,
  };
}

function checkContradictions({ mixup, cutmix, keepBest, monitor, earlyStopping: early }: TrainSettings): void {
  const refuse = (text: string): never => {
    throw new UsageError(text);
  };
  if (mixup && cutmix) refuse('Either mixup or cutmix mixes batches, not both. Leave one of the settings out.');
  if (keepBest && early?.['restoreBest'] === false)
    refuse('keepBest ends with the best weights, which earlyStopping.restoreBest: false forbids.');
  if (monitor !== undefined && early?.['monitor'] !== undefined && early['monitor'] !== monitor) {
    refuse(`monitor and earlyStopping.monitor say different things, ${monitor} and ${String(early['monitor'])}. Leave one of them out.`);
  }
  if (monitor !== undefined && !early && !keepBest)
    refuse('monitor says what tells the best epoch, which needs --early-stopping N or --keep-best.');
}

/** What is watched must be measured, which would otherwise be found after the first epoch. */
function checkMonitors({ metrics, monitor, earlyStopping: early, schedule }: TrainSettings): void {
  const numbers = ['loss', ...metrics.filter((name) => name !== 'confusionMatrix')];
  const known = [...numbers, ...numbers.map((name) => `val${name[0]!.toUpperCase()}${name.slice(1)}`)];
  const watched = { monitor, 'earlyStopping.monitor': early?.['monitor'], 'schedule.monitor': schedule['monitor'] };
  for (const [name, value] of Object.entries(watched)) {
    if (typeof value !== 'string' || known.includes(value)) continue;
    const near = nearest(value, known);
    throw new UsageError(
      `${name} is ${value}, which is not measured. ${near ? `Did you mean "${near}"?` : `There are ${known.join(', ')}.`}`,
    );
  }
}

function optimizerOf({ name, noDecayOnNormAndBias, ...options }: TrainSettings['optimizer']): Optimizer {
  if ('groups' in options) throw unknownOption('optim', name, 'groups', 'noDecayOnNormAndBias');
  const groups = noDecayOnNormAndBias ? { groups: optim.noDecayOnNormAndBias() } : {};
  return optim[name]({ ...options, ...groups });
}

function unknownOption(namespace: string, name: string, option: string, instead: string): StridenetError {
  return new StridenetError('ERR_UNKNOWN_OPTION', `${namespace}.${name} has no option "${option}" here. Use ${instead}.`);
}

function scheduleOf({ name, warmupEpochs, ...options }: TrainSettings['schedule'], epochs: number): Schedule {
  // A long warm-up leaves little of a short training.
  if (name === 'cosine') return optim.cosine({ ...options, warmupEpochs: warmupEpochs ?? defaultWarmup(epochs) });
  const [unknown] = Object.keys(options);
  if (name === 'constant' && unknown !== undefined) {
    const near = nearest(unknown, ['warmupEpochs']);
    throw new StridenetError('ERR_UNKNOWN_OPTION', `optim.constant has no option "${unknown}".${near ? ` Did you mean "${near}"?` : ''}`);
  }
  const schedule = (optim[name] as (given: object) => Schedule)(options);
  return warmupEpochs === undefined || warmupEpochs === 0 ? schedule : optim.warmup({ epochs: warmupEpochs }, schedule);
}

function defaultWarmup(epochs: number): number {
  return Math.min(1, epochs / 5);
}

/** Fit checks it likewise, but only when all is read. */
function checkedEma(ema: NonNullable<TrainSettings['ema']>): NonNullable<TrainSettings['ema']> {
  const unknown = Object.keys(ema).find((key) => key !== 'decay');
  if (unknown !== undefined) throw new StridenetError('ERR_UNKNOWN_OPTION', `ema has no option "${unknown}". Known options: decay.`);
  return ema;
}

/** Says where the settings of a section come from when something is wrong with them. */
function blaming<T>(origin: Origin, section: string, make: () => T): T {
  const flags = [...leavesOf(origin.flags).keys()].filter((path) => path.split('.')[0] === section);
  const names = [...new Set(flags.map(flagOf))];
  const file = origin.file && Object.hasOwn(origin.file.settings, section) ? [`config.${section} of ${origin.file.path}`] : [];
  const where = [...names, ...file].join(' and ');
  try {
    return within(`${where || section}: `, make);
  } catch (error) {
    if (error instanceof StridenetError && names.length > 0) throw new UsageError(error.message);
    throw error;
  }
}

/** The settings with all defaults filled in, as a config file that says everything. */
export function resolvedSettings(settings: TrainSettings, options: TrainOptions): Settings {
  const { model, optimizer, schedule, ...rest } = settings;
  const warmupEpochs = schedule.name === 'cosine' ? (schedule.warmupEpochs ?? defaultWarmup(settings.epochs)) : schedule.warmupEpochs;
  return {
    model,
    ...rest,
    optimizer: {
      name: optimizer.name,
      ...options.optimizer.options,
      ...(optimizer.noDecayOnNormAndBias && { noDecayOnNormAndBias: true }),
    },
    schedule: { ...schedule, ...(warmupEpochs !== undefined && { warmupEpochs }) },
    ...(options.augment && { augment: options.augment.map(plainTransform) }),
    ...(options.validationTransforms && { validationTransforms: options.validationTransforms.map(plainTransform) }),
    ...(options.mix && { [options.mix.name]: options.mix.options }),
  };
}

function plainTransform({ name, options }: Transform): TransformSetting {
  return { name, ...options };
}

/** What ends training and keeps the best weights; checkpoints hold its state. */
export function bestCallbacks(settings: TrainSettings, origin: Origin): Callback[] {
  const { earlyStopping: given, keepBest, monitor } = settings;
  if (!given && !keepBest) return [];
  const options = { patience: Number.MAX_SAFE_INTEGER, ...(monitor !== undefined && { monitor }), ...given };
  return [blaming(origin, 'earlyStopping', () => earlyStopping(options))];
}

/** Files about the course of a training. @param resumed whether it goes on from a checkpoint */
export function outputCallbacks(
  settings: TrainSettings,
  resolved: Settings,
  { validation, transforms: measured }: { validation: AnyLoaded; transforms: readonly Transform[] | undefined },
  resumed: boolean,
): Callback[] {
  const facts = Object.fromEntries([...leavesOf(resolved)].map(([path, value]) => [path, isFact(value) ? value : JSON.stringify(value)]));
  const { log, tensorboard, report, model } = settings;
  return [
    ...(log === undefined ? [] : [csvLogger(log, { append: resumed })]),
    ...(tensorboard === undefined ? [] : [tensorBoard(tensorboard, { hyperparameters: facts })]),
    ...(report === undefined ? [] : [htmlReport(report, { validation, transforms: measured, title: model, configuration: facts })]),
  ];
}

function isFact(value: unknown): value is number | string | boolean {
  return ['number', 'string', 'boolean'].includes(typeof value);
}

/** What is done to pictures. */
export type PictureOptions = Pick<FitOptions, 'augment' | 'validationTransforms'>;

/** A list of transforms of a setting, and the shape that pictures of a data set have behind them. */
function transformsOf(
  setting: 'augment' | 'validationTransforms',
  list: readonly TransformSetting[] | undefined,
  presets: Presets,
  { shape, layout = 'nchw' }: AnyLoaded,
): { transforms: Transform[] | undefined; shape: Shape } {
  if (!list) return { transforms: undefined, shape };
  const made = resolvePresets(list, presets, shape).map(({ name, ...options }) => transforms.create(name, options));
  return { transforms: made, shape: new Augmenter(setting, made, { shape, layout }).shape };
}

/** What is done to pictures that are measured, and their shape afterwards. @throws StridenetError ERR_SHAPE_MISMATCH */
export function measuringOptionsOf(
  { validationTransforms }: Pick<TrainSettings, 'validationTransforms'>,
  pictures: AnyLoaded,
): { transforms: Transform[] | undefined; shape: Shape } {
  return transformsOf('validationTransforms', validationTransforms, VALIDATION_PRESETS, pictures);
}

/**
 * The transforms of settings for the pictures of a data set, and the shape that these have afterwards, which the model takes.
 * @throws StridenetError ERR_SHAPE_MISMATCH when those that are learned from and those that validate are left in other shapes
 */
export function pictureOptionsOf(
  settings: Pick<TrainSettings, 'augment' | 'validationTransforms'>,
  pictures: AnyLoaded,
): { options: PictureOptions; shape: ModelEntry['input'] } {
  const learned = transformsOf('augment', settings.augment, AUGMENT_PRESETS, pictures);
  const measured = measuringOptionsOf(settings, pictures);
  const [channels, height, width] = learned.shape;
  if (learned.shape.join() === measured.shape.join()) {
    const options = { augment: learned.transforms, validationTransforms: measured.transforms };
    return { options, shape: [channels!, height!, width!] };
  }
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `augment leaves pictures of ${formatShape(learned.shape)} where those that validate are ${formatShape(measured.shape)}. Let both end with pictures of one ` +
      `size: --augment randomResizedCrop:${height} goes with --validation-transforms centerCrop:${height}, say.`,
  );
}
