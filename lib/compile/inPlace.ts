/**
 * Which opcodes may write their first output over an input: the memory planner's view of Op::inPlaceInput in native/ops.
 * These instructions read element i before they write element i and never come back to it.
 */

import type { OpcodeName } from './opcodes';

/** Opcode -> the input whose memory output 0 may take over when that input dies there and both have equal bytes. */
export const IN_PLACE: ReadonlyMap<OpcodeName, number> = new Map<OpcodeName, number>([
  ['unary', 0],
  ['binary', 0],
  ['clamp', 0],
  ['clamp_grad', 0],
  ['leaky_relu', 0],
  ['leaky_relu_grad', 0],
  ['conv2d', 3], // add
  ['matmul', 3], // add
  ['matmul_plain', 3], // add
  ['batch_norm', 0],
  ['batch_norm_grad_input', 1], // dy
  ['local_response_norm', 0],
  ['local_response_norm_grad', 1], // dy
  ['channel_window_sum', 0],
  ['softmax', 0],
  ['dropout', 0],
  ['cross_entropy_grad', 0],
]);
