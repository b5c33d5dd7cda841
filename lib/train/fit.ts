/** fit: trains a model on a data set for some epochs and reports how it went. */

import {
  hasWeights,
  imageTypeOf,
  isStream,
  knownLabels,
  readAnyDataset,
  refuseZeroWeights,
  withWeights,
  type ReadyDataset,
} from '../data/kinds';
import { classWeights as balancedWeights } from '../data/balance';
import type { AnyDataset } from '../data/dataset';
import { checkBoolean, checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import type { MetricEntry } from '../metrics/list';
import { crossEntropy, lossParts, type Loss } from '../nn/loss';
import type { Module } from '../nn/module';
import type { Optimizer } from '../optim/optimizer';
import * as schedules from '../optim/schedule';
import type { Schedule } from '../optim/schedule';
import { scheduleRecipe } from '../optim/scheduleRecipe';
import { nextTurn } from '../runtime/task';
import { checkImageShape } from './batches';
import { checkCallbacks, makeReport, Notifier, writesFiles, type Callback, type FitParams } from './callbacks';
import { CLIPPING_OPTIONS, type ClippingOptions } from './clipping';
import { readCheckpoint } from './checkpoint';
import { claim } from './claims';
import { augmenterOf, datasetReading, targetOf } from './evaluate';
import type { FitProgress } from './fitProgress';
import { countSteps, Fitting, type FitPlan } from './fitting';
import { checkLoss } from './graphs';
import type { Classes } from './target';
import { validationName, type History } from './history';
import { checkClasses } from './images';
import { EXECUTION_OPTIONS, type ExecutionOptions } from './programs';
import { ProgressBar } from './progress';
import { checkChanges, checkContinues, FIT_CHANGES, OWN_CODE, savedSettings, type SavedSettings } from './savedSettings';
import { checkSignal, type StopSignal } from '../stopSignal';
import { Trainer } from './trainer';
import { withMix } from '../transforms/augmenter';
import type { Transform } from '../transforms/transform';
import { optionsOf } from './trainerOptions';
import { checkSwa, DEFAULT_SWA_START, type EmaOptions, type SwaOptions } from './weightAverage';

/** Options of `fit`. */
export interface FitOptions extends ExecutionOptions, ClippingOptions {
  /** Passes over the data set, those before `initialEpoch` or `resume` included. */
  epochs: number;
  /** Images of a step; the last step of an epoch takes what is left (see `dropLast`). Default 32. */
  batchSize?: number | undefined;
  /**
   * Done to the pictures of a data set of uint8 levels, drawn anew in every epoch by `seed`: [transforms.randomCrop(32, { padding: 4 }), ...]. What they
   * draw does not depend on threads. Where the targets are masks or images only transforms that leave pixels where they are may be used. Default nothing.
   */
  augment?: readonly Transform[] | undefined;
  /** Done to a batch of pictures and their classes behind `augment`: transforms.mixup() or transforms.cutmix(). Steps measure the loss alone then. */
  mix?: Transform | undefined;
  /** Done to the pictures of the validation set, such as [transforms.centerCrop(224)] where `augment` makes them smaller. Default nothing. */
  validationTransforms?: readonly Transform[] | undefined;
  /** Measured after every epoch (see `validationEvery`). */
  validation?: AnyDataset | undefined;
  /** Default `nn.crossEntropy()`. */
  loss?: Loss | undefined;
  /** 'balanced' (images / (classes * images of the class)), or a weight for each class, in the default loss. Default: all 1. */
  classWeights?: 'balanced' | readonly number[] | undefined;
  /** Default ['accuracy'] where targets are classes, else []. */
  metrics?: readonly MetricEntry[] | undefined;
  /** Such as `optim.sgd({ lr: 0.1, momentum: 0.9 })`. */
  optimizer: Optimizer;
  /** Factor on the learning rate by update; default `optim.constant()`. Another needs to know how long an epoch is. */
  schedule?: Schedule | undefined;
  /** So many batches make one update, of the mean of their gradients: the last ones of an epoch too, of as many as are left. Default 1. */
  accumulate?: number | undefined;
  /** Keep an exponential moving average of the weights: the validation set is measured with it, and the model ends with it. Default none. */
  ema?: EmaOptions | undefined;
  /**
   * Stochastic weight averaging: the model ends with the mean of its weights behind the last epochs, and with running statistics of batch
   * normalisation that a further pass makes for them. Records are of the weights that are averaged. Default none.
   */
  swa?: SwaOptions | undefined;
  /** Default none. */
  callbacks?: readonly Callback[] | undefined;
  /** A page about the training, as callbacks.htmlReport(path) writes it with the validation set. Default none. */
  report?: string | undefined;
  /**
   * Stops at the next batch: `fit` rejects with the signal's reason, which gets the records so far as `history`, and the model keeps the
   * weights of the last completed step. `context.trainer.stop()` ends a fit without an error.
   */
  signal?: StopSignal | undefined;
  /** Seed of the order of the images. Default: drawn from `manualSeed`. The same seed and weights give bit-identical results. */
  seed?: number | undefined;
  /** Whether every epoch has its images in an order of its own; default true. Streams have an order of their own in any case. */
  shuffle?: boolean | undefined;
  /** Leave out the images of an epoch that do not fill a batch; others in every epoch. Default false: they are a smaller batch. */
  dropLast?: boolean | undefined;
  /** Batches of an epoch, at most: a number of them or, below 1, a fraction. Default: all. The validation set is limited likewise. */
  limitBatches?: number | undefined;
  /** Measure the validation set after every so many epochs, and after the last. Default 1. */
  validationEvery?: number | undefined;
  /** Train on the same so many batches in every epoch, and measure on the data set itself: what learns at all gets them right. Default off. */
  overfitBatches?: number | undefined;
  /**
   * One epoch of one batch (or of so many) and as much validation, to see that everything runs; checkpoints, logs and reports of the package are
   * not written. Default false.
   */
  fastDevRun?: boolean | number | undefined;
  /**
   * A file that `trainer.save` wrote, in a callback say: weights, optimizer slots, epoch, step, seed, learning rate, history and the global
   * random state are taken from it, and training goes on up to `epochs`: nothing is left to do when it has as many behind it, and one that
   * went further is refused. Settings that decide the weights must be those of the checkpoint, unless `resumeChanges` names them; `epochs`,
   * validation, metrics, callbacks and threads need not. The learning rate is that of the checkpoint, which a callback may have set, unless the
   * optimizer is changed to another rate.
   */
  resume?: string | undefined;
  /**
   * Settings that are others than those of the checkpoint, on purpose, from here on: of 'optimizer', 'loss' (or `classWeights`), 'schedule',
   * 'batchSize', 'accumulate', 'images' (how many there are), 'augment', 'mix', 'shuffle', 'dropLast', 'limitBatches', 'overfitBatches', 'ema', 'swa',
   * 'gradientClipNorm', 'gradientClipValue' and 'algorithm'. Default none: what differs is refused.
   */
  resumeChanges?: readonly (typeof FIT_CHANGES)[number][] | undefined;
  /** Epochs that count as done: training begins with the next one, as do order, schedule and records; from `epochs` on, none is left. Default 0. */
  initialEpoch?: number | undefined;
  /** Show progress on standard error: one line on a terminal, else a line for each epoch. Default true. */
  progress?: boolean | undefined;
}

const OPTIONS = [
  ...[
    'epochs',
    'batchSize',
    'augment',
    'mix',
    'validationTransforms',
    'validation',
    'loss',
    'classWeights',
    'metrics',
    'optimizer',
    'schedule',
    'accumulate',
    'ema',
    'swa',
    'callbacks',
    'report',
    'signal',
    'seed',
    'shuffle',
    'dropLast',
    'limitBatches',
    'validationEvery',
    'overfitBatches',
    'fastDevRun',
    'resume',
    'resumeChanges',
    'initialEpoch',
    'progress',
    ...CLIPPING_OPTIONS,
    ...EXECUTION_OPTIONS,
  ],
];

/**
 * Trains a model on a data set, off the event loop. The images are shuffled anew in every epoch. The model remembers how they were read
 * (`model.preprocess`); a data set without scale, mean and std is read as the model remembers from before.
 *
 * Where examples have weights (`sampleWeights`), the loss of a batch of n is sum_i weight_i loss_i / n, as Keras's: the divisor is that of the loss
 * without them (with class weights c, sum_i c_i). Metrics do not know them.
 *
 * A fit that was killed goes on with `resume` from what its last `context.trainer.save(path)` wrote, also in the middle of an epoch: model,
 * data set and options being the same, weights and history become those of a fit that was never interrupted, to the last bit. An option that the
 * checkpoint was not saved with is refused with both values, since the rest would be another training; `resumeChanges` names what is meant to be
 * another. What decides which images are left to an epoch can be changed only between epochs. Of pictures, a checkpoint knows how many there
 * are and not which, and code of one's own (a loss, a schedule, an optimizer) is not compared.
 *
 * @returns one record for each epoch; loss and accuracy are means over the epoch as over one batch, measured while the weights moved
 * @throws StridenetError ERR_NOT_FINITE when the loss becomes NaN or infinite; ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION for
 *   what does not fit; ERR_BUSY while something else trains the model; ERR_FILE_ACCESS, ERR_BAD_FILE, ERR_STATE_DICT_MISMATCH for `resume`, which
 *   also gives ERR_INVALID_ARGUMENT for an option that is another than in the checkpoint; the signal's reason. What ends training after it began is an error that has the records so far as `history`.
 * @example
 * const history = await fit(model, train, { epochs: 10, batchSize: 256, validation: test, optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }) });
 * history.epochs.at(-1)?.valAccuracy;
 * @example
 * await fit(model, train, {
 *   epochs: 10,
 *   optimizer: optim.sgd({ lr: 0.1 }),
 *   callbacks: [{ onEpochEnd: (_record, { trainer }) => trainer.save('last.safetensors') }],
 *   resume: existsSync('last.safetensors') ? 'last.safetensors' : undefined,
 * });
 */
export async function fit(model: Module, data: AnyDataset, options: FitOptions): Promise<History> {
  checkOptions('fit', options, OPTIONS);
  const given = readAnyDataset('fit', data);
  checkInteger('fit', 'epochs', options?.epochs, 1);
  const givenValidation = options.validation === undefined ? undefined : readAnyDataset('fit validation', options.validation);
  const loss = lossOf(options, given);
  const [dataset, validation] = weighedAlike(loss, given, givenValidation);
  const augmenter = augmenterOf('fit', withMix('fit', options.augment, options.mix), dataset, true);
  if (hasWeights(dataset) && augmenter?.mixes === true) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      'fit expects no mixup or cutmix with a data set whose examples have sampleWeights: a picture mixed of two has no weight of its own. Leave one of them out.',
    );
  }
  const validationAugmenter = validation && augmenterOf('fit validation', options.validationTransforms, validation);
  const plan = { ...planOf(dataset, validation, options), validationAugmenter };
  const report = options.report === undefined ? [] : [makeReport(options.report, { validation, transforms: options.validationTransforms })];
  const isTryOut = options.fastDevRun !== undefined && options.fastDevRun !== false;
  // A try-out leaves no traces of itself in files.
  const callbacks = [...checkCallbacks('fit', options.callbacks), ...report].filter((callback) => !(isTryOut && writesFiles(callback)));
  plan.signal?.throwIfAborted();
  const { kind, shape: targetShape } = targetOf(loss, dataset);
  const mixes = augmenter?.mixes === true;
  const input = augmenter?.shape ?? dataset.shape;
  const ownership = { owner: 'fit', measuresLossAlone: mixes, weighted: hasWeights(dataset) };
  const trainerOptions = optionsOf(ownership, {
    optimizer: options.optimizer,
    loss,
    targets: mixes ? 'values' : kind,
    targetShape,
    metrics: mixes ? (options.metrics ?? ['accuracy']) : options.metrics,
    accumulate: plan.accumulate,
    ema: options.ema,
    input,
    batchSize: batchSizeOf(options.batchSize, dataset, plan.dropLast),
    threads: options.threads,
    algorithm: options.algorithm,
    seed: options.seed,
    gradientClipNorm: options.gradientClipNorm,
    gradientClipValue: options.gradientClipValue,
    ...datasetReading(dataset),
  });
  const trainer = new Trainer(model, trainerOptions);
  const bar = options.progress === false ? undefined : new ProgressBar();
  const { epochs, batchesPerEpoch } = plan;
  const params = { epochs, batchesPerEpoch, hasValidation: validation !== undefined, numbers: numbersOf(trainer, validation) };
  const notify = new Notifier(callbacks, { model, trainer, params });
  let fitting: Fitting | undefined;
  let release: (() => void) | undefined;
  try {
    release = claim('fit', trainer.changing, trainer);
    checkMonitor(plan.schedule, params);
    // All of it before the first step, so that a mistake in the last image does not leave a model trained in part.
    const classes = mixes ? { count: trainer.targetShape[0]! } : trainer.labelClasses;
    checkKnownClasses('fit', dataset, classes);
    if (validation) {
      checkImageShape('fit validation', validationAugmenter ?? validation, input);
      checkSameClasses(dataset, validation);
      checkKnownClasses('fit validation', validation, classes);
    }
    const augmentation = augmenter && { augmenter, seed: trainer.seed, classes: trainer.targetShape[0] ?? 0 };
    await nextTurn(); // the trainer has built a graph, and the first step will build its own
    await prepareLast(trainer, dataset, plan);
    const start = await begin(trainer, dataset, options, plan);
    fitting = new Fitting(trainer, dataset, { ...plan, augmentation }, notify, bar, start);
    const history = await fitting.run();
    const told = notify.finally();
    fitting = undefined; // what follows is no longer training
    await told;
    return history;
  } catch (error) {
    if (!fitting) throw error;
    await notify.finally().catch(() => undefined); // what ended training is what counts
    throw withHistory(error, fitting.history);
  } finally {
    bar?.clear();
    await trainer.closeInSlices().finally(release);
  }
}

