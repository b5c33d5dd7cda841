/** Operations that move or rename elements: reshape, flatten, transpose. */

import { formatShape, formatValue, readArray, StridenetError } from '../errors';
import { checkShape } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import { elementCount, MAX_RANK, type DType, type Shape } from '../graph/types';
import { build, checkNameOption, checkTensor, defineOp, type OpOptions } from './builder';
import type { GradientContext } from './opDef';

type ReshapeAttrs = { readonly shape: readonly number[] };
type TransposeAttrs = { readonly permutation: readonly number[] };

defineOp<ReshapeAttrs>({
  name: 'reshape',
  infer({ where, inputs: [x], attrs }) {
    if (elementCount(attrs.shape) !== x!.size) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects as many elements before as after but ${formatShape(x!.shape)} has ${x!.size} and ${formatShape(attrs.shape)} has ${elementCount(attrs.shape)}.`,
      );
    }
    return { shape: attrs.shape, dtype: x!.dtype };
  },
  gradient: ({ inputs: [x], dy }: GradientContext<ReshapeAttrs>) => [reshape(dy, x!.shape)],
});

defineOp<TransposeAttrs>({
  name: 'transpose',
  infer({ inputs: [x], attrs }) {
    return { shape: attrs.permutation.map((axis) => x!.shape[axis]!), dtype: x!.dtype };
  },
  gradient: ({ attrs, dy }: GradientContext<TransposeAttrs>) => [
    transpose(
      dy,
      attrs.permutation.map((_, i) => attrs.permutation.indexOf(i)),
    ),
  ],
});

defineOp({
  name: 'detach',
  infer: ({ inputs: [x] }) => ({ shape: x!.shape, dtype: x!.dtype }),
  gradient: () => [null],
});

/** The same value without its history: gradients stop here, and once computed nothing it was made of is kept. */
export function detach<D extends DType>(x: Tensor<D>): Tensor<D> {
  checkTensor('detach', 'its input', x);
  return build('detach', [x]);
}

/**
 * The same elements in logical row-major order under another shape.
 * @param shape the new shape; one extent may be -1 and is computed
 */
export function reshape<D extends DType>(x: Tensor<D>, shape: Shape, options: OpOptions = {}): Tensor<D> {
  const name = checkNameOption('reshape', options);
  checkTensor('reshape', 'its input', x);
  // A value that is no array of numbers is refused like other wrong shapes, further down.
  const extents = (readArray(shape, MAX_RANK) ?? []) as number[];
  let wanted: unknown = extents.length > 0 ? extents : shape;
  if (extents.filter((d) => d === -1).length === 1) {
    const known = checkShape(
      'reshape',
      extents.filter((d) => d !== -1),
    );
    const rest = elementCount(known);
    if (x.size % rest !== 0) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `reshape cannot compute the extent of -1 in ${formatShape(extents)}: ${x.size} elements of ${formatShape(x.shape)} are not a multiple of ${rest}.`,
      );
    }
    wanted = extents.map((d) => (d === -1 ? x.size / rest : d));
  }
  const checked = checkShape('reshape', wanted);
  if (checked.length === x.rank && checked.every((d, i) => d === x.shape[i])) return x;
  return build('reshape', [x], { shape: checked }, name);
}

/**
 * Joins the axes from `startAxis` on into one: [n, c, h, w] becomes [n, c h w].
 * @param startAxis default 1
 */
export function flatten<D extends DType>(x: Tensor<D>, startAxis = 1, options: OpOptions = {}): Tensor<D> {
  checkNameOption('flatten', options);
  checkTensor('flatten', 'its input', x);
  const start = typeof startAxis === 'number' && startAxis < 0 ? startAxis + x.rank : startAxis;
  if (!Number.isInteger(start) || start < 0 || start > Math.max(0, x.rank - 1)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `flatten expects startAxis in [${-x.rank}, ${Math.max(0, x.rank - 1)}] for an input of shape ${formatShape(x.shape)} but got ${formatValue(startAxis)}.`,
    );
  }
  return reshape(x, [...x.shape.slice(0, start), elementCount(x.shape.slice(start))], options);
}

/**
 * Permutes axes: y.shape[i] = x.shape[permutation[i]].
 * @param permutation default: the axes reversed
 */
export function transpose<D extends DType>(x: Tensor<D>, permutation?: readonly number[], options: OpOptions = {}): Tensor<D> {
  const name = checkNameOption('transpose', options);
  checkTensor('transpose', 'its input', x);
  const given = permutation === undefined ? x.shape.map((_, i) => x.rank - 1 - i) : readArray(permutation, MAX_RANK);
  const axes = (given as number[] | undefined)?.map((a) => (typeof a === 'number' && a < 0 ? a + x.rank : a));
  if (axes?.length !== x.rank || x.shape.some((_, axis) => !axes.includes(axis))) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `transpose expects a permutation of the ${x.rank} axes of ${formatShape(x.shape)} but got ${formatValue(permutation)}.`,
    );
  }
  if (axes.every((a, i) => a === i)) return x;
  return build('transpose', [x], { permutation: axes }, name);
}
