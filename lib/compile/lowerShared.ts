/** What the lowerings of several operations have in common. */

import type { Tensor } from '../graph/tensor';
import { physicalShape } from '../graph/types';
import { epilogueOf } from './fuse';
import type { Buffer } from './ir';
import type { Lowering } from './lowering';
import { ACTIVATION } from './opcodes';

export type WordAttrs = Readonly<Record<string, number>>;

/** The result buffer of a node in its own shape. */
export function result(l: Lowering, node: Tensor): Buffer {
  return l.allocate(node.dtype, physicalShape(node.shape), '');
}

export function activationOf(node: Tensor): number {
  return ACTIVATION[epilogueOf(node).activation];
}

/** Bias and residual operands of a producer; they follow `first` inputs. */
export function epilogueOperands(l: Lowering, node: Tensor): [Buffer | null, Buffer | null] {
  const { bias, add } = epilogueOf(node);
  return [bias ? l.bufferOf(node.inputs[2]!) : null, add ? l.bufferOf(node.inputs[bias ? 3 : 2]!) : null];
}

/** Finds a bias gradient: the sum, over all axes but channels, of the dy that a weight gradient reads anyway. */
export function findColumnSum(l: Lowering, dy: Tensor, axes: readonly number[]): Tensor | undefined {
  return l
    .usersOf(dy)
    .find(
      (node) => node.op === 'sum' && node.inputs[0] === dy && node.attrs.keepDims === false && String(node.attrs.axes) === String(axes),
    );
}

/** Lowers a weight gradient together with its bias gradient when the graph has one that is not made yet. */
export function withColumnSum(l: Lowering, dy: Tensor, axes: readonly number[], channels: number): Buffer | null {
  const node = findColumnSum(l, dy, axes);
  if (!node || l.isDefined(node)) return null;
  const buffer = l.allocate('float32', [channels], 'columnSum');
  l.define(node, buffer);
  return buffer;
}
