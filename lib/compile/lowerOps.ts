/** How each operation becomes instructions: one entry per graph operation. */

import type { Tensor } from '../graph/tensor';
import { physicalAxes, physicalShape, type Shape } from '../graph/types';
import { BINARY_ACTIVATIONS, UNARY_ACTIVATIONS } from '../ops/activation';
import { BINARY_OPS, UNARY_OPS } from '../ops/elementwise';
import type { MatmulAttrs } from '../ops/matmul';
import type { BatchNormAttrs } from '../ops/batchNorm';
import type { ResponseNormAttrs } from '../ops/responseNorm';
import type { Buffer, Instruction } from './ir';
import { lowerConvGradWeight, lowerConvolution } from './lowerConv';
import type { Lower, Lowering } from './lowering';
import { lowerConfusionCounts, lowerCrossEntropy, lowerCrossEntropyGrad, lowerOneHot, lowerTopK } from './lowerLoss';
import { activationOf, epilogueOperands, findColumnSum, result, withColumnSum, type WordAttrs } from './lowerShared';
import { snakeCase } from './opcodeNames';
import { BINARY_KIND, DIRECTION, OPCODES, PAD_MODE, REDUCTION, type OpcodeName, UNARY_KIND } from './opcodes';
import { passAttrs } from './passAttrs';

/** An operand of a broadcasting instruction, brought to the rank of the output. */
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

/** Lowers a node to one instruction that takes the inputs as they are and the node's attributes as words. */
function lowerWithAttrs(opcode: OpcodeName, words: (node: Tensor) => WordAttrs): Lower {
  return (l, node) => {
    const inputs = node.inputs.map((input) => l.bufferOf(input));
    const output = result(l, node);
    l.emit(opcode, inputs, [output], words(node));
    return output;
  };
}

const clampWords = ({ attrs }: Tensor): WordAttrs => ({ min: attrs.min as number, max: attrs.max as number });
const leakyReluWords = ({ attrs }: Tensor): WordAttrs => ({ negative_slope: attrs.negativeSlope as number });

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

/** Used only if no pack instruction reads the weight: packing multiplies by the scale itself. */
const lowerScaledWeight: Lower = (l, node) => {
  const [weight, scale] = node.inputs.map((input) => l.bufferOf(input)) as [Buffer, Buffer];
  const output = result(l, node);
  l.emit('binary', [weight, l.alias(scale, [node.shape[0]!, 1, 1, 1])], [output], { kind: BINARY_KIND.mul });
  return output;
};

