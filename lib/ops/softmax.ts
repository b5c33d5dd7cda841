/** Softmax over an axis and the classification loss made of it. */

import { checkOptions, formatShape, formatValue, StridenetError } from '../errors';
import { scalar } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { normalizeAxes, sum } from './broadcast';
import { build, checkDType, checkTensor, defineOp, describe, type OpOptions } from './builder';
import { exp, mul, sub } from './elementwise';
import type { GradientContext, InferContext } from './opDef';

interface CrossEntropyAttrs extends Attrs {
  readonly labelSmoothing: number;
}

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

/** @throws StridenetError ERR_DTYPE_MISMATCH, ERR_SHAPE_MISMATCH; ERR_INVALID_ARGUMENT for known labels out of range */
export function checkLogitsAndLabels(where: string, logits: Tensor, labels: Tensor): void {
  checkDType(where, 'logits', logits, 'float32');
  if (logits.rank !== 2) {
    throw new StridenetError('ERR_SHAPE_MISMATCH', `${where} expects logits of shape [N, classes] but got ${formatShape(logits.shape)}.`);
  }
  if (labels.dtype !== 'int32') {
    throw new StridenetError(
      'ERR_DTYPE_MISMATCH',
      `${where} expects labels of type int32 but got ${labels.dtype}. Make them with tensor(values, shape, { dtype: 'int32' }).`,
    );
  }
  if (labels.rank !== 1 || labels.shape[0] !== logits.shape[0]) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects one label for each row: shape [${logits.shape[0]}] for logits ${formatShape(logits.shape)}, but got ${formatShape(labels.shape)}.`,
    );
  }
  const known = labels.value;
  const classes = logits.shape[1]!;
  const bad = known ? [...known].findIndex((label) => label < 0 || label >= classes) : -1;
  if (bad >= 0) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects labels in [0, ${classes - 1}] (its logits are ${formatShape(logits.shape)}) but label ${bad} is ${known![bad]}.`,
    );
  }
}

defineOp<CrossEntropyAttrs>({
  name: 'crossEntropy',
  infer({ where, inputs: [logits, labels] }) {
    checkLogitsAndLabels(where, logits!, labels!);
    return { shape: [], dtype: 'float32' };
  },
  gradient: ({ inputs: [logits, labels], attrs, dy }: GradientContext<CrossEntropyAttrs>) => [
    build('crossEntropyGrad', [logits!, labels!, dy], attrs),
    null,
  ],
});

// dlogits = scale / n (softmax(logits) - target); the target does not depend on the logits.
defineOp<CrossEntropyAttrs>({
  name: 'crossEntropyGrad',
  infer: ({ inputs: [logits] }) => ({ shape: logits!.shape, dtype: 'float32' }),
  gradient({ inputs: [logits, labels, scale], attrs, dy: g, needs }: GradientContext<CrossEntropyAttrs>) {
    const throughSoftmax = (): Tensor => {
      const p = softmax(logits!);
      return mul(mul(scale!, 1 / logits!.shape[0]!), mul(p, sub(g, axisSum(mul(g, p), 1))));
    };
    return [
      needs[0] ? throughSoftmax() : null,
      null,
      needs[2] ? sum(mul(g, build('crossEntropyGrad', [logits!, labels!, scalar(1)], attrs))) : null,
    ];
  },
});

defineOp({
  name: 'countCorrect',
  infer({ where, inputs: [logits, labels] }) {
    checkLogitsAndLabels(where, logits!, labels!);
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

/**
 * Mean over the rows of -sum_c target_c log softmax(logits)_c in one instruction, where the target is 1 at the label, or with label
 * smoothing s 1 - s at the label plus s / classes everywhere (Szegedy et al. 2016).
 */
export function crossEntropyOfLabels(logits: Tensor, labels: Tensor, labelSmoothing: number, name?: string): Tensor {
  return build('crossEntropy', [logits, labels], { labelSmoothing }, name);
}

/** The number of rows whose largest logit is the label's. @param logits [N, classes] @param labels [N] of type int32 */
export function countCorrect(logits: Tensor, labels: Tensor): Tensor<'float32'> {
  return build('countCorrect', [logits, labels]);
}