/**
 * The data sets with usable weights, if they have some. Where one of them has, a loss of one's own gives the losses of the examples: then both have.
 * @throws StridenetError ERR_INVALID_ARGUMENT for weights that are all 0
 */
function weighedAlike(loss: Loss, dataset: ReadyDataset, validation: ReadyDataset | undefined): [ReadyDataset, ReadyDataset | undefined] {
  refuseZeroWeights('fit', dataset);
  if (validation) refuseZeroWeights('fit validation', validation);
  const isAnyWeighted = hasWeights(dataset) || (validation !== undefined && hasWeights(validation));
  if (!isAnyWeighted || lossParts(loss)) return [dataset, validation];
  return [withWeights('fit', dataset), validation && withWeights('fit validation', validation)];
}

/** @throws StridenetError ERR_INVALID_ARGUMENT for a schedule that follows what is not measured */
function checkMonitor(schedule: Schedule | undefined, { numbers, hasValidation }: FitParams): void {
  const monitor = schedule?.monitor;
  if (monitor === undefined || numbers.includes(monitor)) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `fit expects records to have a number ${formatValue(monitor)}, which the schedule follows, but they will have ${numbers.join(', ')}.` +
      (hasValidation ? '' : ' Pass validation.'),
  );
}

/** Names of the numbers that records will have. */
function numbersOf({ metrics, measured }: Trainer, validation: ReadyDataset | undefined): string[] {
  const ofValidation = ['loss', ...measured].map(validationName);
  return ['loss', ...metrics.map(({ name }) => name), ...(validation ? ofValidation : []), 'learningRate', 'imagesPerSecond', 'seconds'];
}

