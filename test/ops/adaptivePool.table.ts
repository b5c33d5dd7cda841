/** Adaptive average pooling: sizes that divide and that do not, that shrink and that grow, channels around lane counts. */

import { adaptiveAvgPool2d, globalAvgPool2d } from '../../lib/ops/adaptivePool';
import type { Pair } from '../../lib/ops/window';
import type { OpRow, OpTable } from '../support/opRow';

const row = (shape: readonly number[], size: Pair): OpRow => ({
  name: `${JSON.stringify(shape)} to ${JSON.stringify(size)}`,
  operands: [{ shape }],
  build: (x) => adaptiveAvgPool2d(x, size),
});

const rows: OpRow[] = [
  ...[1, 3, 4, 7, 8, 15, 17, 33, 70].flatMap((c) => [row([1, c, 6, 5], 2), row([2, c, 6, 4], [3, 2])]),
  row([2, 5, 7, 9], 3),
  row([3, 5, 7, 9], [4, 3]),
  row([1, 9, 8, 7], [4, 5]),
  row([2, 5, 6, 6], 6),
  row([1, 5, 3, 2], 7),
  row([1, 5, 3, 4], [7, 2]),
  row([20, 6, 5, 5], 2),
  row([1, 130, 7, 7], 1),
  row([2, 16, 13, 13], 6),
  { name: 'global', operands: [{ shape: [2, 70, 5, 6] }], build: (x) => globalAvgPool2d(x) },
];

export const adaptivePoolTable: OpTable = { family: 'adaptive pooling', rows };
