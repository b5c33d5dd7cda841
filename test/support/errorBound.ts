/**
 * How far a float32 evaluation of a graph may be from the float64 reference, element by element: a running error analysis.
 * Every node's bound is what its inputs' errors become through it, plus its own rounding: for a sum of k products gamma(k) times
 * the sum of their magnitudes, for an elementary function a few units in the last place.
 */

import type { Tensor } from '../../lib/graph/tensor';
import { topologicalOrder } from '../../lib/graph/traverse';
import { sizeOf, type Array64 } from '../reference/array64';
import {
  binaryFunctions,
  broadcastTo,
  geluTanhArgument,
  geluTanhSlope,
  normalCdf,
  normalDensity,
  unaryFunctions,
} from '../reference/elementwise';
import { evaluateNode, type Values } from '../reference/interpret';
import { channelWindowSum, type ResponseNorm } from '../reference/norm';
import { pad } from '../reference/slice';
import { transpose } from '../reference/shape';
import type { LossAttrs } from '../reference/softmax';
import { isWinograd, winogradRoundings, winogradTerms, type WinogradForm } from './winograd';

/** Unit roundoff of float32. */
const UNIT = 2 ** -24;
/** Rounding of an elementary function or a division, in units. */
const FUNCTION = 8 * UNIT;

/** Relative error of a sum of k products in any order: independent roundings add up as sqrt(k) (Higham and Mary 2019). */
function gamma(k: number): number {
  return (8 + 4 * Math.sqrt(k)) * UNIT;
}

/** Which evaluation of convolutions a bound is for; 'exact': sums of products. */
export type ConvForm = 'exact' | WinogradForm;

/** Bounds for every node of the graph of `outputs`, whose reference values are given; leaves are exact. */
export function errorBounds(outputs: readonly Tensor[], values: Values, form: ConvForm = 'exact'): Map<Tensor, Float64Array> {
  const bounds = new Map<Tensor, Float64Array>();
  for (const node of topologicalOrder(outputs)) {
    const inputs = node.inputs.map((input) => values.get(input)!);
    const errors = node.inputs.map((input): Array64 => ({ shape: input.shape, data: bounds.get(input)! }));
    const bound = nodeBound(node, inputs, errors, values.get(node)!);
    bounds.set(node, form !== 'exact' && isWinograd(node, form) ? added(bound, winogradRounding(inputs, node, form)) : bound);
  }
  return bounds;
}

/** The rounding of the transforms and of the products between them; errors of the operands are in the direct bound already. */
function winogradRounding(inputs: readonly Array64[], node: Tensor, form: WinogradForm): Float64Array {
  const rounding = gamma(winogradRoundings(node, form));
  return winogradTerms(inputs, node, form).map((m) => rounding * m);
}

function added(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + b[i]!);
}

