/** The graph of a training step: loss, gradients, and the updates of the optimizer and of layers that move something by themselves. */

import { StridenetError } from '../errors';
import type { Update } from '../graph/graph';
import { inputTensor, scalarFeed } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import type { Parameter, Variable } from '../nn/parameter';
import type { Optimizer } from '../optim/optimizer';
import { differentiate } from '../ops/differentiate';
import { withRandomStep } from '../ops/dropout';
import { add, mul, sub } from '../ops/elementwise';
import { collectUpdates, runningAverage, replacement } from '../ops/update';
import { clipGradients, type ClippingOptions } from './clipping';
import { classesOf, scoredGraph, type BatchForm, type Scoring, type ScoringGraph } from './graphs';
import type { TargetForm } from './target';
import { layerSquares, squareOutputs, type LayerSquares } from './gradientNorms';
import { refuseHidden } from './hidden';
import type { Kept } from './kept';
import { optimizerUpdates } from './optimizerUpdates';
import type { FeedValues } from './programs';

/** What a training graph is built from. */
export interface Training extends Scoring {
  readonly optimizer: Optimizer;
  keptOf(parameter: Parameter): Kept;
  /** A scalar that holds the mark of the last step that was applied; absent when no step is tied to the one before. */
  readonly lastApplied?: Variable;
  /** Default none. */
  readonly clipping?: ClippingOptions;
  /** Whether the step gives the norms of its layers, too. Default false. */
  readonly measuresNorms?: boolean;
  /** Where gradients of several batches are added up before an update; needed for groups of more than one. */
  accumulatorOf?(parameter: Parameter): Variable;
}

/** The graph of a step. */
export interface TrainingGraph extends ScoringGraph {
  /** What it measures of its layers, if it does: its last outputs. */
  readonly squares: readonly LayerSquares[];
}

/** The place of a batch among those whose gradients make one update together. */
export interface Group {
  /** Number of batches. */
  readonly size: number;
  /** Whether the update follows this batch. */
  readonly isLast: boolean;
}

const ALONE: Group = { size: 1, isLast: true };

/**
 * Marks of steps are multiples of this, so that the product of the difference of two with the largest factor is infinite.
 * Cyclic, since float32 holds whole numbers up to 2^24.
 */
const MARK_UNIT = 4;
const MARK_COUNT = 2 ** 20;

/** The mark of step `number`. */
export function markValue(number: number): Float32Array {
  return Float32Array.of(MARK_UNIT * (number % MARK_COUNT));
}

/**
 * The feeds that tie step `number` to the one before: when that was not applied, this is not either.
 * @param first not tied to any
 */
export function chainValues(number: number, first: boolean): FeedValues {
  return { mark: markValue(number), markBefore: markValue(number + MARK_COUNT - 1), severity: Float32Array.of(first ? 0 : 3e38) };
}

/**
 * One step: the batches of a group before its last one only add their gradients to the accumulators, each divided by the size of the group.
 *
 * Feeds: those of evaluation, learningRate, with `lastApplied` the three of `chainValues`, and when anything is random randomStep
 * (`randomStepValue`).
 * Outputs as in evaluation, before the update, then the squares of layers if they are measured. A step whose loss is not finite changes nothing, and nor does one that is chained to it.
 *
 * @throws StridenetError ERR_INVALID_ARGUMENT when nothing trains, when the model reads parameters that it does not list, or for updates that are none
 */
export function trainingGraph(training: Training, form: BatchForm, target: TargetForm, group = ALONE): TrainingGraph {
  const { model, optimizer, keptOf, lastApplied } = training;
  const random = inputTensor({ name: 'randomStep', feedDType: 'int32', layout: 'nchw' }, [3], 'int32');
  const {
    result: { result, updates: asked },
    count: dropouts,
  } = withRandomStep(random, () => collectUpdates(() => scoredGraph(training, form, target, true)));
  const { feeds, targets, heads, outputs, divisor, measured } = result;
  const variables = new Set<Tensor>(model.stateDict().values());
  refuseHidden(model, variables, heads, asked);
  const rate = scalarFeed('learningRate');
  const chain = lastApplied && chainTo(lastApplied);
  const trainable = model.parameters().filter((parameter) => parameter.requiresGrad);
  // The rate itself while the loss is finite and the step before was applied; else NaN, with which an update changes nothing.
  const guardedRate = add(rate, mul(chain ? add(outputs[0]!, chain.fault) : outputs[0]!, 0));
  const own = differentiate(outputs[0]!, trainable);
  const squares = training.measuresNorms ? layerSquares(model, trainable, own) : [];
  const updates: Update[] = [];
  if (group.isLast) {
    const accumulated =
      group.size === 1 ? own : own.map((gradient, i) => gradient && withAccumulated(training, trainable[i]!, gradient, group));
    const gradients = clipGradients(accumulated, training.clipping ?? {});
    for (const [i, parameter] of trainable.entries()) {
      const gradient = gradients[i];
      // A parameter that the loss does not depend on stays as it is, as in PyTorch.
      if (gradient) updates.push(...optimizerUpdates(optimizer, parameter, gradient, guardedRate, keptOf(parameter)));
    }
  }
  if (group.size > 1) {
    const factors = group.isLast ? { decay: 0, gain: 0 } : { decay: 1, gain: 1 / group.size };
    for (const [i, parameter] of trainable.entries()) {
      if (own[i]) updates.push(runningAverage(training.accumulatorOf!(parameter), own[i], guardedRate, factors));
    }
  }
  if (updates.length === 0) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      'Training expects at least one parameter that requires a gradient and that the loss depends on, but there is none. Call model.unfreeze().',
    );
  }
  // Updates that layers asked for, such as those of running statistics, also take place only in a step that is applied.
  for (const { update } of asked) updates.push(update(guardedRate));
  if (chain) updates.push(replacement(lastApplied, chain.mark, guardedRate));
  return {
    feeds: [...feeds, rate, ...(chain?.feeds ?? []), ...(dropouts > 0 ? [random] : [])],
    outputs: [...outputs, ...squareOutputs(squares)],
    updates,
    squares,
    divisor,
    measured,
    classes: classesOf(targets, outputs),
  };
}

/** The gradient of all batches of a group. */
function withAccumulated({ accumulatorOf }: Training, parameter: Parameter, gradient: Tensor, { size }: Group): Tensor {
  return add(accumulatorOf!(parameter), mul(gradient, 1 / size));
}

/** The feeds of `chainValues`; `fault` is 0, or infinite when the step before was not applied. */
export function chainTo(lastApplied: Tensor): { feeds: Tensor[]; mark: Tensor; fault: Tensor } {
  const [mark, before, severity] = ['mark', 'markBefore', 'severity'].map(scalarFeed) as [Tensor, Tensor, Tensor];
  return { feeds: [mark, before, severity], mark, fault: mul(sub(lastApplied, before), severity) };
}
