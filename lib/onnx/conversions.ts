/**
 * What each operation of ours is in ONNX (operator set 17), where it is one node or a few. An operation without an entry cannot be exported.
 * Operators: https://github.com/onnx/onnx/blob/main/docs/Operators.md
 */

import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import type { BatchNormAttrs } from '../ops/batchNorm';
import type { ResponseNormAttrs } from '../ops/responseNorm';
import type { Conv2dAttrs } from '../ops/conv';
import type { MatmulAttrs } from '../ops/matmul';
import type { Sides } from '../ops/window';
import { float, int, ints, text, type Attribute, type ValueName } from './graphWriter';
import { averageMatrix, averageWindows, overhang, type PoolAttrs } from './windows';

export const OPERATOR_SET = 17;

/** A node on its way to ONNX. */
export interface Conversion {
  readonly node: Tensor;
  readonly attrs: Attrs;
  /** The names of its inputs. */
  readonly inputs: readonly ValueName[];
  /** Adds an ONNX node named after this one. */
  emit(opType: string, inputs: readonly ValueName[], attributes?: Readonly<Record<string, Attribute>>): ValueName;
  /** Adds float32 numbers, by default a scalar. */
  floats(values: readonly number[], shape?: readonly number[]): ValueName;
  integers(values: readonly number[]): ValueName;
  /** What `read` says of this node, whatever the batch size. @throws StridenetError ERR_NOT_EXPORTABLE when it depends on it */
  constant<T>(what: string, read: (node: Tensor) => T): T;
  /** The node's shape with -1 for the one extent that depends on the batch. @throws StridenetError ERR_NOT_EXPORTABLE when several do */
  shape(): readonly number[];
}

type Convert = (c: Conversion) => ValueName;

const as =
  (opType: string): Convert =>
  (c) =>
    c.emit(opType, c.inputs);

/** 1 or 0 as a number, where ONNX has a truth value. */
const comparison =
  (opType: string): Convert =>
  (c) =>
    c.emit('Cast', [c.emit(opType, c.inputs)], { to: int(1) });

const AXES_OF_CHANNELS = [0, 2, 3];

