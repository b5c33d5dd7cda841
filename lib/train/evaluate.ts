/** evaluate: loss and accuracy of a model on a data set. Changes nothing. */

import { hasValues, knownLabels, readAnyDataset, refuseZeroWeights, type ReadyDataset } from '../data/kinds';
import type { AnyDataset, DatasetFacts, LabelArray } from '../data/dataset';
import { checkInteger, checkOptions, formatShape, StridenetError } from '../errors';
import { exactKey } from '../graph/exactKey';
import { rewrite } from '../graph/graph';
import type { Preprocessing } from '../graph/preprocess';
import type { Tensor } from '../graph/tensor';
import type { Shape } from '../graph/types';
import { accuracy } from '../metrics/accuracy';
import { checkMetricList, type MetricEntry } from '../metrics/list';
import type { Metric, MetricValue } from '../metrics/metric';
import type { Loss } from '../nn/loss';
import type { Module } from '../nn/module';
import { checkImageShape, pipeline, readBatches } from './batches';
import { checkLoss, checkModel, evaluationGraph, type ScoringGraph } from './graphs';
import { targetKey, targetName, type Classes, type TargetForm } from './target';
import { checkClasses, countWeights, readImages, readingOf, readWanted, WEIGHTS, type ReadingOptions } from './images';
import { formOf } from './modelForm';
import { EXECUTION_OPTIONS, Programs, type ExecutionOptions } from './programs';
import { checkSignal, type StopSignal } from '../stopSignal';
import { Augmenter } from '../transforms/augmenter';
import { keepsPlaces } from '../transforms/kinds';
import type { Transform } from '../transforms/transform';
import { batchScore, Tally } from './tally';

/** What `evaluate` finds; further metrics by their names. */
export interface Score {
  /** Mean over the images, of the whole data set as of one batch. */
  readonly loss: number;
  /** Fraction of correct images; absent without the metric. */
  readonly accuracy?: number;
  readonly [metric: string]: MetricValue | undefined;
}

/** Options of `evaluate`. */
export interface EvaluateOptions extends ExecutionOptions {
  /** Default 256. */
  batchSize?: number | undefined;
  /** Done to uint8 pictures first, such as [transforms.centerCrop(224)]; default nothing. */
  transforms?: readonly Transform[] | undefined;
  /** Default `nn.crossEntropy()`. */
  loss?: Loss | undefined;
  /** Default ['accuracy'] where targets are classes, else []. */
  metrics?: readonly MetricEntry[] | undefined;
  /** Stops at the next batch and rejects with its reason. */
  signal?: StopSignal | undefined;
}

