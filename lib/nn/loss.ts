/** Loss functions as values: what `fit`, `evaluate` and `Trainer` take. */

import { checkNumber, checkOptions } from '../errors';
import type { Tensor } from '../graph/tensor';
import { crossEntropy as crossEntropyOf } from '../ops/softmax';

/** From the model's output and the labels ([N], int32) to a tensor of one element: the mean loss of the batch. */
export interface Loss {
  (output: Tensor, labels: Tensor): Tensor;
  /** How to make it again, for checkpoints; a function of one's own has none. */
  readonly recipe?: { readonly name: 'crossEntropy'; readonly options: { readonly labelSmoothing: number } };
}

/**
 * Softmax cross-entropy, mean over the batch.
 * @param options.labelSmoothing in [0, 1]; default 0
 * @see ops.crossEntropy
 */
export function crossEntropy(options: { labelSmoothing?: number } = {}): Loss {
  checkOptions('nn.crossEntropy', options, ['labelSmoothing']);
  const labelSmoothing = checkNumber('nn.crossEntropy', 'labelSmoothing', options.labelSmoothing ?? 0, 0, 1);
  const loss = (output: Tensor, labels: Tensor): Tensor => crossEntropyOf(output, labels, { labelSmoothing, name: 'loss' });
  return Object.assign(loss, { recipe: { name: 'crossEntropy', options: { labelSmoothing } } as const });
}