/** All of it but what is done to pictures. */
type Plan = Omit<FitPlan, 'augmentation' | 'validationAugmenter'>;

/** @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION for options that do not fit */
function planOf(dataset: ReadyDataset, validation: ReadyDataset | undefined, options: FitOptions): Plan {
  const { fastDevRun = false, overfitBatches, signal } = options;
  checkSignal('fit', signal);
  const dropLast = checkBoolean('fit', 'dropLast', options.dropLast ?? false);
  const batchSize = batchSizeOf(options.batchSize, dataset, dropLast);
  const tryOut = fastDevRun === false ? undefined : checkInteger('fit', 'fastDevRun', fastDevRun === true ? 1 : fastDevRun, 1);
  const { epochs } = options;
  if (overfitBatches !== undefined) {
    checkInteger('fit', 'overfitBatches', overfitBatches, 1);
    if (isStream(dataset)) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        'fit expects a data set that can be read again with overfitBatches but got a stream. Pass images in memory.',
      );
    }
  }
  if (options.ema !== undefined && options.swa !== undefined) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', 'fit expects either ema or swa: the model can end with one average of its weights.');
  }
  const limit = tryOut ?? overfitBatches ?? options.limitBatches;
  const whole = dataset.length === undefined ? undefined : countSteps(dataset.length, batchSize, dropLast);
  const ofValidation = validation?.length === undefined ? undefined : countSteps(validation.length, batchSize, false);
  const plan = {
    epochs: tryOut === undefined ? epochs : 1,
    batchesPerEpoch: limitOf(limit, whole),
    accumulate: checkInteger('fit', 'accumulate', options.accumulate ?? 1, 1),
    swa: options.swa === undefined ? undefined : checkSwa('fit', options.swa, epochs),
    schedule: options.schedule === undefined ? undefined : checkSchedule(options.schedule),
    dropLast,
    shuffle: checkBoolean('fit', 'shuffle', options.shuffle ?? true) && overfitBatches === undefined,
    validation,
    validationEvery: checkInteger('fit', 'validationEvery', options.validationEvery ?? 1, 1),
    limitValidation: limitOf(tryOut ?? options.limitBatches, ofValidation),
    signal,
    settings: settingsOf(options),
  };
  if (!plan.schedule || plan.batchesPerEpoch !== undefined) return plan;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    'fit expects to know how long an epoch is with a schedule but the stream does not say its length. Give it one, data.from(examples, { length }), or pass limitBatches.',
  );
}

