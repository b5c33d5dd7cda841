/** How the losses of elements or rows become one number, and the checks that losses have in common. */

import { formatShape, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import { sum } from './broadcast';
import { checkDType, checkTensor, type OpOptions } from './builder';
import { mean } from './reduce';

/** How the losses of the elements become one number, if they do. */
export type LossReduction = 'none' | 'mean' | 'sum';

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkReduction(where: string, value: unknown = 'mean'): LossReduction {
  if (value === 'none' || value === 'mean' || value === 'sum') return value;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects reduction to be 'none', 'mean' or 'sum' but got ${formatValue(value)}.`,
  );
}

/** The losses as they are, their mean or their sum. */
export function reduceLosses(losses: Tensor, reduction: LossReduction): Tensor<'float32'> {
  if (reduction === 'none') return losses;
  return (reduction === 'mean' ? mean : sum)(losses);
}

/** Options of the losses that have no others. */
export interface LossOptions extends OpOptions {
  /** 'mean' (default) or 'sum' over all losses, or 'none': the losses themselves. */
  reduction?: LossReduction | undefined;
}

/** @throws StridenetError ERR_INVALID_ARGUMENT, ERR_DTYPE_MISMATCH, ERR_SHAPE_MISMATCH unless both are float32 of one shape */
export function checkTarget(where: string, x: Tensor, target: Tensor): void {
  checkTensor(where, 'its input', x);
  checkTensor(where, 'its target', target);
  checkDType(where, 'an input', x, 'float32');
  checkDType(where, 'a target', target, 'float32');
  if (x.rank === target.rank && x.shape.every((d, i) => d === target.shape[i])) return;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `${where} expects a target of the input's shape ${formatShape(x.shape)} but got ${formatShape(target.shape)}. Reshape one of them.`,
  );
}
