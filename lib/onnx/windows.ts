/** Pooling windows in ONNX's terms: arithmetic on extents alone. */

import type { Shape } from '../graph/types';
import type { Sides } from '../ops/window';

export interface PoolAttrs {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: Sides;
  readonly dilation: readonly [number, number];
}

/** How far the last window reaches beyond the padded input [bottom, right]: above 0 where the output size was rounded up. */
export function overhang(x: Shape, y: Shape, { kernel, stride, padding, dilation }: PoolAttrs): [number, number] {
  const along = (axis: 0 | 1): number => {
    const padded = x[2 + axis]! + padding[2 * axis]! + padding[2 * axis + 1]!;
    return Math.max(0, (y[2 + axis]! - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1 - padded);
  };
  return [along(0), along(1)];
}

/** Where window `i` of an adaptive pooling from `from` to `to` pixels begins and how many it covers. */
function adaptiveWindow(i: number, from: number, to: number): { start: number; extent: number } {
  const start = Math.floor((i * from) / to);
  return { start, extent: Math.ceil(((i + 1) * from) / to) - start };
}

/** Kernel and stride of the plain pooling that an adaptive one is where its windows are equal and evenly spaced, or undefined. */
export function averageWindows(
  from: readonly [number, number],
  to: readonly [number, number],
): { kernel: [number, number]; stride: [number, number] } | undefined {
  const along = [0, 1].map((axis) => {
    const count = to[axis]!;
    const windows = Array.from({ length: count }, (_, i) => adaptiveWindow(i, from[axis]!, count));
    const kernel = windows[0]!.extent;
    const stride = count === 1 ? kernel : windows[1]!.start;
    return stride > 0 && windows.every(({ start, extent }, i) => extent === kernel && start === i * stride)
      ? { kernel, stride }
      : undefined;
  });
  const [h, w] = along;
  return h && w && { kernel: [h.kernel, w.kernel], stride: [h.stride, w.stride] };
}

/** The [to, from] matrix, row by row, that takes the means of an adaptive pooling along one axis. */
export function averageMatrix(from: number, to: number): number[] {
  const matrix = new Array<number>(to * from).fill(0);
  for (let i = 0; i < to; i++) {
    const { start, extent } = adaptiveWindow(i, from, to);
    matrix.fill(1 / extent, i * from + start, i * from + start + extent);
  }
  return matrix;
}