/** What decides the steps of a fit beside what its trainer knows. */
function settingsOf({ shuffle = true, dropLast = false, ...options }: FitOptions): SavedSettings {
  const { limitBatches, overfitBatches, schedule, swa, augment, mix } = options;
  const plain = ({ name, options: given }: Transform): object => ({ name, ...given });
  return savedSettings({
    shuffle,
    dropLast,
    limitBatches,
    overfitBatches,
    schedule: scheduleRecipe(schedule ?? schedules.constant()) ?? OWN_CODE,
    swa: swa && { start: swa.start ?? DEFAULT_SWA_START, lr: swa.lr },
    augment: augment?.map(plain),
    mix: mix && plain(mix),
  });
}

/** Batches of an epoch. @param whole all that there are, if that is known @throws StridenetError ERR_INVALID_ARGUMENT */
function limitOf(limit: unknown, whole: number | undefined): number | undefined {
  if (limit === undefined) return whole;
  if (typeof limit === 'number' && limit > 0 && limit < 1) {
    if (whole !== undefined) return Math.max(1, Math.floor(limit * whole));
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `fit expects limitBatches to be a number of batches where a stream does not say its length but got ${limit}.`,
    );
  }
  return Math.min(checkInteger('fit', 'limitBatches', limit, 1), whole ?? Infinity);
}