function nodeBound(node: Tensor, inputs: readonly Array64[], errors: readonly Array64[], output: Array64): Float64Array {
  const shape = (i: number): readonly number[] => node.inputs[i]!.shape;
  switch (node.op) {
    case 'constant':
    case 'variable':
    case 'input':
    case 'countCorrect':
    case 'countTopK':
    case 'confusionCounts':
    case 'oneHot':
      return new Float64Array(node.size);
    case 'conv2d':
      return multilinear(node, inputs, errors, sizeOf(shape(1).slice(1)));
    case 'conv2dGradInput':
      return multilinear(node, inputs, errors, sizeOf(shape(1)) / shape(1)[1]!);
    case 'conv2dGradWeight':
      return multilinear(node, inputs, errors, sizeOf(shape(1)) / shape(1)[1]!);
    case 'matmul':
      return multilinear(node, inputs, errors, node.attrs['transposeA'] ? shape(0)[0]! : shape(0)[1]!);
    case 'linear':
      return multilinear(node, inputs, errors, shape(0)[1]!);
    case 'sum':
    case 'mean':
      return multilinear(node, inputs, errors, sizeOf(shape(0)) / node.size);
    case 'avgPool2d':
    case 'avgPool2dGrad':
      return multilinear(node, inputs, errors, sizeOf(node.attrs['kernel'] as number[]));
    // Linear in the second operand; the first only says where (its errors would matter at ties alone).
    case 'maxPool2dGrad':
      return multilinear(node, [inputs[1]!], [errors[1]!], sizeOf(node.attrs['kernel'] as number[]), (t) => [inputs[0]!, t[0]!]);
    case 'maxPool2dGather':
      return evaluateNode(node, [inputs[0]!, errors[1]!]).data;
    case 'batchNormMean':
      return multilinear(node, inputs, errors, sizeOf(shape(0)) / node.size);
    case 'batchNormGradBias':
      return multilinear(node, inputs, errors, sizeOf(shape(0)) / node.size);
    case 'channelWindowSum':
      return multilinear(node, inputs, errors, (node.attrs['before'] as number) + (node.attrs['after'] as number) + 1);
    case 'batchNormVariance':
    case 'batchNorm':
    case 'batchNormGradWeight':
    case 'batchNormGradInput':
      return batchNormBound(node, inputs, errors, output);
    case 'localResponseNorm':
    case 'localResponseNormGrad':
      return responseNormBound(node, inputs, errors);
    case 'maxPool2d':
    case 'max':
    case 'detach':
    case 'broadcastTo':
    case 'concat':
    case 'slice':
    case 'pad2d':
    case 'reshape':
    case 'transpose':
      return evaluateNode(node, errors).data;
    // Of slope 1 or 0; the bounds are rounded to float32.
    case 'clamp':
      return errors[0]!.data.map((e, i) => e + UNIT * Math.abs(output.data[i]!));
    case 'clampGrad':
      return errors[0]!.data;
    case 'leakyRelu':
    case 'leakyReluGrad': {
      const slope = Math.max(1, Math.abs(node.attrs['negativeSlope'] as number));
      return errors[0]!.data.map((e, i) => e * slope + FUNCTION * Math.abs(output.data[i]!));
    }
    case 'pad':
      return pad(errors[0]!, node.attrs['starts'] as number[], node.shape, 0).data;
    case 'pad2dGrad':
      return multilinear(node, inputs, errors, Math.ceil(sizeOf(shape(0)) / node.size));
    case 'adaptiveAvgPool2d':
    case 'adaptiveAvgPool2dGrad':
      return multilinear(node, inputs, errors, Math.max(sizeOf(shape(0)) / node.size, node.size / sizeOf(shape(0))) + 4);
    // Linear in the first operand; the second one only says where.
    case 'dropout':
      return multilinear(node, [inputs[0]!], [errors[0]!], 1, (t) => [t[0]!, inputs[1]!]);
    case 'softmax':
    case 'logSoftmax': {
      const last = output.shape.length - 1;
      const swap = output.shape.map((_, i) => (i === node.attrs['axis'] ? last : i === last ? (node.attrs['axis'] as number) : i));
      const turned = [inputs[0]!, errors[0]!, output].map((x) => transpose(x, swap)) as [Array64, Array64, Array64];
      return transpose({ shape: turned[0].shape, data: softmaxBound(node, [turned[0]], [turned[1]], turned[2]) }, swap).data;
    }
    case 'crossEntropy':
    case 'crossEntropyGrad':
      return lossBound(node, inputs, errors, output);
    default:
      return elementwiseBound(node, inputs, errors, output);
  }
}

/**
 * For an f that is linear in each of its operands with non-negative coefficients of |operands|:
 * f(|a| + ea, |b| + eb) - f(|a|, |b|) + gamma(k) f(|a|, |b|).
 */