/** A sum that is a bias gradient is made by the weight gradient that reads the same dy. */
const lowerSum: Lower = (l, node) => {
  const x = node.inputs[0]!;
  const maker = l
    .usersOf(x)
    .find(
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

/**
 * Rows times a matrix, with an epilogue. A matrix at rest is packed once, in the prepare list; one that changes in every step before the
 * product or within it, whichever is estimated to be faster.
 */
function lowerProduct(l: Lowering, node: Tensor, transposeB: boolean): Buffer {
  const [a, b] = node.inputs as [Tensor, Tensor];
  const [rows, matrix] = [l.bufferOf(a), l.bufferOf(b)];
  const output = result(l, node);
  const epilogue = epilogueOperands(l, node);
  const activation = activationOf(node);
  const transpose = transposeB ? 1 : 0;
  const seconds = (opcode: OpcodeName, inputs: Instruction['inputs'], made: Buffer, attrs: WordAttrs): number =>
    l.queries.cost({ opcode, inputs, outputs: [made], attrs, name: node.name }).seconds;
  if (!l.isStatic(b)) {
    const shape = [l.queries.packedLength('matmul_pack', matrix.shape, { transpose })];
    const packed: Buffer = { id: -1, dtype: 'float32', shape, name: '', place: { space: 'arena' } };
    const plain = [rows, matrix, ...epilogue];
    const before =
      seconds('matmul_pack', [matrix], packed, { transpose }) + seconds('matmul', [rows, packed, ...epilogue], output, { activation });
    if (seconds('matmul_plain', plain, output, { activation, transpose }) < before) {
      l.emit('matmul_plain', plain, [output], { activation, transpose });
      return output;
    }
  }
  l.emit('matmul', [rows, l.packed('matmul_pack', b, { transpose }), ...epilogue], [output], { activation });
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
    const mask: WordAttrs = opcode === 'max_pool2d_grad' ? { relu_mask: passAttrs(node).reluMask ? 1 : 0 } : {};
    l.emit(opcode, inputs, [output], { ...window, ...(isAverage ? sides : dilation), ...mask });
    return output;
  };
}

/** softmax over an axis: it is brought to the end of the physical order first, unless it is there (the channels of an image are). */
function lowerSoftmax(log: number): Lower {
  return (l, node) => {
    const position = physicalAxes(node.rank).indexOf(node.attrs.axis as number);
    const order = [...node.shape.keys()].filter((i) => i !== position).concat(position);
    const moved = l.permutePhysical(l.bufferOf(node.inputs[0]!), order);
    const classes = moved.shape.at(-1)!;
    const rows: Shape = [node.size / classes, classes];
    const output = l.allocate('float32', rows, 'softmax');
    l.emit('softmax', [l.alias(moved, rows)], [output], { log });
    return l.permutePhysical(
      l.alias(output, moved.shape),
      order.map((_, i) => order.indexOf(i)),
    );
  };
}

const PAIR_WORDS = {
  batch_norm_stats: (): WordAttrs => ({}),
  batch_norm_grad_stats: normGradAttrs,
  batch_norm_fold: ({ attrs }: Tensor): WordAttrs => ({ eps: attrs.eps as number }),
};

/**
 * Two nodes with equal inputs and attributes whose values one instruction makes. The one that is met first lowers both.
 */
function lowerPair(opcode: keyof typeof PAIR_WORDS, first: string, second: string): Lower {
  return (l, node) => {
    const inputs = node.inputs.map((input) => l.bufferOf(input));
    const outputs = [first, second].map((op) => {
      const buffer = l.allocate('float32', node.shape, op);
      const member = node.op === op ? node : l.usersOf(node.inputs[0]!).find((other) => other.op === op && sameComputation(other, node));
      if (member && member !== node && !l.isDefined(member)) l.define(member, buffer);
      return buffer;
    });
    l.emit(opcode, inputs.length < OPCODES[opcode].inputs.length ? [...inputs, null] : inputs, outputs, PAIR_WORDS[opcode](node));
    return outputs[node.op === first ? 0 : 1]!;
  };
}

function sameComputation(a: Tensor, b: Tensor): boolean {
  const sameAttrs = a.attrs.eps === b.attrs.eps && passAttrs(a).maskLimit === passAttrs(b).maskLimit;
  return a.inputs.length === b.inputs.length && a.inputs.every((x, i) => x === b.inputs[i]) && sameAttrs;
}

/** The limit is ignored unless there is a mask. */
function normGradAttrs(node: Tensor): WordAttrs {
  return { eps: node.attrs.eps as number, mask_limit: passAttrs(node).maskLimit ?? Infinity };
}

const lowerBatchNorm: Lower = (l, node) => {
  const inputs = node.inputs.map((input) => l.bufferOf(input));
  const output = result(l, node);
  const { eps } = node.attrs as unknown as BatchNormAttrs;
  l.emit('batch_norm', inputs.length === 5 ? [...inputs, null] : inputs, [output], { eps, activation: activationOf(node) });
  return output;
};

const lowerBatchNormGradInput: Lower = (l, node) => {
  const inputs = node.inputs.map((input) => l.bufferOf(input));
  const output = result(l, node);
  l.emit('batch_norm_grad_input', inputs.length === 7 ? [...inputs, null] : inputs, [output], normGradAttrs(node));
  return output;
};

function lowerChannelWindow(opcode: 'local_response_norm' | 'local_response_norm_grad' | 'channel_window_sum'): Lower {
  return (l, node) => {
    const inputs = node.inputs.map((input) => l.bufferOf(input));
    const output = result(l, node);
    const { before, after, scale, beta, k } = node.attrs as unknown as ResponseNormAttrs;
    l.emit(opcode, inputs, [output], opcode === 'channel_window_sum' ? { before, after } : { before, after, scale, beta, k });
    return output;
  };
}

/** A concat instruction takes this many operands; a concatenation of more is made of several. */
const CONCAT_OPERANDS = OPCODES.concat.inputs.length;

const lowerConcat: Lower = (l, node) => {
  const axis = physicalAxes(node.rank).indexOf(node.attrs.axis as number);
  const join = (parts: readonly Buffer[], output: Buffer): Buffer => {
    l.emit('concat', [...parts, ...new Array<null>(CONCAT_OPERANDS - parts.length).fill(null)], [output], { axis });
    return output;
  };
  const joined = (parts: readonly Buffer[], purpose: string): Buffer => {
    const extent = parts.reduce((sum, part) => sum + part.shape[axis]!, 0);
    return l.allocate(
      node.dtype,
      parts[0]!.shape.map((d, i) => (i === axis ? extent : d)),
      purpose,
    );
  };
  let parts = node.inputs.map((input) => l.bufferOf(input));
  for (let level = 0; parts.length > CONCAT_OPERANDS; level++) {
    const groups: Buffer[][] = [];
    for (let i = 0; i < parts.length; i += CONCAT_OPERANDS) groups.push(parts.slice(i, i + CONCAT_OPERANDS));
    parts = groups.map((group, i) => (group.length === 1 ? group[0]! : join(group, joined(group, `concat${level}.${i}`))));
  }
  return join(parts, result(l, node));
};

/** A box inside a larger value. `starts` are in physical order. */
function lowerBox(opcode: 'slice' | 'pad'): Lower {
  return (l, node) => {
    const starts = node.attrs.starts as readonly number[];
    const physical = physicalAxes(node.rank).map((axis) => starts[axis]!);
    const words = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`s${i}`, physical[i] ?? 0]));
    const input = l.bufferOf(node.inputs[0]!);
    const output = result(l, node);
    l.emit(opcode, [input], [output], opcode === 'pad' ? { ...words, value: node.attrs.value as number } : words);
    return output;
  };
}

