/** Padding of images, as torch.nn.functional.pad over height and width. */

import { checkOptions, formatShape, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { build, checkDType, checkRank, checkTensor, defineOp, describe, type OpOptions } from './builder';
import type { GradientContext } from './opDef';
import { padAt } from './slice';
import { checkPadding, resolvePadding, type Pair, type Sides } from './window';

/** What lies beyond the edges: a constant, the image mirrored at its outermost pixels, or these repeated. */
export type PadMode = 'constant' | 'reflect' | 'replicate';
/** `n`, `[h, w]` or `[[top, bottom], [left, right]]` */
export type PadAmount = Pair | readonly [readonly [number, number], readonly [number, number]];

/** Options of `ops.pad2d`. */
export interface Pad2dOptions extends OpOptions {
  /** Default 'constant'. */
  mode?: PadMode | undefined;
  /** The constant; default 0. */
  value?: number | undefined;
}

interface Pad2dAttrs extends Attrs {
  readonly padding: Sides;
  readonly mode: 'reflect' | 'replicate';
}
interface Pad2dGradAttrs extends Pad2dAttrs {
  readonly inputSize: readonly number[];
}

defineOp<Pad2dAttrs>({
  name: 'pad2d',
  infer({ inputs: [x], attrs: { padding } }) {
    const [top, bottom, left, right] = padding;
    const [n, c, h, w] = x!.shape as [number, number, number, number];
    return { shape: [n, c, h + top + bottom, w + left + right], dtype: 'float32' };
  },
  gradient: ({ inputs: [x], attrs, dy }: GradientContext<Pad2dAttrs>) => [
    build('pad2dGrad', [dy], { ...attrs, inputSize: x!.shape.slice(2) }),
  ],
});

defineOp<Pad2dGradAttrs>({
  name: 'pad2dGrad',
  infer: ({ inputs: [dy], attrs }) => ({ shape: [dy!.shape[0]!, dy!.shape[1]!, ...attrs.inputSize], dtype: 'float32' }),
  gradient: ({ attrs: { padding, mode }, dy: g }: GradientContext<Pad2dGradAttrs>) => [build('pad2d', [g], { padding, mode })],
});

/** @throws StridenetError ERR_INVALID_ARGUMENT unless `padding` is an amount for every side */
export function checkPadAmount(where: string, padding: unknown): Sides {
  if (typeof padding === 'string') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects padding to be a number, [height, width] or [[top, bottom], [left, right]] but got ${formatValue(padding)}.`,
    );
  }
  return resolvePadding(checkPadding(where, padding), [1, 1], [1, 1], [1, 1], [1, 1]);
}

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkPadMode(where: string, mode: unknown): PadMode {
  if (mode === 'constant' || mode === 'reflect' || mode === 'replicate') return mode;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects mode to be 'constant', 'reflect' or 'replicate' but got ${formatValue(mode)}.`,
  );
}

/**
 * An image continued beyond its edges.
 *
 * @param x [N, C, H, W]
 * @param padding `n`, `[h, w]` or `[[top, bottom], [left, right]]`
 * @returns [N, C, H + top + bottom, W + left + right]
 * @throws StridenetError ERR_SHAPE_MISMATCH when an image is too small to be mirrored, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example ops.pad2d(x, [[1, 0], [2, 2]], { mode: 'reflect' })
 */
export function pad2d(x: Tensor, padding: PadAmount, options: Pad2dOptions = {}): Tensor<'float32'> {
  checkOptions('pad2d', options, ['mode', 'value', 'name']);
  const where = describe('pad2d', options.name ?? '');
  checkTensor(where, 'its input', x);
  checkRank(where, 'an input', x, 4, '[N, C, H, W]');
  checkDType(where, 'an input', x, 'float32');
  const sides = checkPadAmount(where, padding);
  const mode = checkPadMode(where, options.mode ?? 'constant');
  const value = options.value ?? 0;
  if (typeof value !== 'number' || (mode !== 'constant' && options.value !== undefined)) {
    const expected = mode === 'constant' ? 'value to be a number' : `no value with mode '${mode}'`;
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${expected} but got ${formatValue(value)}.`);
  }
  const [top, bottom, left, right] = sides;
  const [n, c, h, w] = x.shape as [number, number, number, number];
  if (sides.every((amount) => amount === 0)) return x;
  if (mode === 'constant') return padAt(x, [0, 0, top, left], [n, c, h + top + bottom, w + left + right], value, options.name);
  if (mode === 'reflect') {
    for (const [side, amount] of sides.entries()) {
      if (amount < x.shape[2 + (side >> 1)]!) continue;
      const name = side < 2 ? 'height' : 'width';
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects an input ${name} of at least ${amount + 1} to mirror ${amount} pixels (the outermost ones are not repeated) but its input is ${formatShape(x.shape)}. Pad less, or use mode 'replicate'.`,
      );
    }
  }
  return build('pad2d', [x], { padding: sides, mode }, options.name);
}
