/** Operations that put together, take apart and continue: concat, slice, pad with a constant, pad2d by mirroring or repeating. */

import { array64, dims4, forEachIndex, stridesOf, type Array64 } from './array64';

/** Position of an index, axis by axis. */
function at(shape: readonly number[], index: readonly number[]): number {
  const strides = stridesOf(shape);
  return index.reduce((sum, i, axis) => sum + i * strides[axis]!, 0);
}

export function concat(parts: readonly Array64[], axis: number): Array64 {
  const extent = parts.reduce((sum, part) => sum + part.shape[axis]!, 0);
  const y = array64(parts[0]!.shape.map((d, i) => (i === axis ? extent : d)));
  let start = 0;
  for (const part of parts) {
    forEachIndex(part.shape, (index, flat) => {
      y.data[at(y.shape, index.map((i, a) => (a === axis ? i + start : i)))] = part.data[flat]!; // prettier-ignore
    });
    start += part.shape[axis]!;
  }
  return y;
}

/** y[i] = x[starts + i] */
export function slice(x: Array64, starts: readonly number[], shape: readonly number[]): Array64 {
  const y = array64(shape);
  forEachIndex(shape, (index, flat) => {
    y.data[flat] = x.data[at(x.shape, index.map((i, a) => i + starts[a]!))]!; // prettier-ignore
  });
  return y;
}

/** y[starts + i] = x[i], `value` elsewhere. */
export function pad(x: Array64, starts: readonly number[], shape: readonly number[], value: number): Array64 {
  const y = array64(shape);
  y.data.fill(value);
  forEachIndex(x.shape, (index, flat) => {
    y.data[at(shape, index.map((i, a) => i + starts[a]!))] = x.data[flat]!; // prettier-ignore
  });
  return y;
}

export interface Padding2d {
  /** [top, bottom, left, right] */
  readonly padding: readonly number[];
  readonly mode: 'reflect' | 'replicate';
}

/** The position that padding at `i`, counted from the first position inside, repeats. */
function source(i: number, extent: number, mode: Padding2d['mode']): number {
  if (mode === 'replicate') return Math.min(Math.max(i, 0), extent - 1);
  const mirrored = Math.abs(i);
  return mirrored < extent ? mirrored : 2 * (extent - 1) - mirrored;
}

/** Calls `visit` with every position of the padded image and the one of the image that it repeats. */
function forEachCopy(shape: readonly number[], { padding, mode }: Padding2d, visit: (to: number, from: number) => void): number[] {
  const [n, c, h, w] = shape as [number, number, number, number];
  const [top, bottom, left, right] = padding as [number, number, number, number];
  const padded = [n, c, h + top + bottom, w + left + right];
  forEachIndex(padded, ([image, channel, y, x], to) => {
    visit(to, at(shape, [image!, channel!, source(y! - top, h, mode), source(x! - left, w, mode)]));
  });
  return padded;
}

export function pad2d(x: Array64, geometry: Padding2d): Array64 {
  dims4(x);
  const values: number[] = [];
  const shape = forEachCopy(x.shape, geometry, (to, from) => (values[to] = x.data[from]!));
  return { shape, data: Float64Array.from(values) };
}

/** dx[p] = sum of dy over the positions that repeat p. */
export function pad2dGrad(dy: Array64, shape: readonly number[], geometry: Padding2d): Array64 {
  const dx = array64(shape);
  forEachCopy(shape, geometry, (to, from) => (dx.data[from]! += dy.data[to]!));
  return dx;
}
