/** Matrix products and linear layers: extents around lanes and register tiles, each transposition (they occur as gradients), epilogues. */

import { add, relu, sigmoid, tanh } from '../../lib/ops/elementwise';
import { linear, matmul } from '../../lib/ops/matmul';
import { transpose } from '../../lib/ops/shape';
import type { OpRow, OpTable } from '../support/opRow';

const product = (m: number, k: number, n: number): OpRow => ({
  name: `[${m}, ${k}] by [${k}, ${n}]`,
  operands: [{ shape: [m, k] }, { shape: [k, n] }],
  build: (a, b) => matmul(a, b),
});
const layer = (batch: number, inputs: number, outputs: number, bias = true): OpRow => ({
  name: `linear ${inputs} to ${outputs}, batch ${batch}${bias ? '' : ', no bias'}`,
  operands: [{ shape: [batch, inputs] }, { shape: [outputs, inputs] }, ...(bias ? [{ shape: [outputs] }] : [])],
  build: (x, w, b) => linear(x, w, { bias: b }),
});

const EXTENTS = [1, 2, 5, 6, 7, 13, 14, 15, 16, 17, 31, 33, 63, 65];

export const matmulTable: OpTable = {
  family: 'matmul',
  rows: [
    ...EXTENTS.map((m) => product(m, 9, 10)),
    ...EXTENTS.map((k) => product(6, k, 11)),
    ...EXTENTS.map((n) => product(5, 8, n)),
    product(1, 1, 1),
    product(1, 300, 1),
    product(65, 129, 33),
    product(97, 17, 65),
    // Packed within the product: several parts of k, several panels, a partial last vector.
    product(3, 2100, 135),
    product(40, 1100, 530),
    // Panels that are fetched ahead of three tiles and more, narrow ones too.
    product(20, 1700, 70),
    layer(20, 1700, 70),
    layer(1, 7, 5),
    layer(3, 65, 10),
    layer(1, 400, 120),
    layer(4, 120, 84),
    layer(33, 84, 10, false),
    layer(17, 16, 64),
    layer(3, 2100, 135),
    layer(40, 1100, 530),
    ...[relu, sigmoid, tanh].flatMap((activation): OpRow[] => [
      {
        name: `linear and ${activation.name}`,
        operands: [{ shape: [7, 20] }, { shape: [33, 20] }, { shape: [33] }],
        build: (x, w, b) => activation(linear(x, w, { bias: b })),
      },
      {
        name: `linear, residual and ${activation.name}`,
        operands: [{ shape: [7, 20] }, { shape: [33, 20] }, { shape: [33] }, { shape: [7, 33] }],
        build: (x, w, b, r) => activation(add(linear(x, w, { bias: b }), r)),
      },
    ]),
    {
      name: 'product of transposed operands',
      operands: [{ shape: [5, 7] }, { shape: [9, 5] }],
      build: (a, b) => matmul(transpose(a), transpose(b)),
    },
    {
      name: 'transposed left operand of 256 columns, several blocks',
      operands: [{ shape: [300, 256] }, { shape: [300, 37] }],
      build: (a, b) => matmul(transpose(a), b),
    },
    { name: 'stack of rows', operands: [{ shape: [2, 3, 5] }, { shape: [5, 4] }], build: (a, b) => matmul(a, b) },
  ],
};
