/** Dropout: masks equal to the reference's, around groups of 64 elements and lane counts, and with respect to every number they depend on. */

import { dropout, dropout2d } from '../../lib/ops/dropout';
import { relu } from '../../lib/ops/elementwise';
import type { OpRow, OpTable } from '../support/opRow';

const row = (shape: readonly number[], p: number, seed: number): OpRow => ({
  name: `${JSON.stringify(shape)}, p ${p}, seed ${seed}`,
  operands: [{ shape }],
  build: (x) => dropout(x, p, { seed }),
});

const rows: OpRow[] = [
  ...[1, 3, 15, 16, 17, 63, 64, 65, 127, 130, 1000].map((n) => row([n], 0.5, n)),
  ...[0.001, 0.1, 0.25, 0.3, 0.6180339887, 0.75, 0.9, 0.999].map((p) => row([20, 30], p, 3)),
  ...[0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32 + 5, 2 ** 53 - 1].map((seed) => row([300], 0.4, seed)),
  row([2, 5, 6, 7], 0.5, 8),
  row([3, 7, 40, 30], 0.5, 9),
  { name: 'channels', operands: [{ shape: [3, 17, 4, 5] }], build: (x) => dropout2d(x, 0.5, { seed: 4 }) },
  { name: 'of relu', operands: [{ shape: [4, 100] }], build: (x) => dropout(relu(x), 0.3, { seed: 5 }) },
];

export const dropoutTable: OpTable = { family: 'dropout', rows };
