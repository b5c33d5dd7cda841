/**
 * lrFinder: which learning rate to begin with. The rate grows from step to step, and the loss shows from where on the model learns and where
 * it falls apart (Smith, "Cyclical Learning Rates for Training Neural Networks", 2015). What is drawn of it is in `lrPlot.ts`.
 */

import { readDataset, type Dataset, type DatasetLike } from '../data/dataset';
import { hasWeights, refuseZeroWeights } from '../data/kinds';
import { checkInteger, checkNumber, checkOptions, formatValue, StridenetError } from '../errors';
import { statedPreprocessing } from '../graph/preprocess';
import type { Content, VariableStorage } from '../graph/storage';
import { formatFields, printedAs } from '../graph/inspect';
import type { Loss } from '../nn/loss';
import type { Module } from '../nn/module';
import type { Optimizer } from '../optim/optimizer';
import { Philox, PURPOSE, randomState, restoreRandomState } from '../random';
import { nextTurn, Task } from '../runtime/task';
import { checkSignal, type StopSignal } from '../stopSignal';
import type { Work } from '../work';
import { batches, type Batch } from './batches';
import { claim } from './claims';
import { datasetReading } from './evaluate';
import { lrPlot } from './lrPlot';
import { EXECUTION_OPTIONS, type ExecutionOptions } from './programs';
import { Trainer } from './trainer';
import { optionsOf } from './trainerOptions';

/** Options of `lrFinder`. */
export interface LrFinderOptions extends ExecutionOptions {
  /** Such as `optim.sgd({ lr: 0.1, momentum: 0.9 })`; its learning rate does not matter, but that groups have theirs in proportion to it. */
  optimizer: Optimizer;
  /** Default `nn.crossEntropy()`. */
  loss?: Loss | undefined;
  /** The first learning rate, above 0; default 1e-6. */
  minLr?: number | undefined;
  /** The last one, above minLr; default 1. */
  maxLr?: number | undefined;
  /** Steps from one to the other, at least 2; default 100. */
  steps?: number | undefined;
  /** Images of a step; default 32. */
  batchSize?: number | undefined;
  /** The weight of the newest loss in the moving average of losses, in (0, 1]; 1 smooths nothing. Default 0.05. */
  smoothing?: number | undefined;
  /** Stop when the smoothed loss is so many times the least one so far, above 1; default 4. */
  stopFactor?: number | undefined;
  /** Seed of the order of the images and of dropout. Default: what a Trainer without one would draw. */
  seed?: number | undefined;
  /** Stops at the next step: `lrFinder` rejects with its reason, and the model is as it was. */
  signal?: StopSignal | undefined;
}

const OPTIONS = [
  ...['optimizer', 'loss', 'minLr', 'maxLr', 'steps', 'batchSize', 'smoothing', 'stopFactor', 'seed', 'signal'],
  ...EXECUTION_OPTIONS,
];

/** What `lrFinder` finds. */
export interface LrFinderResult {
  /** The learning rate of each step. */
  readonly rates: readonly number[];
  /** The loss of each step, before its update. */
  readonly losses: readonly number[];
  /** Its moving average, which begins with the first loss. */
  readonly smoothed: readonly number[];
  /** Where the smoothed loss falls most steeply over the logarithm of the rate; undefined when it falls nowhere. */
  readonly suggestion: number | undefined;
  /** Losses over learning rates as an SVG picture. */
  plot(): string;
}

/** What is left out of account when a rate is suggested, as fastai does: the loss is still unsettled, or already rising. */
const UNSETTLED = 0.1;
const RISING = 5;

