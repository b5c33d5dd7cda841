/** How each operation becomes instructions: one entry per graph operation. */

import type { Tensor } from '../graph/tensor';
import { elementCount, physicalShape, type Shape } from '../graph/types';
import type { Conv2dAttrs } from '../ops/conv';
import { BINARY_OPS, UNARY_OPS } from '../ops/elementwise';
import type { MatmulAttrs } from '../ops/matmul';
import type { SgdAttrs, Update } from '../ops/update';
import { chooseConvAlgorithm, chooseDepthwise, type ConvAlgorithm } from './algorithm';
import { epilogueOf } from './fuse';
import type { Buffer, Instruction } from './ir';
import type { Lowering } from './lower';
import { ACTIVATION, ALGORITHM, BINARY_KIND, DIRECTION, REDUCTION, UNARY_KIND } from './opcodes';

type Lower = (l: Lowering, node: Tensor) => Buffer;
type WordAttrs = Readonly<Record<string, number>>;

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/** The result buffer of a node in its own shape. */
function result(l: Lowering, node: Tensor): Buffer {
  return l.allocate(node.dtype, physicalShape(node.shape), '');
}

/** An operand of a broadcasting instruction: brought to the rank of the output. */
function aligned(l: Lowering, input: Tensor, rank: number): Buffer {
  const missing = rank - input.rank;
  return l.reshape(l.bufferOf(input), input.shape, [...new Array<number>(missing).fill(1), ...input.shape]);
}

function lowerUnary(kind: number): Lower {
  return (l, node) => {
    const input = aligned(l, node.inputs[0]!, node.rank);
    const output = result(l, node);
    l.emit('unary', [input], [output], { kind });
    return output;
  };
}

function lowerBinary(kind: number): Lower {
  return (l, node) => {
    const [a, b] = node.inputs.map((input) => aligned(l, input, node.rank));
    const output = result(l, node);
    l.emit('binary', [a!, b!], [output], { kind });
    return output;
  };
}

function lowerReduction(kind: number): Lower {
  return (l, node) => {
    const x = node.inputs[0]!;
    const axes = node.attrs.axes as readonly number[];
    const kept = x.shape.map((d, i) => (axes.includes(i) ? 1 : d));
    const reduced = l.allocate('float32', physicalShape(kept), 'reduced');
    l.emit('reduce', [l.bufferOf(x)], [reduced], { kind });
    return l.reshape(reduced, kept, node.shape);
  };
}

function convGeometry(attrs: Conv2dAttrs): WordAttrs {
  const [sh, sw] = attrs.stride;
  const [pt, , pl] = attrs.padding;
  const [dh, dw] = attrs.dilation;
  return { sh, sw, pt, pl, dh, dw, groups: attrs.groups };
}

function activationOf(node: Tensor): number {
  return ACTIVATION[epilogueOf(node).activation];
}

/** Bias and residual operands of a producer; they follow `first` inputs. */
function epilogueOperands(l: Lowering, node: Tensor): [Buffer | null, Buffer | null] {
  const { bias, add } = epilogueOf(node);
  return [bias ? l.bufferOf(node.inputs[2]!) : null, add ? l.bufferOf(node.inputs[bias ? 3 : 2]!) : null];
}

function isDepthwise({ groups }: Conv2dAttrs, channels: number, otherChannels: number): boolean {
  return groups > 1 && channels === groups && otherChannels === groups;
}

/** conv2d and conv2dGradInput: `image` is what is read, `weight` is packed for the direction, the node is what is written. */
function lowerConvolution(opcode: 'conv2d' | 'conv2d_grad_input', direction: number): Lower {
  return (l, node) => {
    const [image, weight] = node.inputs as [Tensor, Tensor];
    const attrs = node.attrs as unknown as Conv2dAttrs;
    const geometry = convGeometry(attrs);
    const [kh, kw] = weight.shape.slice(2) as [number, number];
    const source = l.bufferOf(image);
    const weightShape = physicalShape(weight.shape);
    const output = result(l, node);
    const epilogue = opcode === 'conv2d' ? epilogueOperands(l, node) : [];
    const instruction = (choice: ConvAlgorithm, packed: Buffer): Instruction => ({
      opcode,
      inputs: [source, packed, ...epilogue],
      outputs: [output],
      attrs: { ...choice, ...geometry, kh, kw, ...(opcode === 'conv2d' ? { activation: activationOf(node) } : {}) },
      name: node.name,
    });
    const packAttrs = (choice: ConvAlgorithm): WordAttrs => ({ direction, ...choice, ...geometry });
    const placeholder = (choice: ConvAlgorithm): Buffer => ({
      id: -1,
      dtype: 'float32',
      shape: [l.queries.packedLength('conv2d_pack', weightShape, packAttrs(choice))],
      name: '',
      place: { space: 'arena' },
    });
    // The input gradient of a strided convolution writes every sw-th pixel from the same memory.
    const isDense = attrs.groups === 1 && geometry.dw === 1 && (direction === DIRECTION.forward || geometry.sw === 1);
    const candidate = (choice: ConvAlgorithm): Instruction => instruction(choice, placeholder(choice));
    const direct = chooseConvAlgorithm(l.queries, node.shape[1]!, node.shape[3]!, isDense, candidate);
    const choice = chooseDepthwise(l.queries, isDepthwise(attrs, image.shape[1]!, node.shape[1]!), direct, candidate);
    const made = instruction(choice, l.packed('conv2d_pack', weight, packAttrs(choice)));
    l.emit(opcode, made.inputs, made.outputs, made.attrs);
    return output;
  };
}

