/** The epochs of a `fit`: steps in order, what they sum up to, and who is told. */

import { performance } from 'node:perf_hooks';
import { isStream, type ReadyDataset } from '../data/kinds';
import type { Schedule, ScheduleRecord } from '../optim/schedule';
import { Philox, PURPOSE } from '../random';
import { StridenetError } from '../errors';
import { Task } from '../runtime/task';
import type { Augmenter } from '../transforms/augmenter';
import { pipeline, readBatches, type Augmentation, type Batch, type Pass } from './batches';
import type { Notifier } from './callbacks';
import { asTargets, DEPTH, type Score } from './evaluate';
import type { FitProgress } from './fitProgress';
import { printedHistory, type GrowingHistory } from './formatHistory';
import { validationName, type EpochRecord, type History } from './history';
import type { ProgressBar } from './progress';
import type { StopSignal } from '../stopSignal';
import { metricValues, Tally, type BatchScore } from './tally';
import { recalibrate } from './recalibrate';
import type { SavedSettings } from './savedSettings';
import type { Trainer } from './trainer';
import type { SwaPlan } from './weightAverage';

/** What is to be done. */
export interface FitPlan {
  readonly epochs: number;
  /** Batches of an epoch; undefined for a stream that does not say how long it is. */
  readonly batchesPerEpoch: number | undefined;
  /** So many steps make one update. */
  readonly accumulate: number;
  /** Undefined: the learning rate stays as it is. */
  readonly schedule: Schedule | undefined;
  /** The mean over the last epochs that the model ends with, if it does. */
  readonly swa: SwaPlan | undefined;
  /** Whether an epoch leaves out the images that do not fill a batch. */
  readonly dropLast: boolean;
  /** Whether every epoch has the images in an order of its own. */
  readonly shuffle: boolean;
  /** What is done to the pictures that are learned from. */
  readonly augmentation: Augmentation | undefined;
  readonly validation: ReadyDataset | undefined;
  /** What is done to those of the validation set. */
  readonly validationAugmenter: Augmenter | undefined;
  /** The validation set is measured after so many epochs, and after the last. */
  readonly validationEvery: number;
  /** So many batches of the validation set; undefined: all. */
  readonly limitValidation: number | undefined;
  readonly signal: StopSignal | undefined;
  /** What of this decides the steps of the fit, for checkpoints. */
  readonly settings: SavedSettings;
}

/** The epoch under way. */
interface EpochState {
  /** Batches that are done. */
  batches: number;
  seconds: number;
  /** Of the last step. */
  learningRate: number;
  readonly tally: Tally;
}

export class Fitting {
  readonly history: GrowingHistory;
  private current: EpochState;
  /** Batches of the epoch under way that were handed over. */
  private submitted: number;
  /** What is read of the data set in it. */
  private pass: Pass | undefined;
  /** Whether the epoch under way has come to its end. */
  private isWhole = false;
  /** Resolve the promises of those who wait for the totals of a number of batches. */
  private readonly waiting: { batches: number; resolve: (progress: FitProgress) => void; reject: (reason: unknown) => void }[] = [];

  /** @param start where a fit before this one stood */
  constructor(
    private readonly trainer: Trainer,
    private readonly dataset: ReadyDataset,
    private readonly plan: FitPlan,
    private readonly notify: Notifier,
    private readonly bar: ProgressBar | undefined,
    start: FitProgress | undefined,
  ) {
    this.history = printedHistory([...(start?.epochs ?? [])]);
    const totals = start?.totals;
    const sums = trainer.metrics.map(({ name }) => totals?.sums[name] ?? []);
    const learningRate = totals?.learningRate ?? trainer.learningRate;
    const tally = new Tally(trainer.metrics, totals && { ...totals, sums });
    this.current = { batches: totals?.batches ?? 0, seconds: totals?.seconds ?? 0, learningRate, tally };
    this.submitted = this.current.batches;
    if (start?.callbacks) notify.loadStates(start.callbacks);
  }

  async run(): Promise<History> {
    this.trainer.progress = () => this.progress();
    // One may fail before the batch that is being cut is handed over, and be seen after.
    this.trainer.endsAtFailure = true;
    try {
      await this.notify.trainBegin();
      for (let epoch = this.trainer.epoch + 1; epoch <= this.plan.epochs && !this.trainer.stopped; epoch++) await this.epoch(epoch);
      await this.finish();
      await this.notify.trainEnd(this.history);
      const { unwritten } = this.notify;
      if (unwritten.length > 0) this.history.unwritten = unwritten;
      return this.history;
    } catch (error) {
      for (const { reject } of this.waiting.splice(0)) reject(error);
      this.submitted = this.current.batches; // steps that failed are not part of a checkpoint that is saved now
      throw await this.withCause(error);
    }
  }