/** A model with programs at hand. */
export interface ScoreTarget {
  readonly model: Module;
  readonly loss: Loss;
  /** Default: those that fit the data set. */
  readonly metrics: readonly Metric[] | undefined;
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
 * data set says or, when it has neither scale nor mean nor std, as in training (`model.preprocess`). Where examples have weights
 * (`sampleWeights`) the loss is sum_i weight_i loss_i / n, as Keras's; metrics do not know them.
 *
 * @throws StridenetError ERR_SHAPE_MISMATCH when images and model do not fit, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example const { loss, accuracy } = await evaluate(model, test);
 */
export async function evaluate(model: Module, dataset: AnyDataset, options: EvaluateOptions = {}): Promise<Score> {
  checkModel('evaluate', model);
  checkOptions('evaluate', options, ['batchSize', 'transforms', 'loss', 'metrics', 'signal', ...EXECUTION_OPTIONS]);
  const ready = readAnyDataset('evaluate', dataset);
  const loss = checkLoss('evaluate', options.loss);
  const metrics = options.metrics === undefined ? undefined : checkMetricList('evaluate', options.metrics);
  const batchSize = checkInteger('evaluate', 'batchSize', options.batchSize ?? 256, 1);
  const programs = new Programs('evaluate', options);
  try {
    const augmenter = augmenterOf('evaluate', options.transforms, ready);
    const input = augmenter?.shape ?? ready.shape;
    const preprocess = readingOf('evaluate', model, input, {});
    const target = { model, loss, metrics, input, batchSize, preprocess, programs };
    return await score('evaluate', target, ready, { signal: options.signal, augmenter });
  } finally {
    programs.close();
  }
}

/** What `score` may be told besides. */
export interface ScoreOptions {
  readonly signal?: StopSignal | undefined;
  /** So many batches; default all. */
  readonly limit?: number | undefined;
  /** What is done to the pictures first. */
  readonly augmenter?: Augmenter | undefined;
  /** Variables that stand in for parameters, such as their averages. */
  readonly standIns?: ReadonlyMap<Tensor, Tensor> | undefined;
}

/** @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT; the signal's reason */
export async function score(where: string, target: ScoreTarget, given: AnyDataset, options: ScoreOptions = {}): Promise<Score> {
  const { signal, limit, augmenter, standIns } = options;
  checkSignal(where, signal);
  const dataset = readAnyDataset(where, given);
  refuseZeroWeights(where, dataset);
  const { model, loss, input, batchSize, programs } = target;
  checkImageShape(where, augmenter ?? dataset, input);
  const { preprocess: own, layout } = datasetReading(dataset);
  const preprocess = { ...(own ?? target.preprocess), layout };
  const form = targetOf(loss, dataset);
  const metrics = target.metrics ?? defaultMetrics(form);
  // All labels at the first batch, so that one of the last is found before anything runs, by its number in the data set.
  let checked = false;
  const classesToCheck = (graph: ScoringGraph): Classes | undefined => {
    const { classes } = graph;
    const known = knownLabels(dataset);
    if (!known) return classes;
    if (!checked) checkClasses(where, known, classes);
    checked = true;
    return undefined;
  };
  const modelForm = `${formOf(model)} ${targetKey(form)}${standIns ? ' stand-ins' : ''} ${metrics.map(({ name }) => name).join()}`;
  const tally = new Tally(metrics);
  await pipeline(
    readBatches(where, dataset, { batchSize, epoch: 1, limit, augmentation: augmenter && { augmenter, seed: 0, classes: 0 } }),
    DEPTH,
    async (batch) => {
      if (batch.count === 0) return undefined;
      const { data, dtype, count } = readImages(where, batch.images, input, layout);
      const weighted = batch.weights !== undefined;
      const key = `evaluate ${count} ${dtype} ${exactKey(preprocess)} ${weighted ? 'weighted ' : ''}${modelForm}`;
      let scored: ScoringGraph | undefined;
      let labelled = count;
      const results = await programs.run(
        key,
        () => standingIn(evaluationGraph({ model, loss, metrics }, { count, dtype, input, preprocess, weighted }, form), standIns),
        (graph) => {
          scored = graph;
          labelled = countWeights(batch.labels, count, graph.classes);
          const feed = graph.feeds.find(({ leaf }) => leaf?.kind === 'input' && leaf.input.name === targetName(form))!;
          const wanted = readWanted(where, asTargets(batch.labels, form), feed, classesToCheck(graph));
          return { images: data, [targetName(form)]: wanted, ...(batch.weights && { [WEIGHTS]: batch.weights }) };
        },
      );
      return batchScore(scored!, count, results, labelled);
    },
    (result) => result && tally.add(result),
    signal,
  );
  if (tally.images === 0)
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects a data set of at least one image but read none.`);
  return { loss: tally.meanLoss, ...(await tally.metricValues()) };
}

/** The graph with other variables in place of some of its own. */
function standingIn(graph: ScoringGraph, standIns: ReadonlyMap<Tensor, Tensor> | undefined): ScoringGraph {
  return standIns ? { ...graph, ...rewrite(graph, (node) => standIns.get(node) ?? node) } : graph;
}

/**
 * What changes the pictures of a data set, if anything does.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH for transforms that do not fit, and for those of a batch
 */
export function augmenterOf(where: string, transforms: unknown, dataset: ReadyDataset, mayMix = false): Augmenter | undefined {
  if (transforms === undefined) return undefined;
  const augmenter = new Augmenter(where, transforms as readonly Transform[], { shape: dataset.shape, layout: dataset.layout ?? 'nchw' });
  const moving = (transforms as readonly Transform[]).find(({ name }) => !keepsPlaces(name));
  if (moving && (dataset.targetShape?.length ?? 0) > (augmenter.mixes ? 0 : 1)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} cannot use transforms.${moving.name} where what the model should give has shape ${formatShape(dataset.targetShape!)}: the picture would move, and a mask ` +
        'or an image to learn would not. Use transforms that change colours alone, or change pictures and masks together by data.map.',
    );
  }
  if (!augmenter.mixes || mayMix) return augmenter;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects transforms of single pictures: mixup and cutmix change what is learned from.`,
  );
}

/** How a data set is read: the order is its own, and so are scale, mean and deviation when it says anything of them. */
export function datasetReading({ scale, mean, std, layout = 'nchw' }: DatasetFacts): ReadingOptions {
  const silent = scale === undefined && mean === undefined && std === undefined;
  return { preprocess: silent ? undefined : { scale, mean, std }, layout };
}

/** What the model should give for an image of a data set. */
export function targetOf(loss: Loss, dataset: ReadyDataset): TargetForm {
  const isValues = loss.targets === 'values' || hasValues(dataset);
  return { kind: isValues ? 'values' : 'classes', shape: dataset.targetShape ?? [] };
}

/** Labels of a data set as they are fed: class numbers that are compared as values become numbers. */
export function asTargets(labels: LabelArray, { kind }: TargetForm): LabelArray {
  return kind === 'values' && !(labels instanceof Float32Array) ? Float32Array.from(labels) : labels;
}

/** What is measured unless options say otherwise: accuracy where targets are classes. */
export function defaultMetrics({ kind }: TargetForm): readonly Metric[] {
  return kind === 'classes' ? [accuracy()] : [];
}
