/** The mean and the maximum over axes; their sum is in broadcast.ts. */

import type { Tensor } from '../graph/tensor';
import { elementCount } from '../graph/types';
import { broadcastTo, inferReduce, keptShape, reduce, sum, type ReduceAttrs, type ReduceOptions } from './broadcast';
import { defineOp } from './builder';
import { div, equal, mul } from './elementwise';
import type { GradientContext } from './opDef';
import { reshape } from './shape';

function reducedCount(x: Tensor, axes: readonly number[]): number {
  return elementCount(axes.map((a) => x.shape[a]!));
}

defineOp<ReduceAttrs>({
  name: 'mean',
  infer: inferReduce,
  gradient: ({ inputs: [x], attrs, dy }: GradientContext<ReduceAttrs>) => [
    broadcastTo(reshape(mul(dy, 1 / reducedCount(x!, attrs.axes)), keptShape(x!, attrs.axes)), x!.shape),
  ],
});

defineOp<ReduceAttrs>({
  name: 'max',
  infer: inferReduce,
  // Spread evenly over equal maxima, as torch.amax does.
  gradient({ inputs: [x], attrs, dy, output }: GradientContext<ReduceAttrs>) {
    const kept = keptShape(x!, attrs.axes);
    const mask = equal(x!, reshape(output, kept));
    const ties = sum(mask, { axis: attrs.axes, keepDims: true });
    return [mul(mask, div(reshape(dy, kept), ties))];
  },
});

/** Arithmetic mean over axes. */
export const mean = (x: Tensor, options?: ReduceOptions): Tensor<'float32'> => reduce('mean', x, options);
/** Largest value over axes; NaN wins. */
export const max = (x: Tensor, options?: ReduceOptions): Tensor<'float32'> => reduce('max', x, options);
