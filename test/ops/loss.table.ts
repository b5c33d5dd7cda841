/** Losses made of other operations: every option, targets that are differentiated too. */

import { crossEntropy } from '../../lib/ops/crossEntropy';
import { bceWithLogits, mseLoss } from '../../lib/ops/valueLoss';
import type { OpRow, OpTable } from '../support/opRow';

const SIZES = [
  [1, 1],
  [3, 7],
  [33, 10],
  [5, 65],
  [70, 100],
] as const;

const rows = SIZES.flatMap(([n, classes]): OpRow[] => {
  const shape = [n, classes];
  const logits = { shape, kind: 'wide' } as const;
  const target = { shape, kind: 'positive' } as const;
  const weight = { shape: [classes], kind: 'positive' } as const;
  const labels = { shape: [n], kind: 'labels', classes } as const;
  const size = `[${n}, ${classes}]`;
  return [
    { name: `mseLoss of ${size}`, operands: [logits, target], build: (x, t) => mseLoss(x, t) },
    { name: `mseLoss, sum, of ${size}`, operands: [logits, target], build: (x, t) => mseLoss(x, t, { reduction: 'sum' }) },
    { name: `bceWithLogits of ${size}`, operands: [logits, target], build: (x, t) => bceWithLogits(x, t) },
    {
      name: `bceWithLogits, posWeight, sum, of ${size}`,
      operands: [logits, target, weight],
      build: (x, t, posWeight) => bceWithLogits(x, t, { posWeight, reduction: 'sum' }),
    },
    {
      name: `weighted cross entropy of ${size}`,
      operands: [logits, labels, weight],
      build: (x, t, w) => crossEntropy(x, t, { weight: w }),
    },
    {
      name: `weighted, smoothed cross entropy of ${size}`,
      operands: [logits, labels, weight],
      build: (x, t, w) => crossEntropy(x, t, { weight: w, labelSmoothing: 0.1 }),
    },
    { name: `cross entropy of probabilities ${size}`, operands: [logits, target], build: (x, t) => crossEntropy(x, t) },
    {
      name: `weighted, smoothed cross entropy of probabilities ${size}`,
      operands: [logits, target, weight],
      build: (x, t, w) => crossEntropy(x, t, { weight: w, labelSmoothing: 0.1 }),
    },
  ];
});

export const lossTable: OpTable = { family: 'loss', rows };
