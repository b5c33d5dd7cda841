/**
 * Learning rate schedules: pure functions from where training stands to a factor on the optimizer's learning rate. What PyTorch's schedulers
 * keep from call to call follows from the step or the records here, so a schedule needs nothing in a checkpoint.
 */

import { checkInteger, checkNumber, checkOptions, formatValue, readArray, StridenetError } from '../errors';
import { scheduleRecipe, withRecipe, type ScheduleRecipe } from './scheduleRecipe';

/** Where training stands when a step is about to run. */
export interface ScheduleStep {
  /** Steps done so far: 0 for the first. */
  readonly step: number;
  /** Steps of the whole training. */
  readonly totalSteps: number;
  /** Steps of one pass over the data set. */
  readonly stepsPerEpoch: number;
  /** What `fit` recorded of the epochs so far; default none. */
  readonly records?: readonly ScheduleRecord[] | undefined;
}

/** What was measured in an epoch, such as `valLoss`. */
export type ScheduleRecord = Readonly<Record<string, number | undefined>>;

/** The factor on the learning rate for one step. */
export interface Schedule {
  (at: ScheduleStep): number;
  /** A number of the records that it follows: `fit` refuses it before training where records will not have that. */
  readonly monitor?: string;
}

/** Whether a schedule moves on after each step or after each epoch. */
export type SchedulePace = 'step' | 'epoch';

/** @throws StridenetError ERR_INVALID_ARGUMENT unless `at` says where training stands */
function checkStep(where: string, at: unknown): Required<ScheduleStep> {
  const { step, totalSteps, stepsPerEpoch, records } = (at ?? {}) as Partial<ScheduleStep>;
  return {
    step: checkNumber(where, 'step', step, 0),
    totalSteps: checkNumber(where, 'totalSteps', totalSteps, 0),
    stepsPerEpoch: checkNumber(where, 'stepsPerEpoch', stepsPerEpoch, 0),
    records: records ?? [],
  };
}

/** A schedule that sees where training stands checked. @param where 'optim.' and its name @param options undefined when they are no plain data */
function scheduleOf(
  where: string,
  options: ScheduleRecipe['options'] | undefined,
  factor: (at: Required<ScheduleStep>) => number,
): Schedule {
  const schedule: Schedule = (at) => factor(checkStep(where, at));
  return options ? withRecipe(schedule, { name: where.slice('optim.'.length), options }) : schedule;
}

function checkPace(where: string, per: unknown): SchedulePace {
  if (per === 'step' || per === 'epoch') return per;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects per to be 'step' or 'epoch' but got ${formatValue(per)}.`);
}

/** How many steps or whole epochs are done. */
function countOf(per: SchedulePace, { step, stepsPerEpoch }: ScheduleStep): number {
  return per === 'step' ? step : Math.floor(step / Math.max(1, stepsPerEpoch));
}

/** The learning rate stays as it is. */
export function constant(): Schedule {
  return scheduleOf('optim.constant', {}, () => 1);
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
  return scheduleOf('optim.cosine', { warmupEpochs, minFactor }, ({ step: done, totalSteps, stepsPerEpoch }) => {
    const rise = Math.min(Math.round(warmupEpochs * stepsPerEpoch), totalSteps);
    if (done < rise) return (done + 1) / rise;
    const progress = Math.min(1, (done - rise) / Math.max(1, totalSteps - rise));
    return minFactor + ((1 - minFactor) * (1 + Math.cos(Math.PI * progress))) / 2;
  });
}

/** Options of `optim.step`. */
export interface StepOptions {
  /** Epochs, or steps, after which the factor changes. */
  stepSize: number;
  /** By how much it is multiplied; default 0.1. */
  gamma?: number | undefined;
  /** What `stepSize` counts; default 'epoch'. */
  per?: SchedulePace | undefined;
}

/**
 * gamma^floor(t / stepSize), t the epochs done (torch.optim.lr_scheduler.StepLR).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.step({ stepSize: 30 })
 */
export function step(options: StepOptions): Schedule {
  const where = 'optim.step';
  checkOptions(where, options, ['stepSize', 'gamma', 'per']);
  const stepSize = checkInteger(where, 'stepSize', options?.stepSize, 1);
  const gamma = checkNumber(where, 'gamma', options.gamma ?? 0.1, 0);
  const per = checkPace(where, options.per ?? 'epoch');
  return scheduleOf(where, { stepSize, gamma, per }, (at) => gamma ** Math.floor(countOf(per, at) / stepSize));
}

/** Options of `optim.multiStep`. */
export interface MultiStepOptions {
  /** Epochs, or steps, after which the factor changes, in ascending order. */
  milestones: readonly number[];
  /** By how much it is multiplied; default 0.1. */
  gamma?: number | undefined;
  /** What `milestones` count; default 'epoch'. */
  per?: SchedulePace | undefined;
}

/**
 * gamma to the number of milestones reached (torch.optim.lr_scheduler.MultiStepLR).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.multiStep({ milestones: [100, 150] })
 */
export function multiStep(options: MultiStepOptions): Schedule {
  const where = 'optim.multiStep';
  checkOptions(where, options, ['milestones', 'gamma', 'per']);
  const milestones = readArray(options?.milestones)?.map((milestone, i) => checkInteger(where, `milestones[${i}]`, milestone, 0));
  if (!milestones || milestones.some((milestone, i) => i > 0 && milestone < milestones[i - 1]!)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects milestones to be an array of numbers in ascending order, such as [100, 150], but got ${formatValue(options?.milestones)}.`,
    );
  }
  const gamma = checkNumber(where, 'gamma', options.gamma ?? 0.1, 0);
  const per = checkPace(where, options.per ?? 'epoch');
  return scheduleOf(
    where,
    { milestones, gamma, per },
    (at) => gamma ** milestones.filter((milestone) => milestone <= countOf(per, at)).length,
  );
}

