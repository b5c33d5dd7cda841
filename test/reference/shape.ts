/** Operations that move or reinterpret elements: reshape, transpose. Logical order, so reshape never moves anything. */

import { array64, forEachIndex, sizeOf, stridesOf, type Array64 } from './array64';

export function reshape(x: Array64, shape: readonly number[]): Array64 {
  if (sizeOf(shape) !== x.data.length) throw new Error(`reference reshape: [${x.shape.join()}] to [${shape.join()}]`);
  return { shape: [...shape], data: x.data };
}

/** y.shape[i] = x.shape[permutation[i]] */
export function transpose(x: Array64, permutation: readonly number[]): Array64 {
  const strides = stridesOf(x.shape);
  const y = array64(permutation.map((axis) => x.shape[axis]!));
  forEachIndex(y.shape, (index, flat) => {
    y.data[flat] = x.data[permutation.reduce((source, axis, i) => source + index[i]! * strides[axis]!, 0)]!;
  });
  return y;
}
