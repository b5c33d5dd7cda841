/** Losses: every option, targets that are differentiated too, labels for rows and for positions. */

import { diceLoss, focalLoss } from '../../lib/ops/classLoss';
import { confusionCounts, countTopK } from '../../lib/ops/counts';
import { crossEntropy, nllLoss } from '../../lib/ops/crossEntropy';
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

/** Shapes of logits with a label at each position; of five axes the last ones are joined. */
const MASKS = [
  [2, 3, 5],
  [1, 4, 70],
  [2, 5, 3, 4],
  [3, 2, 17, 33],
  [2, 3, 2, 3, 2],
] as const;
const REDUCTIONS = ['mean', 'sum', 'none'] as const;

const masks = MASKS.flatMap((shape): OpRow[] => {
  const [n, classes, ...rest] = shape;
  const logits = { shape, kind: 'wide' } as const;
  const labels = { shape: [n, ...rest], kind: 'labels', classes } as const;
  const weight = { shape: [classes], kind: 'positive' } as const;
  const size = `[${shape.join(', ')}]`;
  const ofReductions = REDUCTIONS.flatMap((reduction): OpRow[] => [
    {
      name: `cross entropy, ${reduction}, ignoring a class, of ${size}`,
      operands: [logits, labels],
      build: (x, t) => crossEntropy(x, t, { reduction, ignoreIndex: 1, labelSmoothing: 0.1 }),
    },
    {
      name: `weighted cross entropy, ${reduction}, ignoring a class, of ${size}`,
      operands: [logits, labels, weight],
      build: (x, t, w) => crossEntropy(x, t, { reduction, ignoreIndex: 1, labelSmoothing: 0.1, weight: w }),
    },
    {
      name: `nllLoss, ${reduction}, ignoring a class, of ${size}`,
      operands: [logits, labels, weight],
      build: (x, t, w) => nllLoss(x, t, { reduction, ignoreIndex: 1, weight: w }),
    },
  ]);
  return [
    ...ofReductions,
    { name: `focalLoss of ${size}`, operands: [{ shape }, labels, weight], build: (x, t, alpha) => focalLoss(x, t, { gamma: 2, alpha }) },
    { name: `diceLoss of ${size}`, operands: [{ shape }, labels], build: (x, t) => diceLoss(x, t, { ignoreIndex: 0 }) },
    { name: `countTopK of ${size}`, operands: [logits, labels], build: (x, t) => countTopK(x, t, 2, { ignoreIndex: 1 }), order: 0 },
    {
      name: `confusionCounts of ${size}`,
      operands: [logits, labels],
      build: (x, t) => confusionCounts(x, t, { ignoreIndex: 1 }),
      order: 0,
    },
  ];
});

const counts = SIZES.flatMap(([n, classes]): OpRow[] => {
  const operands = [
    { shape: [n, classes], kind: 'wide' },
    // Every other label or so is no class.
    { shape: [n], kind: 'labels', classes: 2 * classes },
  ] as const;
  return [
    { name: `countTopK of [${n}, ${classes}]`, operands, build: (x, t) => countTopK(x, t, 3), order: 0 },
    { name: `confusionCounts of [${n}, ${classes}]`, operands, build: (x, t) => confusionCounts(x, t), order: 0 },
  ];
});

export const lossTable: OpTable = { family: 'loss', rows: [...rows, ...masks, ...counts] };