/** Options of `optim.exponential`. */
export interface ExponentialOptions {
  /** The factor of one epoch, or step. */
  gamma: number;
  /** After what it is multiplied; default 'epoch'. */
  per?: SchedulePace | undefined;
}

/**
 * gamma^t, t the epochs done (torch.optim.lr_scheduler.ExponentialLR).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.exponential({ gamma: 0.95 })
 */
export function exponential(options: ExponentialOptions): Schedule {
  const where = 'optim.exponential';
  checkOptions(where, options, ['gamma', 'per']);
  const gamma = checkNumber(where, 'gamma', options?.gamma, 0);
  const per = checkPace(where, options.per ?? 'epoch');
  return scheduleOf(where, { gamma, per }, (at) => gamma ** countOf(per, at));
}

/** Options of `optim.polynomial`. */
export interface PolynomialOptions {
  /** Exponent, at least 0; default 1. */
  power?: number | undefined;
  /** Steps, or epochs, until the factor is 0; default the whole training. */
  total?: number | undefined;
  /** What `total` counts; default 'step'. */
  per?: SchedulePace | undefined;
}

/**
 * (1 - min(t, total) / total)^power (torch.optim.lr_scheduler.PolynomialLR).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.polynomial({ power: 0.9 })
 */
export function polynomial(options: PolynomialOptions = {}): Schedule {
  const where = 'optim.polynomial';
  checkOptions(where, options, ['power', 'total', 'per']);
  const power = checkNumber(where, 'power', options.power ?? 1, 0);
  const total = options.total === undefined ? undefined : checkInteger(where, 'total', options.total, 1);
  const per = checkPace(where, options.per ?? 'step');
  return scheduleOf(where, { power, total, per }, (at) => {
    const end = total ?? countOf(per, { ...at, step: at.totalSteps });
    return (1 - Math.min(countOf(per, at), end) / Math.max(1, end)) ** power;
  });
}

/** Options of `optim.cosineRestarts`. */
export interface CosineRestartsOptions {
  /** Epochs of the first cycle. */
  firstEpochs: number;
  /** How many times as long as the one before it each further cycle is; default 1. */
  growth?: number | undefined;
  /** The factor at the end of a cycle; default 0. */
  minFactor?: number | undefined;
}

/**
 * Half a cosine from 1 down to `minFactor` in each cycle, then 1 again (Loshchilov and Hutter, 2017; CosineAnnealingWarmRestarts of
 * torch.optim.lr_scheduler, called in every step).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.cosineRestarts({ firstEpochs: 10, growth: 2 })
 */
