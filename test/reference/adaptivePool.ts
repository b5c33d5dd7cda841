/**
 * Average pooling to a given size. Output i covers floor(i in / out) up to ceil((i + 1) in / out) of an axis.
 * Source: PyTorch's adaptive_avg_pool2d.
 */

import { array64, dims4, forEachIndex, type Array64 } from './array64';

function range(i: number, extent: number, size: number): number[] {
  const start = Math.floor((i * extent) / size);
  return Array.from({ length: Math.ceil(((i + 1) * extent) / size) - start }, (_, k) => start + k);
}

/** Calls `visit` with every output position and the input positions of its window. */
function forEachWindow(input: readonly number[], output: readonly number[], visit: (to: number, from: number[]) => void): void {
  const [, channels, h, w] = input as [number, number, number, number];
  forEachIndex(output, ([n, c, p, q], to) => {
    const rows = range(p!, h, output[2]!);
    const columns = range(q!, w, output[3]!);
    visit(
      to,
      rows.flatMap((y) => columns.map((x) => ((n! * channels + c!) * h + y) * w + x)),
    );
  });
}

export function adaptiveAvgPool2d(x: Array64, size: readonly number[]): Array64 {
  dims4(x);
  const y = array64([...x.shape.slice(0, 2), ...size]);
  forEachWindow(x.shape, y.shape, (to, from) => {
    y.data[to] = from.reduce((sum, e) => sum + x.data[e]!, 0) / from.length;
  });
  return y;
}

export function adaptiveAvgPool2dGrad(dy: Array64, size: readonly number[]): Array64 {
  const dx = array64([...dy.shape.slice(0, 2), ...size]);
  forEachWindow(dx.shape, dy.shape, (to, from) => {
    for (const e of from) dx.data[e]! += dy.data[to]! / from.length;
  });
  return dx;
}
