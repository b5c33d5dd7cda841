/** What passes of the compiler add to the attributes of a node. The operations themselves know nothing of it. */

import { withParts } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';

/** What the producing instruction does to its result before it stores it, in this order. */
export interface Epilogue extends Attrs {
  readonly bias: boolean;
  readonly add: boolean;
  readonly activation: 'none' | 'relu' | 'sigmoid' | 'tanh' | 'relu6' | 'silu' | 'hardswish';
}

export interface PassAttrs {
  /** Of a producer, by fuse. What `add` adds is the last operand. */
  readonly epilogue?: Epilogue;
  /** Of maxPool2dGrad, by fuse: the result is 0 where the input of the pooling is not positive. */
  readonly reluMask?: boolean;
  /** Of the gradients of batch normalisation, by fuse: they let dy through where 0 < y < limit. y is the last operand. */
  readonly maskLimit?: number;
  /** Of batch normalisation, by recompute: the value is made again for the gradients. */
  readonly recomputed?: boolean;
}

export function passAttrs(node: Tensor): PassAttrs {
  return node.attrs;
}

/** The node with attributes that a pass adds, on operands that the pass may have added too. */
export function withPassAttrs(node: Tensor, added: PassAttrs, inputs: readonly Tensor[] = node.inputs): Tensor {
  return withParts(node, { inputs, attrs: { ...node.attrs, ...added } });
}
