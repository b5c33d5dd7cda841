/** The graphs of a model for one batch size: inference, evaluation, and what `trainingGraph` makes a training step of. */

import { formatShape, formatValue, StridenetError } from '../errors';
import type { Graph } from '../graph/graph';
import { inputTensor } from '../graph/leaves';
import type { Preprocessing } from '../graph/preprocess';
import { Tensor } from '../graph/tensor';
import { topologicalOrder } from '../graph/traverse';
import type { Shape } from '../graph/types';
import * as losses from '../nn/loss';
import { lossParts, type Loss } from '../nn/loss';
import { Module } from '../nn/module';
import { sum } from '../ops/broadcast';
import { add, div, mul } from '../ops/elementwise';
import { reshape } from '../ops/shape';
import { measureBatch, type Metric } from '../metrics/metric';
import { imageInput, targetInput, weightInput, type ImageDType } from './images';
import type { Classes, TargetForm } from './target';

/** What a graph is specialised for. */
export interface BatchForm {
  readonly count: number;
  readonly dtype: ImageDType;
  readonly input: Shape;
  readonly preprocess: Preprocessing;
  /** Whether each image has a weight, which its loss is multiplied with. Default false. */
  readonly weighted?: boolean;
}

/** A graph whose outputs are the loss and what metrics measure. */
export interface ScoringGraph extends Graph {
  /** What the loss was divided by, an output behind it, where its classes have weights; elsewhere it follows from the labels. */
  readonly divisor: Tensor | undefined;
  /** For each metric its outputs, behind those. */
  readonly measured: readonly (readonly Tensor[])[];
  /** What labels may be when they are taken for class numbers, so that they can be checked. */
  readonly classes: Classes | undefined;
}

/** What outputs are compared with, and how. */
export interface Scoring {
  readonly model: Module;
  readonly loss: Loss;
  readonly metrics: readonly Metric[];
}

/** Feeds: images. Outputs: what the model gives, [n, ...]. */
export function inferenceGraph(model: Module, form: BatchForm): Graph {
  const images = imageInput(form.count, form.input, form.dtype, form.preprocess);
  return { feeds: [images], outputs: [callModel(model, images, false)], updates: [] };
}

/**
 * The same of a model that gives one row for each image.
 * @param output shape of a row, if that is known
 * @throws StridenetError ERR_SHAPE_MISMATCH when the model gives anything else
 */
export function rowsGraph(model: Module, form: BatchForm, output?: Shape): Graph {
  const graph = inferenceGraph(model, form);
  checkRows(model, form.count, graph.outputs[0]!, output);
  return graph;
}

