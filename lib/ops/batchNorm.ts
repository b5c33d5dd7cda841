/**
 * Batch normalisation of [N, C, H, W]: one node for both modes, `batchNorm(x, mean, variance, weight, bias)`. In training, mean and variance are nodes
 * of x and the gradient of x is the total one, through both; in evaluation they are running statistics, which have no gradient.
 * Mean with variance and weight gradient with bias gradient are pairs that `lower` makes with one instruction each. Second
 * derivatives are compositions of elementwise operations.
 */

import { checkBoolean, checkNumber, checkOptions, formatShape, StridenetError } from '../errors';
import { ones, zeros } from '../graph/leaves';
import { Tensor } from '../graph/tensor';
import type { Attrs, Shape } from '../graph/types';
import { broadcastTo, sum } from './broadcast';
import { build, checkDType, checkRank, checkTensor, defineOp, describe, type OpOptions } from './builder';
import { add, div, mul, neg, sqrt, sub } from './elementwise';
import type { GradientContext, InferContext } from './opDef';
import { reshape } from './shape';
import { deferUpdate, replacement, runningAverage } from './update';

/** Options of `ops.batchNorm2d`. */
export interface BatchNorm2dOptions extends OpOptions {
  /** [C]; used in evaluation, moved towards the batch's by a training step. */
  runningMean?: Tensor | undefined;
  /** [C], of unbiased variances. */
  runningVar?: Tensor | undefined;
  /** [C], default ones. */
  weight?: Tensor | undefined;
  /** [C], default zeros. */
  bias?: Tensor | undefined;
  /** Normalise by the statistics of this batch; default false. Without running statistics it must be true. */
  training?: boolean | undefined;
  /** How far a step moves the running statistics, a number in [0, 1] or a scalar tensor; default 0.1. */
  momentum?: number | Tensor | undefined;
  /** Added to the variance; default 1e-5. */
  eps?: number | undefined;
}

export interface BatchNormAttrs extends Attrs {
  readonly eps: number;
  /** Mean and variance are those of x. */
  readonly training: boolean;
}
export interface BatchNormGradAttrs extends Attrs {
  readonly eps: number;
}
const AXES = [0, 2, 3] as const;

/** One number per channel as [1, C, 1, 1]. */
const spread = (v: Tensor): Tensor => reshape(v, [1, v.size, 1, 1]);
/** The sum over everything but channels. */
const sumChannels = (x: Tensor): Tensor => sum(x, { axis: AXES });
const channelCount = (x: Tensor): number => x.size / x.shape[1]!;
const inverseDeviation = (variance: Tensor, eps: number): Tensor => div(1, sqrt(add(variance, eps)));

const sameAsX = ({ inputs: [x] }: InferContext): { shape: Shape; dtype: 'float32' } => ({ shape: x!.shape, dtype: 'float32' });
const perChannel = ({ inputs: [x] }: InferContext): { shape: Shape; dtype: 'float32' } => ({ shape: [x!.shape[1]!], dtype: 'float32' });

defineOp({
  name: 'batchNormMean',
  infer: perChannel,
  gradient: ({ inputs: [x], dy }: GradientContext) => [broadcastTo(spread(mul(dy, 1 / channelCount(x!))), x!.shape)],
});

/** Biased: the mean of squared distances from the mean. */
defineOp({
  name: 'batchNormVariance',
  infer: perChannel,
  gradient: ({ inputs: [x], dy }: GradientContext) => [
    mul(sub(x!, spread(build('batchNormMean', [x!]))), spread(mul(dy, 2 / channelCount(x!)))),
  ],
});

/** (x - mean) / sqrt(variance + eps) weight + bias */
defineOp<BatchNormAttrs>({
  name: 'batchNorm',
  infer: sameAsX,
  gradient({ inputs, attrs: { eps, training }, dy, needs }: GradientContext<BatchNormAttrs>) {
    const [x, mean, variance, weight] = inputs as [Tensor, Tensor, Tensor, Tensor];
    const sums = [x, dy, mean, variance];
    const dweight = build('batchNormGradWeight', sums, { eps });
    const dbias = build('batchNormGradBias', sums, { eps });
    const dx = (): Tensor =>
      training
        ? build('batchNormGradInput', [x, dy, mean, variance, weight, dweight, dbias], { eps })
        : mul(dy, spread(mul(weight, inverseDeviation(variance, eps))));
    return [needs[0] ? dx() : null, null, null, dweight, dbias];
  },
});

/** sum of dy (x - mean) / sqrt(variance + eps) */
defineOp<BatchNormGradAttrs>({
  name: 'batchNormGradWeight',
  infer: perChannel,
  gradient({ inputs, attrs: { eps }, output, dy: h }: GradientContext<BatchNormGradAttrs>) {
    const [x, dy, mean, variance] = inputs as [Tensor, Tensor, Tensor, Tensor];
    const inverse = inverseDeviation(variance, eps);
    const factor = mul(h, inverse);
    return [
      mul(dy, spread(factor)),
      mul(sub(x, spread(mean)), spread(factor)),
      neg(mul(factor, sumChannels(dy))),
      mul(mul(h, output), mul(mul(inverse, inverse), -0.5)),
    ];
  },
});

/** sum of dy; takes what batchNormGradWeight takes, so that both come from one pass. */
defineOp<BatchNormGradAttrs>({
  name: 'batchNormGradBias',
  infer: perChannel,
  gradient: ({ inputs: [x], dy: h }: GradientContext<BatchNormGradAttrs>) => [null, broadcastTo(spread(h), x!.shape), null, null],
});

