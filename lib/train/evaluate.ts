/** evaluate: loss and accuracy of a model on a data set. Changes nothing. */

import type { Dataset } from '../data/dataset';
import { checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import { exactKey } from '../graph/exactKey';
import type { Shape } from '../graph/types';
import type { Loss } from '../nn/loss';
import type { Module } from '../nn/module';
import { batches, checkDataset, checkImageShape, pipeline } from './batches';
import { checkLoss, checkModel, classCount, evaluationGraph } from './graphs';
import { checkPreprocessing, readImages, readLabels, type Preprocessing } from './images';
import { EXECUTION_OPTIONS, Programs, type ExecutionOptions } from './programs';

export type Metric = 'accuracy';

/** What `evaluate` finds. */
export interface Score {
  /** Mean over the images. */
  readonly loss: number;
  /** Fraction of correct images; absent without the metric. */
  readonly accuracy?: number;
}

export interface EvaluateOptions extends ExecutionOptions {
  /** Default 256. */
  batchSize?: number;
  /** Default `nn.crossEntropy()`. */
  loss?: Loss;
  /** Default ['accuracy']. */
  metrics?: readonly Metric[];
  /** Stops at the next batch and rejects with its reason. */
  signal?: AbortSignal;
}

/** A model with programs at hand. */
export interface ScoreTarget {
  readonly model: Module;
  readonly loss: Loss;
  readonly accuracy: boolean;
  readonly input: Shape;
  readonly batchSize: number;
  /** For data sets that say nothing of their own. */
  readonly preprocess: Preprocessing;
  readonly programs: Programs;
}

/** Batches under way at once: one computes while the next is cut. */
export const DEPTH = 2;

/**
 * Loss and accuracy of a model on a data set, computed off the event loop in evaluation mode.
 *
 * @throws StridenetError ERR_SHAPE_MISMATCH when images and model do not fit, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example const { loss, accuracy } = await evaluate(model, test);
 */
export async function evaluate(model: Module, dataset: Dataset, options: EvaluateOptions = {}): Promise<Score> {
  checkModel('evaluate', model);
  checkOptions('evaluate', options, ['batchSize', 'loss', 'metrics', 'signal', ...EXECUTION_OPTIONS]);
  checkDataset('evaluate', dataset);
  const loss = checkLoss('evaluate', options.loss);
  const accuracy = checkMetrics('evaluate', loss, options.metrics);
  const batchSize = checkInteger('evaluate', 'batchSize', options.batchSize ?? 256, 1);
  const programs = new Programs('evaluate', options);
  try {
    const target = { model, loss, accuracy, input: dataset.shape, batchSize, preprocess: {}, programs };
    return await score('evaluate', target, dataset, options.signal);
  } finally {
    programs.close();
  }
}

/** @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT; the signal's reason */
export async function score(where: string, target: ScoreTarget, dataset: Dataset, signal?: AbortSignal): Promise<Score> {
  checkDataset(where, dataset);
  const { model, loss, accuracy, input, batchSize, programs } = target;
  checkClassLoss(where, loss);
  checkImageShape(where, dataset, input);
  const preprocess = datasetPreprocessing(where, dataset) ?? target.preprocess;
  const totals = { loss: 0, correct: 0 };
  await pipeline(
    batches(dataset, batchSize),
    DEPTH,
    async (batch) => {
      const { data, dtype, count } = readImages(where, batch.images, input);
      const key = `evaluate ${count} ${dtype} ${exactKey(preprocess)}`;
      const results = await programs.run(
        key,
        () => evaluationGraph(model, loss, accuracy, { count, dtype, input, preprocess }),
        (graph) => [data, readLabels(where, batch.labels, count, classCount(graph))],
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

/** What a data set says about its values; undefined if nothing. */
export function datasetPreprocessing(where: string, { scale, mean, std, shape }: Dataset): Preprocessing | undefined {
  if (scale === undefined && mean === undefined && std === undefined) return undefined;
  return checkPreprocessing(where, { scale, mean, std }, shape);
}

/** Whether accuracy is wanted; by default where the targets are classes. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkMetrics(where: string, loss: Loss, metrics?: unknown): boolean {
  if (metrics === undefined) return loss.targets !== 'values';
  if (Array.isArray(metrics) && metrics.every((metric) => metric === 'accuracy')) {
    if (metrics.length === 0 || loss.targets !== 'values') return metrics.length > 0;
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects metrics to be [] with a loss of values: accuracy compares classes.`);
  }
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects metrics to be [] or ['accuracy'] but got ${formatValue(metrics)}.`);
}