/** Rows are told from each other by their place: the first axis of what a model gives must be that of the images. */
function checkRows(model: Module, count: number, { shape }: Tensor, output: Shape = shape.slice(1)): void {
  const expected = formatShape([count, ...output]);
  if (shape.length > 0 && formatShape(shape) === expected) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${model.constructor.name}.forward must give one row for each image, an output that begins with the batch, but for ${count} ` +
      `${count === 1 ? 'image' : 'images'} it has shape ${formatShape(shape)} and not ${shape.length > 1 ? expected : `[${count}, ...]`}. ` +
      'Reduce and reshape other axes than axis 0, as x.flatten() does.',
  );
}

/**
 * Feeds: images, `targets` and, of a form that is weighted, sampleWeights. Outputs: mean loss, its divisor where there is one, then what each metric measures.
 */
export function evaluationGraph(scoring: Scoring, form: BatchForm, target: TargetForm): ScoringGraph {
  const { feeds, targets, outputs, divisor, measured } = scoredGraph(scoring, form, target, false);
  return { feeds, outputs, updates: [], divisor, measured, classes: classesOf(targets, outputs) };
}

/** Operations that take class numbers for what they are, those of losses first: a metric may pass over what a loss must not. */
const READERS = ['crossEntropy', 'oneHot', 'countTopK', 'confusionCounts'];

/** What labels may be, by what reads them on the way to `outputs`. */
export function classesOf(labels: Tensor, outputs: readonly Tensor[]): Classes | undefined {
  if (labels.dtype !== 'int32') return undefined;
  const nodes = topologicalOrder(outputs);
  const readers = nodes.filter(({ op, inputs }) => inputs.includes(labels) && READERS.includes(op));
  const [reader] = readers.sort((a, b) => READERS.indexOf(a.op) - READERS.indexOf(b.op));
  if (!reader) return undefined;
  const { ignoreIndex } = reader.attrs as { ignoreIndex?: number };
  return { count: (reader.op === 'oneHot' ? reader : reader.inputs[0]!).shape[1]!, ignoreIndex };
}

/** What `scoredGraph` gives. */
interface Scored extends Pick<ScoringGraph, 'divisor' | 'measured'> {
  /** Images, targets and, where there are some, weights. */
  readonly feeds: readonly Tensor[];
  readonly images: Tensor;
  readonly targets: Tensor;
  /** What the model makes of the images, the output first. */
  readonly heads: readonly Tensor[];
  /** The loss, its divisor where there is one, then what metrics measure. */
  readonly outputs: readonly Tensor[];
}

export function scoredGraph({ model, loss, metrics }: Scoring, form: BatchForm, target: TargetForm, training: boolean): Scored {
  const images = imageInput(form.count, form.input, form.dtype, form.preprocess);
  const heads = callHeads(model, images, training);
  const [output, ...auxiliary] = heads;
  // A loss of classes sees that itself; target values have the shape of the output, whatever that is.
  if (target.kind === 'values') checkRows(model, form.count, output);
  const targets = targetInput(form.count, target, output.shape);
  const weights = form.weighted ? weightInput(form.count) : undefined;
  let value = scoreOf(loss, output, targets, weights);
  for (const logits of auxiliary)
    value = add(value, mul(scoreOf(loss, logits, targets, weights), (model as AuxiliaryHeads).auxiliaryWeight));
  const divisor = divisorOf(loss, output, targets);
  const measured = metrics.map((metric) => measureBatch(metric, output, targets));
  const outputs = [value, ...(divisor ? [divisor] : []), ...measured.flat()];
  return { feeds: [images, targets, ...(weights ? [weights] : [])], images, targets, heads, outputs, divisor, measured };
}

/** What the loss is divided by where its classes have weights. */
function divisorOf(loss: Loss, output: Tensor, targets: Tensor): Tensor | undefined {
  const parts = lossParts(loss);
  const divisor = parts?.hasClassWeights ? parts.divisor(output, targets) : undefined;
  return Tensor.is(divisor) ? divisor : undefined;
}

function scoreOf(loss: Loss, output: Tensor, targets: Tensor, weights: Tensor | undefined): Tensor {
  let value: unknown;
  try {
    value = weights ? weightedScore(loss, output, targets, weights) : loss(output, targets);
  } catch (error) {
    throw targets.dtype === 'int32' && comparesValues(loss, output) ? saysClasses(error) : error;
  }
  if (Tensor.is(value) && value.size === 1) return value;
  const got = Tensor.is(value) ? `shape ${formatShape(value.shape)}` : formatValue(value);
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `A loss must return a tensor of one element but returned ${got}. Reduce it with ops.mean.`,
  );
}

/** The sum of the losses of the examples, each times the weight of its example, divided as if all weights were 1. */
function weightedScore(loss: Loss, output: Tensor, targets: Tensor, weights: Tensor): Tensor {
  const parts = lossParts(loss);
  const losses: unknown = parts ? parts.losses(output, targets) : loss(output, targets);
  const [n] = weights.shape as [number];
  if (Tensor.is(losses) && losses.dtype === 'float32' && losses.shape[0] === n) {
    const column = reshape(weights, [n, ...losses.shape.slice(1).map(() => 1)]);
    return div(sum(mul(losses, column)), parts?.divisor(output, targets) ?? losses.size);
  }
  const got = Tensor.is(losses) ? `${losses.dtype} of shape ${formatShape(losses.shape)}` : formatValue(losses);
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `Where examples have weights (sampleWeights), a loss must return the losses of the examples, float32 of shape [${n}] or [${n}, ...], but returned ${got}. ` +
      "Leave its mean out, as { reduction: 'none' } does, or use a loss of nn.",
  );
}

/** Whether a loss that failed on class numbers works on values, which it does not say that it takes. */
function comparesValues(loss: Loss, output: Tensor): boolean {
  if (loss.targets === 'values') return false;
  try {
    return Tensor.is(loss(output, targetInput(output.shape[0]!, { kind: 'values', shape: [] }, output.shape)));
  } catch {
    return false;
  }
}

function saysClasses(error: unknown): StridenetError {
  return new StridenetError(
    error instanceof StridenetError ? error.code : 'ERR_INVALID_ARGUMENT',
    `The loss was given class numbers, [N] of type int32, and said: ${(error as Error).message} One that compares values must say so: ` +
      "Object.assign(loss, { targets: 'values' }).",
    { cause: error },
  );
}

/**
 * A model with more classifiers than its output has, such as GoogLeNet: training adds their losses, times a weight, to that of the output.
 */
export interface AuxiliaryHeads extends Module {
  readonly auxiliaryWeight: number;
  /** What `forward` gives, then the outputs of the auxiliary classifiers. */
  forwardAll(x: Tensor): readonly Tensor[];
}

/**
 * Builds the model's graph in the given mode; the modules' own modes are put back. Training leaves layers that were put to `eval()` by
 * themselves in that mode.
 */
export function callModel(model: Module, images: Tensor, training: boolean): Tensor {
  return callHeads(model, images, training)[0];
}

/** The output, then in training those of auxiliary classifiers. */
function callHeads(model: Module, images: Tensor, training: boolean): [Tensor, ...Tensor[]] {
  const modes = model.namedModules().map(([, module]) => [module, module.training] as const);
  const asAWhole = !model.training;
  try {
    for (const [module, mode] of modes) module.training = training && (mode || asAWhole);
    if (training && 'forwardAll' in model) return [...(model as AuxiliaryHeads).forwardAll(images)] as [Tensor, ...Tensor[]];
    const output: unknown = model.forward(images);
    if (Tensor.is(output)) return [output];
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${model.constructor.name}.forward must return a Tensor but returned ${formatValue(output)}.`,
    );
  } catch (error) {
    const clearer = channelsLast(model, images, error);
    if (clearer) throw clearer;
    if (!(error instanceof RangeError) || !error.message.includes('call stack')) throw error;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${model.constructor.name}.forward expects the call stack to have room for its calls but its modules are nested too deep, or call ` +
        'themselves without end. Put layers after each other in one nn.Sequential.',
      { cause: error },
    );
  } finally {
    for (const [module, mode] of modes) module.training = mode;
  }
}

/** What to say instead of `error` when the model would take the images if their channels came first. */
function channelsLast(model: Module, { shape }: Tensor, error: unknown): StridenetError | undefined {
  if (!(error instanceof StridenetError) || error.code !== 'ERR_SHAPE_MISMATCH' || shape.length !== 4) return undefined;
  const [n, height, width, channels] = shape;
  const swapped = [channels!, height!, width!];
  try {
    model.forward(inputTensor({ name: 'images', feedDType: 'float32', layout: 'nchw' }, [n!, ...swapped], 'float32'));
  } catch {
    return undefined;
  }
  return new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${model.constructor.name} expects the shape of an image as [channels, height, width], whatever the layout, but ${formatShape(shape.slice(1))} ` +
      `has its channels last. Pass ${formatShape(swapped)}, with layout: 'nhwc' if the channels of a pixel lie side by side.`,
    { cause: error },
  );
}