/** The sum over all axes but channels of what a weight gradient reads anyway: the bias gradient. */
function findColumnSum(l: Lowering, dy: Tensor, axes: readonly number[]): Tensor | undefined {
  return l.nodes.find(
    (node) => node.op === 'sum' && node.inputs[0] === dy && node.attrs.keepDims === false && String(node.attrs.axes) === String(axes),
  );
}

/** Lowers a weight gradient together with its bias gradient when the graph has one that is not made yet. */
function withColumnSum(l: Lowering, dy: Tensor, axes: readonly number[], channels: number): Buffer | null {
  const node = findColumnSum(l, dy, axes);
  if (!node || l.isDefined(node)) return null;
  const buffer = l.allocate('float32', [channels], 'columnSum');
  l.define(node, buffer);
  return buffer;
}

const lowerConvGradWeight: Lower = (l, node) => {
  const [x, dy] = node.inputs as [Tensor, Tensor];
  const attrs = node.attrs as unknown as Conv2dAttrs & { kernel: readonly [number, number] };
  const [kh, kw] = attrs.kernel;
  const inputs = [l.bufferOf(x), l.bufferOf(dy)];
  const output = result(l, node);
  const bias = withColumnSum(l, dy, [0, 2, 3], dy.shape[1]!);
  const instruction = ({ algorithm }: ConvAlgorithm): Instruction => ({
    opcode: 'conv2d_grad_weight',
    inputs,
    outputs: [output, bias],
    attrs: { algorithm, ...convGeometry(attrs), kh, kw },
    name: node.name,
  });
  const direct = { algorithm: ALGORITHM.direct, widen: 1 };
  const made = instruction(chooseDepthwise(l.queries, isDepthwise(attrs, x.shape[1]!, dy.shape[1]!), direct, instruction));
  l.emit('conv2d_grad_weight', made.inputs, made.outputs, made.attrs);
  return output;
};

/** A sum that a weight gradient makes on the side is left to it. */
const lowerSum: Lower = (l, node) => {
  const x = node.inputs[0]!;
  const maker = l.nodes.find(
    (other) =>
      (other.op === 'conv2dGradWeight' && other.inputs[1] === x && findColumnSum(l, x, [0, 2, 3]) === node) ||
      (other.op === 'matmul' && isRankUpdate(other) && other.inputs[0] === x && findColumnSum(l, x, [0]) === node),
  );
  if (maker && !l.isDefined(maker)) {
    l.bufferOf(maker);
    if (l.isDefined(node)) return l.bufferOf(node);
  }
  return lowerReduction(REDUCTION.sum)(l, node);
};

/** a^T b, both stored row by row along k. */
function isRankUpdate(node: Tensor): boolean {
  const { transposeA, transposeB } = node.attrs as unknown as MatmulAttrs;
  return node.op === 'matmul' && transposeA && !transposeB;
}

/** Rows times a packed matrix, with an epilogue. */
function lowerProduct(l: Lowering, node: Tensor, transposeB: boolean): Buffer {
  const [a, b] = node.inputs as [Tensor, Tensor];
  const rows = l.bufferOf(a);
  const packed = l.packed('matmul_pack', b, { transpose: transposeB ? 1 : 0 });
  const output = result(l, node);
  l.emit('matmul', [rows, packed, ...epilogueOperands(l, node)], [output], { activation: activationOf(node) });
  return output;
}

const lowerMatmul: Lower = (l, node) => {
  const [a, b] = node.inputs as [Tensor, Tensor];
  const { transposeA, transposeB } = node.attrs as unknown as MatmulAttrs;
  if (!transposeA) return lowerProduct(l, node, transposeB);
  const left = l.bufferOf(a);
  const right = transposeB ? l.permute(l.bufferOf(b), b.shape, [1, 0]) : l.bufferOf(b);
  const output = result(l, node);
  const colsum = transposeB ? null : withColumnSum(l, a, [0], a.shape[1]!);
  l.emit('matmul_at_b', [left, right], [output, colsum]);
  return output;
};

function poolWords(node: Tensor): { window: WordAttrs; dilation: WordAttrs; sides: WordAttrs } {
  const { kernel, stride, padding, dilation } = node.attrs as unknown as Record<'kernel' | 'stride' | 'padding' | 'dilation', number[]>;
  const [pt, pb, pl, pr] = padding as [number, number, number, number];
  return {
    window: { kh: kernel[0]!, kw: kernel[1]!, sh: stride[0]!, sw: stride[1]!, pt, pl },
    dilation: { dh: dilation[0]!, dw: dilation[1]! },
    sides: { pb, pr, count_include_pad: node.attrs.countIncludePad ? 1 : 0 },
  };
}

