/** How convolutions and their gradients become instructions. */

import type { Tensor } from '../graph/tensor';
import { elementCount } from '../graph/types';
import type { Conv2dAttrs } from '../ops/conv';
import { chooseAlgorithm, type ConvAlgorithm } from './algorithm';
import type { Buffer, Instruction } from './ir';
import type { Lower, Lowering } from './lowering';
import { activationOf, epilogueOperands, result, withColumnSum, type WordAttrs } from './lowerShared';
import { ALGORITHM, DIRECTION } from './opcodes';

/** Stands for what is chosen when native code is asked what it could be. */
const ANY: ConvAlgorithm = { algorithm: ALGORITHM.direct, widen: 1 };

function geometryOf({ stride: [sh, sw], padding: [pt, , pl], dilation: [dh, dw], groups }: Conv2dAttrs): WordAttrs {
  return { sh, sw, pt, pl, dh, dw, groups };
}

/** conv2d and conv2dGradInput: `image` is what is read, `weight` is packed for the direction, the node is what is written. */
export function lowerConvolution(opcode: 'conv2d' | 'conv2d_grad_input', direction: number): Lower {
  return (l, node) => {
    const [image, weight] = node.inputs as [Tensor, Tensor];
    const geometry = geometryOf(node.attrs as unknown as Conv2dAttrs);
    const [kh, kw] = weight.shape.slice(2) as [number, number];
    const isForward = direction === DIRECTION.forward;
    const source = l.bufferOf(image);
    const packSource = l.packSource(weight);
    const output = result(l, node);
    const epilogue = isForward ? epilogueOperands(l, node) : [];
    const activation: WordAttrs = isForward ? { activation: activationOf(node) } : {};
    const packAttrs = (choice: ConvAlgorithm): WordAttrs => ({ direction, ...choice, ...geometry });
    const convolution = (choice: ConvAlgorithm, packed: Buffer): Instruction => ({
      opcode,
      inputs: [source, packed, ...epilogue],
      outputs: [output],
      attrs: { ...choice, ...geometry, kh, kw, ...activation },
      name: node.name,
    });
    const packed: Buffer = { id: -1, dtype: 'float32', shape: [elementCount(weight.shape)], name: '', place: { space: 'arena' } };
    const pack: Instruction = { opcode: 'conv2d_pack', inputs: packSource, outputs: [packed], attrs: packAttrs(ANY), name: weight.name };
    const choice = chooseAlgorithm(l.queries.candidates(convolution(ANY, packed), pack), l.algorithm, l.isStatic(weight));
    emit(l, convolution(choice, l.packed('conv2d_pack', weight, packAttrs(choice))));
    return output;
  };
}

/** A weight gradient, with the bias gradient that the graph has beside it. */
export const lowerConvGradWeight: Lower = (l, node) => {
  const [x, dy] = node.inputs as [Tensor, Tensor];
  const attrs = node.attrs as unknown as Conv2dAttrs & { kernel: readonly [number, number] };
  const [kh, kw] = attrs.kernel;
  const inputs = [l.bufferOf(x), l.bufferOf(dy)];
  const output = result(l, node);
  const bias = withColumnSum(l, dy, [0, 2, 3], dy.shape[1]!);
  const gradient = ({ algorithm }: ConvAlgorithm): Instruction => ({
    opcode: 'conv2d_grad_weight',
    inputs,
    outputs: [output, bias],
    attrs: { algorithm, ...geometryOf(attrs), kh, kw },
    name: node.name,
  });
  emit(l, gradient(chooseAlgorithm(l.queries.candidates(gradient(ANY)), l.algorithm, false)));
  return output;
};

function emit(l: Lowering, { opcode, inputs, outputs, attrs }: Instruction): void {
  l.emit(opcode, inputs, outputs, attrs);
}