/** @throws StridenetError ERR_INVALID_ARGUMENT unless `model` is an nn.Module */
export function checkModel(where: string, model: unknown): asserts model is Module {
  if (model instanceof Module) {
    if (typeof model.forward === 'function') return;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects a model with a method forward(x) but ${formatValue(model)} has none.`,
    );
  }
  const owned = (model as { model?: unknown } | null | undefined)?.model instanceof Module;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects an nn.Module but got ${formatValue(model)}.${owned ? ' Pass its model.' : ''}`,
  );
}

/** The loss, by default cross-entropy. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkLoss(where: string, loss: unknown): Loss {
  if (loss === undefined) return losses.crossEntropy();
  const maker = Object.values(losses).find((each) => each === loss);
  if (maker) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects loss to be what nn.${maker.name} gives but got the ${formatValue(loss)} itself. Call it: nn.${maker.name}().`,
    );
  }
  if (typeof loss === 'function') {
    const { targets } = loss as Loss;
    if (targets === undefined || targets === 'classes' || targets === 'values') return loss as Loss;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects targets of the loss to be 'classes' or 'values' but got ${formatValue(targets)}.`,
    );
  }
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects loss to be a function of output and labels, such as nn.crossEntropy(), but got ${formatValue(loss)}.`,
  );
}
