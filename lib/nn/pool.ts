/** Pooling layers. */

import { checkBoolean, checkOptions, formatValue, StridenetError } from '../errors';
import { formatFields } from '../graph/inspect';
import type { Tensor } from '../graph/tensor';
import { adaptiveAvgPool2d, globalAvgPool2d } from '../ops/adaptivePool';
import { avgPool2d, maxPool2d } from '../ops/pool';
import { checkPadding, checkPair, type Padding, type Pair } from '../ops/window';
import { Module } from './module';

interface PoolLayerOptions {
  /** Default: the kernel size. */
  stride?: Pair | undefined;
  /** Default 0; at most half of the kernel on each side. */
  padding?: Padding | undefined;
  /** Round the output size up instead of down; default false. */
  ceilMode?: boolean | undefined;
}
/** Options of `nn.MaxPool2d`. */
export interface MaxPool2dLayerOptions extends PoolLayerOptions {
  /** Distance between the elements of a window; default 1. */
  dilation?: Pair | undefined;
}
/** Options of `nn.AvgPool2d`. */
export interface AvgPool2dLayerOptions extends PoolLayerOptions {
  /** Whether padding counts in the divisor; default true. */
  countIncludePad?: boolean | undefined;
}

/** The largest value of each window of [N, C, H, W] (see `ops.maxPool2d`). */
export class MaxPool2d extends Module {
  /** [h, w] */
  readonly kernelSize: readonly [number, number];
  /** [vertical, horizontal] */
  readonly stride: readonly [number, number];
  /** As it was given; default 0. */
  readonly padding: Padding;
  /** [vertical, horizontal] */
  readonly dilation: readonly [number, number];
  /** Whether the output size is rounded up. */
  readonly ceilMode: boolean;
  /**
   * Max pooling.
   * @param kernelSize `n`, or `[h, w]`
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(kernelSize: Pair, options: MaxPool2dLayerOptions = {}) {
    super();
    checkOptions('MaxPool2d', options, ['stride', 'padding', 'dilation', 'ceilMode']);
    this.kernelSize = checkPair('MaxPool2d', 'kernelSize', kernelSize, 1);
    this.stride = checkPair('MaxPool2d', 'stride', options.stride ?? kernelSize, 1);
    this.dilation = checkPair('MaxPool2d', 'dilation', options.dilation ?? 1, 1);
    this.padding = checkPoolPadding('MaxPool2d', options.padding ?? 0, this.kernelSize, this.dilation);
    this.ceilMode = checkBoolean('MaxPool2d', 'ceilMode', options.ceilMode ?? false);
  }

  forward(x: Tensor): Tensor<'float32'> {
    const { stride, padding, dilation, ceilMode, path } = this;
    return maxPool2d(x, this.kernelSize, { stride, padding, dilation, ceilMode, name: path });
  }

  override extraRepr(): string {
    const { kernelSize, stride, padding, dilation, ceilMode } = this;
    return formatFields({ kernelSize, stride, padding, dilation, ceilMode });
  }
}

/** The mean of each window of [N, C, H, W] (see `ops.avgPool2d`). */
export class AvgPool2d extends Module {
  /** [h, w] */
  readonly kernelSize: readonly [number, number];
  /** [vertical, horizontal] */
  readonly stride: readonly [number, number];
  /** As it was given; default 0. */
  readonly padding: Padding;
  /** Whether the output size is rounded up. */
  readonly ceilMode: boolean;
  /** Whether padding counts in the divisor. */
  readonly countIncludePad: boolean;
  /**
   * Average pooling.
   * @param kernelSize `n`, or `[h, w]`
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(kernelSize: Pair, options: AvgPool2dLayerOptions = {}) {
    super();
    checkOptions('AvgPool2d', options, ['stride', 'padding', 'ceilMode', 'countIncludePad']);
    this.kernelSize = checkPair('AvgPool2d', 'kernelSize', kernelSize, 1);
    this.stride = checkPair('AvgPool2d', 'stride', options.stride ?? kernelSize, 1);
    this.padding = checkPoolPadding('AvgPool2d', options.padding ?? 0, this.kernelSize, [1, 1]);
    this.ceilMode = checkBoolean('AvgPool2d', 'ceilMode', options.ceilMode ?? false);
    this.countIncludePad = checkBoolean('AvgPool2d', 'countIncludePad', options.countIncludePad ?? true);
  }

  forward(x: Tensor): Tensor<'float32'> {
    const { stride, padding, ceilMode, countIncludePad, path } = this;
    return avgPool2d(x, this.kernelSize, { stride, padding, ceilMode, countIncludePad, name: path });
  }

  override extraRepr(): string {
    const { kernelSize, stride, padding, ceilMode, countIncludePad } = this;
    return formatFields({ kernelSize, stride, padding, ceilMode, countIncludePad });
  }
}

/** Means over windows that share the image out evenly, whatever its size (see `ops.adaptiveAvgPool2d`). */
export class AdaptiveAvgPool2d extends Module {
  /** [h, w] */
  readonly outputSize: readonly [number, number];
  /**
   * Average pooling to a given size.
   * @param outputSize `n`, or `[h, w]`
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
   */
  constructor(outputSize: Pair, options?: Readonly<Record<string, never>>) {
    super();
    checkOptions('AdaptiveAvgPool2d', options, []);
    this.outputSize = checkPair('AdaptiveAvgPool2d', 'outputSize', outputSize, 1);
  }

  forward(x: Tensor): Tensor<'float32'> {
    return adaptiveAvgPool2d(x, this.outputSize, { name: this.path });
  }

  override extraRepr(): string {
    return formatFields({ outputSize: this.outputSize });
  }
}

/** The mean of each channel: [N, C, H, W] becomes [N, C, 1, 1]. */
export class GlobalAvgPool2d extends Module {
  /** Average pooling to one pixel. */
  constructor(options?: Readonly<Record<string, never>>) {
    super();
    checkOptions('GlobalAvgPool2d', options, []);
  }

  forward(x: Tensor): Tensor<'float32'> {
    return globalAvgPool2d(x, { name: this.path });
  }
}

/** PyTorch's rule, checked here for the paddings that do not depend on the input. */
function checkPoolPadding(where: string, value: unknown, kernel: readonly [number, number], dilation: readonly [number, number]): Padding {
  const padding = checkPadding(where, value);
  if (typeof padding === 'string') return padding;
  const sides = typeof padding === 'number' ? [padding, padding] : padding;
  const half = kernel.map((size, axis) => ((size - 1) * dilation[axis]! + 1) / 2);
  if (sides.some((side, axis) => [side].flat().some((amount) => amount > half[axis]!))) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects padding of at most half of its kernel ${kernel.join('x')} but got ${formatValue(value)}.`,
    );
  }
  return padding;
}