function lowerPad2d(opcode: 'pad2d' | 'pad2d_grad'): Lower {
  return (l, node) => {
    const [pt, , pl] = node.attrs.padding as readonly [number, number, number, number];
    const input = l.bufferOf(node.inputs[0]!);
    const output = result(l, node);
    l.emit(opcode, [input], [output], { pt, pl, mode: PAD_MODE[node.attrs.mode as keyof typeof PAD_MODE] });
    return output;
  };
}

export const LOWERINGS: Readonly<Record<string, Lower | undefined>> = {
  ...Object.fromEntries(
    [...UNARY_OPS, ...UNARY_ACTIVATIONS].map((op) => [op, lowerUnary(UNARY_KIND[snakeCase(op) as keyof typeof UNARY_KIND])]),
  ),
  ...Object.fromEntries(
    [...BINARY_OPS, ...BINARY_ACTIVATIONS].map((op) => [op, lowerBinary(BINARY_KIND[snakeCase(op) as keyof typeof BINARY_KIND])]),
  ),
  clamp: lowerWithAttrs('clamp', clampWords),
  clampGrad: lowerWithAttrs('clamp_grad', clampWords),
  leakyRelu: lowerWithAttrs('leaky_relu', leakyReluWords),
  leakyReluGrad: lowerWithAttrs('leaky_relu_grad', leakyReluWords),
  oneHot: lowerOneHot,
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
  batchNormMean: lowerPair('batch_norm_stats', 'batchNormMean', 'batchNormVariance'),
  batchNormVariance: lowerPair('batch_norm_stats', 'batchNormMean', 'batchNormVariance'),
  batchNorm: lowerBatchNorm,
  batchNormGradWeight: lowerPair('batch_norm_grad_stats', 'batchNormGradWeight', 'batchNormGradBias'),
  batchNormGradBias: lowerPair('batch_norm_grad_stats', 'batchNormGradWeight', 'batchNormGradBias'),
  batchNormGradInput: lowerBatchNormGradInput,
  batchNormScale: lowerPair('batch_norm_fold', 'batchNormScale', 'batchNormShift'),
  batchNormShift: lowerPair('batch_norm_fold', 'batchNormScale', 'batchNormShift'),
  scaledWeight: lowerScaledWeight,
  localResponseNorm: lowerChannelWindow('local_response_norm'),
  localResponseNormGrad: lowerChannelWindow('local_response_norm_grad'),
  channelWindowSum: lowerChannelWindow('channel_window_sum'),
  adaptiveAvgPool2d: lowerWithAttrs('adaptive_avg_pool2d', () => ({})),
  adaptiveAvgPool2dGrad: lowerWithAttrs('adaptive_avg_pool2d_grad', () => ({})),
  concat: lowerConcat,
  slice: lowerBox('slice'),
  pad: lowerBox('pad'),
  pad2d: lowerPad2d('pad2d'),
  pad2dGrad: lowerPad2d('pad2d_grad'),
  dropout: lowerWithAttrs('dropout', (node) => ({ p: node.attrs.p as number, node: node.attrs.node as number })),
  matmul: lowerMatmul,
  linear: (l, node) => lowerProduct(l, node, true),
  softmax: lowerSoftmax(0),
  logSoftmax: lowerSoftmax(1),
  crossEntropy: lowerCrossEntropy,
  crossEntropyGrad: lowerCrossEntropyGrad,
  countCorrect: lowerTopK,
  countTopK: lowerTopK,
  confusionCounts: lowerConfusionCounts,
};