  /** Gives the model what it is to end with, before callbacks are told of the end. */
  private async finish(): Promise<void> {
    const { trainer, plan, dataset } = this;
    if (!plan.swa || !(await trainer.endWeights.useEpochAverage())) return trainer.endWeights.finish();
    await recalibrate(trainer, readBatches('fit', dataset, await this.passOf(plan.epochs + 1)));
  }

  /** A loss that is not finite, with what was the first such value. */
  private async withCause(error: unknown): Promise<unknown> {
    const { trainer, dataset, current, pass } = this;
    if (!(error instanceof StridenetError) || error.code !== 'ERR_NOT_FINITE' || isStream(dataset) || !pass) return error;
    try {
      const at = { ...pass, first: current.batches, limit: current.batches + 1 };
      for await (const { images, labels, weights } of readBatches('fit', dataset, at)) {
        const first = await trainer.firstNotFinite(images, asTargets(labels, trainer.target), weights, trainer.steps);
        if (first)
          return new StridenetError(error.code, `${error.message} The first value that is not finite is in ${first}.`, { cause: error });
      }
    } catch {
      // The images cannot be read again, or there is no memory for this: what ended training is known without.
    }
    return error;
  }

  private async epoch(epoch: number): Promise<void> {
    await this.notify.epochBegin(epoch);
    await this.steps(epoch);
    if (this.current.tally.images === 0) return this.noSteps(epoch);
    const record = await this.record(epoch);
    this.history.epochs.push(record);
    if (this.isWhole) {
      this.trainer.epoch = epoch;
      if (this.plan.swa && epoch >= this.plan.swa.firstEpoch) await this.trainer.endWeights.averageEpoch();
      this.current = { batches: 0, seconds: 0, learningRate: this.trainer.learningRate, tally: new Tally(this.trainer.metrics) };
      this.submitted = 0;
    }
    this.bar?.finish(formatEpoch(record, this.plan.epochs));
    await this.notify.epochEnd(record);
  }

