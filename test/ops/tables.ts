/** Every table of operations: what test/kernels runs on each instruction set. A new operation's table is added here. */

import type { OpTable } from '../support/opRow';
import { conv2dTable } from './conv2d.table';
import { elementwiseTable } from './elementwise.table';
import { matmulTable } from './matmul.table';
import { poolTable } from './pool.table';
import { reduceTable } from './reduce.table';
import { shapeTable } from './shape.table';
import { softmaxTable } from './softmax.table';

export const tables: readonly OpTable[] = [conv2dTable, poolTable, matmulTable, elementwiseTable, reduceTable, shapeTable, softmaxTable];
