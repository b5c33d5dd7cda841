/** The sum over axes and broadcasting to a shape, each the gradient of the other. */

import { formatShape, formatValue, checkBoolean, checkOptions, readArray, StridenetError } from '../errors';
import { checkShape } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import { MAX_RANK, type Attrs, type Shape } from '../graph/types';
import { build, checkDType, checkTensor, defineOp, type OpOptions } from './builder';
import type { GradientContext, InferContext } from './opDef';
import { reshape } from './shape';

export interface ReduceAttrs extends Attrs {
  /** Ascending axes. */
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

/** Options of `ops.sum`, `ops.mean` and `ops.max`. */
export interface ReduceOptions extends OpOptions {
  /** Axis or axes to reduce, negative ones counting from the end; default: all of them. */
  axis?: number | readonly number[] | undefined;
  /** Keep reduced axes with extent 1; default false. */
  keepDims?: boolean | undefined;
}

/** The shape rule of reductions. */
export function inferReduce({ where, inputs: [x], attrs }: InferContext<ReduceAttrs>): { shape: Shape; dtype: 'float32' } {
  checkDType(where, 'its input', x!, 'float32');
  const shape = x!.shape.map((d, i) => (attrs.axes.includes(i) ? 1 : d));
  return { shape: attrs.keepDims ? shape : shape.filter((_, i) => !attrs.axes.includes(i)), dtype: 'float32' };
}

/** The shape with reduced axes kept as 1. */
export function keptShape(x: Tensor, axes: readonly number[]): Shape {
  return x.shape.map((d, i) => (axes.includes(i) ? 1 : d));
}

defineOp<ReduceAttrs>({
  name: 'sum',
  infer: inferReduce,
  gradient: ({ inputs: [x], attrs, dy }: GradientContext<ReduceAttrs>) => [broadcastTo(reshape(dy, keptShape(x!, attrs.axes)), x!.shape)],
});

/** Makes the node of a reduction. */
export function reduce(op: 'sum' | 'mean' | 'max', x: Tensor, options: ReduceOptions = {}): Tensor {
  checkTensor(op, 'its input', x);
  checkOptions(op, options, ['axis', 'keepDims', 'name']);
  const axes = normalizeAxes(op, x, options.axis);
  return build(op, [x], { axes, keepDims: checkBoolean(op, 'keepDims', options.keepDims ?? false) }, options.name ?? '');
}

/** Ascending, distinct, non-negative axes. */
export function normalizeAxes(where: string, x: Tensor, axis: number | readonly number[] | undefined): readonly number[] {
  if (axis === undefined) return x.shape.map((_, i) => i);
  const given = typeof axis === 'number' ? [axis] : (readArray(axis, MAX_RANK) as number[] | undefined);
  const axes = given?.map((a) => (typeof a === 'number' && a < 0 ? a + x.rank : a));
  if (!axes || axes.some((a) => !Number.isInteger(a) || a < 0 || a >= x.rank) || new Set(axes).size !== axes.length) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects distinct axes in [${-x.rank}, ${x.rank - 1}] of its input ${formatShape(x.shape)} but got ${formatValue(axis)}.`,
    );
  }
  return [...axes].sort((a, b) => a - b);
}

/** Sum over axes. Accumulated in a fixed order, the same for any thread count. */
export const sum = (x: Tensor, options?: ReduceOptions): Tensor<'float32'> => reduce('sum', x, options);

defineOp<{ readonly shape: readonly number[] }>({
  name: 'broadcastTo',
  infer({ where, inputs: [x], attrs }) {
    checkDType(where, 'its input', x!, 'float32');
    const offset = attrs.shape.length - x!.rank;
    if (offset < 0 || x!.shape.some((d, i) => d !== 1 && d !== attrs.shape[offset + i])) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects an input whose extents are 1 or those of ${formatShape(attrs.shape)} but got ${formatShape(x!.shape)}.`,
      );
    }
    return { shape: attrs.shape, dtype: 'float32' };
  },
  gradient: ({ inputs: [x], dy }: GradientContext<{ readonly shape: readonly number[] }>) => [reduceToShape(dy, x!.shape)],
});

/** Repeats extents of 1 (and missing leading axes) to `shape`. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor<'float32'> {
  checkTensor('broadcastTo', 'its input', x);
  const wanted = checkShape('broadcastTo', shape);
  if (x.rank === wanted.length && x.shape.every((d, i) => d === wanted[i])) return x;
  return build('broadcastTo', [x], { shape: wanted });
}

/** Sums a broadcast gradient back to the shape of the operand. */
export function reduceToShape(x: Tensor, shape: Shape): Tensor {
  const offset = x.rank - shape.length;
  const axes = x.shape.map((_, i) => i).filter((i) => i < offset || (shape[i - offset] === 1 && x.shape[i] !== 1));
  return axes.length === 0 ? x : reshape(sum(x, { axis: axes, keepDims: true }), shape);
}