  /** An epoch was stopped before its first step, or had nothing to read. */
  private noSteps(epoch: number): void {
    if (this.trainer.stopped) return;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `fit expects a data set of at least one image that can be read but epoch ${epoch} had none.`,
    );
  }

  private async steps(epoch: number): Promise<void> {
    const { trainer, dataset, plan, current } = this;
    const { batchesPerEpoch } = plan;
    const start = performance.now() - 1000 * current.seconds;
    const pass = (this.pass = await this.passOf(epoch, current.batches));
    await pipeline(
      untilStopped(trainer, readBatches('fit', dataset, pass)),
      // A callback between batches sees the weights of its batch, so nothing may run ahead.
      this.notify.wantsBatches ? 1 : DEPTH,
      async (batch) => this.step(epoch, batch, this.submitted++),
      async (scored) => {
        current.batches++;
        if (!scored) return this.answerWaiting();
        current.tally.add(scored);
        current.seconds = (performance.now() - start) / 1000;
        current.learningRate = trainer.learningRate;
        this.answerWaiting();
        await this.showProgress(epoch);
        const values = this.notify.wantsBatches ? await metricValues(trainer.metrics, scored.measured, scored.count) : {};
        const { loss } = scored;
        const step = trainer.steps;
        await this.notify.batchEnd({ epoch, batch: current.batches, step, loss, learningRate: trainer.learningRate, ...values });
      },
      plan.signal,
    );
    this.isWhole = batchesPerEpoch === undefined ? !trainer.stopped : current.batches === batchesPerEpoch;
  }

  /** What an epoch reads of the data set. @param first batches that are behind it */
  private async passOf(epoch: number, first = 0): Promise<Pass> {
    const { trainer, dataset, plan } = this;
    const { batchesPerEpoch: limit, dropLast, augmentation } = plan;
    const places = plan.shuffle && !isStream(dataset) && new Philox(trainer.seed, epoch, PURPOSE.shuffle).permuting(dataset.length);
    const order = places ? await new Task(places).inSlices() : undefined;
    return { batchSize: trainer.batchSize, epoch, order, first, limit, dropLast, augmentation };
  }

  /** @param place of the batch in its epoch */
  private async step(epoch: number, { images, labels, weights, count }: Batch, place: number): Promise<BatchScore | undefined> {
    if (count === 0) return undefined; // none of its pictures could be read
    const { trainer } = this;
    const { accumulate, batchesPerEpoch, schedule, epochs, swa } = this.plan;
    if (swa?.lr !== undefined && epoch >= swa.firstEpoch) {
      trainer.learningRate = swa.lr;
    } else if (schedule) {
      const stepsPerEpoch = Math.ceil(batchesPerEpoch! / accumulate);
      const step = (epoch - 1) * stepsPerEpoch + Math.floor(place / accumulate);
      const records = this.history.epochs as readonly object[] as readonly ScheduleRecord[];
      trainer.schedule(schedule({ step, totalSteps: stepsPerEpoch * epochs, stepsPerEpoch, records }));
    }
    // The last group of an epoch may be of fewer batches.
    const left = batchesPerEpoch === undefined ? Infinity : batchesPerEpoch - (place - (place % accumulate));
    const options = { sampleWeights: weights, groupSize: Math.min(accumulate, left) };
    return trainer.takeStep(images, asTargets(labels, trainer.target), options);
  }

  /** The record of the epoch under way, after measuring the validation set. */
  private async record(epoch: number): Promise<EpochRecord> {
    const { trainer, plan, current } = this;
    const start = performance.now();
    const isDue = epoch % plan.validationEvery === 0 || epoch === plan.epochs || trainer.stopped;
    const options = { signal: plan.signal, limit: plan.limitValidation, augmenter: plan.validationAugmenter };
    const validation = plan.validation && isDue ? await trainer.score('fit validation', plan.validation, options) : undefined;
    return {
      epoch,
      loss: current.tally.meanLoss,
      ...(await current.tally.metricValues()),
      ...(validation && withPrefix(validation)),
      learningRate: current.learningRate,
      imagesPerSecond: current.tally.images / current.seconds,
      seconds: current.seconds + (performance.now() - start) / 1000,
    };
  }

  /** Where this fit stands when the steps handed over so far are done. A record of an epoch that was stopped early is not part of it. */
  private async progress(): Promise<FitProgress> {
    const { submitted } = this;
    if (this.current.batches === submitted) return this.snapshot();
    return new Promise((resolve, reject) => this.waiting.push({ batches: submitted, resolve, reject }));
  }

  private answerWaiting(): void {
    while (this.waiting[0]?.batches === this.current.batches) this.waiting.shift()!.resolve(this.snapshot());
  }

  private snapshot(): FitProgress {
    const { trainer, current, dataset } = this;
    const { batches, seconds, learningRate, tally } = current;
    const sums = Object.fromEntries(trainer.metrics.map(({ name }, i) => [name, tally.sums[i]!]));
    return {
      epochs: this.history.epochs.filter(({ epoch }) => epoch <= trainer.epoch),
      totals: { batches, images: tally.images, loss: tally.loss, weight: tally.weight, seconds, learningRate, sums },
      images: dataset.length ?? 0,
      batchSize: trainer.batchSize,
      settings: this.plan.settings,
      callbacks: this.notify.states(),
    };
  }

  private async showProgress(epoch: number): Promise<void> {
    const { batches, seconds, tally } = this.current;
    if (!this.bar?.isDue) return;
    const metrics = await tally.metricValues();
    this.bar.update({
      epoch,
      epochs: this.plan.epochs,
      batch: batches,
      batches: this.plan.batchesPerEpoch,
      loss: tally.meanLoss,
      accuracy: metrics['accuracy'] as number | undefined,
      learningRate: this.trainer.learningRate,
      imagesPerSecond: tally.images / seconds,
    });
  }
}

/** A score of the validation set by the names of a record: valLoss for loss. */
function withPrefix(score: Score): Record<string, Score[string]> {
  return Object.fromEntries(Object.entries(score).map(([name, value]) => [validationName(name), value]));
}

/** Steps of an epoch. */
export function countSteps(images: number, batchSize: number, dropLast: boolean): number {
  return dropLast ? Math.floor(images / batchSize) : Math.ceil(images / batchSize);
}

async function* untilStopped<Item>(trainer: Trainer, items: AsyncIterable<Item> | Iterable<Item>): AsyncGenerator<Item> {
  for await (const item of items) {
    if (trainer.stopped) return;
    yield item;
  }
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