/**
 * dx = weight r (dy - dbias / m - xhat dweight / m) with r = 1 / sqrt(variance + eps), xhat = (x - mean) r and m numbers per channel.
 * Its own derivatives are partial ones: those through mean, variance, dweight and dbias follow from these nodes.
 */
defineOp<BatchNormGradAttrs>({
  name: 'batchNormGradInput',
  infer: sameAsX,
  gradient({ inputs, attrs: { eps }, dy: g }: GradientContext<BatchNormGradAttrs>) {
    const [x, dy, mean, variance, weight, dweight, dbias] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    const m = channelCount(x);
    const inverse = inverseDeviation(variance, eps);
    const scale = mul(weight, inverse);
    const centred = sub(x, spread(mean));
    const share = mul(dweight, 1 / m);
    const inner = sub(sub(dy, spread(mul(dbias, 1 / m))), mul(centred, spread(mul(inverse, share))));
    const along = mul(mul(scale, inverse), share);
    const sumG = sumChannels(g);
    const sumGInner = sumChannels(mul(g, inner));
    const sumGCentred = sumChannels(mul(g, centred));
    const dInverse = sub(mul(weight, sumGInner), mul(mul(scale, share), sumGCentred));
    return [
      neg(mul(g, spread(along))),
      mul(g, spread(scale)),
      mul(sumG, along),
      mul(dInverse, mul(mul(inverse, mul(inverse, inverse)), -0.5)),
      mul(inverse, sumGInner),
      neg(mul(mul(mul(scale, inverse), sumGCentred), 1 / m)),
      neg(mul(mul(scale, sumG), 1 / m)),
    ];
  },
});

/**
 * Normalises each channel, then scales and shifts it. With `training` by mean and (biased) variance of the batch; running
 * statistics that are variables then move by `momentum` towards the batch's (with the unbiased variance) in every step of
 * a Trainer or fit whose loss is finite. Elsewhere nothing moves them: a graph that is only evaluated writes no variable.
 *
 * @param x [N, C, H, W]; in training with more than one value per channel
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example ops.batchNorm2d(x, { training: true })
 */
export function batchNorm2d(x: Tensor, options: BatchNorm2dOptions = {}): Tensor<'float32'> {
  checkOptions('batchNorm2d', options, ['runningMean', 'runningVar', 'weight', 'bias', 'training', 'momentum', 'eps', 'name']);
  const { runningMean, runningVar, name = '' } = options;
  const where = describe('batchNorm2d', name);
  checkTensor(where, 'its input', x);
  checkRank(where, 'an input', x, 4, '[N, C, H, W]');
  checkDType(where, 'an input', x, 'float32');
  const training = checkBoolean(where, 'training', options.training ?? false);
  const eps = checkNumber(where, 'eps', options.eps ?? 1e-5, 0);
  const momentum = checkMomentum(where, options.momentum ?? 0.1);
  const channels = x.shape[1]!;
  for (const [what, column] of Object.entries({ runningMean, runningVar, weight: options.weight, bias: options.bias })) {
    if (column !== undefined) checkColumn(where, what, column, x);
  }
  if ((runningMean === undefined) !== (runningVar === undefined)) {
    const [given, missing] = runningMean ? ['runningMean', 'runningVar'] : ['runningVar', 'runningMean'];
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects runningMean and runningVar together but got ${given} without ${missing}.`,
    );
  }
  const weight = options.weight ?? ones([channels]);
  const bias = options.bias ?? zeros([channels]);
  if (!training) {
    if (!runningMean || !runningVar) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects runningMean and runningVar in evaluation but got neither. Pass { training: true }.`,
      );
    }
    return build('batchNorm', [x, runningMean, runningVar, weight, bias], { eps, training }, name);
  }
  const count = channelCount(x);
  if (count === 1) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects more than 1 value per channel when training but its input is ${formatShape(x.shape)}. Use a larger batch, or eval().`,
    );
  }
  const mean = build('batchNormMean', [x], {}, name);
  const variance = build('batchNormVariance', [x], {}, name);
  if (runningMean) moveRunning(runningMean, mean, 1, momentum);
  if (runningVar) moveRunning(runningVar, variance, count / (count - 1), momentum);
  return build('batchNorm', [x, mean, variance, weight, bias], { eps, training }, name);
}

/** Asks for running = (1 - momentum) running + momentum factor value in every step, when `running` is a variable. */
function moveRunning(running: Tensor, value: Tensor, factor: number, momentum: number | Tensor): void {
  if (running.leaf?.kind !== 'variable') return;
  if (typeof momentum === 'number') {
    deferUpdate(running, (guard) => runningAverage(running, value, guard, { decay: 1 - momentum, gain: momentum * factor }));
  } else {
    const moved = add(running, mul(sub(mul(value, factor), running), momentum));
    deferUpdate(running, (guard) => replacement(running, moved, guard));
  }
}

function checkMomentum(where: string, momentum: number | Tensor): number | Tensor {
  if (!Tensor.is(momentum)) return checkNumber(where, 'momentum', momentum, 0, 1);
  checkDType(where, 'momentum', momentum, 'float32');
  if (momentum.rank === 0) return momentum;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects momentum to be a number or a tensor of shape [] but got ${formatShape(momentum.shape)}.`,
  );
}

function checkColumn(where: string, what: string, column: unknown, x: Tensor): void {
  checkTensor(where, what, column);
  checkDType(where, what, column, 'float32');
  if (column.rank === 1 && column.shape[0] === x.shape[1]) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects ${what} of shape [${x.shape[1]}], one number per channel of its input ${formatShape(x.shape)}, but got ${formatShape(column.shape)}. ` +
      `Pass numFeatures ${x.shape[1]}, or check the layer before it.`,
  );
}