function lowerPool(opcode: 'max_pool2d' | 'max_pool2d_grad' | 'max_pool2d_gather' | 'avg_pool2d' | 'avg_pool2d_grad'): Lower {
  return (l, node) => {
    const inputs = node.inputs.map((input) => l.bufferOf(input));
    const output = result(l, node);
    const { window, dilation, sides } = poolWords(node);
    const isAverage = opcode === 'avg_pool2d' || opcode === 'avg_pool2d_grad';
    const mask: WordAttrs = opcode === 'max_pool2d_grad' ? { relu_mask: node.attrs.reluMask ? 1 : 0 } : {};
    l.emit(opcode, inputs, [output], { ...window, ...(isAverage ? sides : dilation), ...mask });
    return output;
  };
}

/** softmax over the last logical axis: rows are brought together first where the physical order keeps them apart. */
function lowerSoftmax(log: number): Lower {
  return (l, node) => {
    const x = node.inputs[0]!;
    const rows: Shape = [elementCount(x.shape.slice(0, -1)), x.shape.at(-1)!];
    const input = l.reshape(l.bufferOf(x), x.shape, rows);
    const output = l.allocate('float32', rows, 'softmax');
    l.emit('softmax', [input], [output], { log });
    return l.reshape(output, rows, node.shape);
  };
}

function lowerLoss(opcode: 'cross_entropy' | 'cross_entropy_grad'): Lower {
  return (l, node) => {
    const inputs = node.inputs.map((input) => l.bufferOf(input));
    const output = result(l, node);
    l.emit(opcode, inputs, [output], { label_smoothing: node.attrs.labelSmoothing as number });
    return output;
  };
}

export const LOWERINGS: Readonly<Record<string, Lower | undefined>> = {
  ...Object.fromEntries(UNARY_OPS.map((op) => [op, lowerUnary(UNARY_KIND[op])])),
  ...Object.fromEntries(BINARY_OPS.map((op) => [op, lowerBinary(BINARY_KIND[snakeCase(op) as keyof typeof BINARY_KIND])])),
  broadcastTo: lowerUnary(UNARY_KIND.copy),
  sum: lowerSum,
  mean: lowerReduction(REDUCTION.mean),
  max: lowerReduction(REDUCTION.max),
  detach: (l, node) => l.bufferOf(node.inputs[0]!),
  reshape: (l, node) => l.reshape(l.bufferOf(node.inputs[0]!), node.inputs[0]!.shape, node.shape),
  transpose: (l, node) => l.permute(l.bufferOf(node.inputs[0]!), node.inputs[0]!.shape, node.attrs.permutation as readonly number[]),
  conv2d: lowerConvolution('conv2d', DIRECTION.forward),
  conv2dGradInput: lowerConvolution('conv2d_grad_input', DIRECTION.grad_input),
  conv2dGradWeight: lowerConvGradWeight,
  maxPool2d: lowerPool('max_pool2d'),
  maxPool2dGrad: lowerPool('max_pool2d_grad'),
  maxPool2dGather: lowerPool('max_pool2d_gather'),
  avgPool2d: lowerPool('avg_pool2d'),
  avgPool2dGrad: lowerPool('avg_pool2d_grad'),
  matmul: lowerMatmul,
  linear: (l, node) => lowerProduct(l, node, true),
  softmax: lowerSoftmax(0),
  logSoftmax: lowerSoftmax(1),
  crossEntropy: lowerLoss('cross_entropy'),
  crossEntropyGrad: lowerLoss('cross_entropy_grad'),
  countCorrect(l, node) {
    const inputs = node.inputs.map((input) => l.bufferOf(input));
    const output = result(l, node);
    l.emit('count_correct', inputs, [output]);
    return output;
  },
};

/** Updates: a parameter's step and its velocity's become one in-place instruction. */
export function lowerUpdates(l: Lowering, updates: readonly Update[]): void {
  const variableOf = new Map(updates.map(({ variable, value }) => [value, variable]));
  for (const { variable, value } of updates) {
    if (value.op === 'sgdVelocity') continue; // with its parameter
    if (value.op !== 'sgdParam' || value.inputs[0] !== variable) throw new Error(`no lowering for an update by ${value.op}`);
    const [, grad, lr, moved] = value.inputs;
    const velocity = moved && variableOf.get(moved);
    if (moved && !velocity) throw new Error(`the velocity of ${variable.name} is not updated by the same graph`);
    const { momentum, weightDecay, nesterov } = value.attrs as unknown as SgdAttrs;
    l.emit(
      'sgd',
      [l.bufferOf(grad!), l.bufferOf(lr!)],
      [l.bufferOf(variable), velocity ? l.bufferOf(velocity) : null],
      { momentum, weight_decay: weightDecay, nesterov: nesterov ? 1 : 0 },
      value.name,
    );
  }
}
