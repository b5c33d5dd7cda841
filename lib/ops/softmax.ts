/** Softmax over the last axis and the classification loss made of it. */

import { checkNumber, checkOptions, formatShape, StridenetError } from '../errors';
import { scalar } from '../graph/leaves';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { build, checkDType, checkTensor, defineOp, describe } from './builder';
import { exp, mul, sub } from './elementwise';
import type { GradientContext, InferContext } from './opDef';
import { sum } from './reduce';

interface CrossEntropyAttrs extends Attrs {
  readonly labelSmoothing: number;
}

function inferSame({ where, inputs: [x] }: InferContext): { shape: readonly number[]; dtype: 'float32' } {
  checkDType(where, 'an input', x!, 'float32');
  if (x!.rank < 1) throw new StridenetError('ERR_SHAPE_MISMATCH', `${where} expects an input of at least one axis but got a scalar.`);
  return { shape: x!.shape, dtype: 'float32' };
}

const lastAxisSum = (x: Tensor): Tensor => sum(x, { axis: -1, keepDims: true });

defineOp({
  name: 'softmax',
  infer: inferSame,
  gradient: ({ dy, output: y }: GradientContext) => [mul(y, sub(dy, lastAxisSum(mul(dy, y))))],
});

defineOp({
  name: 'logSoftmax',
  infer: inferSame,
  gradient: ({ dy, output: y }: GradientContext) => [sub(dy, mul(exp(y), lastAxisSum(dy)))],
});

function checkLogitsAndLabels(where: string, logits: Tensor, labels: Tensor): void {
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
      return mul(mul(scale!, 1 / logits!.shape[0]!), mul(p, sub(g, lastAxisSum(mul(g, p)))));
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

/** exp(x) / sum exp(x) over the last axis. */
export function softmax(x: Tensor, options: { name?: string } = {}): Tensor {
  checkOptions('softmax', options, ['name']);
  return build('softmax', [x], {}, options.name);
}

/** The logarithm of softmax over the last axis, without overflow. */
export function logSoftmax(x: Tensor, options: { name?: string } = {}): Tensor {
  checkOptions('logSoftmax', options, ['name']);
  return build('logSoftmax', [x], {}, options.name);
}

/**
 * Mean over the rows of -sum_c target_c log softmax(logits)_c, where the target is 1 at the label, or with label smoothing s
 * 1 - s at the label plus s / classes everywhere (Szegedy et al. 2016, as torch.nn.CrossEntropyLoss).
 *
 * @param logits [N, classes] @param labels [N] of type int32, in [0, classes)
 * @param options.labelSmoothing in [0, 1]; default 0
 * @returns the loss, a scalar; NaN if a label is out of range that was not known when the graph was built
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: { labelSmoothing?: number; name?: string } = {}): Tensor {
  checkOptions('crossEntropy', options, ['labelSmoothing', 'name']);
  const where = describe('crossEntropy', options.name ?? '');
  checkTensor(where, 'logits', logits);
  checkTensor(where, 'labels', labels);
  const labelSmoothing = checkNumber(where, 'labelSmoothing', options.labelSmoothing ?? 0, 0, 1);
  return build('crossEntropy', [logits, labels], { labelSmoothing }, options.name);
}

/** The number of rows whose largest logit is the label's. @param logits [N, classes] @param labels [N] of type int32 */
export function countCorrect(logits: Tensor, labels: Tensor): Tensor {
  return build('countCorrect', [logits, labels]);
}