export const CONVERSIONS: Readonly<Record<string, Convert>> = {
  neg: as('Neg'),
  abs: as('Abs'),
  sign: as('Sign'),
  exp: as('Exp'),
  log: as('Log'),
  sqrt: as('Sqrt'),
  relu: as('Relu'),
  sigmoid: as('Sigmoid'),
  tanh: as('Tanh'),
  softplus: as('Softplus'),
  hardswish: as('HardSwish'),
  add: as('Add'),
  sub: as('Sub'),
  mul: as('Mul'),
  div: as('Div'),
  pow: as('Pow'),
  maximum: as('Max'),
  minimum: as('Min'),
  greater: comparison('Greater'),
  greaterEqual: comparison('GreaterOrEqual'),
  equal: comparison('Equal'),
  detach: (c) => c.inputs[0]!,
  relu6: (c) => c.emit('Clip', [c.inputs[0]!, c.floats([0]), c.floats([6])]),
  clamp(c) {
    const { min, max } = c.attrs as { min: number; max: number };
    const bound = (value: number): ValueName => (Number.isFinite(value) ? c.floats([value]) : '');
    return c.emit('Clip', max === Infinity ? [c.inputs[0]!, bound(min)] : [c.inputs[0]!, bound(min), bound(max)]);
  },
  leakyRelu: (c) => c.emit('LeakyRelu', c.inputs, { alpha: float(c.attrs.negativeSlope as number) }),
  silu: (c) => c.emit('Mul', [c.inputs[0]!, c.emit('Sigmoid', c.inputs)]),
  // x / 2 (1 + erf(x / sqrt 2)), in the order in which onnxruntime looks for it to make one kernel of it.
  gelu(c) {
    const [x] = c.inputs as [ValueName];
    const factor = c.emit('Add', [c.emit('Erf', [c.emit('Div', [x, c.floats([Math.SQRT2])])]), c.floats([1])]);
    return c.emit('Mul', [c.emit('Mul', [x, factor]), c.floats([0.5])]);
  },
  geluTanh(c) {
    const [x] = c.inputs as [ValueName];
    const cube = c.emit('Pow', [x, c.floats([3])]);
    const inner = c.emit('Add', [x, c.emit('Mul', [cube, c.floats([0.044715])])]);
    const tanh = c.emit('Tanh', [c.emit('Mul', [inner, c.floats([Math.sqrt(2 / Math.PI)])])]);
    return c.emit('Mul', [c.emit('Mul', [x, c.emit('Add', [tanh, c.floats([1])])]), c.floats([0.5])]);
  },
  softmax: (c) => c.emit('Softmax', c.inputs, { axis: int(c.attrs.axis as number) }),
  logSoftmax: (c) => c.emit('LogSoftmax', c.inputs, { axis: int(c.attrs.axis as number) }),

  conv2d(c) {
    const { stride, padding, dilation, groups } = c.attrs as Conv2dAttrs;
    return c.emit('Conv', c.inputs, {
      kernel_shape: ints(c.node.inputs[1]!.shape.slice(2)),
      strides: ints(stride),
      pads: ints(pads(padding)),
      dilations: ints(dilation),
      group: int(groups),
    });
  },
  linear: (c) => c.emit('Gemm', c.inputs, { transB: int(1) }),
  matmul(c) {
    const { transposeA, transposeB } = c.attrs as MatmulAttrs;
    if (!transposeA && !transposeB) return c.emit('MatMul', c.inputs);
    return c.emit('Gemm', c.inputs, { transA: int(Number(transposeA)), transB: int(Number(transposeB)) });
  },

  batchNorm(c) {
    const [x, mean, variance, weight, bias] = c.inputs as [ValueName, ValueName, ValueName, ValueName, ValueName];
    const { eps } = c.attrs as BatchNormAttrs;
    return c.emit('BatchNormalization', [x, weight, bias, mean, variance], { epsilon: float(eps) });
  },
  // Layers without running statistics normalise by their batch, also in evaluation.
  batchNormMean: (c) => c.emit('ReduceMean', c.inputs, { axes: ints(AXES_OF_CHANNELS), keepdims: int(0) }),
  batchNormVariance(c) {
    const mean = c.emit('ReduceMean', c.inputs, { axes: ints(AXES_OF_CHANNELS), keepdims: int(1) });
    const distance = c.emit('Sub', [c.inputs[0]!, mean]);
    return c.emit('ReduceMean', [c.emit('Mul', [distance, distance])], { axes: ints(AXES_OF_CHANNELS), keepdims: int(0) });
  },
  localResponseNorm(c) {
    const { before, after, scale, beta, k } = c.attrs as ResponseNormAttrs;
    const [x] = c.inputs as [ValueName];
    const size = before + after + 1;
    if (before === after) {
      return c.emit('LRN', [x], { size: int(size), alpha: float(scale * size), beta: float(beta), bias: float(k) });
    }
    // LRN's window of an even size leans to the other side, and onnxruntime has none; the mean over a window of channels does not.
    const square = c.emit('Unsqueeze', [c.emit('Mul', [x, x]), c.integers([1])]);
    const mean = c.emit('AveragePool', [square], {
      kernel_shape: ints([size, 1, 1]),
      pads: ints([before, 0, 0, after, 0, 0]),
      count_include_pad: int(1),
    });
    const sum = c.emit('Add', [c.emit('Mul', [c.emit('Squeeze', [mean, c.integers([1])]), c.floats([scale * size])]), c.floats([k])]);
    return c.emit('Div', [x, c.emit('Pow', [sum, c.floats([beta])])]);
  },

  // A size that is rounded up is written as padding: what ceil_mode does at the edge differs between versions of the operators.
  maxPool2d(c) {
    const attrs = c.attrs as unknown as PoolAttrs;
    const [bottom, right] = overhang(c.node.inputs[0]!.shape, c.node.shape, attrs);
    const [top, below, left, beside] = attrs.padding;
    let sides: Sides = [top, below + bottom, left, beside + right];
    let [x] = c.inputs as [ValueName];
    // Dilated windows may reach further out than their kernel counts pixels, which onnxruntime takes from a Pad only.
    if (sides.some((amount, side) => amount >= attrs.kernel[side >> 1]!)) {
      x = c.emit('Pad', [x, c.integers([0, 0, sides[0], sides[2], 0, 0, sides[1], sides[3]]), c.floats([-Infinity])]);
      sides = [0, 0, 0, 0];
    }
    return c.emit('MaxPool', [x], {
      kernel_shape: ints(attrs.kernel),
      strides: ints(attrs.stride),
      pads: ints(pads(sides)),
      dilations: ints(attrs.dilation),
    });
  },
  avgPool2d(c) {
    const attrs = c.attrs as unknown as PoolAttrs & { countIncludePad: boolean };
    const [bottom, right] = overhang(c.node.inputs[0]!.shape, c.node.shape, attrs);
    let [x] = c.inputs as [ValueName];
    let { padding, countIncludePad } = attrs;
    if (bottom > 0 || right > 0) {
      // Padding may count, what a rounded-up window covers beyond it never does.
      if (countIncludePad && padding.some((amount) => amount > 0)) {
        x = c.emit('Pad', [x, c.integers([0, 0, padding[0], padding[2], 0, 0, padding[1], padding[3]])]);
        padding = [0, 0, 0, 0];
      }
      countIncludePad = false;
    }
    return c.emit('AveragePool', [x], {
      kernel_shape: ints(attrs.kernel),
      strides: ints(attrs.stride),
      pads: ints(pads([padding[0], padding[1] + bottom, padding[2], padding[3] + right])),
      count_include_pad: int(Number(countIncludePad)),
    });
  },
  adaptiveAvgPool2d(c) {
    const [x] = c.inputs as [ValueName];
    const from = c.node.inputs[0]!.shape.slice(2) as [number, number];
    const to = c.node.shape.slice(2) as [number, number];
    if (to.every((extent, i) => extent === from[i])) return x;
    if (to.every((extent) => extent === 1)) return c.emit('GlobalAveragePool', [x]);
    const windows = averageWindows(from, to);
    if (windows) return c.emit('AveragePool', [x], { kernel_shape: ints(windows.kernel), strides: ints(windows.stride) });
    // Windows of unequal extents: a product with a matrix of means along each axis.
    const rows = from[0] === to[0] ? x : c.emit('MatMul', [c.floats(averageMatrix(from[0], to[0]), [to[0], from[0]]), x]);
    if (from[1] === to[1]) return rows;
    const transposed = averageMatrix(from[1], to[1]);
    const columns = Array.from({ length: from[1] * to[1] }, (_, i) => transposed[(i % to[1]) * from[1] + Math.floor(i / to[1])]!);
    return c.emit('MatMul', [rows, c.floats(columns, [from[1], to[1]])]);
  },

  sum: (c) => reduce(c, (x, axes, keepdims) => c.emit('ReduceSum', [x, c.integers(axes)], { keepdims })),
  mean: (c) => reduce(c, (x, axes, keepdims) => c.emit('ReduceMean', [x], { axes: ints(axes), keepdims })),
  max: (c) => reduce(c, (x, axes, keepdims) => c.emit('ReduceMax', [x], { axes: ints(axes), keepdims })),

  reshape(c) {
    const [x] = c.node.inputs as [Tensor];
    const flattens = c.node.rank === 2 && x.rank > 2 && x.shape[0] === c.node.shape[0];
    return flattens ? c.emit('Flatten', c.inputs, { axis: int(1) }) : c.emit('Reshape', [c.inputs[0]!, c.integers(c.shape())]);
  },
  broadcastTo: (c) => c.emit('Expand', [c.inputs[0]!, c.integers(expandShape(c))]),
  transpose: (c) => c.emit('Transpose', c.inputs, { perm: ints(c.attrs.permutation as number[]) }),
  concat: (c) => c.emit('Concat', c.inputs, { axis: int(c.attrs.axis as number) }),
  slice(c) {
    const ranges = c.constant('the part that it takes', ({ inputs: [x], attrs, shape }) =>
      shape
        .map((extent, axis) => ({ axis, start: (attrs.starts as number[])[axis]!, extent }))
        .filter(({ axis, extent }) => extent !== x!.shape[axis]),
    );
    const list = (value: (range: (typeof ranges)[number]) => number): ValueName => c.integers(ranges.map(value));
    return c.emit('Slice', [
      c.inputs[0]!,
      list(({ start }) => start),
      list(({ start, extent }) => start + extent),
      list(({ axis }) => axis),
    ]);
  },
  pad(c) {
    const amounts = c.constant('its padding', ({ inputs: [x], attrs, shape }) => {
      const starts = attrs.starts as number[];
      return [...starts, ...shape.map((extent, axis) => extent - starts[axis]! - x!.shape[axis]!)];
    });
    return c.emit('Pad', [c.inputs[0]!, c.integers(amounts), c.floats([c.attrs.value as number])]);
  },
  pad2d(c) {
    const { padding, mode } = c.attrs as { padding: readonly number[]; mode: string };
    const [top, bottom, left, right] = padding as [number, number, number, number];
    return c.emit('Pad', [c.inputs[0]!, c.integers([0, 0, top, left, 0, 0, bottom, right])], {
      mode: text(mode === 'replicate' ? 'edge' : mode),
    });
  },
};

/** Attributes that may depend on the batch size; the conversions look after them. */
export const SIZED: ReadonlySet<string> = new Set(['reshape', 'broadcastTo', 'slice', 'pad']);

/** [top, bottom, left, right] as ONNX has it: the beginnings of all axes, then their ends. */
function pads([top, bottom, left, right]: readonly [number, number, number, number]): number[] {
  return [top, left, bottom, right];
}

function reduce(c: Conversion, make: (x: ValueName, axes: readonly number[], keepdims: Attribute) => ValueName): ValueName {
  const { axes, keepDims } = c.attrs as { axes: readonly number[]; keepDims: boolean };
  // No axes mean all axes to ONNX.
  return axes.length === 0 ? c.inputs[0]! : make(c.inputs[0]!, axes, int(Number(keepDims)));
}

/** The extents to expand to; 1 leaves that of the input as it is. */
function expandShape(c: Conversion): readonly number[] {
  return c.constant('the extent that it repeats to', ({ inputs: [x], shape }) => {
    const offset = shape.length - x!.rank;
    return shape.map((extent, axis) => (axis >= offset && x!.shape[axis - offset] === extent ? 1 : extent));
  });
}
