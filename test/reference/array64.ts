/**
 * The value type of the reference: a float64 array with its logical shape ([N, C, H, W] for images, [O, I, kH, kW] for convolution
 * weights), row-major. Nothing here is fast; everything is meant to be read beside the formula.
 */

export interface Array64 {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** An array of `shape` filled with zeros, or with `values` (checked for length). */
export function array64(shape: readonly number[], values?: ArrayLike<number>): Array64 {
  if (values && values.length !== sizeOf(shape)) throw new Error(`reference: ${values.length} values for shape [${shape.join(', ')}]`);
  return { shape: [...shape], data: values ? Float64Array.from(values) : new Float64Array(sizeOf(shape)) };
}

/** Row-major strides in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

/** Calls `visit` with every index of `shape` in row-major order; the index array is reused. */
export function forEachIndex(shape: readonly number[], visit: (index: readonly number[], flat: number) => void): void {
  const index = new Array<number>(shape.length).fill(0);
  const total = sizeOf(shape);
  for (let flat = 0; flat < total; flat++) {
    visit(index, flat);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
}

/** The four extents of an image-like value. */
export function dims4(a: Array64): [number, number, number, number] {
  if (a.shape.length !== 4) throw new Error(`reference: expected rank 4, got [${a.shape.join(', ')}]`);
  return a.shape as unknown as [number, number, number, number];
}
