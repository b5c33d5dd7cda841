/** The settings of a training: the one table of flags, of their places in a config file, and of the help. */

import { INIT_NAMES } from '../../models/catalogue';
import * as optimizers from '../../optim/optimizers';
import type { OptionSpec } from '../arguments';
import { batches, integer, metricNames, named, number, numberOf, size, text, transformList, word, yes, type Kind } from './kinds';
import { AUGMENT_PRESETS, VALIDATION_PRESETS } from './presets';

/** One setting. */
export interface Setting {
  /** Name of the flag, without dashes. */
  readonly flag: string;
  /** Where it is in a config file: ['epochs'] or, in a section, ['optimizer', 'lr']. */
  readonly path: readonly [string] | readonly [string, string];
  readonly kind: Kind;
  readonly spec: OptionSpec;
}

export type OptimizerName = keyof typeof optimizers;
export const OPTIMIZERS = Object.keys(optimizers) as OptimizerName[];
export const SCHEDULES = [
  'cosine',
  'constant',
  'oneCycle',
  'step',
  'multiStep',
  'exponential',
  'polynomial',
  'cosineRestarts',
  'reduceOnPlateau',
] as const;
export type ScheduleName = (typeof SCHEDULES)[number];

/** Parts of a config file that are objects, and what a single value in their place stands for. */
export const SECTIONS: Readonly<Record<string, { readonly short: string; readonly type: 'string' | 'number' }>> = {
  optimizer: { short: 'name', type: 'string' },
  schedule: { short: 'name', type: 'string' },
  ema: { short: 'decay', type: 'number' },
  mixup: { short: 'alpha', type: 'number' },
  cutmix: { short: 'alpha', type: 'number' },
  earlyStopping: { short: 'patience', type: 'number' },
};

/** What the optimizer sgd is here unless something else is said. */
export const SGD_DEFAULTS = { lr: 0.05, momentum: 0.9, weightDecay: 0.0005 } as const;

function setting(flag: string, path: string, kind: Kind, help: string, spec: Omit<OptionSpec, 'help'> = {}): Setting {
  return { flag, path: path.split('.') as [string], kind, spec: { ...spec, help } };
}

/** Where examples come from. */
export const DATA_SETTINGS: readonly Setting[] = [
  setting('data', 'data', text, 'fashion-mnist, mnist, mini (embedded), a folder with the four IDX files, or one with a folder of pictures for each class', { value: 'NAME|DIR', default: 'mini' }), // prettier-ignore
  setting('download', 'download', yes, 'fetch fashion-mnist or mnist into the cache when it is not on this machine'),
  setting('image-size', 'imageSize', size, "pictures: height and width that they are brought to (default the model's)", { value: 'H,W' }),
  setting('channels', 'channels', numberOf([1, 3]), "pictures: 1 (grey) or 3 (colour) (default the model's)", { value: 'N' }),
  setting('on-error', 'onError', word(['throw', 'skip']), 'pictures: throw or skip when a file is none (default throw)', { value: 'HOW' }),
  setting('cache', 'cache', yes, 'pictures: keep them decoded in the cache of the user'),
];

export const SEED = setting(
  'seed',
  'seed',
  integer(0),
  'of first weights, order, augmentation and divisions; the same seed gives the same weights',
  {
    value: 'N',
    default: '1',
  },
);

/** What is done to the pictures that are measured. */
export const VALIDATION_TRANSFORMS = setting('validation-transforms', 'validationTransforms', transformList(VALIDATION_PRESETS), `done to pictures that validate and test: ${Object.keys(VALIDATION_PRESETS).join(', ')}, or transforms such as resize:256,centerCrop:224`, { value: 'LIST' }); // prettier-ignore

const MODEL_SETTINGS: readonly Setting[] = [
  setting('activation', 'activation', word(['relu', 'sigmoid', 'tanh']), 'lenet5: relu, sigmoid or tanh (default relu)', { value: 'NAME' }),
  setting('pooling', 'pooling', word(['max', 'avg']), 'lenet5: max or avg (default max)', { value: 'NAME' }),
  setting('stem', 'stem', word(['imagenet', 'cifar']), 'resnet18 to resnet152: imagenet, or cifar for small images (default imagenet)', { value: 'NAME' }), // prettier-ignore
  setting('init', 'init', word(INIT_NAMES), "weights before training: xavier-uniform or xavier-normal (default PyTorch's)", {
    value: 'NAME',
  }),
];

