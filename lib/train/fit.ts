/** fit: trains a model on a data set for some epochs and reports how it went. */

import type { Dataset } from '../data/dataset';
import { checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import type { Loss } from '../nn/loss';
import type { Module } from '../nn/module';
import type { Optimizer } from '../optim/optimizer';
import { constant, type Schedule } from '../optim/schedule';
import { Philox, PURPOSE } from '../random';
import { batches, checkDataset, checkImageShape, pipeline } from './batches';
import { checkCallbacks, Notifier, type Callback, type EpochRecord, type History } from './callbacks';
import { checkClassLoss, datasetPreprocessing, DEPTH, type Metric } from './evaluate';
import { checkClasses } from './images';
import { EXECUTION_OPTIONS, type ExecutionOptions } from './programs';
import { ProgressBar } from './progress';
import { Trainer } from './trainer';

export interface FitOptions extends ExecutionOptions {
  /** Passes over the data set. */
  epochs: number;
  /** Images of a step; the last step of an epoch takes what is left. Default 32. */
  batchSize?: number;
  /** Measured after every epoch. */
  validation?: Dataset;
  /** Default `nn.crossEntropy()`. */
  loss?: Loss;
  /** Default ['accuracy']. */
  metrics?: readonly Metric[];
  /** Such as `optim.sgd({ lr: 0.1, momentum: 0.9 })`. */
  optimizer: Optimizer;
  /** Factor on the learning rate by step; default `optim.constant()`. */
  schedule?: Schedule;
  /** Default none. */
  callbacks?: readonly Callback[];
  /** Stops at the next batch: `fit` rejects with the signal's reason and the model keeps the weights of the last completed step. */
  signal?: AbortSignal;
  /** Seed of the order of the images. Default: drawn from `manualSeed`. The same seed and weights give bit-identical results. */
  seed?: number;
  /** Show a progress bar if standard error is a terminal; default true. */
  progress?: boolean;
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
    'progress',
    ...EXECUTION_OPTIONS,
  ],
];

/**
 * Trains a model on a data set, off the event loop. The images are shuffled anew in every epoch.
 *
 * @returns one record for each epoch; loss and accuracy are means over the epoch, measured while the weights moved
 * @throws StridenetError ERR_NOT_FINITE when the loss becomes NaN or infinite; ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION for
 *   what does not fit; the signal's reason
 * @example
 * const history = await fit(model, train, { epochs: 10, batchSize: 256, validation: test, optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }) });
 * history.epochs.at(-1).valAccuracy;
 */
export async function fit(model: Module, dataset: Dataset, options: FitOptions): Promise<History> {
  checkOptions('fit', options, OPTIONS);
  checkDataset('fit', dataset);
  if (options?.validation !== undefined) checkDataset('fit validation', options.validation);
  const epochs = checkInteger('fit', 'epochs', options?.epochs, 1);
  const schedule = checkSchedule(options.schedule);
  const callbacks = checkCallbacks('fit', options.callbacks);
  options.signal?.throwIfAborted();
  const trainer = new Trainer(model, {
    optimizer: options.optimizer,
    loss: options.loss,
    metrics: options.metrics,
    input: dataset.shape,
    batchSize: Math.min(checkInteger('fit', 'batchSize', options.batchSize ?? 32, 1), dataset.length),
    threads: options.threads,
    algorithm: options.algorithm,
    seed: options.seed,
    preprocess: datasetPreprocessing('fit', dataset),
  });
  const bar = options.progress === false ? undefined : new ProgressBar();
  try {
    checkClassLoss('fit', trainer.loss);
    // All of it before the first step, so that a mistake in the last image does not leave a model trained in part.
    checkClasses('fit', dataset.labels, trainer.classes);
    if (options.validation) {
      checkImageShape('fit validation', options.validation, dataset.shape);
      checkClasses('fit validation', options.validation.labels, trainer.classes);
    }
    const notify = new Notifier(callbacks, { model, trainer });
    return await new Fitting(
      trainer,
      dataset,
      { epochs, schedule, validation: options.validation, signal: options.signal },
      notify,
      bar,
    ).run();
  } finally {
    bar?.clear();
    trainer.close();
  }
}

