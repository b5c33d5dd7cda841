/** fit: trains a model on a data set for some epochs and reports how it went. */

import { types } from 'node:util';
import { readDataset, type Dataset, type DatasetLike } from '../data/dataset';
import { checkBoolean, checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import type { Loss } from '../nn/loss';
import type { Module } from '../nn/module';
import type { Optimizer } from '../optim/optimizer';
import * as schedules from '../optim/schedule';
import type { Schedule } from '../optim/schedule';
import { nextTurn } from '../runtime/task';
import { checkImageShape } from './batches';
import { checkCallbacks, Notifier, type Callback } from './callbacks';
import { CLIPPING_OPTIONS, type ClippingOptions } from './clipping';
import { readCheckpoint } from './checkpoint';
import { claim } from './claims';
import { checkClassLoss, datasetReading, type Metric } from './evaluate';
import type { FitProgress } from './fitProgress';
import { countSteps, Fitting } from './fitting';
import type { History } from './history';
import { checkClasses } from './images';
import { EXECUTION_OPTIONS, type ExecutionOptions } from './programs';
import { ProgressBar } from './progress';
import { checkSignal, type StopSignal } from '../stopSignal';
import { Trainer } from './trainer';
import { optionsOf } from './trainerOptions';

/** Options of `fit`. */
export interface FitOptions extends ExecutionOptions, ClippingOptions {
  /** Passes over the data set, those before `initialEpoch` or `resume` included. */
  epochs: number;
  /** Images of a step; the last step of an epoch takes what is left (see `dropLast`). Default 32. */
  batchSize?: number | undefined;
  /** Measured after every epoch. */
  validation?: DatasetLike | undefined;
  /** Default `nn.crossEntropy()`. */
  loss?: Loss | undefined;
  /** Default ['accuracy']. */
  metrics?: readonly Metric[] | undefined;
  /** Such as `optim.sgd({ lr: 0.1, momentum: 0.9 })`. */
  optimizer: Optimizer;
  /** Factor on the learning rate by step; default `optim.constant()`. */
  schedule?: Schedule | undefined;
  /** Default none. */
  callbacks?: readonly Callback[] | undefined;
  /**
   * Stops at the next batch: `fit` rejects with the signal's reason, which gets the records so far as `history`, and the model keeps the
   * weights of the last completed step. `context.trainer.stop()` ends a fit without an error.
   */
  signal?: StopSignal | undefined;
  /** Seed of the order of the images. Default: drawn from `manualSeed`. The same seed and weights give bit-identical results. */
  seed?: number | undefined;
  /** Leave out the images of an epoch that do not fill a batch; others in every epoch. Default false: they are a smaller batch. */
  dropLast?: boolean | undefined;
  /**
   * A file that `trainer.save` wrote, in a callback say: weights, optimizer slots, epoch, step, seed, learning rate, history and the global
   * random state are taken from it, and training goes on up to `epochs`: nothing is left to do when it has as many behind it, and one that
   * went further is refused. Its learning rate goes before the optimizer's.
   */
  resume?: string | undefined;
  /** Epochs that count as done: training begins with the next one, as do order, schedule and records; from `epochs` on, none is left. Default 0. */
  initialEpoch?: number | undefined;
  /** Show a progress bar if standard error is a terminal; default true. */
  progress?: boolean | undefined;
}

const OPTIONS = [
  ...[
    'epochs',
    'batchSize',
    'validation',
    'loss',
    'metrics',
    'optimizer',
    'schedule',
    'callbacks',
    'signal',
    'seed',
    'dropLast',
    'resume',
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
 * A fit that was killed goes on with `resume` from what its last `context.trainer.save(path)` wrote, also in the middle of an epoch: model,
 * data set and options being the same, weights and history become those of a fit that was never interrupted, to the last bit.
 *
 * @returns one record for each epoch; loss and accuracy are means over the epoch, measured while the weights moved
 * @throws StridenetError ERR_NOT_FINITE when the loss becomes NaN or infinite; ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION for
 *   what does not fit; ERR_BUSY while something else trains the model; ERR_FILE_ACCESS, ERR_BAD_FILE, ERR_STATE_DICT_MISMATCH for `resume`; the
 *   signal's reason. What ends training after it began is an error that has the records so far as `history`.
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
export async function fit(model: Module, data: DatasetLike, options: FitOptions): Promise<History> {
  checkOptions('fit', options, OPTIONS);
  const dataset = readDataset('fit', data);
  const validation = options?.validation === undefined ? undefined : readDataset('fit validation', options.validation);
  const epochs = checkInteger('fit', 'epochs', options?.epochs, 1);
  const schedule = checkSchedule(options.schedule);
  const callbacks = checkCallbacks('fit', options.callbacks);
  const dropLast = checkBoolean('fit', 'dropLast', options.dropLast ?? false);
  const { signal } = options;
  checkSignal('fit', signal);
  signal?.throwIfAborted();
  const trainerOptions = optionsOf('fit', {
    optimizer: options.optimizer,
    loss: options.loss,
    metrics: options.metrics,
    input: dataset.shape,
    batchSize: batchSizeOf(options.batchSize, dataset, dropLast),
    threads: options.threads,
    algorithm: options.algorithm,
    seed: options.seed,
    gradientClipNorm: options.gradientClipNorm,
    gradientClipValue: options.gradientClipValue,
    ...datasetReading(dataset),
  });
  const trainer = new Trainer(model, trainerOptions);
  const bar = options.progress === false ? undefined : new ProgressBar();
  let fitting: Fitting | undefined;
  let release: (() => void) | undefined;
  try {
    release = claim('fit', trainer.changing, trainer);
    checkClassLoss('fit', trainer.loss);
    // All of it before the first step, so that a mistake in the last image does not leave a model trained in part.
    checkClasses('fit', dataset.labels, trainer.classes);
    if (validation) {
      checkImageShape('fit validation', validation, dataset.shape);
      checkClasses('fit validation', validation.labels, trainer.classes);
    }
    await nextTurn(); // the trainer has built a graph, and the first step will build its own
    if (!dropLast) await prepareLast(trainer, dataset);
    const start = await begin(trainer, dataset, options, dropLast);
    const notify = new Notifier(callbacks, { model, trainer });
    fitting = new Fitting(trainer, dataset, { epochs, schedule, dropLast, validation, signal }, notify, bar, start);
    return await fitting.run();
  } catch (error) {
    throw fitting ? withHistory(error, fitting.history) : error;
  } finally {
    bar?.clear();
    await trainer.closeInSlices().finally(release);
  }
}

function batchSizeOf(wanted: unknown, { length }: Dataset, dropLast: boolean): number {
  const batchSize = checkInteger('fit', 'batchSize', wanted ?? 32, 1);
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
async function prepareLast(trainer: Trainer, { images, length }: Dataset): Promise<void> {
  const count = length % trainer.batchSize;
  if (count === 0) return;
  try {
    await trainer.prepare(count, types.isUint8Array(images) ? 'uint8' : 'float32');
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
async function begin(trainer: Trainer, dataset: Dataset, options: FitOptions, dropLast: boolean): Promise<FitProgress | undefined> {
  const { resume, initialEpoch, seed } = options;
  if (resume === undefined) {
    const epoch = checkInteger('fit', 'initialEpoch', initialEpoch ?? 0, 0);
    trainer.startAt(epoch, epoch * countSteps(dataset.length, trainer.batchSize, dropLast));
    return undefined;
  }
  if (typeof resume !== 'string' || resume === '') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `fit expects resume to be the path of a checkpoint but got ${formatValue(resume)}.`);
  }
  if (initialEpoch !== undefined) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', 'fit expects either resume or initialEpoch: a checkpoint knows its epoch.');
  }
  const checkpoint = await readCheckpoint(resume);
  checkSame(resume, 'seed', checkpoint.state.seed, seed ?? checkpoint.state.seed);
  if (checkpoint.progress && checkpoint.progress.totals.batches > 0) {
    // Which images are left to an epoch depends on these.
    checkSame(resume, 'batchSize', checkpoint.progress.batchSize, trainer.batchSize);
    checkSame(resume, 'number of images', checkpoint.progress.images, dataset.length);
  }
  // The weights of so many epochs are not those that were asked for.
  const reached = checkpoint.state.epoch + (checkpoint.progress && checkpoint.progress.totals.batches > 0 ? 1 : 0);
  if (reached > options.epochs) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `fit expects epochs to be at least ${reached}, the epoch that ${resume} has come to, but got ${options.epochs}.`,
    );
  }
  trainer.restore(checkpoint);
  return checkpoint.progress;
}

function checkSame(path: string, name: string, saved: number, given: number): void {
  if (saved === given) return;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `fit expects the ${name} that ${path} was saved with, ${saved}, but got ${given}.`);
}

/** What ended training, with the records so far as `history` where it can have properties. */
function withHistory(error: unknown, history: History): unknown {
  const isObject = (typeof error === 'object' && error !== null) || typeof error === 'function';
  // Not enumerable: printing the error does not print all of training.
  if (isObject) Reflect.defineProperty(error, 'history', { value: history, configurable: true, writable: true });
  return error;
}

function checkSchedule(schedule: unknown): Schedule {
  if (schedule === undefined) return schedules.constant();
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