export function cosineRestarts(options: CosineRestartsOptions): Schedule {
  const where = 'optim.cosineRestarts';
  checkOptions(where, options, ['firstEpochs', 'growth', 'minFactor']);
  const firstEpochs = checkNumber(where, 'firstEpochs', options?.firstEpochs, Number.MIN_VALUE);
  const growth = checkInteger(where, 'growth', options.growth ?? 1, 1);
  const minFactor = checkNumber(where, 'minFactor', options.minFactor ?? 0, 0, 1);
  return scheduleOf(where, { firstEpochs, growth, minFactor }, ({ step: done, stepsPerEpoch }) => {
    let [length, since] = [firstEpochs, done / Math.max(1, stepsPerEpoch)];
    if (growth === 1) since %= length;
    for (; since >= length; length *= growth) since -= length;
    return minFactor + ((1 - minFactor) * (1 + Math.cos((Math.PI * since) / length))) / 2;
  });
}

/** Options of `optim.oneCycle`. */
export interface OneCycleOptions {
  /** The part of training in which the rate rises, in [0, 1]; default 0.3. */
  pctStart?: number | undefined;
  /** The highest rate, which is the optimizer's, is so many times the first; default 25. */
  divFactor?: number | undefined;
  /** The first rate is so many times the last; default 10,000. */
  finalDivFactor?: number | undefined;
  /** Default 'cos'. */
  annealing?: 'cos' | 'linear' | undefined;
  /** Whether the rate falls as long as it rose, and only then to its last value; default false. */
  threePhase?: boolean | undefined;
}

/**
 * Up from 1 / divFactor to 1, then down to 1 / (divFactor finalDivFactor) in the last step (Smith and Topin, 2018; OneCycleLR of
 * torch.optim.lr_scheduler with cycle_momentum=False, whose max_lr is the optimizer's lr here).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.oneCycle({ pctStart: 0.2 })
 */
export function oneCycle(options: OneCycleOptions = {}): Schedule {
  const where = 'optim.oneCycle';
  checkOptions(where, options, ['pctStart', 'divFactor', 'finalDivFactor', 'annealing', 'threePhase']);
  const pctStart = checkNumber(where, 'pctStart', options.pctStart ?? 0.3, 0, 1);
  const divFactor = checkNumber(where, 'divFactor', options.divFactor ?? 25, 1);
  const finalDivFactor = checkNumber(where, 'finalDivFactor', options.finalDivFactor ?? 1e4, 1);
  const { annealing = 'cos', threePhase = false } = options;
  if (annealing !== 'cos' && annealing !== 'linear') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects annealing to be 'cos' or 'linear' but got ${formatValue(annealing)}.`,
    );
  }
  if (typeof threePhase !== 'boolean') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects threePhase to be true or false but got ${formatValue(threePhase)}.`);
  }
  const [first, last] = [1 / divFactor, 1 / (divFactor * finalDivFactor)];
  const between = (from: number, to: number, part: number): number =>
    annealing === 'cos' ? to + ((from - to) / 2) * (1 + Math.cos(Math.PI * part)) : from + (to - from) * part;
  return scheduleOf(where, { pctStart, divFactor, finalDivFactor, annealing, threePhase }, ({ step: done, totalSteps }) => {
    const [top, end] = [pctStart * totalSteps - 1, totalSteps - 1];
    const phases: [until: number, from: number, to: number][] = threePhase
      ? [[top, first, 1], [2 * pctStart * totalSteps - 2, 1, first], [end, first, last]] // prettier-ignore
      : [[top, first, 1], [end, 1, last]]; // prettier-ignore
    let begin = 0;
    for (const [i, [until, from, to]] of phases.entries()) {
      if (done <= until || i === phases.length - 1)
        return between(from, to, until > begin ? Math.min(1, (done - begin) / (until - begin)) : 1);
      begin = until;
    }
    return last;
  });
}

/** Options of `optim.warmup`. */
export interface WarmupOptions {
  /** Epochs, or parts of one, of the warm-up. */
  epochs: number;
  /** The factor of the first step, in [0, 1]; default such that it is one step of the rise. */
  startFactor?: number | undefined;
}

/**
 * A linear rise to the first factor of another schedule, which begins behind it and has the rest of training.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example optim.warmup({ epochs: 5 }, optim.multiStep({ milestones: [60, 80] }))
 */
