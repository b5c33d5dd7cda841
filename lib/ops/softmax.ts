/** Softmax over an axis, its logarithm, and how many rows have their largest logit at the label. */

import { checkOptions, formatValue, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { normalizeAxes, sum } from './broadcast';
import { build, checkDType, checkTensor, defineOp, describe, type OpOptions } from './builder';
import { exp, mul, sub } from './elementwise';
import { checkRows } from './labels';
import type { GradientContext, InferContext } from './opDef';

interface SoftmaxAttrs extends Attrs {
  /** Counted from the front. */
  readonly axis: number;
}

function inferSame({ where, inputs: [x] }: InferContext<SoftmaxAttrs>): { shape: readonly number[]; dtype: 'float32' } {
  checkDType(where, 'an input', x!, 'float32');
  return { shape: x!.shape, dtype: 'float32' };
}

const axisSum = (x: Tensor, axis: number): Tensor => sum(x, { axis, keepDims: true });

defineOp<SoftmaxAttrs>({
  name: 'softmax',
  infer: inferSame,
  gradient: ({ dy, attrs, output: y }: GradientContext<SoftmaxAttrs>) => [mul(y, sub(dy, axisSum(mul(dy, y), attrs.axis)))],
});

defineOp<SoftmaxAttrs>({
  name: 'logSoftmax',
  infer: inferSame,
  gradient: ({ dy, attrs, output: y }: GradientContext<SoftmaxAttrs>) => [sub(dy, mul(exp(y), axisSum(dy, attrs.axis)))],
});

defineOp({
  name: 'countCorrect',
  infer({ where, inputs: [logits, labels] }) {
    checkRows(where, logits!, labels!);
    return { shape: [], dtype: 'float32' };
  },
});

function buildSoftmax(op: 'softmax' | 'logSoftmax', x: Tensor, options: SoftmaxOptions): Tensor {
  checkOptions(op, options, ['axis', 'name']);
  const where = describe(op, options.name ?? '');
  checkTensor(where, 'its input', x);
  if (x.rank < 1) throw new StridenetError('ERR_SHAPE_MISMATCH', `${where} expects an input of at least one axis but got a scalar.`);
  return build(op, [x], { axis: normalizeAxes(where, x, checkAxis(where, options.axis ?? -1))[0]! }, options.name);
}

/** Options of `ops.softmax` and `ops.logSoftmax`. */
export interface SoftmaxOptions extends OpOptions {
  /** The axis whose values are set against each other, negative ones counting from the end; default -1. */
  axis?: number | undefined;
}

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkAxis(where: string, axis: unknown): number {
  if (Number.isInteger(axis)) return axis as number;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects axis to be an integer but got ${formatValue(axis)}.`);
}

/**
 * exp(x) / sum exp(x) over an axis.
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export const softmax = (x: Tensor, options: SoftmaxOptions = {}): Tensor<'float32'> => buildSoftmax('softmax', x, options);

/**
 * The logarithm of softmax over an axis, without overflow.
 * @throws StridenetError ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export const logSoftmax = (x: Tensor, options: SoftmaxOptions = {}): Tensor<'float32'> => buildSoftmax('logSoftmax', x, options);

/** The number of rows whose largest logit is the label's. @param logits [N, classes] @param labels [N] of type int32 */
export function countCorrect(logits: Tensor, labels: Tensor): Tensor<'float32'> {
  return build('countCorrect', [logits, labels]);
}
