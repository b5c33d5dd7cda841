/** Words shared by graph, ops and compile. */

import { types } from 'node:util';
import { formatShape, StridenetError } from '../errors';

/** The element types of tensors. */
export type DType = 'float32' | 'int32' | 'uint8';
/** The extents of a tensor's axes, in logical order: [N, C, H, W]; [] for a single number. */
export type Shape = readonly number[];
/** The arrays that hold values of tensors. */
export type TypedArray = Float32Array | Int32Array | Uint8Array;
/** The values of a tensor, nested by axis: a number for shape [], number[] for [n], number[][] for [n, m]. */
export type NestedArray = number | readonly NestedArray[];

// Conditional types, so that `any` in the place of D gives every possibility and not `any`.

/** The array that holds values of an element type: Float32Array for 'float32'. */
export type ArrayOf<D extends DType> = D extends 'float32' ? Float32Array : D extends 'int32' ? Int32Array : Uint8Array;
/** The element type itself; any of them while it is not known. */
export type ElementType<D extends DType> = D extends 'float32' ? 'float32' : D extends 'int32' ? 'int32' : 'uint8';
/** The element type that `tensor` gives values: that of a typed array, float32 for numbers. */
export type DTypeOf<V> = V extends Int32Array ? 'int32' : V extends Uint8Array ? 'uint8' : 'float32';

/** Attributes of a node: plain data, equal when their `exactKey` is. */
export type AttrValue = number | string | boolean | readonly AttrValue[] | Attrs;
export interface Attrs {
  readonly [name: string]: AttrValue;
}

export const BYTES_PER_ELEMENT: Readonly<Record<DType, number>> = { float32: 4, int32: 4, uint8: 1 };

/** The most axes that a tensor can have. */
export const MAX_RANK = 6;

/** The element type of a typed array that tensors can be made of, also of one from another realm (vm contexts, test runners). */
export function dtypeOf(values: unknown): DType | undefined {
  if (types.isFloat32Array(values)) return 'float32';
  if (types.isInt32Array(values)) return 'int32';
  return types.isUint8Array(values) ? 'uint8' : undefined;
}

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array } as const;

/** Zeros for a value of `shape`. @throws StridenetError ERR_OUT_OF_MEMORY when the engine or the machine cannot have as many */
export function newArray<D extends DType>(where: string, shape: Shape, dtype: D): InstanceType<(typeof ARRAYS)[D]> {
  const count = elementCount(shape);
  try {
    return new ARRAYS[dtype](count) as InstanceType<(typeof ARRAYS)[D]>;
  } catch (cause) {
    const gib = ((count * BYTES_PER_ELEMENT[dtype]) / 2 ** 30).toFixed(1);
    throw new StridenetError(
      'ERR_OUT_OF_MEMORY',
      `${where} expects ${gib} GiB of memory in one piece for ${dtype} values of shape ${formatShape(shape)} but cannot have them.`,
      { cause },
    );
  }
}

/** The number of elements of a shape. */
export function elementCount(shape: Shape): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Physical extents of a logical shape: [n, c, h, w] is stored as [n, h, w, c], everything else as it is written. */
export function physicalShape(shape: Shape): Shape {
  return shape.length === 4 ? [shape[0]!, shape[2]!, shape[3]!, shape[1]!] : shape;
}

/** Logical axes in physical order. */
export function physicalAxes(rank: number): readonly number[] {
  return rank === 4 ? [0, 2, 3, 1] : Array.from({ length: rank }, (_, i) => i);
}
