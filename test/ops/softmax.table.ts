/** Softmax, its logarithm, and cross entropy with and without label smoothing; class counts around lane counts. */

import { crossEntropy } from '../../lib/ops/crossEntropy';
import { countCorrect, logSoftmax, softmax } from '../../lib/ops/softmax';
import type { OpRow, OpTable } from '../support/opRow';

const ROWS = [
  [1, 1],
  [1, 10],
  [3, 7],
  [5, 8],
  [3, 15],
  [2, 16],
  [33, 10],
  [7, 17],
  [4, 65],
  [2, 1000],
] as const;

const rows = ROWS.flatMap(([n, classes]): OpRow[] => {
  const logits = { shape: [n, classes], kind: 'wide' } as const;
  const labels = { shape: [n], kind: 'labels', classes } as const;
  const size = `[${n}, ${classes}]`;
  return [
    { name: `softmax of ${size}`, operands: [logits], build: (x) => softmax(x) },
    { name: `logSoftmax of ${size}`, operands: [logits], build: (x) => logSoftmax(x) },
    { name: `cross entropy of ${size}`, operands: [logits, labels], build: (x, t) => crossEntropy(x, t) },
    {
      name: `smoothed cross entropy of ${size}`,
      operands: [logits, labels],
      build: (x, t) => crossEntropy(x, t, { labelSmoothing: 0.1 }),
    },
    { name: `correct answers of ${size}`, operands: [logits, labels], build: (x, t) => countCorrect(x, t), order: 0 },
  ];
});

export const softmaxTable: OpTable = {
  family: 'softmax',
  rows: [
    ...rows,
    ...[0, 1, 2, 3].map((axis): OpRow => ({
      name: `softmax of axis ${axis} of four`,
      operands: [{ shape: [2, 3, 4, 5] }],
      build: (x) => softmax(x, { axis }),
    })),
    { name: 'logSoftmax of axis 1 of four', operands: [{ shape: [2, 9, 3, 2], kind: 'wide' }], build: (x) => logSoftmax(x, { axis: 1 }) },
    { name: 'softmax of axis 0 of two', operands: [{ shape: [7, 5] }], build: (x) => softmax(x, { axis: -2 }) },
    { name: 'logSoftmax of axis 1 of three', operands: [{ shape: [3, 5, 2] }], build: (x) => logSoftmax(x, { axis: 1 }) },
  ],
};