/** The loss, with weights of classes where they are asked for. @throws StridenetError ERR_INVALID_ARGUMENT */
function lossOf({ loss, classWeights }: FitOptions, dataset: ReadyDataset): Loss {
  if (classWeights === undefined) return checkLoss('fit', loss);
  if (loss !== undefined) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      'fit expects either loss or classWeights. Give the loss its weights: nn.crossEntropy({ weight }).',
    );
  }
  if (classWeights !== 'balanced') return crossEntropy({ weight: classWeights });
  if (!isStream(dataset)) return crossEntropy({ weight: balancedWeights(dataset) });
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    "fit expects a data set whose classes are known before it is read with classWeights: 'balanced' but got a stream. Pass a weight for each class.",
  );
}

/** A class that is missing in one of two folders gives those behind it other numbers. @throws StridenetError ERR_INVALID_ARGUMENT */
function checkSameClasses({ classes }: ReadyDataset, validation: ReadyDataset): void {
  const own = validation.classes;
  if (classes.length === 0 || own.length === 0 || (own.length === classes.length && own.every((name, i) => name === classes[i]))) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `fit expects validation to have the classes of the data set in the same order, ${formatValue(classes)}, but it has ${formatValue(own)}: their numbers would mean ` +
      'other things. Make it with the classes of the data set, or divide one data set by data.split.',
  );
}

/** @throws StridenetError ERR_INVALID_ARGUMENT for a label that is no class of the model */
function checkKnownClasses(where: string, dataset: ReadyDataset, classes: Classes | undefined): void {
  const labels = knownLabels(dataset);
  if (labels) checkClasses(where, labels, classes);
}

function batchSizeOf(wanted: unknown, { length }: ReadyDataset, dropLast: boolean): number {
  const batchSize = checkInteger('fit', 'batchSize', wanted ?? 32, 1);
  if (length === undefined) return batchSize;
  if (!dropLast || batchSize <= length) return Math.min(batchSize, length);
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `fit expects at least one whole batch with dropLast but the data set has ${length} images and batchSize is ${batchSize}. Pass a smaller batchSize.`,
  );
}

