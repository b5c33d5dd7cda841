/** The epochs of a `fit`: steps in order, what they sum up to, and who is told. */

import { performance } from 'node:perf_hooks';
import type { Dataset } from '../data/dataset';
import type { Schedule, ScheduleRecord } from '../optim/schedule';
import { Philox, PURPOSE } from '../random';
import { Task } from '../runtime/task';
import { batches, pipeline } from './batches';
import type { Notifier } from './callbacks';
import { DEPTH, score } from './evaluate';
import { NO_TOTALS, type FitProgress, type Totals } from './fitProgress';
import { printedHistory } from './formatHistory';
import type { EpochRecord, History } from './history';
import type { ProgressBar } from './progress';
import type { StopSignal } from '../stopSignal';
import type { Trainer } from './trainer';

/** What is to be done. */
export interface FitPlan {
  readonly epochs: number;
  readonly schedule: Schedule;
  /** Whether an epoch leaves out the images that do not fill a batch. */
  readonly dropLast: boolean;
  readonly validation: Dataset | undefined;
  readonly signal: StopSignal | undefined;
}

export class Fitting {
  readonly history: { epochs: EpochRecord[] };
  private readonly stepsPerEpoch: number;
  /** Of the epoch under way. */
  private totals: Totals;
  /** Batches of the epoch under way that were handed over. */
  private submitted: number;
  /** Resolve the promises of those who wait for the totals of a number of batches. */
  private readonly waiting: { batches: number; resolve: (progress: FitProgress) => void; reject: (reason: unknown) => void }[] = [];

  /** @param start where a fit before this one stood */
  constructor(
    private readonly trainer: Trainer,
    private readonly dataset: Dataset,
    private readonly plan: FitPlan,
    private readonly notify: Notifier,
    private readonly bar: ProgressBar | undefined,
    start: FitProgress | undefined,
  ) {
    this.stepsPerEpoch = countSteps(dataset.length, trainer.batchSize, plan.dropLast);
    this.history = printedHistory([...(start?.epochs ?? [])]);
    this.totals = { ...(start?.totals ?? NO_TOTALS) };
    this.submitted = this.totals.batches;
  }

  async run(): Promise<History> {
    this.trainer.progress = () => this.progress();
    // One may fail before the batch that is being cut is handed over, and be seen after.
    this.trainer.endsAtFailure = true;
    try {
      await this.notify.trainBegin();
      for (let epoch = this.trainer.epoch + 1; epoch <= this.plan.epochs && !this.trainer.stopped; epoch++) await this.epoch(epoch);
      await this.notify.trainEnd(this.history);
      return this.history;
    } catch (error) {
      for (const { reject } of this.waiting.splice(0)) reject(error);
      this.submitted = this.totals.batches; // steps that failed are not part of a checkpoint that is saved now
      throw error;
    }
  }

  private async epoch(epoch: number): Promise<void> {
    await this.notify.epochBegin(epoch);
    await this.steps(epoch);
    const { batches: done } = this.totals;
    if (done === 0) return; // stopped before its first step
    const record = await this.record(epoch);
    this.history.epochs.push(record);
    if (done === this.stepsPerEpoch) {
      this.trainer.epoch = epoch;
      this.totals = { ...NO_TOTALS };
      this.submitted = 0;
    }
    this.bar?.finish(formatEpoch(record, this.plan.epochs));
    await this.notify.epochEnd(record);
  }

  private async steps(epoch: number): Promise<void> {
    const { trainer, dataset, totals, stepsPerEpoch } = this;
    const { batchSize } = trainer;
    const start = performance.now() - 1000 * totals.seconds;
    const order = await new Task(new Philox(trainer.seed, epoch, PURPOSE.shuffle).permuting(dataset.length)).inSlices();
    const images = order.subarray(totals.batches * batchSize, stepsPerEpoch * batchSize);
    await pipeline(
      untilStopped(trainer, batches(dataset, batchSize, images)),
      // A callback between batches sees the weights of its batch, so nothing may run ahead.
      this.notify.wantsBatches ? 1 : DEPTH,
      async (batch) => {
        const step = (epoch - 1) * stepsPerEpoch + this.submitted++;
        const records = this.history.epochs as unknown as readonly ScheduleRecord[];
        trainer.schedule(this.plan.schedule({ step, totalSteps: stepsPerEpoch * this.plan.epochs, stepsPerEpoch, records }));
        return { count: batch.count, ...(await trainer.step(batch.images, batch.labels)) };
      },
      async ({ count, loss, accuracy }) => {
        totals.batches++;
        totals.images += count;
        totals.loss += loss * count;
        totals.correct += (accuracy ?? 0) * count;
        totals.seconds = (performance.now() - start) / 1000;
        this.answerWaiting();
        this.showProgress(epoch);
        await this.notify.batchEnd({ epoch, batch: totals.batches, step: trainer.steps, loss, accuracy });
      },
      this.plan.signal,
    );
  }

  /** The record of the epoch under way, after measuring the validation set. */
  private async record(epoch: number): Promise<EpochRecord> {
    const { trainer, plan, totals } = this;
    const start = performance.now();
    const validation = plan.validation && (await score('fit validation', trainer, plan.validation, plan.signal));
    return {
      epoch,
      loss: totals.loss / totals.images,
      ...(trainer.accuracy ? { accuracy: totals.correct / totals.images } : {}),
      ...(validation ? { valLoss: validation.loss } : {}),
      ...(validation?.accuracy === undefined ? {} : { valAccuracy: validation.accuracy }),
      imagesPerSecond: totals.images / totals.seconds,
      seconds: totals.seconds + (performance.now() - start) / 1000,
    };
  }

  /** Where this fit stands when the steps handed over so far are done. A record of an epoch that was stopped early is not part of it. */
  private async progress(): Promise<FitProgress> {
    const { submitted } = this;
    if (this.totals.batches === submitted) return this.snapshot();
    return new Promise((resolve, reject) => this.waiting.push({ batches: submitted, resolve, reject }));
  }

  private answerWaiting(): void {
    while (this.waiting[0]?.batches === this.totals.batches) this.waiting.shift()!.resolve(this.snapshot());
  }

  private snapshot(): FitProgress {
    const epochs = this.history.epochs.filter(({ epoch }) => epoch <= this.trainer.epoch);
    return { epochs, totals: { ...this.totals }, images: this.dataset.length, batchSize: this.trainer.batchSize };
  }

  private showProgress(epoch: number): void {
    const { totals } = this;
    this.bar?.update({
      epoch,
      epochs: this.plan.epochs,
      batch: totals.batches,
      batches: this.stepsPerEpoch,
      loss: totals.loss / totals.images,
      accuracy: this.trainer.accuracy ? totals.correct / totals.images : undefined,
      imagesPerSecond: totals.images / totals.seconds,
    });
  }
}

/** Steps of an epoch. */
export function countSteps(images: number, batchSize: number, dropLast: boolean): number {
  return dropLast ? Math.floor(images / batchSize) : Math.ceil(images / batchSize);
}

function* untilStopped<Item>(trainer: Trainer, items: Iterable<Item>): Generator<Item> {
  for (const item of items) {
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
