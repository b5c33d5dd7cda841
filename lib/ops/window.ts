/** Sliding-window geometry shared by convolution and pooling: option parsing, padding rules and output extents. */

import { formatShape, formatValue, readArray, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';

/** A number for both axes or [height, width]. */
export type Pair = number | readonly [number, number];
/**
 * `n`, `[h, w]`, `[[top, bottom], [left, right]]`, `'valid'` (none), `'same'` (output = ceil(input / stride), an odd row or column
 * at the bottom and right) or `'same-lower'` (at the top and left).
 */
export type Padding = Pair | readonly [readonly [number, number], readonly [number, number]] | 'valid' | 'same' | 'same-lower';

/** [top, bottom, left, right] */
export type Sides = readonly [number, number, number, number];

const LARGEST_EXTENT = 2 ** 15 - 1;

/** @throws StridenetError ERR_INVALID_ARGUMENT unless `value` is an integer of at least `min` or a pair of them */
export function checkPair(where: string, name: string, value: unknown, min: number): readonly [number, number] {
  const pair = Array.isArray(value) ? readArray(value, 2) : [value, value];
  if (pair?.length !== 2 || pair.some((v) => !Number.isSafeInteger(v) || (v as number) < min || (v as number) > LARGEST_EXTENT)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects ${name} to be an integer of at least ${min}, at most ${LARGEST_EXTENT}, or [height, width] but got ${formatValue(value)}.`,
    );
  }
  return [pair[0] as number, pair[1] as number];
}

/** Checks the form of a padding option without knowing the input. */
export function checkPadding(where: string, padding: unknown): Padding {
  if (padding === 'valid' || padding === 'same' || padding === 'same-lower') return padding;
  const [height, width, ...others] = readArray(padding, 3) ?? [];
  if (others.length === 0 && Array.isArray(height) && Array.isArray(width)) {
    return [checkPair(where, 'padding [top, bottom]', height, 0), checkPair(where, 'padding [left, right]', width, 0)];
  }
  if (typeof padding === 'string') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects padding to be a number, [height, width], [[top, bottom], [left, right]], 'valid', 'same' or 'same-lower' but got ${formatValue(padding)}.`,
    );
  }
  return checkPair(where, 'padding', padding, 0);
}

/** The four paddings for an input of `size` [h, w]. */
export function resolvePadding(
  padding: Padding,
  size: readonly [number, number],
  kernel: readonly [number, number],
  stride: readonly [number, number],
  dilation: readonly [number, number],
): Sides {
  if (padding === 'valid') return [0, 0, 0, 0];
  if (padding === 'same' || padding === 'same-lower') {
    const [top, bottom, left, right] = [0, 1].flatMap((axis) => {
      const extent = (kernel[axis]! - 1) * dilation[axis]! + 1;
      const total = Math.max(0, (Math.ceil(size[axis]! / stride[axis]!) - 1) * stride[axis]! + extent - size[axis]!);
      const small = Math.floor(total / 2);
      return padding === 'same' ? [small, total - small] : [total - small, small];
    });
    return [top!, bottom!, left!, right!];
  }
  if (typeof padding === 'number') return [padding, padding, padding, padding];
  const [h, w] = padding;
  if (typeof h === 'number') return [h, h, w as number, w as number];
  return [...h, ...(w as readonly [number, number])];
}

export interface WindowGeometry {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: Sides;
  readonly dilation: readonly [number, number];
  readonly ceilMode?: boolean;
}

/**
 * Output height and width: floor((input + padding - dilation (kernel - 1) - 1) / stride) + 1 along each axis; with ceilMode rounded up,
 * but no window may start in the bottom or right padding (PyTorch's rule).
 * @throws StridenetError ERR_SHAPE_MISMATCH when the kernel is larger than the padded input (by a stride or more with ceilMode)
 */
export function windowOutput(where: string, x: Tensor, geometry: WindowGeometry): [number, number] {
  const size = [0, 1].map((axis) => {
    const input = x.shape[2 + axis]!;
    const before = geometry.padding[2 * axis]!;
    const padded = input + before + geometry.padding[2 * axis + 1]!;
    const extent = (geometry.kernel[axis]! - 1) * geometry.dilation[axis]! + 1;
    const stride = geometry.stride[axis]!;
    // Rounded up, a window may hang over the end as long as the next one would not begin there.
    const least = geometry.ceilMode ? Math.max(1, extent - stride + 1) : extent;
    if (padded < least) {
      const name = axis === 0 ? 'height' : 'width';
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects a padded input ${name} of at least ${least} (its kernel is ${geometry.kernel.join('x')}` +
          `${geometry.dilation[axis] === 1 ? '' : `, dilation ${geometry.dilation.join('x')}`}) but its input is ${formatShape(x.shape)} with padding ` +
          `${formatShape(geometry.padding)}. Use an input ${name} of at least ${least - padded + input}, a smaller kernel or more padding.`,
      );
    }
    if (!geometry.ceilMode) return Math.floor((padded - extent) / stride) + 1;
    const count = Math.ceil((padded - extent) / stride) + 1;
    return (count - 1) * stride >= input + before ? count - 1 : count;
  });
  return [size[0]!, size[1]!];
}
