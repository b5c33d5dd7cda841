/** Words shared by graph, ops and compile. */

export type DType = 'float32' | 'int32' | 'uint8';
export type Shape = readonly number[];
export type TypedArray = Float32Array | Int32Array | Uint8Array;
export type NestedArray = number | readonly NestedArray[];

/** Attributes of a node: plain data, equal when their `exactKey` is. */
export type AttrValue = number | string | boolean | readonly AttrValue[] | Attrs;
export interface Attrs {
  readonly [name: string]: AttrValue;
}

export const BYTES_PER_ELEMENT: Readonly<Record<DType, number>> = { float32: 4, int32: 4, uint8: 1 };

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