export function warmup(options: WarmupOptions, after: Schedule): Schedule {
  const where = 'optim.warmup';
  checkOptions(where, options, ['epochs', 'startFactor']);
  const epochs = checkNumber(where, 'epochs', options?.epochs, 0);
  const start = options.startFactor === undefined ? undefined : checkNumber(where, 'startFactor', options.startFactor, 0, 1);
  if (typeof after !== 'function') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects a schedule that follows, such as optim.cosine(), but got ${formatValue(after)}.`,
    );
  }
  const follows = scheduleRecipe(after);
  return scheduleOf(where, follows && { epochs, startFactor: start, after: follows }, (at) => {
    const steps = Math.min(Math.round(epochs * at.stepsPerEpoch), at.totalSteps);
    if (at.step >= steps) return after({ ...at, step: at.step - steps, totalSteps: at.totalSteps - steps });
    const factor = start === undefined ? (at.step + 1) / steps : start + ((1 - start) * at.step) / steps;
    return factor * after({ ...at, step: 0, totalSteps: at.totalSteps - steps });
  });
}

/** Options of `optim.reduceOnPlateau`. */
export interface ReduceOnPlateauOptions {
  /** What is watched: a number of the epochs' records; default 'valLoss'. */
  monitor?: string | undefined;
  /** Whether it is to fall or to rise; default 'max' for accuracies, else 'min'. */
  mode?: 'min' | 'max' | undefined;
  /** By how much the rate is multiplied, in [0, 1); default 0.1. */
  factor?: number | undefined;
  /** After so many epochs without improvement the next one reduces; default 10. */
  patience?: number | undefined;
  /** What an improvement is, relative to the best; default 1e-4. */
  threshold?: number | undefined;
  /** Epochs after a reduction in which none are counted; default 0. */
  cooldown?: number | undefined;
  /** The least factor; default 0. */
  minFactor?: number | undefined;
}

/**
 * Less whenever what is watched stops getting better (torch.optim.lr_scheduler.ReduceLROnPlateau, whose min_lr is a factor here).
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION; from `fit` when records do not have what is watched
 * @example optim.reduceOnPlateau({ monitor: 'valAccuracy', patience: 3, factor: 0.5 })
 */
export function reduceOnPlateau(options: ReduceOnPlateauOptions = {}): Schedule {
  const where = 'optim.reduceOnPlateau';
  checkOptions(where, options, ['monitor', 'mode', 'factor', 'patience', 'threshold', 'cooldown', 'minFactor']);
  const { monitor = 'valLoss' } = options;
  if (typeof monitor !== 'string') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects monitor to be a text such as 'valLoss' but got ${formatValue(monitor)}.`,
    );
  }
  const mode = options.mode ?? (/accuracy/i.test(monitor) ? 'max' : 'min');
  if (mode !== 'min' && mode !== 'max') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects mode to be 'min' or 'max' but got ${formatValue(mode)}.`);
  }
  const factor = checkNumber(where, 'factor', options.factor ?? 0.1, 0, 1);
  const patience = checkInteger(where, 'patience', options.patience ?? 10, 0);
  const threshold = checkNumber(where, 'threshold', options.threshold ?? 1e-4, 0);
  const cooldown = checkInteger(where, 'cooldown', options.cooldown ?? 0, 0);
  const minFactor = checkNumber(where, 'minFactor', options.minFactor ?? 0, 0, 1);
  const settings = { monitor, mode, factor, patience, threshold, cooldown, minFactor };
  const schedule = scheduleOf(where, settings, ({ records }) => {
    let [current, best, bad, cooling] = [1, mode === 'min' ? Infinity : -Infinity, 0, 0];
    for (const record of records) {
      const value = record[monitor];
      if (value === undefined) {
        // An epoch that did not measure the validation set says nothing; whether any will is asked before training.
        if (/^val/.test(monitor) && record['valLoss'] === undefined) continue;
        throw new StridenetError(
          'ERR_INVALID_ARGUMENT',
          `${where} watches ${formatValue(monitor)} but an epoch's record has ${Object.keys(record).join(', ')}.`,
        );
      }
      const isBetter =
        mode === 'min' ? value < best * (1 - threshold) || best === Infinity : value > best * (1 + threshold) || best === -Infinity;
      [best, bad] = isBetter ? [value, 0] : [best, bad + 1];
      if (cooling > 0) [cooling, bad] = [cooling - 1, 0];
      if (bad > patience) [current, cooling, bad] = [Math.max(current * factor, minFactor), cooldown, 0];
    }
    return current;
  });
  return Object.assign(schedule, { monitor });
}
