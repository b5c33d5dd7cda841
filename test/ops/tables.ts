/** Every table of operations: what test/kernels runs on each instruction set. A new operation's table is added here. */

import type { OpTable } from '../support/opRow';
import { activationTable } from './activation.table';
import { adaptivePoolTable } from './adaptivePool.table';
import { conv2dTable } from './conv2d.table';
import { conv2dPooledTable } from './conv2dPooled.table';
import { dropoutTable } from './dropout.table';
import { elementwiseTable } from './elementwise.table';
import { lossTable } from './loss.table';
import { matmulTable } from './matmul.table';
import { normTable } from './norm.table';
import { poolTable } from './pool.table';
import { reduceTable } from './reduce.table';
import { shapeTable } from './shape.table';
import { sliceTable } from './slice.table';
import { softmaxTable } from './softmax.table';

export const tables: readonly OpTable[] = [
  conv2dTable,
  conv2dPooledTable,
  poolTable,
  normTable,
  matmulTable,
  elementwiseTable,
  activationTable,
  lossTable,
  reduceTable,
  shapeTable,
  sliceTable,
  adaptivePoolTable,
  dropoutTable,
  softmaxTable,
];