/**
 * Trains with a learning rate that grows exponentially, until the last step or until the loss rises, and puts the model back as it was:
 * weights, running statistics, how images are read and the global random state.
 *
 * The suggestion is fastai's rule ("steep"): the rate at which the smoothed loss falls most steeply. It is where to begin, not the best rate;
 * a schedule such as `optim.oneCycle` may go some times higher.
 *
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_SHAPE_MISMATCH for what does not fit; ERR_NOT_FINITE when the very first
 *   loss is NaN or infinite; ERR_BUSY while something else trains the model; the signal's reason
 * @example
 * const found = await lrFinder(model, train, { optimizer: optim.sgd({ momentum: 0.9 }), batchSize: 64 });
 * console.log(found); // LrFinderResult(suggestion: 0.0123, ...)
 * await fit(model, train, { epochs: 5, batchSize: 64, optimizer: optim.sgd({ lr: found.suggestion ?? 0.01, momentum: 0.9 }) });
 */
export async function lrFinder(model: Module, data: DatasetLike, options: LrFinderOptions): Promise<LrFinderResult> {
  const where = 'lrFinder';
  checkOptions(where, options ?? null, OPTIONS);
  const dataset = readDataset(where, data);
  refuseZeroWeights(where, dataset);
  const sweep = checkSweep(where, options);
  const { optimizer, loss, threads, algorithm, signal } = options;
  checkSignal(where, signal);
  signal?.throwIfAborted();
  const trainer = new Trainer(
    model,
    optionsOf(
      { owner: where, weighted: hasWeights(dataset) },
      {
        ...{ optimizer, loss, threads, algorithm, metrics: [], seed: options.seed ?? undrawn() },
        input: dataset.shape,
        batchSize: Math.min(checkInteger(where, 'batchSize', options.batchSize ?? 32, 1), dataset.length),
        ...datasetReading(dataset),
      },
    ),
  );
  let release: (() => void) | undefined;
  let putBack: (() => void) | undefined;
  try {
    release = claim(where, trainer.changing, trainer);
    putBack = await remember(model, trainer);
    return resultOf(await run(trainer, dataset, sweep, signal), sweep);
  } finally {
    putBack?.(); // before the trainer closes: it need not hand back what nobody keeps
    await trainer.closeInSlices().finally(release);
  }
}

interface Sweep {
  readonly minLr: number;
  readonly maxLr: number;
  readonly steps: number;
  readonly smoothing: number;
  readonly stopFactor: number;
}

