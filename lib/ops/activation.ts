/**
 * Activations beyond those of elementwise.ts: rectifiers with two corners or a leak, and the smooth ones. Each gives the formula of its
 * derivative; a derivative that would be several passes over memory is an operation of its own (…Grad).
 */

import { checkNumber, checkOptions, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { build, checkDType, checkTensor, defineOp, describe, type OpOptions } from './builder';
import { add, defineBinary, defineUnary, div, exp, greater, mul, sigmoid, sub, tanh } from './elementwise';
import type { GradientContext, InferContext } from './opDef';

/** min(max(x, 0), 6); the derivative at 0 and at 6 is 0 and at NaN it is 1, as in PyTorch. */
export const relu6 = defineUnary('relu6', (dy, _x, y) => relu6Grad(dy, y));
/** x sigmoid(x), also called swish; 0 at -Infinity. */
export const silu = defineUnary('silu', (dy, x) => siluGrad(dy, x));
/** x relu6(x + 3) / 6; 0 at -Infinity; the derivative at -3 is 0 and at 3 it is 1, as in PyTorch. */
export const hardswish = defineUnary('hardswish', (dy, x) => hardswishGrad(dy, x));
/** log(1 + exp(x)), without overflow and without losing small results. */
export const softplus = defineUnary('softplus', (dy, x) => mul(dy, sigmoid(x)));
const geluExact = defineUnary('gelu', (dy, x) => geluGrad(dy, x));
const geluTanh = defineUnary('geluTanh', (dy, x) => geluTanhGrad(dy, x));

/** y <= 0 or y >= 6 ? 0 : dy */
export const relu6Grad = defineBinary('relu6Grad', ({ dy: g, b: y }) => [() => relu6Grad(g, y), () => null]);

/** dy silu'(x) = dy s (1 + x (1 - s)), s = sigmoid(x). silu'' = s (1 - s) (2 + x (1 - 2 s)) */
export const siluGrad = defineBinary('siluGrad', ({ dy: g, a: dy, b: x }) => [
  () => siluGrad(g, x),
  () => {
    const s = sigmoid(x);
    return mul(mul(g, dy), mul(mul(s, sub(1, s)), add(2, mul(x, sub(1, mul(2, s))))));
  },
]);

/** dy times 0 below -3, x / 3 + 1 / 2 between -3 and 3, 1 above. */
export const hardswishGrad = defineBinary('hardswishGrad', ({ dy: g, a: dy, b: x }) => [
  () => hardswishGrad(g, x),
  () => mul(div(mul(g, dy), 3), mul(greater(x, -3), greater(3, x))),
]);

/** dy gelu'(x) = dy (Phi(x) + x phi(x)). gelu'' = (2 - x^2) phi(x), phi(x) = exp(-x^2 / 2) / sqrt(2 pi) */
export const geluGrad = defineBinary('geluGrad', ({ dy: g, a: dy, b: x }) => [
  () => geluGrad(g, x),
  () => {
    const square = mul(x, x);
    const density = mul(exp(mul(square, -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return mul(mul(g, dy), mul(density, sub(2, square)));
  },
]);

/**
 * dy y' for y = x (1 + t) / 2, t = tanh(u), u = k (x + c x^3), k = sqrt(2 / pi), c = 0.044715.
 * y'' = (1 - t^2) (u' + x (u'' - 2 t u'^2) / 2) with u' = k (1 + 3 c x^2), u'' = 6 k c x
 */
export const geluTanhGrad = defineBinary('geluTanhGrad', ({ dy: g, a: dy, b: x }) => [
  () => geluTanhGrad(g, x),
  () => {
    const [k, c] = [Math.sqrt(2 / Math.PI), 0.044715];
    const square = mul(x, x);
    const t = tanh(mul(x, add(k, mul(square, k * c))));
    const slope = add(k, mul(square, 3 * k * c));
    const bend = mul(x, sub(mul(x, 3 * k * c), mul(t, mul(slope, slope))));
    return mul(mul(g, dy), mul(sub(1, mul(t, t)), add(slope, bend)));
  },
]);

/** Options of `ops.gelu`. */
export interface GeluOptions extends OpOptions {
  /** 'none' (default), or 'tanh': x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. */
  approximate?: GeluApproximation | undefined;
}

/**
 * Gaussian error linear unit x Phi(x), where Phi is the standard normal distribution function; 0 at -Infinity, its limit.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_DTYPE_MISMATCH
 */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor<'float32'> {
  checkOptions('gelu', options, ['approximate', 'name']);
  const approximate = checkApproximation(describe('gelu', options.name ?? ''), options.approximate ?? 'none');
  return (approximate === 'tanh' ? geluTanh : geluExact)(x, { name: options.name });
}

/** How the normal distribution function of GELU is computed. */
export type GeluApproximation = 'none' | 'tanh';

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkApproximation(where: string, value: unknown): GeluApproximation {
  if (value === 'none' || value === 'tanh') return value;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects approximate to be 'none' or 'tanh' but got ${formatValue(value)}.`);
}

interface ClampAttrs extends Attrs {
  readonly min: number;
  readonly max: number;
}
interface LeakyReluAttrs extends Attrs {
  readonly negativeSlope: number;
}

function inferFloat({ where, inputs: [x] }: InferContext): { shape: readonly number[]; dtype: 'float32' } {
  checkDType(where, 'its input', x!, 'float32');
  return { shape: x!.shape, dtype: 'float32' };
}

defineOp<ClampAttrs>({
  name: 'clamp',
  infer: inferFloat,
  gradient: ({ inputs: [x], attrs, dy }: GradientContext<ClampAttrs>) => [build('clampGrad', [dy, x!], attrs)],
});

defineOp<ClampAttrs>({
  name: 'clampGrad',
  infer: inferFloat,
  gradient: ({ inputs: [, x], attrs, dy: g }: GradientContext<ClampAttrs>) => [build('clampGrad', [g, x!], attrs), null],
});

defineOp<LeakyReluAttrs>({
  name: 'leakyRelu',
  infer: inferFloat,
  gradient: ({ inputs: [x], attrs, dy }: GradientContext<LeakyReluAttrs>) => [build('leakyReluGrad', [dy, x!], attrs)],
});

defineOp<LeakyReluAttrs>({
  name: 'leakyReluGrad',
  infer: inferFloat,
  gradient: ({ inputs: [, x], attrs, dy: g }: GradientContext<LeakyReluAttrs>) => [build('leakyReluGrad', [g, x!], attrs), null],
});

/** Options of `ops.clamp`. */
export interface ClampOptions extends OpOptions {
  /** Lower bound; default none. */
  min?: number | undefined;
  /** Upper bound; default none. Where it is less than min the result is max. */
  max?: number | undefined;
}

/**
 * min(max(x, min), max); NaN stays. The derivative is 1 from min to max inclusive and 0 outside, as in PyTorch.
 * @throws StridenetError ERR_INVALID_ARGUMENT without a bound, ERR_UNKNOWN_OPTION, ERR_DTYPE_MISMATCH
 */
export function clamp(x: Tensor, options: ClampOptions): Tensor<'float32'> {
  checkOptions('clamp', options, ['min', 'max', 'name']);
  const where = describe('clamp', options?.name ?? '');
  checkTensor(where, 'its input', x);
  const { min, max } = options ?? {};
  if (min === undefined && max === undefined) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects min, max or both but got neither. Pass { min: 0 }, for example.`);
  }
  const attrs: ClampAttrs = {
    min: min === undefined ? -Infinity : checkNumber(where, 'min', min),
    max: max === undefined ? Infinity : checkNumber(where, 'max', max),
  };
  return build('clamp', [x], attrs, options.name);
}

/** Options of `ops.leakyRelu`. */
export interface LeakyReluOptions extends OpOptions {
  /** Default 0.01. */
  negativeSlope?: number | undefined;
}

/**
 * x where it is positive, else negativeSlope x. The derivative at 0 is negativeSlope, as in PyTorch.
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_DTYPE_MISMATCH
 */
export function leakyRelu(x: Tensor, options: LeakyReluOptions = {}): Tensor<'float32'> {
  checkOptions('leakyRelu', options, ['negativeSlope', 'name']);
  const where = describe('leakyRelu', options.name ?? '');
  checkTensor(where, 'its input', x);
  return build('leakyRelu', [x], { negativeSlope: checkNumber(where, 'negativeSlope', options.negativeSlope ?? 0.01) }, options.name);
}

/** Operations of this file by name that are native `unary` and `binary` kinds of the same name. */
export const UNARY_ACTIVATIONS = ['relu6', 'silu', 'hardswish', 'gelu', 'geluTanh', 'softplus'] as const;
export const BINARY_ACTIVATIONS = ['relu6Grad', 'siluGrad', 'hardswishGrad', 'geluGrad', 'geluTanhGrad'] as const;
