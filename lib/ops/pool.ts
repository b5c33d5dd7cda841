/** Max and average pooling over two-dimensional windows, and their derivatives. Padding never wins a maximum. */

import { checkBoolean, checkOptions, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { build, checkDType, checkRank, checkTensor, defineOp, describe, type OpOptions } from './builder';
import type { GradientContext, InferContext } from './opDef';
import { checkPadding, checkPair, resolvePadding, windowOutput, type Padding, type Pair, type Sides } from './window';

interface PoolOptions extends OpOptions {
  /** Default: the kernel size. */
  stride?: Pair | undefined;
  /** Default 0; at most half of the kernel on each side. */
  padding?: Padding | undefined;
  /** Round the output size up instead of down; default false. */
  ceilMode?: boolean | undefined;
}
/** Options of `ops.maxPool2d`. */
export interface MaxPool2dOptions extends PoolOptions {
  /** Distance between the elements of a window; default 1. */
  dilation?: Pair | undefined;
}
/** Options of `ops.avgPool2d`. */
export interface AvgPool2dOptions extends PoolOptions {
  /** Whether padding counts in the divisor; default true. */
  countIncludePad?: boolean | undefined;
}

interface PoolAttrs extends Attrs {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: Sides;
  readonly dilation: readonly [number, number];
  readonly ceilMode: boolean;
}
interface AvgPoolAttrs extends PoolAttrs {
  readonly countIncludePad: boolean;
}
interface AvgPoolGradAttrs extends AvgPoolAttrs {
  readonly inputSize: readonly [number, number];
}

function inferPool({ where, inputs: [x], attrs }: InferContext<PoolAttrs>): { shape: number[]; dtype: 'float32' } {
  checkRank(where, 'an input', x!, 4, '[N, C, H, W]');
  checkDType(where, 'an input', x!, 'float32');
  return { shape: [x!.shape[0]!, x!.shape[1]!, ...windowOutput(where, x!, attrs)], dtype: 'float32' };
}

defineOp<PoolAttrs>({
  name: 'maxPool2d',
  infer: inferPool,
  gradient: ({ inputs: [x], attrs, dy }: GradientContext<PoolAttrs>) => [build('maxPool2dGrad', [x!, dy], attrs)],
});

defineOp<PoolAttrs>({
  name: 'maxPool2dGrad',
  infer: ({ inputs: [x] }) => ({ shape: x!.shape, dtype: 'float32' }),
  gradient: ({ inputs: [x], attrs, dy: g }: GradientContext<PoolAttrs>) => [null, build('maxPool2dGather', [x!, g], attrs)],
});

defineOp<PoolAttrs>({
  name: 'maxPool2dGather',
  infer: inferPool,
  gradient: ({ inputs: [x], attrs, dy: g }: GradientContext<PoolAttrs>) => [null, build('maxPool2dGrad', [x!, g], attrs)],
});

defineOp<AvgPoolAttrs>({
  name: 'avgPool2d',
  infer: inferPool,
  gradient: ({ inputs: [x], attrs, dy }: GradientContext<AvgPoolAttrs>) => [
    build('avgPool2dGrad', [dy], { ...attrs, inputSize: x!.shape.slice(2) }),
  ],
});

defineOp<AvgPoolGradAttrs>({
  name: 'avgPool2dGrad',
  infer: ({ inputs: [dy], attrs }) => ({ shape: [dy!.shape[0]!, dy!.shape[1]!, ...attrs.inputSize], dtype: 'float32' }),
  gradient({ attrs, dy: g }: GradientContext<AvgPoolGradAttrs>) {
    const { inputSize: _, ...forward } = attrs;
    return [build('avgPool2d', [g], forward)];
  },
});

function poolAttrs(where: string, x: Tensor, kernelSize: Pair, options: MaxPool2dOptions): PoolAttrs {
  checkTensor(where, 'its input', x);
  checkRank(where, 'an input', x, 4, '[N, C, H, W]');
  const kernel = checkPair(where, 'kernelSize', kernelSize, 1);
  const stride = checkPair(where, 'stride', options.stride ?? kernelSize, 1);
  const dilation = checkPair(where, 'dilation', options.dilation ?? 1, 1);
  const padding = resolvePadding(checkPadding(where, options.padding ?? 0), [x.shape[2]!, x.shape[3]!], kernel, stride, dilation);
  for (const [side, amount] of padding.entries()) {
    const extent = (kernel[side >> 1]! - 1) * dilation[side >> 1]! + 1;
    if (amount > extent / 2) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects padding of at most half of its kernel ${kernel.join('x')} on each side but got ${formatValue(options.padding)}.`,
      );
    }
  }
  return { kernel, stride, padding, dilation, ceilMode: checkBoolean(where, 'ceilMode', options.ceilMode ?? false) };
}

/**
 * The largest value of each window. The gradient goes to the first maximum of a window; NaN wins.
 *
 * @param x [N, C, H, W]
 * @param kernelSize window extents
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function maxPool2d(x: Tensor, kernelSize: Pair, options: MaxPool2dOptions = {}): Tensor<'float32'> {
  checkOptions('maxPool2d', options, ['stride', 'padding', 'dilation', 'ceilMode', 'name']);
  const where = describe('maxPool2d', options.name ?? '');
  return build('maxPool2d', [x], poolAttrs(where, x, kernelSize, options), options.name);
}

/**
 * The mean of each window.
 *
 * @param x [N, C, H, W]
 * @param kernelSize window extents
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function avgPool2d(x: Tensor, kernelSize: Pair, options: AvgPool2dOptions = {}): Tensor<'float32'> {
  checkOptions('avgPool2d', options, ['stride', 'padding', 'ceilMode', 'countIncludePad', 'name']);
  const { countIncludePad: counts = true, ...rest } = options;
  const where = describe('avgPool2d', options.name ?? '');
  const countIncludePad = checkBoolean(where, 'countIncludePad', counts);
  return build('avgPool2d', [x], { ...poolAttrs(where, x, kernelSize, rest), countIncludePad }, options.name);
}