/**
 * The program of the images that do not fill a batch, before the first step: a model may not take so few, as batch normalisation does not
 * one pixel.
 */
async function prepareLast(trainer: Trainer, dataset: ReadyDataset, { dropLast, batchesPerEpoch }: Plan): Promise<void> {
  const { length } = dataset;
  const type = imageTypeOf(dataset);
  if (dropLast || length === undefined || type === undefined) return;
  const count = length % trainer.batchSize;
  if (count === 0 || batchesPerEpoch! * trainer.batchSize < length) return;
  try {
    await trainer.prepare(count, type);
  } catch (error) {
    if (!(error instanceof StridenetError)) throw error;
    throw new StridenetError(
      error.code,
      `The last batch of an epoch has ${count} of ${length} images: ${error.message} Or pass dropLast: true, or another batchSize than ${trainer.batchSize}.`,
      { cause: error },
    );
  }
}

/** Puts the trainer where training is to begin, and gives what a fit before this one had got to. */
async function begin(trainer: Trainer, dataset: ReadyDataset, options: FitOptions, plan: Plan): Promise<FitProgress | undefined> {
  const { resume, initialEpoch } = options;
  const changes = checkChanges('fit', 'resumeChanges', options.resumeChanges, FIT_CHANGES);
  if (resume === undefined) {
    if (changes.size > 0)
      throw new StridenetError('ERR_INVALID_ARGUMENT', 'fit expects resumeChanges with resume, but there is no resume.');
    const epoch = checkInteger('fit', 'initialEpoch', initialEpoch ?? 0, 0);
    trainer.startAt(epoch, epoch * (plan.batchesPerEpoch ?? 0));
    return undefined;
  }
  if (typeof resume !== 'string' || resume === '') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `fit expects resume to be the path of a checkpoint but got ${formatValue(resume)}.`);
  }
  if (initialEpoch !== undefined) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', 'fit expects either resume or initialEpoch: a checkpoint knows its epoch.');
  }
  const checkpoint = await readCheckpoint(resume);
  const { progress } = checkpoint;
  const isWithin = progress !== undefined && progress.totals.batches > 0;
  const continuation = { where: 'fit', changes, option: 'resumeChanges' };
  if (progress) {
    const { images, batchSize, settings } = progress;
    const given = { images: dataset.length ?? 0, batchSize: trainer.batchSize, ...plan.settings };
    checkContinues({ ...continuation, path: resume, isWithin }, { images, batchSize, ...settings }, given);
  }
  if (isWithin) checkSameMetrics(resume, progress, trainer);
  // The weights of so many epochs are not those that were asked for.
  const reached = checkpoint.state.epoch + (isWithin ? 1 : 0);
  if (reached > options.epochs) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `fit expects epochs to be at least ${reached}, the epoch that ${resume} has come to, but got ${options.epochs}.`,
    );
  }
  trainer.restore(checkpoint, continuation);
  return progress;
}

/** Sums of an epoch that is half done cannot be made up for. @throws StridenetError ERR_INVALID_ARGUMENT */
function checkSameMetrics(path: string, { totals }: FitProgress, { metrics }: Trainer): void {
  const missing = metrics.find(({ name }) => !Object.hasOwn(totals.sums, name));
  if (!missing) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `fit expects the metrics that ${path} was saved with, ${Object.keys(totals.sums).join(', ') || 'none'}, but got ${missing.name} besides: it was saved in ` +
      'the middle of an epoch.',
  );
}

/** What ended training, with the records so far as `history` where it can have properties. */
function withHistory(error: unknown, history: History): unknown {
  const isObject = (typeof error === 'object' && error !== null) || typeof error === 'function';
  // Not enumerable: printing the error does not print all of training.
  if (isObject) Reflect.defineProperty(error, 'history', { value: history, configurable: true, writable: true });
  return error;
}

function checkSchedule(schedule: unknown): Schedule {
  const maker = Object.values(schedules).find((each) => each === schedule);
  if (maker) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `fit expects schedule to be what optim.${maker.name} gives but got the ${formatValue(schedule)} itself. Call it: optim.${maker.name}().`,
    );
  }
  if (typeof schedule === 'function') return schedule as Schedule;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `fit expects schedule to be a function of the step, such as optim.cosine({ warmupEpochs: 1 }), but got ${formatValue(schedule)}.`,
  );
}
