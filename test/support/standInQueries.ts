/** Native answers for compiler tests that need no build: packed buffers as large as their weight, twice as fast when widened by two. */

import type { NativeQueries } from '../../lib/compile/ir';

export const standInQueries: NativeQueries = {
  packedLength: (_opcode, shape) => shape.reduce((a, b) => a * b, 1),
  cost: ({ attrs }) => ({ flops: 1, bytes: 1, scratchBytes: 0, seconds: attrs.widen === 2 ? 1 : 2 }),
};
