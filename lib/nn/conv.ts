/** The two-dimensional convolution layer. */

import { checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import { formatFields } from '../graph/inspect';
import type { Tensor } from '../graph/tensor';
import { conv2d } from '../ops/conv';
import { checkPadding, checkPair, type Padding, type Pair } from '../ops/window';
import { calculateFans } from './fans';
import { kaimingUniform, uniform } from './init';
import { Module } from './module';
import { Parameter } from './parameter';

/** Options of `nn.Conv2d`. */
export interface Conv2dLayerOptions {
  /** Default 1. */
  stride?: Pair | undefined;
  /** Default 0. */
  padding?: Padding | undefined;
  /** Distance between kernel elements; default 1. */
  dilation?: Pair | undefined;
  /** Divides both channel counts; channels of different groups do not see each other. Default 1. */
  groups?: number | undefined;
  /** Default true. */
  bias?: boolean | undefined;
}

/**
 * Convolution of [N, inChannels, H, W] to [N, outChannels, H', W'] (see `ops.conv2d`). `weight` is [outChannels, inChannels / groups, kH, kW],
 * `bias` [outChannels], both initialised uniformly in +-1 / sqrt(fanIn) as in PyTorch.
 */
export class Conv2d extends Module {
  /** The kernels, [outChannels, inChannels / groups, kH, kW]. */
  readonly weight: Parameter;
  /** Added to each channel, [outChannels]; absent with `bias: false`. */
  readonly bias?: Parameter;
  /** [h, w] */
  readonly kernelSize: readonly [number, number];
  /** [vertical, horizontal] */
  readonly stride: readonly [number, number];
  /** As it was given; default 0. */
  readonly padding: Padding;
  /** [vertical, horizontal] */
  readonly dilation: readonly [number, number];
  /** How many parts the channels are divided into. */
  readonly groups: number;
  /**
   * A two-dimensional convolution with weights drawn as PyTorch draws them.
   * @param inChannels channels of the input
   * @param outChannels channels of the output, one for each kernel
   * @param kernelSize `n`, or `[h, w]`
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(
    /** Channels of the input. */
    readonly inChannels: number,
    /** Channels of the output. */
    readonly outChannels: number,
    kernelSize: Pair,
    options: Conv2dLayerOptions = {},
  ) {
    super();
    checkOptions('Conv2d', options, ['stride', 'padding', 'dilation', 'groups', 'bias']);
    checkInteger('Conv2d', 'inChannels', inChannels, 1);
    checkInteger('Conv2d', 'outChannels', outChannels, 1);
    this.kernelSize = checkPair('Conv2d', 'kernelSize', kernelSize, 1);
    this.stride = checkPair('Conv2d', 'stride', options.stride ?? 1, 1);
    this.padding = checkPadding('Conv2d', options.padding ?? 0);
    this.dilation = checkPair('Conv2d', 'dilation', options.dilation ?? 1, 1);
    this.groups = checkInteger('Conv2d', 'groups', options.groups ?? 1, 1);
    for (const [name, channels] of Object.entries({ inChannels, outChannels })) {
      if (channels % this.groups === 0) continue;
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `Conv2d expects groups to divide ${name} but ${name} is ${channels} and groups is ${this.groups}.`,
      );
    }
    this.weight = new Parameter([outChannels, inChannels / this.groups, ...this.kernelSize]);
    kaimingUniform(this.weight, { a: Math.sqrt(5) });
    if (checkBias('Conv2d', options.bias)) this.bias = defaultBias(this.weight);
  }

  forward(x: Tensor): Tensor<'float32'> {
    const { weight, bias, stride, padding, dilation, groups, path } = this;
    return conv2d(x, weight, { bias, stride, padding, dilation, groups, name: path });
  }

  override extraRepr(): string {
    const { inChannels, outChannels, kernelSize, stride, padding, dilation, groups, bias } = this;
    const options = {
      kernelSize,
      stride,
      padding: [padding].flat(2).every((side) => side === 0) ? undefined : padding,
      dilation: dilation.every((d) => d === 1) ? undefined : dilation,
      groups: groups === 1 ? undefined : groups,
      bias: bias ? undefined : false,
    };
    return `${inChannels}, ${outChannels}, ${formatFields(options)}`;
  }
}

/** @throws StridenetError ERR_INVALID_ARGUMENT unless `bias` is true, false or absent */
export function checkBias(where: string, bias: unknown): boolean {
  if (bias === undefined || typeof bias === 'boolean') return bias ?? true;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects bias to be true or false but got ${formatValue(bias)}.`);
}

/** PyTorch's bias for a weight: uniform in +-1 / sqrt(fanIn). */
export function defaultBias(weight: Parameter): Parameter {
  const bound = 1 / Math.sqrt(calculateFans('bias', weight.shape).fanIn);
  return uniform(new Parameter([weight.shape[0]!]), { a: -bound, b: bound });
}