interface Plan {
  readonly epochs: number;
  readonly schedule: Schedule;
  readonly validation: Dataset | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Sums over the images of an epoch so far. */
interface Totals {
  batches: number;
  images: number;
  loss: number;
  correct: number;
}

class Fitting {
  private readonly history: { epochs: EpochRecord[] } = { epochs: [] };
  private readonly stepsPerEpoch: number;
  private step = 0;

  constructor(
    private readonly trainer: Trainer,
    private readonly dataset: Dataset,
    private readonly plan: Plan,
    private readonly notify: Notifier,
    private readonly bar: ProgressBar | undefined,
  ) {
    this.stepsPerEpoch = Math.ceil(dataset.length / trainer.batchSize);
  }

  async run(): Promise<History> {
    await this.notify.trainBegin();
    for (let epoch = 1; epoch <= this.plan.epochs; epoch++) {
      await this.notify.epochBegin(epoch);
      const record = await this.epoch(epoch);
      this.history.epochs.push(record);
      this.trainer.epoch = epoch;
      this.bar?.finish(formatEpoch(record, this.plan.epochs));
      await this.notify.epochEnd(record);
    }
    await this.notify.trainEnd(this.history);
    return this.history;
  }

  private async epoch(epoch: number): Promise<EpochRecord> {
    const { trainer, dataset, plan } = this;
    const start = performance.now();
    const totals: Totals = { batches: 0, images: 0, loss: 0, correct: 0 };
    const order = new Philox(trainer.seed, epoch, PURPOSE.shuffle).permutation(dataset.length);
    await pipeline(
      batches(dataset, trainer.batchSize, order),
      // A callback between batches sees the weights of its batch, so nothing may run ahead.
      this.notify.wantsBatches ? 1 : DEPTH,
      async ({ images, labels, count }) => {
        trainer.learningRate = trainer.optimizer.lr * this.factor();
        return { count, ...(await trainer.step(images, labels)) };
      },
      async ({ count, loss, accuracy }) => {
        totals.batches++;
        totals.images += count;
        totals.loss += loss * count;
        totals.correct += (accuracy ?? 0) * count;
        this.showProgress(epoch, totals, start);
        await this.notify.batchEnd({ epoch, batch: totals.batches, step: trainer.steps, loss, accuracy });
      },
      plan.signal,
    );
    const trained = performance.now();
    const validation = plan.validation && (await trainer.evaluate(plan.validation, { signal: plan.signal }));
    return {
      epoch,
      loss: totals.loss / totals.images,
      ...(trainer.accuracy ? { accuracy: totals.correct / totals.images } : {}),
      ...(validation ? { valLoss: validation.loss } : {}),
      ...(validation?.accuracy === undefined ? {} : { valAccuracy: validation.accuracy }),
      imagesPerSecond: totals.images / ((trained - start) / 1000),
      seconds: (performance.now() - start) / 1000,
    };
  }

  /** The schedule's factor for the next step. */
  private factor(): number {
    const { stepsPerEpoch, plan } = this;
    return plan.schedule({ step: this.step++, totalSteps: stepsPerEpoch * plan.epochs, stepsPerEpoch });
  }

  private showProgress(epoch: number, totals: Totals, start: number): void {
    this.bar?.update({
      epoch,
      epochs: this.plan.epochs,
      batch: totals.batches,
      batches: this.stepsPerEpoch,
      loss: totals.loss / totals.images,
      accuracy: this.trainer.accuracy ? totals.correct / totals.images : undefined,
      imagesPerSecond: totals.images / ((performance.now() - start) / 1000),
    });
  }
}

function checkSchedule(schedule: unknown): Schedule {
  if (schedule === undefined) return constant();
  if (typeof schedule === 'function') return schedule as Schedule;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `fit expects schedule to be a function of the step, such as optim.cosine({ warmupEpochs: 1 }), but got ${formatValue(schedule)}.`,
  );
}

function formatEpoch(record: EpochRecord, epochs: number): string {
  const numbers = Object.entries({
    loss: record.loss,
    accuracy: record.accuracy,
    'val loss': record.valLoss,
    'val accuracy': record.valAccuracy,
  }).flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value.toFixed(4)}`]));
  const speed = `${Math.round(record.imagesPerSecond).toLocaleString('en-US')} images/s`;
  return [`epoch ${record.epoch}/${epochs}`, ...numbers, speed, `${record.seconds.toFixed(1)} s`].join('  ');
}
