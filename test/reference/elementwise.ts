/** Functions of one and of two numbers, applied element by element; operands of two broadcast as in NumPy. */

import { array64, forEachIndex, type Array64 } from './array64';

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** phi(x) = exp(-x^2 / 2) / sqrt(2 pi) */
export function normalDensity(x: number): number {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
}

/**
 * Phi(x), the integral of phi up to x: 1 / 2 + phi(x) (x + x^3 / 3 + x^5 / 15 + ...) near 0, else phi(x) times the continued fraction
 * 1 / (x + 1 / (x + 2 / (x + 3 / ...))), which gives the tail beyond x (Abramowitz and Stegun 26.2.11 and 26.2.14).
 */
export function normalCdf(x: number): number {
  const a = Math.abs(x);
  if (!(a >= 3)) {
    let term = x;
    let sum = x;
    for (let k = 3; k < 120; k += 2) sum += term *= (x * x) / k;
    return 0.5 + normalDensity(x) * sum;
  }
  let denominator = a;
  for (let k = 200; k >= 1; k--) denominator = a + k / denominator;
  const tail = normalDensity(a) / denominator;
  return x < 0 ? tail : 1 - tail;
}

/** u = sqrt(2 / pi) (x + 0.044715 x^3) and du / dx */
export function geluTanhArgument(x: number): number {
  return Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
}
export function geluTanhSlope(x: number): number {
  return Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
}

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
  relu6: (x) => (Number.isNaN(x) ? x : Math.min(Math.max(x, 0), 6)),
  silu: (x) => x * sigmoid(x),
  hardswish: (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
  gelu: (x) => x * normalCdf(x),
  // (1 + tanh u) / 2 = sigmoid(2 u), which does not cancel
  geluTanh: (x) => x * sigmoid(2 * geluTanhArgument(x)),
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
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
  reluGrad: (dy, y) => (y <= 0 ? 0 : dy),
  sigmoidGrad: (dy, y) => dy * y * (1 - y),
  tanhGrad: (dy, y) => dy * (1 - y * y),
  relu6Grad: (dy, y) => (y <= 0 || y >= 6 ? 0 : dy),
  // These take the activation's *input* x.
  siluGrad: (dy, x) => dy * sigmoid(x) * (1 + x * sigmoid(-x)),
  hardswishGrad: (dy, x) => (x >= 3 ? dy : x <= -3 ? 0 : dy * (x / 3 + 0.5)),
  geluGrad: (dy, x) => dy * (normalCdf(x) + x * normalDensity(x)),
  geluTanhGrad(dy, x) {
    const u = geluTanhArgument(x);
    return dy * sigmoid(2 * u) * (1 + 2 * x * sigmoid(-2 * u) * geluTanhSlope(x));
  },
};

export function clamp(x: Array64, min: number, max: number): Array64 {
  return { shape: x.shape, data: x.data.map((v) => Math.min(Math.max(v, min), max)) };
}

export function clampGrad(dy: Array64, x: Array64, min: number, max: number): Array64 {
  return { shape: x.shape, data: x.data.map((v, i) => (v >= min && v <= max ? dy.data[i]! : 0)) };
}

export function leakyRelu(x: Array64, slope: number): Array64 {
  return { shape: x.shape, data: x.data.map((v) => (v > 0 ? v : slope * v)) };
}

export function leakyReluGrad(dy: Array64, x: Array64, slope: number): Array64 {
  return { shape: x.shape, data: x.data.map((v, i) => (v > 0 ? dy.data[i]! : slope * dy.data[i]!)) };
}

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
