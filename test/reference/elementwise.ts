/** Functions of one and of two numbers, applied element by element; operands of two broadcast as in NumPy. */

import { array64, forEachIndex, type Array64 } from './array64';

export const unaryFunctions: Readonly<Record<string, (x: number) => number>> = {
  copy: (x) => x,
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  reciprocal: (x) => 1 / x,
  relu: (x) => (x > 0 || Number.isNaN(x) ? x : 0),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
};

/** NaN in either operand gives NaN for maximum and minimum, as PyTorch. */
export const binaryFunctions: Readonly<Record<string, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: Math.pow,
  maximum: Math.max,
  minimum: Math.min,
  greater: (a, b) => (a > b ? 1 : 0),
  greaterEqual: (a, b) => (a >= b ? 1 : 0),
  equal: (a, b) => (a === b ? 1 : 0),
  // The gradient of an activation from the gradient dy and the activation's *output* y.
  reluGrad: (dy, y) => (y > 0 ? dy : 0),
  sigmoidGrad: (dy, y) => dy * y * (1 - y),
  tanhGrad: (dy, y) => dy * (1 - y * y),
};

export function unary(kind: string, x: Array64): Array64 {
  const f = unaryFunctions[kind];
  if (!f) throw new Error(`reference: no unary function "${kind}"`);
  return { shape: x.shape, data: x.data.map((v) => f(v)) };
}

/** The shape that two shapes broadcast to: aligned at the last axis, extents equal or one of them 1. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const m = a[axis - rank + a.length] ?? 1;
    const n = b[axis - rank + b.length] ?? 1;
    if (m !== n && m !== 1 && n !== 1) throw new Error(`reference: [${a.join()}] and [${b.join()}] do not broadcast`);
    return m === 1 ? n : m;
  });
}

export function broadcastTo(x: Array64, shape: readonly number[]): Array64 {
  const y = array64(shape);
  const missing = shape.length - x.shape.length;
  forEachIndex(shape, (index, flat) => {
    let source = 0;
    x.shape.forEach((extent, axis) => {
      source = source * extent + (extent === 1 ? 0 : index[axis + missing]!);
    });
    y.data[flat] = x.data[source]!;
  });
  return y;
}

export function binary(kind: string, a: Array64, b: Array64): Array64 {
  const f = binaryFunctions[kind];
  if (!f) throw new Error(`reference: no binary function "${kind}"`);
  const shape = broadcastShape(a.shape, b.shape);
  const [left, right] = [broadcastTo(a, shape), broadcastTo(b, shape)];
  return { shape, data: left.data.map((v, i) => f(v, right.data[i]!)) };
}
