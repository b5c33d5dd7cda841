/**
 * How far a float32 evaluation of a graph may be from the float64 reference, element by element: a running error analysis.
 * Every node's bound is what its inputs' errors become through it, plus its own rounding: for a sum of k products gamma(k) times
 * the sum of their magnitudes, for an elementary function a few units in the last place.
 */

import type { Tensor } from '../../lib/graph/tensor';
import { topologicalOrder } from '../../lib/graph/traverse';
import { array64, sizeOf, type Array64 } from '../reference/array64';
import { binaryFunctions, broadcastTo, unaryFunctions } from '../reference/elementwise';
import { evaluateNode, type Values } from '../reference/interpret';

/** Unit roundoff of float32. */
const UNIT = 2 ** -24;
/** Rounding of an elementary function or a division, in units. */
const FUNCTION = 8 * UNIT;

/** Relative error of a sum of k products in any order: independent roundings add up as sqrt(k) (Higham and Mary 2019). */
function gamma(k: number): number {
  return (8 + 4 * Math.sqrt(k)) * UNIT;
}

/** Bounds for every node of the graph of `outputs`, whose reference values are given; leaves are exact. */
export function errorBounds(outputs: readonly Tensor[], values: Values): Map<Tensor, Float64Array> {
  const bounds = new Map<Tensor, Float64Array>();
  for (const node of topologicalOrder(outputs)) {
    const inputs = node.inputs.map((input) => values.get(input)!);
    const errors = node.inputs.map((input): Array64 => ({ shape: input.shape, data: bounds.get(input)! }));
    bounds.set(node, nodeBound(node, inputs, errors, values.get(node)!));
  }
  return bounds;
}

function nodeBound(node: Tensor, inputs: readonly Array64[], errors: readonly Array64[], output: Array64): Float64Array {
  const shape = (i: number): readonly number[] => node.inputs[i]!.shape;
  switch (node.op) {
    case 'constant':
    case 'variable':
    case 'input':
    case 'countCorrect':
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
    case 'maxPool2d':
    case 'max':
    case 'detach':
    case 'broadcastTo':
    case 'reshape':
    case 'transpose':
      return evaluateNode(node, errors).data;
    case 'softmax':
    case 'logSoftmax':
    case 'crossEntropy':
    case 'crossEntropyGrad':
      return softmaxBound(node, inputs, errors, output);
    case 'sgdVelocity':
    case 'sgdParam':
      return sgdBound(node, inputs, errors);
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
    if (unary) corners = [unary(p - ea[i]!), unary(p + ea[i]!)];
    else if (binary) {
      const q = b[i]!;
      corners = [-1, 1].flatMap((s) => [-1, 1].map((t) => binary(p + s * ea[i]!, q + t * eb[i]!)));
      // exp(b log a): the exponent's rounding is absolute.
      if (node.op === 'pow') rounding *= 1 + Math.abs(q * Math.log(Math.abs(p)));
      // dy (1 - y^2): the square rounds before it is subtracted.
      if (node.op === 'tanhGrad') rounding += 2 * UNIT * Math.abs(p);
      // A sum may cancel: its rounding follows the operands only through their own errors, one unit of y is its own.
    } else throw new Error(`no error bound for "${node.op}"`);
    return Math.max(...corners.map((c) => Math.abs(c - y))) + rounding;
  });
}

function softmaxBound(node: Tensor, inputs: readonly Array64[], errors: readonly Array64[], output: Array64): Float64Array {
  const [logits] = inputs as [Array64];
  const length = logits.shape[logits.shape.length - 1]!;
  const rows = logits.data.length / length;
  const logBound = new Float64Array(logits.data.length);
  for (let r = 0; r < rows; r++) {
    const row = logits.data.subarray(r * length, (r + 1) * length);
    const error = Math.max(...errors[0]!.data.subarray(r * length, (r + 1) * length));
    const top = Math.max(...row);
    // x - max rounds once, its exponential inherits that, log(sum) is at most log(length); the row's errors count twice.
    row.forEach((x, k) => (logBound[r * length + k] = 2 * error + UNIT * (top - x) * 2 + gamma(length) * (1 + Math.log(length))));
  }
  switch (node.op) {
    case 'logSoftmax':
      return logBound.map((e, i) => e + FUNCTION * Math.abs(output.data[i]!));
    case 'softmax':
      return logBound.map((e, i) => Math.expm1(e) * output.data[i]! + FUNCTION * output.data[i]!);
    case 'crossEntropy': {
      let total = 0;
      for (let r = 0; r < rows; r++) total += Math.max(...logBound.subarray(r * length, (r + 1) * length));
      return Float64Array.of(total / rows + gamma(rows) * Math.abs(output.data[0]!));
    }
    default: {
      // scale / rows (p - q): |p - q| <= 1, the bound of p is that of the logarithm times p <= 1.
      const scale = Math.abs(inputs[2]!.data[0]!);
      const scaleError = errors[2]!.data[0]!;
      return logBound.map((e, i) => {
        const unscaled = (Math.abs(output.data[i]!) * rows) / (scale || 1);
        return ((scale + scaleError) * (Math.expm1(e) + FUNCTION) + scaleError * unscaled) / rows;
      });
    }
  }
}

/** Sums of a few products: gamma of the sum of magnitudes. */
function sgdBound(node: Tensor, inputs: readonly Array64[], errors: readonly Array64[]): Float64Array {
  const value = (widen: boolean): Float64Array => {
    const arrays = inputs.map((x, i) => array64(x.shape, x.data.map((v, j) => Math.abs(v) + (widen ? errors[i]!.data[j]! : 0)))); // prettier-ignore
    // A negative learning rate turns the subtraction of the formula into a sum of magnitudes.
    if (node.op === 'sgdParam') arrays[2]!.data[0]! *= -1;
    return evaluateNode(node, arrays).data;
  };
  const magnitude = value(false);
  return value(true).map((w, i) => w - magnitude[i]! + gamma(4) * magnitude[i]!);
}
