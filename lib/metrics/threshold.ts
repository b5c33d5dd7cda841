/** Answers of yes or no, where an example may have several labels, or none. */

import { checkNumber, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { greater } from '../ops/elementwise';
import { checkTarget } from '../ops/reduction';

/** @throws StridenetError ERR_INVALID_ARGUMENT unless it lies between 0 and 1, and for a label to ignore beside it */
export function checkThreshold(where: string, value: number | undefined, ignoreIndex: number | undefined): number | undefined {
  if (value === undefined) return undefined;
  const threshold = checkNumber(where, 'threshold', value, 0, 1);
  if (threshold === 0 || threshold === 1) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects threshold to lie between 0 and 1 but got ${threshold}.`);
  }
  if (ignoreIndex === undefined) return threshold;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects threshold or ignoreIndex but got both, ${threshold} and ${formatValue(ignoreIndex)}: values have no label to pass over.`,
  );
}

/** 1 for yes and 0 for no: what the output says, whose sigmoid is compared with the threshold, and what is true. */
export function decide(where: string, output: Tensor, target: Tensor, threshold: number): [answer: Tensor, truth: Tensor] {
  checkTarget(where, output, target);
  return [greater(output, Math.log(threshold / (1 - threshold))), greater(target, 0.5)];
}

/** @throws StridenetError ERR_DTYPE_MISMATCH for a target of values */
export function refuseValues(where: string, target: Tensor): void {
  if (target.dtype !== 'float32') return;
  throw new StridenetError(
    'ERR_DTYPE_MISMATCH',
    `${where} expects class numbers of type int32 but its target is float32. For a yes or no for each output, pass { threshold: 0.5 } where the metric has it.`,
  );
}
