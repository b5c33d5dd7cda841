/** fans: how many numbers go into a neuron and come out, by which initial weights are scaled. */

import { formatShape, StridenetError } from '../errors';
import { checkShape } from '../graph/leaves';
import type { Shape } from '../graph/types';

/** The inputs and outputs of one weight [out, in, ...kernel]. @throws StridenetError ERR_SHAPE_MISMATCH below two axes */
export function calculateFans(where: string, given: Shape): { fanIn: number; fanOut: number } {
  const shape = checkShape(where, given);
  if (shape.length < 2) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects a weight of shape [out, in, ...] but got ${formatShape(shape)}. Use nn.init.uniform, normal or constant for biases.`,
    );
  }
  const kernel = shape.slice(2).reduce((a, b) => a * b, 1);
  return { fanIn: shape[1]! * kernel, fanOut: shape[0]! * kernel };
}