function checkSweep(where: string, options: LrFinderOptions): Sweep {
  const minLr = checkNumber(where, 'minLr', options.minLr ?? 1e-6, Number.MIN_VALUE);
  const maxLr = checkNumber(where, 'maxLr', options.maxLr ?? 1, 0);
  if (!(maxLr > minLr)) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects maxLr to be above minLr = ${minLr} but got ${formatValue(maxLr)}.`);
  }
  const stopFactor = checkNumber(where, 'stopFactor', options.stopFactor ?? 4, 1);
  const smoothing = checkNumber(where, 'smoothing', options.smoothing ?? 0.05, Number.MIN_VALUE, 1);
  return { minLr, maxLr, smoothing, stopFactor, steps: checkInteger(where, 'steps', options.steps ?? 100, 2) };
}

/** The seed that would be drawn next: it stays the next one. */
function undrawn(): number {
  const state = randomState();
  const seed = Philox.next().uint32();
  restoreRandomState(state);
  return seed;
}

/** What training is about to change. @returns a function that puts it back */
async function remember(model: Module, trainer: Trainer): Promise<() => void> {
  const changing = new Set<unknown>(trainer.changing);
  const storages = [...model.stateDict().values()].filter((variable) => changing.has(variable)).map(({ storage }) => storage);
  const contents = await new Task(contentsOf(storages)).inSlices();
  const preprocess = statedPreprocessing(model);
  return () => {
    for (const [storage, content] of contents) storage.initialize(content);
    if (statedPreprocessing(model) !== preprocess) model.preprocess = preprocess;
  };
}

/** Contents are never changed but replaced, so whoever keeps one keeps the value; but what another trainer holds, it goes on to change. */
function* contentsOf(storages: readonly VariableStorage[]): Work<(readonly [VariableStorage, Content])[]> {
  const contents: (readonly [VariableStorage, Content])[] = [];
  for (const storage of storages) {
    const { content } = storage;
    contents.push([storage, content.kind === 'held' ? { kind: 'data', data: yield* storage.valueOf(content) } : content]);
    yield;
  }
  return contents;
}

interface Curve {
  readonly rates: number[];
  readonly losses: number[];
  readonly smoothed: number[];
}

async function run(trainer: Trainer, dataset: Dataset, sweep: Sweep, signal: StopSignal | undefined): Promise<Curve> {
  const { minLr, maxLr, steps, smoothing, stopFactor } = sweep;
  const curve: Curve = { rates: [], losses: [], smoothed: [] };
  let average = 0;
  let least = Infinity;
  for await (const batch of endlessly(trainer, dataset)) {
    signal?.throwIfAborted();
    const i = curve.rates.length;
    trainer.learningRate = minLr * (maxLr / minLr) ** (i / (steps - 1));
    const loss = await lossOf(trainer, batch, i === 0);
    if (loss === undefined) break;
    average += smoothing * (loss - average);
    // Divided by the sum of the weights so far, so that it does not lean towards the 0 that it began with.
    const smoothed = average / (1 - (1 - smoothing) ** (i + 1));
    curve.rates.push(trainer.learningRate);
    curve.losses.push(loss);
    curve.smoothed.push(smoothed);
    least = Math.min(least, smoothed);
    if (i + 1 === steps || smoothed > least + (stopFactor - 1) * Math.abs(least)) break;
  }
  return curve;
}

/** Undefined when it is not finite: the model fell apart in the step before. */
async function lossOf(trainer: Trainer, { images, labels, weights }: Batch, isFirst: boolean): Promise<number | undefined> {
  try {
    return (await trainer.step(images, labels, { sampleWeights: weights })).loss;
  } catch (error) {
    if (!isFirst && error instanceof StridenetError && error.code === 'ERR_NOT_FINITE') return undefined;
    throw error;
  }
}

/** Whole batches, shuffled anew in every pass over the data set. */
async function* endlessly({ seed, batchSize }: Trainer, dataset: Dataset): AsyncGenerator<Batch> {
  const whole = dataset.length - (dataset.length % batchSize);
  for (let epoch = 1; ; epoch++) {
    const order = await new Task(new Philox(seed, epoch, PURPOSE.shuffle).permuting(dataset.length)).inSlices();
    for (const batch of batches(dataset, batchSize, order.subarray(0, whole))) {
      yield batch;
      await nextTurn(); // steps of a small model may be over at once
    }
  }
}

function resultOf({ rates, losses, smoothed }: Curve, { steps }: Sweep): LrFinderResult {
  const suggestion = steepest(rates, smoothed, Math.floor(UNSETTLED * steps));
  const result = { rates, losses, smoothed, suggestion, plot: () => lrPlot({ rates, losses, smoothed, suggestion }) };
  const least = smoothed.indexOf(Math.min(...smoothed));
  return printedAs(result, 'LrFinderResult', (style) => {
    const short = (value: number | undefined): number | undefined => value && Number(value.toPrecision(3));
    const fields = {
      suggestion: short(suggestion),
      steps: rates.length,
      rates: [short(rates[0]), short(rates.at(-1))],
      leastLoss: short(smoothed[least]),
      at: short(rates[least]),
    };
    return `${style.stylize('LrFinderResult', 'special')}(${formatFields(fields, style)})`;
  });
}

/** The rate at which the loss falls most steeply over the logarithm of the rate, without the first losses and the last. */
function steepest(rates: readonly number[], smoothed: readonly number[], unsettled: number): number | undefined {
  const trimmed = rates.length - RISING - unsettled >= 2;
  const [from, to] = trimmed ? [unsettled, rates.length - RISING] : [0, rates.length];
  let best: number | undefined;
  let least = 0;
  for (let i = from; i + 1 < to; i++) {
    const slope = (smoothed[i + 1]! - smoothed[i]!) / Math.log(rates[i + 1]! / rates[i]!);
    if (slope < least) [least, best] = [slope, rates[i]];
  }
  return best;
}
