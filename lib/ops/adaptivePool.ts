/** Average pooling to a given output size. */

import { checkOptions } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { build, checkDType, checkRank, checkTensor, defineOp, describe, type OpOptions } from './builder';
import type { GradientContext } from './opDef';
import { checkPair, type Pair } from './window';

interface AdaptiveAttrs extends Attrs {
  /** [H, W] of the result. */
  readonly size: readonly number[];
}

const infer = ({ inputs: [x], attrs }: { inputs: readonly Tensor[]; attrs: AdaptiveAttrs }): { shape: number[]; dtype: 'float32' } => ({
  shape: [x!.shape[0]!, x!.shape[1]!, ...attrs.size],
  dtype: 'float32',
});

defineOp<AdaptiveAttrs>({
  name: 'adaptiveAvgPool2d',
  infer,
  gradient: ({ inputs: [x], dy }: GradientContext<AdaptiveAttrs>) => [build('adaptiveAvgPool2dGrad', [dy], { size: x!.shape.slice(2) })],
});

defineOp<AdaptiveAttrs>({
  name: 'adaptiveAvgPool2dGrad',
  infer,
  gradient: ({ inputs: [dy], dy: g }: GradientContext<AdaptiveAttrs>) => [build('adaptiveAvgPool2d', [g], { size: dy!.shape.slice(2) })],
});

function adaptive(op: string, x: Tensor, outputSize: Pair, name: string): Tensor {
  const where = describe(op, name);
  checkTensor(where, 'its input', x);
  checkRank(where, 'an input', x, 4, '[N, C, H, W]');
  checkDType(where, 'an input', x, 'float32');
  return build('adaptiveAvgPool2d', [x], { size: checkPair(where, 'outputSize', outputSize, 1) }, name);
}

/**
 * Means over windows that share the image out evenly: output i covers floor(i H / outputH) up to ceil((i + 1) H / outputH), so windows
 * overlap where the sizes do not divide.
 *
 * @param x [N, C, H, W]
 * @param outputSize `n` or `[h, w]`
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function adaptiveAvgPool2d(x: Tensor, outputSize: Pair, options: OpOptions = {}): Tensor<'float32'> {
  checkOptions('adaptiveAvgPool2d', options, ['name']);
  return adaptive('adaptiveAvgPool2d', x, outputSize, options.name ?? '');
}

/**
 * The mean of each channel: [N, C, H, W] becomes [N, C, 1, 1].
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function globalAvgPool2d(x: Tensor, options: OpOptions = {}): Tensor<'float32'> {
  checkOptions('globalAvgPool2d', options, ['name']);
  return adaptive('globalAvgPool2d', x, 1, options.name ?? '');
}
