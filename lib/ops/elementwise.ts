/**
 * Element by element operations with NumPy's broadcasting: shapes are aligned at the last axis and an extent of 1 repeats.
 * A number in place of a tensor is a scalar of float32.
 */

import { formatShape, StridenetError } from '../errors';
import { scalar } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import type { Shape } from '../graph/types';
import { reduceToShape } from './broadcast';
import { build, checkDType, checkNameOption, checkTensor, defineOp, type OpOptions } from './builder';
import type { GradientContext } from './opDef';

/** A tensor of float32, or a number in its place. */
export type TensorLike = Tensor<'float32'> | number;

type UnaryRule = (dy: Tensor, x: Tensor, y: Tensor) => Tensor | null;
type BinaryRule = (g: { dy: Tensor; a: Tensor; b: Tensor; y: Tensor }) => readonly [() => Tensor | null, () => Tensor | null];

/** The shape of `a` and `b` broadcast against each other. */
function broadcastShapes(where: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new StridenetError(
        'ERR_SHAPE_MISMATCH',
        `${where} expects shapes that broadcast (equal extents or 1, aligned at the last axis) but got ${formatShape(a)} and ${formatShape(b)}.`,
      );
    }
    return Math.max(x, y);
  });
}

/** Registers y = f(x) with its gradient rule and gives its builder. */
export function defineUnary(name: string, gradient: UnaryRule): (x: Tensor | number, options?: OpOptions) => Tensor<'float32'> {
  defineOp({
    name,
    infer({ where, inputs: [x] }) {
      checkDType(where, 'its input', x!, 'float32');
      return { shape: x!.shape, dtype: 'float32' };
    },
    gradient: ({ inputs, dy, output }: GradientContext) => [gradient(dy, inputs[0]!, output)],
  });
  return (x, options) => build(name, [toTensor(name, x)], {}, checkNameOption(name, options));
}

/** Registers y = f(a, b) with broadcasting and its gradient rules and gives its builder. */
export function defineBinary(name: string, gradient: BinaryRule): (a: TensorLike, b: TensorLike, options?: OpOptions) => Tensor<'float32'> {
  defineOp({
    name,
    infer({ where, inputs: [a, b] }) {
      checkDType(where, 'its first input', a!, 'float32');
      checkDType(where, 'its second input', b!, 'float32');
      return { shape: broadcastShapes(where, a!.shape, b!.shape), dtype: 'float32' };
    },
    gradient({ inputs: [a, b], dy, output, needs }: GradientContext) {
      const rules = gradient({ dy, a: a!, b: b!, y: output });
      return [a!, b!].map((input, i) => {
        const full = needs[i] ? rules[i]!() : null;
        return full && reduceToShape(full, input.shape);
      });
    },
  });
  return (a, b, options) => build(name, [toTensor(name, a), toTensor(name, b)], {}, checkNameOption(name, options));
}

function toTensor(where: string, x: Tensor | number): Tensor {
  if (typeof x === 'number') return scalar(x);
  checkTensor(where, 'its input', x);
  return x;
}

// Unary. y = f(x); the rule gives dy f'(x).

/** -x */
export const neg = defineUnary('neg', (dy) => neg(dy));
/** The absolute value; the derivative at 0 is 0. */
export const abs = defineUnary('abs', (dy, x) => mul(dy, sign(x)));
/** -1, 0 or 1; derivative zero. */
export const sign = defineUnary('sign', () => null);
/** The exponential function, e to the power x. */
export const exp = defineUnary('exp', (dy, _x, y) => mul(dy, y));
/** Natural logarithm. */
export const log = defineUnary('log', (dy, x) => div(dy, x));
/** The square root; NaN below 0. */
export const sqrt = defineUnary('sqrt', (dy, _x, y) => div(mul(dy, 0.5), y));
/** max(x, 0); the derivative at 0 is 0 and at NaN it is 1, as in PyTorch. */
export const relu = defineUnary('relu', (dy, _x, y) => reluGrad(dy, y));
/** 1 / (1 + exp(-x)) */
export const sigmoid = defineUnary('sigmoid', (dy, _x, y) => sigmoidGrad(dy, y));
/** The hyperbolic tangent. */
export const tanh = defineUnary('tanh', (dy, _x, y) => tanhGrad(dy, y));

// Binary. The rule gives dy dy/da and dy dy/db at the broadcast shape; defineBinary sums them back.

/** a + b */
export const add = defineBinary('add', ({ dy }) => [() => dy, () => dy]);
/** a - b */
export const sub = defineBinary('sub', ({ dy }) => [() => dy, () => neg(dy)]);
/** a b, element by element; the product of matrices is `matmul`. */
export const mul = defineBinary('mul', ({ dy, a, b }) => [() => mul(dy, b), () => mul(dy, a)]);
/** a / b; by zero it gives infinity or NaN. */
export const div = defineBinary('div', ({ dy, b, y }) => [() => div(dy, b), () => neg(div(mul(dy, y), b))]);
/** a to the power b. A gradient through b needs a > 0, as ln a enters. */
export const pow = defineBinary('pow', ({ dy, a, b, y }) => [() => mul(dy, mul(b, pow(a, sub(b, 1)))), () => mul(dy, mul(y, log(a)))]);
/** The larger of both; where they are equal each gets half of the gradient, as in PyTorch. */
export const maximum = defineBinary('maximum', ({ dy, a, b }) => [
  () => mul(dy, mul(0.5, add(greater(a, b), greaterEqual(a, b)))),
  () => mul(dy, mul(0.5, add(greater(b, a), greaterEqual(b, a)))),
]);
/** The smaller of both; where they are equal each gets half of the gradient, as in PyTorch. */
export const minimum = defineBinary('minimum', ({ dy, a, b }) => [
  () => mul(dy, mul(0.5, add(greater(b, a), greaterEqual(b, a)))),
  () => mul(dy, mul(0.5, add(greater(a, b), greaterEqual(a, b)))),
]);

// Comparisons give 1 or 0 and have derivative zero.

export const greater = defineBinary('greater', () => [() => null, () => null]);
export const greaterEqual = defineBinary('greaterEqual', () => [() => null, () => null]);
export const equal = defineBinary('equal', () => [() => null, () => null]);

// Derivatives of activations as operations of their own, so that they stay one pass over memory.

/** y <= 0 ? 0 : dy */
export const reluGrad = defineBinary('reluGrad', ({ dy, b: y }) => [() => reluGrad(dy, y), () => null]);
/** dy y (1 - y) */
export const sigmoidGrad = defineBinary('sigmoidGrad', ({ dy, a, b: y }) => [
  () => sigmoidGrad(dy, y),
  () => mul(mul(dy, a), sub(1, mul(2, y))),
]);
/** dy (1 - y^2) */
export const tanhGrad = defineBinary('tanhGrad', ({ dy, a, b: y }) => [() => tanhGrad(dy, y), () => mul(mul(dy, a), mul(-2, y))]);

/** Elementwise operations by name: the compiler maps them to the native `unary` and `binary` kinds. */
export const UNARY_OPS = ['neg', 'abs', 'sign', 'exp', 'log', 'sqrt', 'relu', 'sigmoid', 'tanh'] as const;
export const BINARY_OPS = [
  'add',
  'sub',
  'mul',
  'div',
  'pow',
  'maximum',
  'minimum',
  'greater',
  'greaterEqual',
  'equal',
  'reluGrad',
  'sigmoidGrad',
  'tanhGrad',
] as const;
