/**
 * What an optimizer is: a description that adds updates to a training graph. It holds no state; what must live from step to step
 * (momentum) are slots that the trainer keeps beside each parameter.
 */

import type { Tensor } from '../graph/tensor';
import type { Update } from '../ops/update';

export interface Optimizer {
  /** 'sgd'; written into checkpoints. */
  readonly name: string;
  /** What it was made with, as plain data: a checkpoint makes it again. */
  readonly options: Readonly<Record<string, number | boolean>>;
  /** The learning rate that a schedule multiplies. */
  readonly lr: number;
  /** Names of the variables kept for each parameter, of its shape, zero at first. */
  readonly slots: readonly string[];
  /**
   * The updates of one parameter and its slots.
   * @param lr scalar @param slots in the order of `this.slots`
   */
  updates(parameter: Tensor, gradient: Tensor, lr: Tensor, slots: readonly Tensor[]): Update[];
}
