/** Operations that put together and take apart: concat and slice, and padding with a constant, slice's counterpart. */

import { checkOptions, formatShape, formatValue, readArray, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Attrs, DType, Shape } from '../graph/types';
import { build, checkTensor, defineOp, describe, type OpOptions } from './builder';
import type { GradientContext, InferContext } from './opDef';

interface ConcatAttrs extends Attrs {
  readonly axis: number;
}
interface SliceAttrs extends Attrs {
  /** The first position of the box on every axis. */
  readonly starts: readonly number[];
  readonly shape: readonly number[];
}
interface PadAttrs extends SliceAttrs {
  readonly value: number;
}

defineOp<ConcatAttrs>({
  name: 'concat',
  infer({ where, inputs, attrs: { axis } }: InferContext<ConcatAttrs>) {
    const [first] = inputs;
    let extent = 0;
    for (const [i, x] of inputs.entries()) {
      if (x.dtype !== first!.dtype) {
        throw new StridenetError(
          'ERR_DTYPE_MISMATCH',
          `${where} expects tensors of one type but number 0 is ${first!.dtype} and number ${i} is ${x.dtype}.`,
        );
      }
      if (x.rank !== first!.rank || x.shape.some((d, a) => a !== axis && d !== first!.shape[a])) {
        throw new StridenetError(
          'ERR_SHAPE_MISMATCH',
          `${where} expects tensors that differ along axis ${axis} only but number 0 is ${formatShape(first!.shape)} and number ${i} is ${formatShape(x.shape)}.`,
        );
      }
      extent += x.shape[axis]!;
    }
    return { shape: first!.shape.map((d, a) => (a === axis ? extent : d)), dtype: first!.dtype };
  },
  gradient({ inputs, attrs: { axis }, dy, needs }: GradientContext<ConcatAttrs>) {
    let start = 0;
    return inputs.map((x, i) => {
      const starts = x.shape.map((_, a) => (a === axis ? start : 0));
      start += x.shape[axis]!;
      return needs[i] ? sliceAt(dy, starts, x.shape) : null;
    });
  },
});

defineOp<SliceAttrs>({
  name: 'slice',
  infer: ({ inputs: [x], attrs }) => ({ shape: attrs.shape, dtype: x!.dtype }),
  gradient: ({ inputs: [x], attrs: { starts }, dy }: GradientContext<SliceAttrs>) => [padAt(dy, starts, x!.shape, 0)],
});

defineOp<PadAttrs>({
  name: 'pad',
  infer: ({ attrs }) => ({ shape: attrs.shape, dtype: 'float32' }),
  gradient: ({ inputs: [x], attrs: { starts }, dy }: GradientContext<PadAttrs>) => [sliceAt(dy, starts, x!.shape)],
});

/** y[i] = x[starts + i]; the box must lie in x. */
export function sliceAt(x: Tensor, starts: readonly number[], shape: Shape, name?: string): Tensor {
  if (x.shape.every((d, i) => d === shape[i])) return x;
  return build('slice', [x], { starts: [...starts], shape: [...shape] }, name);
}

/** y[starts + i] = x[i], `value` elsewhere in `shape`. */
export function padAt(x: Tensor, starts: readonly number[], shape: Shape, value: number, name?: string): Tensor {
  if (x.shape.every((d, i) => d === shape[i])) return x;
  return build('pad', [x], { starts: [...starts], shape: [...shape], value }, name);
}

/** Options of `ops.concat`. */
export interface ConcatOptions extends OpOptions {
  /** The axis along which they follow each other; default 1, the channels of [N, C, H, W]. A negative one counts from the end. */
  axis?: number | undefined;
}

/**
 * The tensors one after the other along an axis, as torch.cat.
 *
 * @param tensors at least one; their shapes differ along `axis` only
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example ops.concat([a, b]).shape // [N, C of a + C of b, H, W]
 */
export function concat<D extends DType>(tensors: readonly Tensor<D>[], options: ConcatOptions = {}): Tensor<D> {
  checkOptions('concat', options, ['axis', 'name']);
  const where = describe('concat', options.name ?? '');
  const list = readArray(tensors);
  if (!list?.length) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects an array of at least one tensor but got ${formatValue(tensors)}.`);
  }
  const parts = list as readonly Tensor[];
  for (const [i, x] of parts.entries()) checkTensor(where, `number ${i}`, x);
  const first = parts[0]!;
  const { axis = 1 } = options;
  const resolved = typeof axis === 'number' && axis < 0 ? axis + first.rank : axis;
  if (!Number.isInteger(resolved) || resolved < 0 || resolved >= first.rank) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      first.rank === 0
        ? `${where} expects tensors of at least one axis but number 0 is a scalar. Reshape it to [1].`
        : `${where} expects axis to be an integer in [${-first.rank}, ${first.rank - 1}] for tensors of shape ${formatShape(first.shape)} but got ${formatValue(axis)}.`,
    );
  }
  return parts.length === 1 ? first : build('concat', parts, { axis: resolved }, options.name);
}

/**
 * The part of a tensor from `start` up to, not including, `stop`, axis by axis: x[start0:stop0, start1:stop1, ...] in PyTorch.
 *
 * @param start one index for each of the leading axes; negative ones count from the end
 * @param stop likewise; default: the end of every axis. Axes without an entry are kept whole
 * @throws StridenetError ERR_INVALID_ARGUMENT for indices outside of the tensor or an empty part, ERR_UNKNOWN_OPTION
 * @example ops.slice(tensor([[1, 2, 3], [4, 5, 6]]), [0, 1], [1]) // [[2, 3]]
 */
export function slice<D extends DType>(
  x: Tensor<D>,
  start: readonly number[],
  stop: readonly number[] = [],
  options: OpOptions = {},
): Tensor<D> {
  checkOptions('slice', options, ['name']);
  const where = describe('slice', options.name ?? '');
  checkTensor(where, 'its input', x);
  const resolve = (name: string, list: readonly number[]): number[] => {
    const indices = readArray(list, x.rank) as number[] | undefined;
    if (!indices || indices.some((at, axis) => !Number.isInteger(at) || Math.abs(at) > x.shape[axis]!)) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects ${name} to be at most ${x.rank} indices inside of its input ${formatShape(x.shape)} but got ${formatValue(list)}.`,
      );
    }
    return indices.map((at, axis) => (at < 0 ? at + x.shape[axis]! : at));
  };
  const from = resolve('start', start);
  const to = resolve('stop', stop);
  const starts = x.shape.map((_, axis) => from[axis] ?? 0);
  const shape = x.shape.map((extent, axis) => (to[axis] ?? extent) - starts[axis]!);
  const empty = shape.findIndex((extent) => extent < 1);
  if (empty >= 0) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects start to lie before stop on every axis but axis ${empty} of its input ${formatShape(x.shape)} goes from ${starts[empty]} to ${starts[empty]! + shape[empty]!}.`,
    );
  }
  return sliceAt(x, starts, shape, options.name);
}
