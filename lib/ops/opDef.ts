/** What an operation is to the graph: its shape rule, its gradient rule, and nothing else. */

import type { Tensor } from '../graph/tensor';
import type { Attrs, DType, Shape } from '../graph/types';

export interface InferContext<A extends Attrs = Attrs> {
  /** The operation and the layer it belongs to, for messages: `conv2d "layer1.0.conv1"`. */
  readonly where: string;
  readonly inputs: readonly Tensor[];
  readonly attrs: A;
}

export interface GradientContext<A extends Attrs = Attrs> {
  readonly inputs: readonly Tensor[];
  readonly attrs: A;
  /** The node itself: rules may use its value. */
  readonly output: Tensor;
  /** Gradient of the loss with respect to the output. */
  readonly dy: Tensor;
  /** For each input, whether its gradient is wanted. */
  readonly needs: readonly boolean[];
  /** Name of the node, to name the gradient nodes after. */
  readonly name: string;
}

export interface OpDef<A extends Attrs = Attrs> {
  readonly name: string;
  /** Shape and type of the output. @throws StridenetError on operands that do not fit */
  infer(context: InferContext<A>): { shape: Shape; dtype: DType };
  /**
   * Gradients by input; null where the derivative is zero or undefined by nature (labels). An operation without a rule
   * refuses differentiation.
   */
  gradient?(context: GradientContext<A>): readonly (Tensor | null)[];
}
