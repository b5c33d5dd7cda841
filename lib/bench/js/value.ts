/** What the operations of the plain-JavaScript network work on. */

import type { PortableNode } from '../portableGraph';

/** A value of the network in the logical order, with the gradient of the loss in training. */
export interface Value {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /** Sums of what the readers of the value contribute; absent where nobody asks. */
  readonly grad?: Float32Array;
}

/** Computes a node from its inputs' data, and adds to its inputs' gradients. */
export interface Operation {
  forward(): void;
  backward(): void;
}

export type OperationFactory = (node: PortableNode, inputs: readonly Value[], y: Value) => Operation;
