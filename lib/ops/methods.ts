/** Operations as methods of Tensor, for expressions that read left to right: x.reshape([-1, 4]).mul(2).sum(). */

import { Tensor } from '../graph/tensor';
import type { DType, Shape } from '../graph/types';
import { sum, type ReduceOptions } from './broadcast';
import { add, div, exp, log, mul, neg, pow, sqrt, sub, type TensorLike } from './elementwise';
import { matmul } from './matmul';
import { max, mean } from './reduce';
import { detach, flatten, reshape, transpose } from './shape';

declare module '../graph/tensor' {
  interface Tensor<D extends DType> {
    /** The same elements in logical row-major order under another shape, one extent of which may be -1 and is computed (see `ops.reshape`). */
    reshape(shape: Shape): Tensor<D>;
    /** Joins the axes from `startAxis` (default 1) on into one: [n, c, h, w] becomes [n, c h w] (see `ops.flatten`). */
    flatten(startAxis?: number): Tensor<D>;
    /** Permutes the axes; default: reverses them (see `ops.transpose`). */
    transpose(permutation?: readonly number[]): Tensor<D>;
    /** The same value without its history: gradients stop here, and once computed nothing it was made of is kept. */
    detach(): Tensor<D>;
    /** The sum with a tensor that broadcasts, or a number (see `ops.add`). */
    add(other: TensorLike): Tensor<'float32'>;
    /** The difference to a tensor that broadcasts, or a number (see `ops.sub`). */
    sub(other: TensorLike): Tensor<'float32'>;
    /** The product with a tensor that broadcasts, or a number, element by element (see `ops.mul`). */
    mul(other: TensorLike): Tensor<'float32'>;
    /** The quotient by a tensor that broadcasts, or a number (see `ops.div`). */
    div(other: TensorLike): Tensor<'float32'>;
    /** The power with an exponent that broadcasts, or a number (see `ops.pow`). */
    pow(exponent: TensorLike): Tensor<'float32'>;
    /** The negative of each element (see `ops.neg`). */
    neg(): Tensor<'float32'>;
    /** The exponential function of each element (see `ops.exp`). */
    exp(): Tensor<'float32'>;
    /** The natural logarithm of each element (see `ops.log`). */
    log(): Tensor<'float32'>;
    /** The square root of each element (see `ops.sqrt`). */
    sqrt(): Tensor<'float32'>;
    /** The matrix product with a tensor [k, n] (see `ops.matmul`). */
    matmul(other: Tensor): Tensor<'float32'>;
    /** The sum over axes, by default all of them (see `ops.sum`). */
    sum(options?: ReduceOptions): Tensor<'float32'>;
    /** The arithmetic mean over axes, by default all of them (see `ops.mean`). */
    mean(options?: ReduceOptions): Tensor<'float32'>;
    /** The largest value over axes, by default all of them (see `ops.max`). */
    max(options?: ReduceOptions): Tensor<'float32'>;
  }
}

const methods = {
  reshape: (x: Tensor, shape: Shape) => reshape(x, shape),
  flatten: (x: Tensor, startAxis?: number) => flatten(x, startAxis),
  transpose: (x: Tensor, permutation?: readonly number[]) => transpose(x, permutation),
  detach,
  add: (x: Tensor, other: TensorLike) => add(x, other),
  sub: (x: Tensor, other: TensorLike) => sub(x, other),
  mul: (x: Tensor, other: TensorLike) => mul(x, other),
  div: (x: Tensor, other: TensorLike) => div(x, other),
  pow: (x: Tensor, exponent: TensorLike) => pow(x, exponent),
  neg: (x: Tensor) => neg(x),
  exp: (x: Tensor) => exp(x),
  log: (x: Tensor) => log(x),
  sqrt: (x: Tensor) => sqrt(x),
  matmul: (x: Tensor, other: Tensor) => matmul(x, other),
  sum,
  mean,
  max,
} as const;

for (const [name, method] of Object.entries(methods)) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...args: unknown[]) {
      return (method as (x: Tensor, ...rest: unknown[]) => Tensor)(this, ...args);
    },
    writable: true,
    configurable: true,
  });
}
