/** Sum, mean and maximum over a set of axes. */

import { array64, forEachIndex, sizeOf, type Array64 } from './array64';

export type ReduceKind = 'sum' | 'mean' | 'max';

/** Reduces `axes` (non-negative); a reduced axis stays with extent 1 when `keepDims`, else it goes. */
export function reduce(kind: ReduceKind, x: Array64, axes: readonly number[], keepDims: boolean): Array64 {
  const kept = x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const y = array64(kept);
  if (kind === 'max') y.data.fill(-Infinity);
  forEachIndex(x.shape, (index, flat) => {
    let target = 0;
    kept.forEach((extent, axis) => {
      target = target * extent + (extent === 1 ? 0 : index[axis]!);
    });
    const value = x.data[flat]!;
    y.data[target] = kind === 'max' ? Math.max(y.data[target]!, value) : y.data[target]! + value;
  });
  if (kind === 'mean') {
    const count = sizeOf(x.shape) / sizeOf(kept);
    for (let k = 0; k < y.data.length; k++) y.data[k]! /= count;
  }
  return keepDims ? y : { shape: x.shape.filter((_, axis) => !axes.includes(axis)), data: y.data };
}
