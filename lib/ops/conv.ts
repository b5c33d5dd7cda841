/**
 * Two-dimensional convolution (cross-correlation, as in every CNN library) and its two derivatives, which are
 * convolutions of each other, so the three rules close under differentiation:
 *
 *   y[n,o,p,q]  = sum over c,i,j of w[o,c,i,j] x[n, c, p s - t + i d, q s - l + j d]  (+ bias[o])
 *   gradInput   = the adjoint in x;  gradWeight = the adjoint in w
 */

import { checkInteger, checkOptions, formatShape, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { sum } from './broadcast';
import { build, checkDType, checkRank, checkTensor, defineOp, describe, type OpOptions } from './builder';
import type { GradientContext } from './opDef';
import { checkPadding, checkPair, resolvePadding, windowOutput, type Padding, type Pair, type Sides } from './window';

/** Options of `ops.conv2d`. */
export interface Conv2dOptions extends OpOptions {
  /** [O]; default: none. */
  bias?: Tensor | undefined;
  /** Default 1. */
  stride?: Pair | undefined;
  /** Default 0. */
  padding?: Padding | undefined;
  /** Distance between kernel elements; default 1. */
  dilation?: Pair | undefined;
  /** Channels are cut into this many groups that do not see each other; default 1. */
  groups?: number | undefined;
}

export interface Conv2dAttrs extends Attrs {
  readonly stride: readonly [number, number];
  readonly padding: Sides;
  readonly dilation: readonly [number, number];
  readonly groups: number;
}
interface GradInputAttrs extends Conv2dAttrs {
  /** Height and width of the forward input. */
  readonly inputSize: readonly [number, number];
}
interface GradWeightAttrs extends Conv2dAttrs {
  readonly kernel: readonly [number, number];
}

function geometry({ stride, padding, dilation, groups }: Conv2dAttrs): Conv2dAttrs {
  return { stride, padding, dilation, groups };
}

function kernelOf(weight: Tensor): readonly [number, number] {
  return [weight.shape[2]!, weight.shape[3]!];
}

defineOp<Conv2dAttrs>({
  name: 'conv2d',
  infer({ where, inputs: [x, weight, bias], attrs }) {
    checkRank(where, 'an input', x!, 4, '[N, C, H, W]');
    checkRank(where, 'a weight', weight!, 4, '[O, I, kH, kW]');
    for (const [what, t] of [['an input', x!] as const, ['a weight', weight!] as const]) checkDType(where, what, t, 'float32');
    const [outChannels, inChannels] = weight!.shape as [number, number];
    const { groups } = attrs;
    const channels = x!.shape[1]!;
    if (channels !== inChannels * groups) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects ${inChannels * groups} input channels (its weight is ${formatShape(weight!.shape)}${groups > 1 ? `, groups ${groups}` : ''}) ` +
          `but its input is ${formatShape(x!.shape)}. Pass inChannels ${channels}, or check the layer before it.`,
      );
    }
    if (outChannels % groups !== 0) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects groups to divide its ${outChannels} output channels (its weight is ${formatShape(weight!.shape)}) but groups is ${groups}.`,
      );
    }
    if (bias) {
      checkDType(where, 'a bias', bias, 'float32');
      if (bias.rank !== 1 || bias.shape[0] !== outChannels) {
        throw new StridenetError(
          'ERR_SHAPE_MISMATCH',
          `${where} expects a bias of shape [${outChannels}] but got ${formatShape(bias.shape)}.`,
        );
      }
    }
    const [oh, ow] = windowOutput(where, x!, { kernel: kernelOf(weight!), ...attrs });
    return { shape: [x!.shape[0]!, outChannels, oh, ow], dtype: 'float32' };
  },
  gradient({ inputs: [x, weight], attrs, dy, needs, name }: GradientContext<Conv2dAttrs>) {
    return [
      needs[0] ? conv2dGradInput(dy, weight!, attrs, x!, name) : null,
      needs[1] ? conv2dGradWeight(x!, dy, attrs, weight!, name) : null,
      needs[2] ? sum(dy, { axis: [0, 2, 3], name: suffixed(name, 'gradBias') }) : null,
    ];
  },
});

function suffixed(name: string, suffix: string): string {
  return name && `${name}/${suffix}`;
}

function conv2dGradInput(dy: Tensor, weight: Tensor, attrs: Conv2dAttrs, x: Tensor, name = ''): Tensor {
  return build('conv2dGradInput', [dy, weight], { ...geometry(attrs), inputSize: x.shape.slice(2) }, suffixed(name, 'gradInput'));
}

function conv2dGradWeight(x: Tensor, dy: Tensor, attrs: Conv2dAttrs, weight: Tensor, name = ''): Tensor {
  return build('conv2dGradWeight', [x, dy], { ...geometry(attrs), kernel: kernelOf(weight) }, suffixed(name, 'gradWeight'));
}

defineOp<GradInputAttrs>({
  name: 'conv2dGradInput',
  infer({ inputs: [dy, weight], attrs }) {
    return { shape: [dy!.shape[0]!, weight!.shape[1]! * attrs.groups, ...attrs.inputSize], dtype: 'float32' };
  },
  gradient({ inputs: [dy, weight], attrs, dy: g, needs }: GradientContext<GradInputAttrs>) {
    return [needs[0] ? build('conv2d', [g, weight!], geometry(attrs)) : null, needs[1] ? conv2dGradWeight(g, dy!, attrs, weight!) : null];
  },
});

defineOp<GradWeightAttrs>({
  name: 'conv2dGradWeight',
  infer({ inputs: [x, dy], attrs }) {
    return { shape: [dy!.shape[1]!, x!.shape[1]! / attrs.groups, ...attrs.kernel], dtype: 'float32' };
  },
  gradient({ inputs: [x, dy], attrs, dy: g, needs }: GradientContext<GradWeightAttrs>) {
    return [needs[0] ? conv2dGradInput(dy!, g, attrs, x!) : null, needs[1] ? build('conv2d', [x!, g], geometry(attrs)) : null];
  },
});

/**
 * Two-dimensional cross-correlation.
 *
 * @param x [N, C, H, W]
 * @param weight [O, C / groups, kH, kW]
 * @returns [N, O, floor((H + padding - dilation (kH - 1) - 1) / stride) + 1, likewise for W]
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @see https://d2l.ai/chapter_convolutional-neural-networks/conv-layer.html
 */
export function conv2d(x: Tensor, weight: Tensor, options: Conv2dOptions = {}): Tensor<'float32'> {
  checkOptions('conv2d', options, ['bias', 'stride', 'padding', 'dilation', 'groups', 'name']);
  const { bias, name = '' } = options;
  const where = describe('conv2d', name);
  checkTensor(where, 'its input', x);
  checkTensor(where, 'its weight', weight);
  if (bias !== undefined) checkTensor(where, 'its bias', bias);
  checkRank(where, 'an input', x, 4, '[N, C, H, W]');
  checkRank(where, 'a weight', weight, 4, '[O, I, kH, kW]');
  const stride = checkPair(where, 'stride', options.stride ?? 1, 1);
  const dilation = checkPair(where, 'dilation', options.dilation ?? 1, 1);
  const groups = checkInteger(where, 'groups', options.groups ?? 1, 1);
  const padding = resolvePadding(checkPadding(where, options.padding ?? 0), [x.shape[2]!, x.shape[3]!], kernelOf(weight), stride, dilation);
  return build('conv2d', bias ? [x, weight, bias] : [x, weight], { stride, padding, dilation, groups }, name);
}
