/** evaluate: loss and accuracy of a model on a data set. Changes nothing. */

import { readDataset, type Dataset, type DatasetLike } from '../data/dataset';
import { checkInteger, checkOptions, formatValue, readArray, StridenetError } from '../errors';
import { exactKey } from '../graph/exactKey';
import type { Graph } from '../graph/graph';
import type { Preprocessing } from '../graph/preprocess';
import type { Shape } from '../graph/types';
import type { Loss } from '../nn/loss';
import type { Module } from '../nn/module';
import { batches, checkImageShape, pipeline } from './batches';
import { checkLoss, checkModel, classCount, evaluationGraph } from './graphs';
import { checkClasses, readImages, readingOf, readLabels, type ReadingOptions } from './images';
import { formOf } from './modelForm';
import { EXECUTION_OPTIONS, Programs, type ExecutionOptions } from './programs';
import { checkSignal, type StopSignal } from '../stopSignal';

/** What is measured beside the loss. */
export type Metric = 'accuracy';

/** What `evaluate` finds. */
export interface Score {
  /** Mean over the images. */
  readonly loss: number;
  /** Fraction of correct images; absent without the metric. */
  readonly accuracy?: number;
}

/** Options of `evaluate`. */
export interface EvaluateOptions extends ExecutionOptions {
  /** Default 256. */
  batchSize?: number | undefined;
  /** Default `nn.crossEntropy()`. */
  loss?: Loss | undefined;
  /** Default ['accuracy']. */
  metrics?: readonly Metric[] | undefined;
  /** Stops at the next batch and rejects with its reason. */
  signal?: StopSignal | undefined;
}

/** A model with programs at hand. */
export interface ScoreTarget {
  readonly model: Module;
  readonly loss: Loss;
  readonly accuracy: boolean;
  readonly input: Shape;
  readonly batchSize: number;
  /** Used for data sets that say nothing but the order of their values. */
  readonly preprocess: Preprocessing;
  readonly programs: Programs;
}

/** Batches under way at once: one computes while the next is cut. */
export const DEPTH = 2;

/**
 * Loss and accuracy of a model on a data set, computed off the event loop in evaluation mode. Images are scaled and normalised as the
 * data set says or, when it has neither scale nor mean nor std, as in training (`model.preprocess`).
 *
 * @throws StridenetError ERR_SHAPE_MISMATCH when images and model do not fit, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example const { loss, accuracy } = await evaluate(model, test);
 */
export async function evaluate(model: Module, dataset: DatasetLike, options: EvaluateOptions = {}): Promise<Score> {
  checkModel('evaluate', model);
  checkOptions('evaluate', options, ['batchSize', 'loss', 'metrics', 'signal', ...EXECUTION_OPTIONS]);
  const ready = readDataset('evaluate', dataset);
  const loss = checkLoss('evaluate', options.loss);
  const accuracy = checkMetrics('evaluate', loss, options.metrics);
  const batchSize = checkInteger('evaluate', 'batchSize', options.batchSize ?? 256, 1);
  const programs = new Programs('evaluate', options);
  try {
    const preprocess = readingOf('evaluate', model, ready.shape, {});
    const target = { model, loss, accuracy, input: ready.shape, batchSize, preprocess, programs };
    return await score('evaluate', target, ready, options.signal);
  } finally {
    programs.close();
  }
}

/** @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT; the signal's reason */
export async function score(where: string, target: ScoreTarget, given: DatasetLike, signal?: StopSignal): Promise<Score> {
  checkSignal(where, signal);
  const dataset = readDataset(where, given);
  const { model, loss, accuracy, input, batchSize, programs } = target;
  checkClassLoss(where, loss);
  checkImageShape(where, dataset, input);
  const { preprocess: own, layout } = datasetReading(dataset);
  const preprocess = { ...(own ?? target.preprocess), layout };
  // All labels at the first batch, so that one of the last is found before anything runs, by its number in the data set.
  let checked = false;
  const checkAll = (graph: Graph): void => {
    if (!checked) checkClasses(where, dataset.labels, classCount(graph));
    checked = true;
  };
  const form = formOf(model);
  const totals = { loss: 0, correct: 0 };
  await pipeline(
    batches(dataset, batchSize),
    DEPTH,
    async (batch) => {
      const { data, dtype, count } = readImages(where, batch.images, input, layout);
      const key = `evaluate ${count} ${dtype} ${exactKey(preprocess)} ${form}`;
      const results = await programs.run(
        key,
        () => evaluationGraph(model, loss, accuracy, { count, dtype, input, preprocess }),
        (graph) => {
          checkAll(graph);
          return { images: data, labels: readLabels(where, batch.labels, count, undefined) };
        },
      );
      return { count, loss: results[0]![0]!, correct: results[1]?.[0] ?? 0 };
    },
    (result) => {
      totals.loss += result.loss * result.count;
      totals.correct += result.correct;
    },
    signal,
  );
  const mean = totals.loss / dataset.length;
  return accuracy ? { loss: mean, accuracy: totals.correct / dataset.length } : { loss: mean };
}

/** @throws StridenetError ERR_INVALID_ARGUMENT for a loss of values: the labels of a data set are classes */
export function checkClassLoss(where: string, loss: Loss): void {
  if (loss.targets !== 'values') return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects a loss of classes, such as nn.crossEntropy(), since the labels of a data set are classes. Use Trainer.step for a loss of values.`,
  );
}

/** How a data set is read: the order is its own, and so are scale, mean and deviation when it says anything of them. */
export function datasetReading({ scale, mean, std, layout = 'nchw' }: Dataset): ReadingOptions {
  const silent = scale === undefined && mean === undefined && std === undefined;
  return { preprocess: silent ? undefined : { scale, mean, std }, layout };
}

/** Whether accuracy is wanted; by default where the targets are classes. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkMetrics(where: string, loss: Loss, metrics?: unknown): boolean {
  if (metrics === undefined) return loss.targets !== 'values';
  const names = readArray(metrics);
  if (names?.every((metric) => metric === 'accuracy')) {
    if (names.length === 0 || loss.targets !== 'values') return names.length > 0;
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects metrics to be [] with a loss of values: accuracy compares classes.`);
  }
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects metrics to be [] or ['accuracy'] but got ${formatValue(metrics)}.`);
}