const OPTIMIZER_SETTINGS: readonly Setting[] = [
  setting('optimizer', 'optimizer', named(OPTIMIZERS), `${OPTIMIZERS.join(', ')}; with options: adamw:betas=[0.9,0.99]`, {
    value: 'NAME',
    default: 'sgd',
  }),
  setting('lr', 'optimizer.lr', number(0), "learning rate (default 0.05 with sgd, else the optimizer's)", { value: 'X' }),
  setting('momentum', 'optimizer.momentum', number(0), "momentum (default 0.9 with sgd, else the optimizer's)", { value: 'X' }),
  setting('nesterov', 'optimizer.nesterov', yes, "Nesterov's momentum, with sgd and lars"),
  setting('weight-decay', 'optimizer.weightDecay', number(0), "weight decay (default 0.0005 with sgd, else the optimizer's)", {
    value: 'X',
  }),
  setting('no-decay-on-norm-and-bias', 'optimizer.noDecayOnNormAndBias', yes, 'no weight decay of biases and normalisation layers'),
  setting('schedule', 'schedule', named(SCHEDULES), `${SCHEDULES.join(', ')}; with options: step:stepSize=30:gamma=0.1`, {
    value: 'NAME',
    default: 'cosine',
  }),
  setting('warmup-epochs', 'schedule.warmupEpochs', number(0), 'epochs of linear warm-up (default 0; with cosine 1, at most a fifth of all)', { value: 'X' }), // prettier-ignore
  setting('clip-norm', 'gradientClipNorm', number(Number.MIN_VALUE), 'the norm of all gradients together is at most this', { value: 'X' }),
  setting('clip-value', 'gradientClipValue', number(Number.MIN_VALUE), 'each gradient is at most this in size', { value: 'X' }),
  setting('accumulate', 'accumulate', integer(1), 'so many batches make one update (default 1)', { value: 'N' }),
  setting('ema', 'ema.decay', number(0, 1), 'measure and keep the moving average of the weights that keeps so much of itself', {
    value: 'D',
  }),
];

const AUGMENT_SETTINGS: readonly Setting[] = [
  setting('augment', 'augment', transformList(AUGMENT_PRESETS), `random changes of pictures: ${Object.keys(AUGMENT_PRESETS).join(', ')}, or transforms such as randomCrop:28:padding=2,randomErasing`, { value: 'LIST' }), // prettier-ignore
  VALIDATION_TRANSFORMS,
  setting('mixup', 'mixup.alpha', number(1e-3, 1e6), 'mix pictures and their classes by this alpha', { value: 'A' }),
  setting('cutmix', 'cutmix.alpha', number(1e-3, 1e6), 'boxes of pictures in others, by this alpha', { value: 'A' }),
];

const COURSE_SETTINGS: readonly Setting[] = [
  setting('validation', 'validation', number(Number.MIN_VALUE), 'share of the training images (or a number of them) held out for validation (default: the test images validate)', { value: 'X' }), // prettier-ignore
  setting('metrics', 'metrics', metricNames, 'measured besides the loss: accuracy, top5, precision, recall, f1, ...', {
    value: 'LIST',
    default: 'accuracy',
  }),
  setting('early-stopping', 'earlyStopping.patience', integer(1), 'end after so many epochs without improvement, with the best weights', {
    value: 'N',
  }),
  setting('keep-best', 'keepBest', yes, 'end with the weights of the best epoch, not of the last'),
  setting('monitor', 'monitor', text, 'what tells the best epoch (default valLoss)', { value: 'NAME' }),
  setting('drop-last', 'dropLast', yes, 'leave out images that do not fill a batch'),
  setting('limit-batches', 'limitBatches', batches, 'batches of an epoch at most, or a share of them', { value: 'N' }),
  setting('fast-dev-run', 'fastDevRun', yes, 'one batch of training and of validation, to see that all runs; saves no weights'),
];

const OUTPUT_SETTINGS: readonly Setting[] = [
  setting('log', 'log', text, 'a table of the epochs (.csv)', { value: 'FILE' }),
  setting('tensorboard', 'tensorboard', text, 'event files for TensorBoard', { value: 'DIR' }),
  setting(
    'report',
    'report',
    text,
    'a page about the training (.html): curves, gradients of the layers, confusion matrix, worst mistakes',
    { value: 'FILE' },
  ),
  setting('out', 'out', text, 'weights file to write (.safetensors); FILE.checkpoint.safetensors beside it until training is done', {
    value: 'FILE',
  }),
];

/** All of a training, in the order of the help. */
export const SETTINGS: readonly Setting[] = [
  ...DATA_SETTINGS,
  setting('epochs', 'epochs', integer(1), 'passes over the training images', { value: 'N', default: '10' }),
  setting('batch-size', 'batchSize', integer(1), 'images per step', { value: 'N', default: '64' }),
  ...OPTIMIZER_SETTINGS,
  setting('label-smoothing', 'labelSmoothing', number(0, 1), 'label smoothing of the loss', { value: 'X', default: '0' }),
  ...AUGMENT_SETTINGS,
  ...COURSE_SETTINGS,
  ...MODEL_SETTINGS,
  SEED,
  setting('threads', 'threads', integer(1), 'default: as many as this process may use', { value: 'N' }),
  ...OUTPUT_SETTINGS,
];

/** The options of a command that has these settings. */
export function optionsOf(settings: readonly Setting[]): Readonly<Record<string, OptionSpec>> {
  return Object.fromEntries(settings.map(({ flag, spec }) => [flag, spec]));
}
