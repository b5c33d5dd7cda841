/**
 * Native answers for compiler tests that need no build: packed buffers as large as their weight, twice as fast when widened by two; matrices of
 * 2^16 numbers or more are better packed within the product.
 */

import type { Candidate, NativeQueries } from '../../lib/compile/ir';
import { ALGORITHM } from '../../lib/compile/opcodes';

/** A candidate that tests vary. */
export const DIRECT: Candidate = {
  algorithm: ALGORITHM.direct,
  widen: 1,
  sumsProducts: true,
  isOffered: true,
  seconds: 2,
  packSeconds: 0,
  packedLength: 1,
};

export const standInQueries: NativeQueries = {
  packedLength: (_opcode, shape) => shape.reduce((a, b) => a * b, 1),
  candidates: ({ opcode, outputs, attrs }) => {
    const [, , width, channels] = outputs[0]!.shape;
    const isPair = opcode !== 'conv2d_grad_weight' && attrs.groups === 1 && width! % 2 === 0 && channels! <= 32;
    return [1, ...(isPair ? [2] : [])].map((widen) => ({ ...DIRECT, widen, seconds: widen === 2 ? 1 : 2 }));
  },
  accepts: () => true,
  cost: ({ opcode, inputs, attrs }) => {
    const isSmallPlain = opcode === 'matmul_plain' && inputs[1]!.shape.reduce((a, b) => a * b, 1) < 65536;
    return { bytes: 1, scratchBytes: 0, seconds: attrs.widen === 2 ? 1 : isSmallPlain ? 9 : 2 };
  },
};
