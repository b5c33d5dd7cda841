/** Class numbers beside the logits, probabilities or other numbers of the classes that they choose from: checks, and labels as rows of 0 and 1. */

import { checkInteger, formatShape, StridenetError } from '../errors';
import type { Tensor } from '../graph/tensor';
import type { Attrs } from '../graph/types';
import { build, checkDType, defineOp } from './builder';
import { reshape } from './shape';

/** The label that losses pass over unless told otherwise, as in PyTorch. */
export const IGNORE_INDEX = -100;

const INT32 = 2 ** 31;

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkIgnoreIndex(where: string, value: unknown = IGNORE_INDEX): number {
  const index = checkInteger(where, 'ignoreIndex', value, -INT32);
  if (index < INT32) return index;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ignoreIndex to be an int32, less than 2^31, but got ${index}.`);
}

/**
 * @param what the numbers of the classes, such as 'logits'
 * @throws StridenetError ERR_DTYPE_MISMATCH, ERR_SHAPE_MISMATCH; ERR_INVALID_ARGUMENT for known labels that are neither a class nor ignored
 */
export function checkLabels(where: string, what: string, x: Tensor, labels: Tensor, ignoreIndex: number): void {
  checkLabelShape(where, what, x, labels);
  checkKnownLabels(where, what, x, labels, ignoreIndex);
}

/** The part of it that takes any label. @throws StridenetError ERR_DTYPE_MISMATCH, ERR_SHAPE_MISMATCH */
export function checkLabelShape(where: string, what: string, x: Tensor, labels: Tensor): void {
  checkDType(where, what, x, 'float32');
  if (x.rank < 2) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects ${what} of shape [N, classes] or [N, classes, ...] but got ${formatShape(x.shape)}.`,
    );
  }
  if (labels.dtype !== 'int32') {
    throw new StridenetError(
      'ERR_DTYPE_MISMATCH',
      `${where} expects labels of type int32 but got ${labels.dtype}. Make them with tensor(values, shape, { dtype: 'int32' }).`,
    );
  }
  const [rows, , ...rest] = x.shape;
  const wanted = [rows!, ...rest];
  if (labels.rank !== wanted.length || labels.shape.some((d, i) => d !== wanted[i])) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects one label for each ${rest.length > 0 ? 'position' : 'row'}: shape ${formatShape(wanted)} for ${what} ${formatShape(x.shape)}, but got ${formatShape(labels.shape)}.`,
    );
  }
}

function checkKnownLabels(where: string, what: string, x: Tensor, labels: Tensor, ignoreIndex: number): void {
  const classes = x.shape[1]!;
  const known = labels.value;
  const bad = known ? known.findIndex((label) => label !== ignoreIndex && (label < 0 || label >= classes)) : -1;
  if (bad < 0) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects labels in [0, ${classes - 1}] (its ${what} are ${formatShape(x.shape)}) but label ${bad} is ${known![bad]}.`,
  );
}

/** Checks logits [N, classes] and labels [N] of which none may be passed over. @throws StridenetError as `checkLabels` */
export function checkRows(where: string, logits: Tensor, labels: Tensor): void {
  checkDType(where, 'logits', logits, 'float32');
  if (logits.rank === 2) return checkLabels(where, 'logits', logits, labels, -1);
  throw new StridenetError('ERR_SHAPE_MISMATCH', `${where} expects logits of shape [N, classes] but got ${formatShape(logits.shape)}.`);
}

/**
 * The same numbers with what follows the classes as at most two axes, and the labels likewise: up to there the numbers of the classes lie side
 * by side for each position.
 */
export function flattenPositions(x: Tensor, labels: Tensor): [x: Tensor, labels: Tensor] {
  if (x.rank <= 4) return [x, labels];
  const [rows, classes] = x.shape as [number, number];
  return [reshape(x, [rows, classes, -1]), reshape(labels, [rows, -1])];
}

interface OneHotAttrs extends Attrs {
  readonly classes: number;
  readonly ignoreIndex: number;
}

defineOp<OneHotAttrs>({
  name: 'oneHot',
  infer: ({ inputs: [labels], attrs }) => {
    const [rows, ...rest] = labels!.shape;
    return { shape: [rows!, attrs.classes, ...rest], dtype: 'float32' };
  },
  gradient: () => [null],
});

/**
 * 1 at the class of each label, 0 at others and everywhere for labels that are `ignoreIndex`, NaN for those that are no class.
 * @param labels int32 [N, ...] of at most three axes
 * @returns [N, classes, ...]
 */
export function oneHot(labels: Tensor, classes: number, ignoreIndex: number): Tensor<'float32'> {
  return build('oneHot', [labels], { classes, ignoreIndex });
}
