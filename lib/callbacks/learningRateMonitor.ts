/** callbacks.learningRateMonitor: which learning rates a training had. */

import { checkBoolean, checkOptions, formatValue, StridenetError } from '../errors';
import type { Callback, FitContext } from '../train/callbacks';
import type { EpochRecord } from '../train/history';

/** Options of `callbacks.learningRateMonitor`. */
export interface LearningRateMonitorOptions {
  /** Note the rate of every epoch's last step, or of every step. Default 'epoch'. */
  every?: 'epoch' | 'batch' | undefined;
  /** Print a line to standard error after an epoch whose rate is another than that of the epoch before. Default true. */
  print?: boolean | undefined;
}

/** A learning rate and the step that was taken with it. */
export interface NotedLearningRate {
  /** From 1. */
  readonly epoch: number;
  /** Since training began, from 1. */
  readonly step: number;
  /** Of the optimizer, without the factors of groups of parameters. */
  readonly learningRate: number;
}

/** A callback that remembers learning rates. */
export interface LearningRateMonitor extends Callback {
  /** What was noted since training began. */
  readonly rates: readonly NotedLearningRate[];
}

class RateMonitor implements LearningRateMonitor {
  readonly rates: NotedLearningRate[] = [];
  readonly onBatchEnd: Callback['onBatchEnd'];
  private printed: number | undefined;

  constructor(
    everyBatch: boolean,
    private readonly print: boolean,
  ) {
    if (everyBatch) this.onBatchEnd = ({ epoch }, context) => this.note(epoch, context);
  }

  onTrainBegin(): void {
    this.rates.length = 0;
    this.printed = undefined;
  }

  onEpochEnd({ epoch }: EpochRecord, context: FitContext): void {
    if (!this.onBatchEnd) this.note(epoch, context);
    const { learningRate } = context.trainer;
    if (!this.print || learningRate === this.printed) return;
    this.printed = learningRate;
    process.stderr.write(`epoch ${epoch}  learning rate ${Number(learningRate.toPrecision(6))}\n`);
  }

  private note(epoch: number, { trainer }: FitContext): void {
    this.rates.push({ epoch, step: trainer.steps, learningRate: trainer.learningRate });
  }
}

const NAME = 'callbacks.learningRateMonitor';

/**
 * Notes the learning rates that schedule, callbacks and `trainer.learningRate` lead to, and prints them where they change (Lightning's
 * LearningRateMonitor).
 *
 * @returns a callback with the noted `rates`
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example
 * const monitor = callbacks.learningRateMonitor({ every: 'batch', print: false });
 * await fit(model, train, { epochs: 3, optimizer, schedule: optim.oneCycle(), callbacks: [monitor] });
 * monitor.rates; // [{ epoch: 1, step: 1, learningRate: 0.004 }, ...]
 */
export function learningRateMonitor(options: LearningRateMonitorOptions = {}): LearningRateMonitor {
  checkOptions(NAME, options, ['every', 'print']);
  const { every = 'epoch' } = options;
  if (every !== 'epoch' && every !== 'batch') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${NAME} expects every to be 'epoch' or 'batch' but got ${formatValue(every)}.`);
  }
  return new RateMonitor(every === 'batch', checkBoolean(NAME, 'print', options.print ?? true));
}
