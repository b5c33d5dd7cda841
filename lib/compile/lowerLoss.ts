/** Cross entropy, labels as rows of 0 and 1, and counts: native code knows rows of classes, the graph has classes on axis 1. */

import type { Tensor } from '../graph/tensor';
import { physicalAxes, physicalShape } from '../graph/types';
import { IGNORE_INDEX } from '../ops/labels';
import type { Buffer } from './ir';
import type { Lower, Lowering } from './lowering';
import { result, type WordAttrs } from './lowerShared';
import { LOSS_REDUCTION } from './opcodes';

/** Rows of the numbers of the classes, axis 1, which are brought to the end of the physical order unless they are there, as in images. */
function classRows(l: Lowering, x: Tensor): Buffer {
  const moved = l.permutePhysical(l.bufferOf(x), classesLast(x.rank));
  return l.alias(moved, [x.size / x.shape[1]!, x.shape[1]!]);
}

/** Such rows as the value of a node. */
function fromClassRows(l: Lowering, rows: Buffer, node: Tensor): Buffer {
  const order = classesLast(node.rank);
  const physical = physicalShape(node.shape);
  const moved = l.alias(
    rows,
    order.map((axis) => physical[axis]!),
  );
  return l.permutePhysical(
    moved,
    order.map((_, i) => order.indexOf(i)),
  );
}

function classesLast(rank: number): number[] {
  const classes = physicalAxes(rank).indexOf(1);
  return [...Array(rank).keys()].filter((axis) => axis !== classes).concat(classes);
}

/** Labels, losses and their scales are at most three axes in logical order: one number for each row. */
const asColumn = (l: Lowering, x: Tensor): Buffer => l.alias(l.bufferOf(x), x.rank === 0 ? [] : [x.size]);

const lossWords = ({ attrs }: Tensor): WordAttrs => ({
  label_smoothing: attrs.labelSmoothing as number,
  ignore: attrs.ignoreIndex as number,
  reduction: LOSS_REDUCTION[attrs.reduction as keyof typeof LOSS_REDUCTION],
});

export const lowerCrossEntropy: Lower = (l, node) => {
  const [logits, labels] = node.inputs as [Tensor, Tensor];
  const inputs = [classRows(l, logits), asColumn(l, labels)];
  const loss = l.allocate('float32', node.rank === 0 ? [] : [node.size], '');
  l.emit('cross_entropy', inputs, [loss], lossWords(node));
  return l.alias(loss, node.shape);
};

export const lowerCrossEntropyGrad: Lower = (l, node) => {
  const [logits, labels, scale] = node.inputs as [Tensor, Tensor, Tensor];
  const inputs = [classRows(l, logits), asColumn(l, labels), asColumn(l, scale)];
  const rows = l.allocate('float32', [node.size / node.shape[1]!, node.shape[1]!], '');
  l.emit('cross_entropy_grad', inputs, [rows], lossWords(node));
  return fromClassRows(l, rows, node);
};

export const lowerOneHot: Lower = (l, node) => {
  const labels = asColumn(l, node.inputs[0]!);
  const rows = l.allocate('float32', [node.size / node.shape[1]!, node.shape[1]!], '');
  l.emit('one_hot', [labels], [rows], { ignore: node.attrs.ignoreIndex as number });
  return fromClassRows(l, rows, node);
};

/** The number of right answers, alone or before the number of all; without attributes of labels that are all classes. */
export const lowerTopK: Lower = (l, node) => {
  const [logits, labels] = node.inputs as [Tensor, Tensor];
  const { k = 1, ignoreIndex = IGNORE_INDEX } = node.attrs as { k?: number; ignoreIndex?: number };
  const count = result(l, node);
  l.emit('count_correct', [classRows(l, logits), asColumn(l, labels)], [count], { k, ignore: ignoreIndex });
  return count;
};

export const lowerConfusionCounts: Lower = (l, node) => {
  const [logits, labels] = node.inputs as [Tensor, Tensor];
  const counts = result(l, node);
  l.emit('confusion_counts', [classRows(l, logits), asColumn(l, labels)], [counts], { ignore: node.attrs.ignoreIndex as number });
  return counts;
};
