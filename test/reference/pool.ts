/**
 * Maximum and average pooling with padding, stride, dilation (maximum) and ceilMode, and their gradients.
 * Maximum: padding counts as minus infinity, ties go to the first element in window order, NaN wins.
 * Average: the divisor is the window clipped to the padded input with countIncludePad, else clipped to the input.
 * Source: Dive into Deep Learning, section "Pooling"; PyTorch's max_pool2d and avg_pool2d for ceilMode and the divisor.
 */

import { array64, dims4, type Array64 } from './array64';

type Pair = readonly [number, number];

export interface PoolGeometry {
  readonly kernelSize: Pair;
  readonly stride: Pair;
  /** [[top, bottom], [left, right]] */
  readonly padding: readonly [Pair, Pair];
  readonly dilation: Pair;
  readonly ceilMode: boolean;
}

/** As convolution, but rounded up with ceilMode, without a window that would start in the padding behind the input. */
export function poolExtent(n: number, k: number, padding: Pair, stride: number, dilation: number, ceilMode: boolean): number {
  const span = n + padding[0] + padding[1] - (dilation * (k - 1) + 1);
  if (!ceilMode) return Math.floor(span / stride) + 1;
  const extent = Math.ceil(span / stride) + 1;
  return (extent - 1) * stride >= n + padding[0] ? extent - 1 : extent;
}

export function poolShape(x: readonly number[], { kernelSize, stride, padding, dilation, ceilMode }: PoolGeometry): number[] {
  const [n, c, h, w] = x as [number, number, number, number];
  return [
    n,
    c,
    poolExtent(h, kernelSize[0], padding[0], stride[0], dilation[0], ceilMode),
    poolExtent(w, kernelSize[1], padding[1], stride[1], dilation[1], ceilMode),
  ];
}

/** Calls `visit` for every window with the flat positions of its elements inside the input, in window order. */
function forEachWindow(
  xShape: readonly number[],
  geometry: PoolGeometry,
  visit: (y: number, elements: number[], p: number, q: number) => void,
): number[] {
  const [batch, channels, height, width] = xShape as [number, number, number, number];
  const { kernelSize, stride, padding, dilation } = geometry;
  const yShape = poolShape(xShape, geometry) as [number, number, number, number];
  const [, , oh, ow] = yShape;
  for (let plane = 0; plane < batch * channels; plane++) {
    for (let p = 0; p < oh; p++) {
      for (let q = 0; q < ow; q++) {
        const elements: number[] = [];
        for (let i = 0; i < kernelSize[0]; i++) {
          const row = p * stride[0] - padding[0][0] + i * dilation[0];
          if (row < 0 || row >= height) continue;
          for (let j = 0; j < kernelSize[1]; j++) {
            const column = q * stride[1] - padding[1][0] + j * dilation[1];
            if (column < 0 || column >= width) continue;
            elements.push((plane * height + row) * width + column);
          }
        }
        visit((plane * oh + p) * ow + q, elements, p, q);
      }
    }
  }
  return yShape;
}

function positionOfMaximum(x: Array64, elements: readonly number[]): number {
  let best = -1;
  for (const e of elements) {
    if (best < 0 || x.data[e]! > x.data[best]! || (Number.isNaN(x.data[e]!) && !Number.isNaN(x.data[best]!))) best = e;
  }
  return best;
}

export function maxPool2d(x: Array64, geometry: PoolGeometry): Array64 {
  dims4(x);
  const y = array64(poolShape(x.shape, geometry));
  forEachWindow(x.shape, geometry, (k, elements) => {
    const best = positionOfMaximum(x, elements);
    y.data[k] = best < 0 ? -Infinity : x.data[best]!;
  });
  return y;
}

/** dx[p] = sum of dy over the windows whose maximum is at p. */
export function maxPool2dGrad(x: Array64, dy: Array64, geometry: PoolGeometry): Array64 {
  const dx = array64(x.shape);
  forEachWindow(x.shape, geometry, (k, elements) => {
    const best = positionOfMaximum(x, elements);
    if (best >= 0) dx.data[best]! += dy.data[k]!;
  });
  return dx;
}

/** y[window] = t at the position where x has the window's maximum. */
export function maxPool2dGather(x: Array64, t: Array64, geometry: PoolGeometry): Array64 {
  const y = array64(poolShape(x.shape, geometry));
  forEachWindow(x.shape, geometry, (k, elements) => {
    const best = positionOfMaximum(x, elements);
    y.data[k] = best < 0 ? 0 : t.data[best]!;
  });
  return y;
}

function divisor(xShape: readonly number[], g: PoolGeometry, countIncludePad: boolean, p: number, q: number, inside: number): number {
  if (!countIncludePad) return inside;
  const top = p * g.stride[0] - g.padding[0][0];
  const left = q * g.stride[1] - g.padding[1][0];
  const bottom = Math.min(top + g.kernelSize[0], xShape[2]! + g.padding[0][1]);
  const right = Math.min(left + g.kernelSize[1], xShape[3]! + g.padding[1][1]);
  return (bottom - top) * (right - left);
}

export function avgPool2d(x: Array64, geometry: PoolGeometry, countIncludePad: boolean): Array64 {
  dims4(x);
  const y = array64(poolShape(x.shape, geometry));
  forEachWindow(x.shape, geometry, (k, elements, p, q) => {
    const sum = elements.reduce((total, e) => total + x.data[e]!, 0);
    y.data[k] = elements.length === 0 ? 0 : sum / divisor(x.shape, geometry, countIncludePad, p, q, elements.length);
  });
  return y;
}

export function avgPool2dGrad(dy: Array64, inputShape: readonly number[], geometry: PoolGeometry, countIncludePad: boolean): Array64 {
  const dx = array64(inputShape);
  forEachWindow(inputShape, geometry, (k, elements, p, q) => {
    const share = dy.data[k]! / divisor(inputShape, geometry, countIncludePad, p, q, elements.length);
    for (const e of elements) dx.data[e]! += share;
  });
  return dx;
}