function multilinear(
  node: Tensor,
  inputs: readonly Array64[],
  errors: readonly Array64[],
  k: number,
  operands: (t: Array64[]) => Array64[] = (t) => t,
): Float64Array {
  const magnitude = evaluateNode(node, operands(inputs.map((x) => ({ shape: x.shape, data: x.data.map(Math.abs) })))).data;
  const exact = errors.every((e) => e.data.every((v) => v === 0));
  if (exact) return magnitude.map((m) => gamma(k) * m);
  const widened = evaluateNode(
    node,
    operands(inputs.map((x, i) => ({ shape: x.shape, data: x.data.map((v, j) => Math.abs(v) + errors[i]!.data[j]!) }))),
  ).data;
  return widened.map((w, i) => w - magnitude[i]! + gamma(k) * magnitude[i]!);
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** By derivative of an activation: the sum of the magnitudes of its terms at x, for dy = 1. */
const DERIVATIVE_TERMS: Readonly<Record<string, (x: number) => number>> = {
  siluGrad: (x) => sigmoid(x) * (1 + Math.abs(x) * sigmoid(-x)),
  hardswishGrad: (x) => (Math.abs(x) < 3 ? Math.abs(x) / 3 + 0.5 : 1),
  geluGrad: (x) => normalCdf(x) + Math.abs(x) * normalDensity(x),
  geluTanhGrad(x) {
    const u = geluTanhArgument(x);
    return sigmoid(2 * u) * (1 + 2 * Math.abs(x) * sigmoid(-2 * u) * geluTanhSlope(x)) * (1 + 2 * Math.abs(u));
  },
};

/** The largest deviation over the corners of the box that the operands' errors span, plus the function's own rounding. */
function elementwiseBound(node: Tensor, inputs: readonly Array64[], errors: readonly Array64[], output: Array64): Float64Array {
  const unary = unaryFunctions[node.op];
  const binary = binaryFunctions[node.op];
  const [a, b] = inputs.map((x) => broadcastTo(x, node.shape).data) as [Float64Array, Float64Array];
  const [ea, eb] = errors.map((x) => broadcastTo(x, node.shape).data) as [Float64Array, Float64Array];
  return output.data.map((y, i) => {
    const p = a[i]!;
    let corners: number[];
    let rounding = FUNCTION * Math.abs(y);
    if (unary) {
      corners = [unary(p - ea[i]!), unary(p + ea[i]!)];
      // The exponent's rounding is absolute.
      if (node.op === 'geluTanh') rounding *= 1 + 2 * Math.abs(geluTanhArgument(p));
    } else if (binary) {
      const q = b[i]!;
      corners = [-1, 1].flatMap((s) => [-1, 1].map((t) => binary(p + s * ea[i]!, q + t * eb[i]!)));
      // exp(b log a): the exponent's rounding is absolute.
      if (node.op === 'pow') rounding *= 1 + Math.abs(q * Math.log(Math.abs(p)));
      // dy (1 - y^2): the square rounds before it is subtracted.
      if (node.op === 'tanhGrad') rounding += 2 * UNIT * Math.abs(p);
      // The sums inside the derivative may cancel: their rounding follows the magnitude of their terms.
      rounding += FUNCTION * Math.abs(p) * (DERIVATIVE_TERMS[node.op]?.(q) ?? 0);
      // A sum may cancel: its rounding follows the operands only through their own errors, one unit of y is its own.
    } else throw new Error(`no error bound for "${node.op}"`);
    return Math.max(...corners.map((c) => Math.abs(c - y))) + rounding;
  });
}

/** Of the logarithm of the softmax of each row of the last axis. */
function logSoftmaxBound(logits: Array64, errors: Array64): Float64Array {
  const length = logits.shape[logits.shape.length - 1]!;
  const rows = logits.data.length / length;
  const bound = new Float64Array(logits.data.length);
  for (let r = 0; r < rows; r++) {
    const row = logits.data.subarray(r * length, (r + 1) * length);
    const error = Math.max(...errors.data.subarray(r * length, (r + 1) * length));
    const top = Math.max(...row);
    // x - max rounds once, its exponential inherits that, log(sum) is at most log(length); the row's errors count twice.
    row.forEach((x, k) => (bound[r * length + k] = 2 * error + UNIT * (top - x) * 2 + gamma(length) * (1 + Math.log(length))));
  }
  return bound;
}

function softmaxBound(node: Tensor, inputs: readonly Array64[], errors: readonly Array64[], output: Array64): Float64Array {
  const logBound = logSoftmaxBound(inputs[0]!, errors[0]!);
  if (node.op === 'logSoftmax') return logBound.map((e, i) => e + FUNCTION * Math.abs(output.data[i]!));
  return logBound.map((e, i) => probabilityBound(e, output.data[i]!));
}

/** Cross entropy and its gradient: classes on axis 1, which is brought to the end. */
function lossBound(node: Tensor, inputs: readonly Array64[], errors: readonly Array64[], output: Array64): Float64Array {
  const { reduction, ignoreIndex } = node.attrs as unknown as LossAttrs;
  const { rank } = node.inputs[0]!;
  const order = [...Array(rank).keys()].filter((axis) => axis !== 1).concat(1);
  const classesLast = (x: Array64): Array64 => transpose(x, order);
  const logBound = logSoftmaxBound(classesLast(inputs[0]!), classesLast(errors[0]!));
  const labels = inputs[1]!.data;
  const length = logBound.length / labels.length;
  const known = labels.filter((label) => label !== ignoreIndex).length;
  const divisor = reduction === 'mean' ? known : 1;
  if (node.op === 'crossEntropy') {
    const rows = Float64Array.from(labels, (label, r) =>
      label === ignoreIndex ? 0 : Math.max(...logBound.subarray(r * length, (r + 1) * length)),
    );
    if (reduction === 'none') return rows.map((bound, r) => bound + FUNCTION * Math.abs(output.data[r]!));
    const total = rows.reduce((a, b) => a + b, 0);
    return Float64Array.of(total / divisor + gamma(labels.length) * Math.abs(output.data[0]!));
  }
  // scale / divisor (p - q): |p - q| <= 1, the bound of p is that of the logarithm times p <= 1.
  const rowOf = (i: number): number => (reduction === 'none' ? Math.floor(i / length) : 0);
  const turned = classesLast(output);
  const bound = logBound.map((e, i) => {
    if (labels[Math.floor(i / length)] === ignoreIndex) return 0;
    const scale = Math.abs(inputs[2]!.data[rowOf(i)]!);
    const scaleError = errors[2]!.data[rowOf(i)]!;
    const unscaled = (Math.abs(turned.data[i]!) * divisor) / (scale || 1);
    return ((scale + scaleError) * probabilityBound(e, 1) + scaleError * unscaled) / divisor;
  });
  return transpose(
    { shape: turned.shape, data: bound },
    order.map((_, i) => order.indexOf(i)),
  ).data;
}

/** A probability p whose logarithm is off by `e` stays one: between 0 and 1. */
function probabilityBound(e: number, p: number): number {
  return (e < 700 ? Math.min(Math.expm1(e) * p, 1) : 1) + FUNCTION * p;
}

/** First order in the errors of the operands, with magnitudes for the node's own roundings. */
function batchNormBound(node: Tensor, inputs: readonly Array64[], errors: readonly Array64[], output: Array64): Float64Array {
  const [x, ex] = [inputs[0]!, errors[0]!];
  const [, channels, h, w] = x.shape as [number, number, number, number];
  const m = x.data.length / channels;
  const channelOf = (at: number): number => Math.floor(at / (h * w)) % channels;
  const sums = (term: (at: number, c: number) => number): Float64Array => {
    const result = new Float64Array(channels);
    for (let at = 0; at < x.data.length; at++) result[channelOf(at)]! += term(at, channelOf(at));
    return result;
  };
  if (node.op === 'batchNormVariance') {
    const mean = sums((at) => x.data[at]! / m);
    const size = sums((at) => Math.abs(x.data[at]!) / m);
    const spread = sums((at, c) => Math.abs(x.data[at]! - mean[c]!) / m);
    // Distances are from a mean that is rounded: the first power of its error cancels over a chunk, the second stays.
    const squares = sums((at, c) => (2 * Math.abs(x.data[at]! - mean[c]!) * ex.data[at]! + ex.data[at]! ** 2) / m);
    return squares.map((e, c) => e + gamma(m) * (output.data[c]! + gamma(m) * size[c]! ** 2 + UNIT * size[c]! * spread[c]!));
  }
  const [mean, variance] = node.op === 'batchNorm' ? [1, 2] : [2, 3];
  const values = (i: number): Float64Array => inputs[i]!.data;
  const error = (i: number): Float64Array => errors[i]!.data;
  const eps = node.attrs['eps'] as number;
  // 1 / sqrt(variance + eps) at its largest, and its relative error.
  const r = values(variance).map((v, c) => 1 / Math.sqrt(Math.max(v - error(variance)[c]!, 0) + eps));
  const er = values(variance).map((_, c) => 0.5 * error(variance)[c]! * r[c]! ** 2 + FUNCTION);
  const centred = (at: number, c: number): number => Math.abs(x.data[at]! - values(mean)[c]!);
  const ecentred = (at: number, c: number): number => ex.data[at]! + error(mean)[c]! + UNIT * centred(at, c);
  if (node.op === 'batchNormGradWeight') {
    const [dy, edy] = [values(1), error(1)];
    const size = sums((at, c) => (Math.abs(dy[at]!) + edy[at]!) * (centred(at, c) + ecentred(at, c)) * r[c]!);
    const moved = sums((at, c) => (edy[at]! * centred(at, c) + (Math.abs(dy[at]!) + edy[at]!) * ecentred(at, c)) * r[c]!);
    return size.map((s, c) => moved[c]! + s * (er[c]! + gamma(m)));
  }
  const result = new Float64Array(x.data.length);
  for (let at = 0; at < result.length; at++) {
    const c = channelOf(at);
    const d = centred(at, c) + ecentred(at, c);
    if (node.op === 'batchNorm') {
      const [weight, eweight] = [Math.abs(values(3)[c]!) + error(3)[c]!, error(3)[c]!];
      const product = d * weight * r[c]!;
      result[at] =
        ecentred(at, c) * weight * r[c]! +
        d * eweight * r[c]! +
        product * (er[c]! + FUNCTION) +
        error(4)[c]! +
        FUNCTION * Math.abs(values(4)[c]!);
      continue;
    }
    const [dy, weight, dweight, dbias] = [1, 4, 5, 6].map((i) => {
      const k = i === 1 ? at : c;
      return { size: Math.abs(values(i)[k]!) + error(i)[k]!, error: error(i)[k]! };
    }) as [Term, Term, Term, Term];
    const slope = (dweight.size / m) * r[c]!;
    const size = dy.size + dbias.size / m + d * slope;
    const moved = dy.error + dbias.error / m + ecentred(at, c) * slope + d * (dweight.error / m) * r[c]! + d * slope * er[c]!;
    result[at] = weight.size * r[c]! * (moved + size * (er[c]! + 2 * FUNCTION)) + weight.error * r[c]! * size;
  }
  return result;
}

interface Term {
  readonly size: number;
  readonly error: number;
}

/**
 * y = x d^-beta and dx = dy d^-beta - 2 beta scale x W'(dy x d^(-beta - 1)) with the divisor d = k + scale W(x^2), whose terms are positive
 * in the tables and graphs: it lies between those of the smallest and of the largest |x|.
 */
function responseNormBound(node: Tensor, inputs: readonly Array64[], errors: readonly Array64[]): Float64Array {
  const { before, after, scale, beta, k } = node.attrs as unknown as ResponseNorm;
  const [x, dy] = inputs.map(({ data }, i): Uncertain => ({ size: data.map(Math.abs), error: errors[i]!.data })) as [Uncertain, Uncertain];
  const sum = (data: Float64Array, mirrored = false): Float64Array =>
    channelWindowSum({ shape: node.shape, data }, mirrored ? after : before, mirrored ? before : after).data;
  const divisor = (size: Float64Array): Float64Array => sum(size.map((v) => v * v)).map((v) => k + scale * v);
  const middle = divisor(x.size);
  const lowest = divisor(x.size.map((v, i) => Math.max(v - x.error[i]!, 0)));
  const highest = divisor(x.size.map((v, i) => v + x.error[i]!));
  // The divisor's own rounding is multiplied by the exponent.
  const own = (1 + beta) * (gamma(before + after + 1) + FUNCTION);
  const power = (exponent: number): Uncertain => {
    const size = middle.map((v) => v ** -exponent);
    const error = size.map((v, i) => Math.max(lowest[i]! ** -exponent - v, v - highest[i]! ** -exponent) + own * lowest[i]! ** -exponent);
    return { size, error };
  };
  if (node.op === 'localResponseNorm') return product(x, power(beta)).error;
  const direct = product(dy, power(beta));
  const terms = product(dy, x, power(beta + 1));
  const sums = { size: sum(terms.size, true), error: sum(terms.error, true) };
  sums.error = sums.error.map((v, i) => v + gamma(before + after + 1) * (sums.size[i]! + v));
  const rest = product(x, sums);
  return direct.error.map((v, i) => v + 2 * beta * scale * (rest.error[i]! + FUNCTION * rest.size[i]!));
}

/** Magnitudes of values, and how far these may be off. */
interface Uncertain {
  readonly size: Float64Array;
  error: Float64Array;
}

/** Element by element: the largest deviation that the factors' errors can make together, plus the rounding of the product. */
function product(...factors: readonly Uncertain[]): Uncertain {
  const size = factors[0]!.size.map((_, i) => factors.reduce((value, factor) => value * factor.size[i]!, 1));
  const widened = size.map((_, i) => factors.reduce((value, factor) => value * (factor.size[i]! + factor.error[i]!), 1));
  return { size, error: widened.map((w, i) => w - size[i]! + FUNCTION * w) };
}
