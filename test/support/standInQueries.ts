/**
 * Native answers for compiler tests that need no build: packed buffers as large as their weight, twice as fast when widened by two; matrices of
 * 2^16 numbers or more are better packed within the product.
 */

import type { NativeQueries } from '../../lib/compile/ir';

export const standInQueries: NativeQueries = {
  packedLength: (_opcode, shape) => shape.reduce((a, b) => a * b, 1),
  cost: ({ opcode, inputs, attrs }) => {
    const isSmallPlain = opcode === 'matmul_plain' && inputs[1]!.shape.reduce((a, b) => a * b, 1) < 65536;
    return { flops: 1, bytes: 1, scratchBytes: 0, seconds: attrs.widen === 2 ? 1 : isSmallPlain ? 9 : 2 };
  },
};
