/** The graph of a training step: loss, gradients, and the updates of the optimizer and of layers that move something by themselves. */

import { StridenetError } from '../errors';
import type { Graph, Update } from '../graph/graph';
import { inputTensor } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import type { Module } from '../nn/module';
import type { Parameter, Variable } from '../nn/parameter';
import type { Loss } from '../nn/loss';
import type { Optimizer } from '../optim/optimizer';
import { differentiate } from '../ops/differentiate';
import { withRandomStep } from '../ops/dropout';
import { add, mul, sub } from '../ops/elementwise';
import { collectUpdates, replacement } from '../ops/update';
import { clipGradients, type ClippingOptions } from './clipping';
import { scoredGraph, type BatchForm } from './graphs';
import { refuseHidden } from './hidden';
import type { Kept } from './kept';
import { optimizerUpdates } from './optimizerUpdates';
import type { FeedValues } from './programs';

/** What a training graph is built from. */
export interface Training {
  readonly model: Module;
  readonly loss: Loss;
  /** Whether to count correct rows. */
  readonly accuracy: boolean;
  readonly optimizer: Optimizer;
  keptOf(parameter: Parameter): Kept;
  /** A scalar that holds the mark of the last step that was applied; absent when no step is tied to the one before. */
  readonly lastApplied?: Variable;
  /** Default none. */
  readonly clipping?: ClippingOptions;
}

/**
 * Marks of steps are multiples of this, so that the product of the difference of two with the largest factor is infinite.
 * Cyclic, since float32 holds whole numbers up to 2^24.
 */
const MARK_UNIT = 4;
const MARK_COUNT = 2 ** 20;

/**
 * The feeds that tie step `number` to the one before: when that was not applied, this is not either.
 * @param first not tied to any
 */
export function chainValues(number: number, first: boolean): FeedValues {
  const mark = (n: number): Float32Array => Float32Array.of(MARK_UNIT * (n % MARK_COUNT));
  return { mark: mark(number), markBefore: mark(number + MARK_COUNT - 1), severity: Float32Array.of(first ? 0 : 3e38) };
}

/**
 * Feeds: those of evaluation, learningRate, with `lastApplied` the three of `chainValues`, and when anything is random randomStep
 * (`randomStepValue`).
 * Outputs as in evaluation, before the update. A step whose loss is not finite changes nothing, and nor does one that is chained to it.
 *
 * @throws StridenetError ERR_INVALID_ARGUMENT when nothing trains, when the model reads parameters that it does not list, or for updates that are none
 */
export function trainingGraph({ model, loss, accuracy, optimizer, keptOf, lastApplied, clipping = {} }: Training, form: BatchForm): Graph {
  const random = inputTensor({ name: 'randomStep', feedDType: 'int32', layout: 'nchw' }, [3], 'int32');
  const {
    result: { result, updates: asked },
    count: dropouts,
  } = withRandomStep(random, () => collectUpdates(() => scoredGraph(model, loss, accuracy, form, true)));
  const { images, labels, heads, outputs } = result;
  const variables = new Set<Tensor>(model.stateDict().values());
  refuseHidden(model, variables, heads, asked);
  const rate = scalarFeed('learningRate');
  const chain = lastApplied && chainTo(lastApplied);
  const trainable = model.parameters().filter((parameter) => parameter.requiresGrad);
  const gradients = clipGradients(differentiate(outputs[0]!, trainable), clipping);
  // The rate itself while the loss is finite and the step before was applied; else NaN, with which an update changes nothing.
  const guardedRate = add(rate, mul(chain ? add(outputs[0]!, chain.fault) : outputs[0]!, 0));
  const updates: Update[] = [];
  for (const [i, parameter] of trainable.entries()) {
    const gradient = gradients[i];
    // A parameter that the loss does not depend on stays as it is, as in PyTorch.
    if (gradient) updates.push(...optimizerUpdates(optimizer, parameter, gradient, guardedRate, keptOf(parameter)));
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
  return { feeds: [images, labels, rate, ...(chain?.feeds ?? []), ...(dropouts > 0 ? [random] : [])], outputs, updates };
}

/** The feeds of `chainValues`; `fault` is 0, or infinite when the step before was not applied. */
export function chainTo(lastApplied: Tensor): { feeds: Tensor[]; mark: Tensor; fault: Tensor } {
  const [mark, before, severity] = ['mark', 'markBefore', 'severity'].map(scalarFeed) as [Tensor, Tensor, Tensor];
  return { feeds: [mark, before, severity], mark, fault: mul(sub(lastApplied, before), severity) };
}

/** The placeholder of a number. */
export function scalarFeed(name: string): Tensor {
  return inputTensor({ name, feedDType: 'float32', layout: 'nchw' }, [], 'float32');
}
