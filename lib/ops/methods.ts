/** Operations as methods of Tensor, for expressions that read left to right: x.reshape([-1, 4]).mul(2).sum(). */

import { Tensor } from '../graph/tensor';
import type { Shape } from '../graph/types';
import { add, div, exp, log, mul, neg, pow, sqrt, sub, type TensorLike } from './elementwise';
import { matmul } from './matmul';
import { max, mean, sum, type ReduceOptions } from './reduce';
import { detach, flatten, reshape, transpose } from './shape';

declare module '../graph/tensor' {
  interface Tensor {
    reshape(shape: Shape): Tensor;
    flatten(startAxis?: number): Tensor;
    transpose(permutation?: readonly number[]): Tensor;
    /** The same value without its history: gradients stop here, and once computed nothing it was made of is kept. */
    detach(): Tensor;
    add(other: TensorLike): Tensor;
    sub(other: TensorLike): Tensor;
    mul(other: TensorLike): Tensor;
    div(other: TensorLike): Tensor;
    pow(exponent: TensorLike): Tensor;
    neg(): Tensor;
    exp(): Tensor;
    log(): Tensor;
    sqrt(): Tensor;
    matmul(other: Tensor): Tensor;
    sum(options?: ReduceOptions): Tensor;
    mean(options?: ReduceOptions): Tensor;
    max(options?: ReduceOptions): Tensor;
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
