/** Counts over class numbers, of which metrics are made. They have no derivative. */

import { checkInteger, checkOptions } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { build, checkTensor, defineOp, describe, type OpOptions } from './builder';
import { checkIgnoreIndex, checkLabelShape, flattenPositions } from './labels';

interface CountAttrs extends Attrs {
  readonly ignoreIndex: number;
}
interface TopKAttrs extends CountAttrs {
  readonly k: number;
}

defineOp<TopKAttrs>({
  name: 'countTopK',
  infer({ where, inputs: [logits, labels] }) {
    checkLabelShape(where, 'logits', logits!, labels!);
    return { shape: [2], dtype: 'float32' };
  },
});

defineOp<CountAttrs>({
  name: 'confusionCounts',
  infer({ where, inputs: [logits, labels] }) {
    checkLabelShape(where, 'logits', logits!, labels!);
    return { shape: [logits!.shape[1]!, logits!.shape[1]!], dtype: 'float32' };
  },
});

/** Options of `ops.countTopK` and `ops.confusionCounts`. */
export interface CountOptions extends OpOptions {
  /** The label that is passed over, as is every one that is no class. Any int32; default -100. */
  ignoreIndex?: number | undefined;
}

/**
 * How many labels are among the k classes of the largest logits, and how many labels there are: [right, all] of type float32. Of equal logits
 * the lower class comes first; NaN is larger than every number. Labels that are no class are passed over.
 * @param logits [N, classes] or [N, classes, ...] @param labels [N, ...] of type int32 @param k at least 1; beyond the classes all are right
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function countTopK(logits: Tensor, labels: Tensor, k: number, options: CountOptions = {}): Tensor<'float32'> {
  const { where, ignoreIndex, operands } = prepare('countTopK', logits, labels, options);
  const most = 2 ** 31 - 1;
  return build('countTopK', operands, { k: Math.min(checkInteger(where, 'k', k, 1), most), ignoreIndex }, options.name);
}

/**
 * The confusion matrix as counts: entry [t, p] is the number of labels t whose largest logit is that of class p, the first of equal ones. Labels
 * that are no class are passed over. Exact up to 2^24 of a kind, where a count stays.
 * @param logits [N, classes] or [N, classes, ...] @param labels [N, ...] of type int32
 * @returns [classes, classes] of type float32
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_DTYPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function confusionCounts(logits: Tensor, labels: Tensor, options: CountOptions = {}): Tensor<'float32'> {
  const { ignoreIndex, operands } = prepare('confusionCounts', logits, labels, options);
  return build('confusionCounts', operands, { ignoreIndex }, options.name);
}

function prepare(
  op: string,
  logits: Tensor,
  labels: Tensor,
  options: CountOptions,
): { where: string; ignoreIndex: number; operands: readonly Tensor[] } {
  checkOptions(op, options, ['ignoreIndex', 'name']);
  const where = describe(op, options.name ?? '');
  checkTensor(where, 'logits', logits);
  checkTensor(where, 'labels', labels);
  checkLabelShape(where, 'logits', logits, labels);
  return { where, ignoreIndex: checkIgnoreIndex(where, options.ignoreIndex), operands: flattenPositions(logits, labels) };
}
