/** Learning rate schedules: pure functions from the step to a factor on the optimizer's learning rate. */

import { checkNumber, checkOptions } from '../errors';

/** Where training stands when a step is about to run. */
export interface ScheduleStep {
  /** Steps done so far: 0 for the first. */
  readonly step: number;
  /** Steps of the whole training. */
  readonly totalSteps: number;
  /** Steps of one pass over the data set. */
  readonly stepsPerEpoch: number;
}

/** The factor on the learning rate for one step. */
export type Schedule = (at: ScheduleStep) => number;

/** @throws StridenetError ERR_INVALID_ARGUMENT unless `at` says where training stands */
function checkStep(where: string, at: unknown): ScheduleStep {
  const { step, totalSteps, stepsPerEpoch } = (at ?? {}) as Partial<ScheduleStep>;
  return {
    step: checkNumber(where, 'step', step, 0),
    totalSteps: checkNumber(where, 'totalSteps', totalSteps, 0),
    stepsPerEpoch: checkNumber(where, 'stepsPerEpoch', stepsPerEpoch, 0),
  };
}

/** The learning rate stays as it is. */
export function constant(): Schedule {
  return () => 1;
}

/** Options of `optim.cosine`. */
export interface CosineOptions {
  /** Epochs, or parts of one, over which the factor first rises linearly to 1; default 0. */
  warmupEpochs?: number | undefined;
  /** The factor at the end; default 0. */
  minFactor?: number | undefined;
}

/**
 * Linear warm-up, then half a cosine from 1 down to `minFactor` at the last step (Loshchilov and Hutter, 2017, without restarts).
 * Step s of w warm-up steps has factor (s + 1) / w; step s of the T that follow has minFactor + (1 - minFactor) (1 + cos(pi s / T)) / 2.
 */
export function cosine(options: CosineOptions = {}): Schedule {
  checkOptions('optim.cosine', options, ['warmupEpochs', 'minFactor']);
  const warmupEpochs = checkNumber('optim.cosine', 'warmupEpochs', options.warmupEpochs ?? 0, 0);
  const minFactor = checkNumber('optim.cosine', 'minFactor', options.minFactor ?? 0, 0, 1);
  return (at) => {
    const { step, totalSteps, stepsPerEpoch } = checkStep('optim.cosine', at);
    const warmup = Math.min(Math.round(warmupEpochs * stepsPerEpoch), totalSteps);
    if (step < warmup) return (step + 1) / warmup;
    const progress = Math.min(1, (step - warmup) / Math.max(1, totalSteps - warmup));
    return minFactor + ((1 - minFactor) * (1 + Math.cos(Math.PI * progress))) / 2;
  };
}
