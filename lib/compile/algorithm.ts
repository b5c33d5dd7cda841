/** Chooses how a convolution is computed by asking native code what each candidate would cost. */

import type { Instruction, NativeQueries } from './ir';
import { ALGORITHM } from './opcodes';

export interface ConvAlgorithm {
  readonly algorithm: number;
  /** Adjacent output pixels computed as one; see conv2d_pack in ops.def. */
  readonly widen: number;
}

const WIDENINGS = [1, 2, 4, 8];
/** From here on a row of output channels fills the register tile by itself. */
const WIDE_ENOUGH = 64;

/** The depthwise form if the convolution is one (as many groups as channels on both sides) and it is estimated to be faster. */
export function chooseDepthwise(
  queries: NativeQueries,
  isDepthwise: boolean,
  direct: ConvAlgorithm,
  instruction: (choice: ConvAlgorithm) => Instruction,
): ConvAlgorithm {
  if (!isDepthwise) return direct;
  const depthwise = { algorithm: ALGORITHM.depthwise, widen: 1 };
  return queries.cost(instruction(depthwise)).seconds <= queries.cost(instruction(direct)).seconds ? depthwise : direct;
}

/** Winograd's weight gradient if native code has one for this geometry (`isWinograd`) and it is estimated to be faster. */
export function chooseGradWeight(
  queries: NativeQueries,
  isWinograd: boolean,
  direct: ConvAlgorithm,
  instruction: (choice: ConvAlgorithm) => Instruction,
): ConvAlgorithm {
  if (!isWinograd) return direct;
  const winograd = { algorithm: ALGORITHM.winograd4x4, widen: 1 };
  return queries.cost(instruction(winograd)).seconds < queries.cost(instruction(direct)).seconds ? winograd : direct;
}

/**
 * @param channels channels of the written tensor @param width extent of its rows
 * @param isDense whether neighbouring written pixels read overlapping runs of memory, which widening needs
 * @param instruction the candidate as an instruction with its packed weight
 */
export function chooseConvAlgorithm(
  queries: NativeQueries,
  channels: number,
  width: number,
  isDense: boolean,
  instruction: (choice: ConvAlgorithm) => Instruction,
): ConvAlgorithm {
  const direct = { algorithm: ALGORITHM.direct, widen: 1 };
  if (channels >= WIDE_ENOUGH || !isDense) return direct;
  let best: ConvAlgorithm = direct;
  let bestSeconds = Infinity;
  for (const widen of WIDENINGS) {
    if (width % widen !== 0 || channels * widen > WIDE_ENOUGH) continue;
    const choice = { algorithm: ALGORITHM.direct, widen };
    const { seconds } = queries.cost(instruction(choice));
    if (seconds < bestSeconds) [best, bestSeconds] = [choice, seconds];
  }
  return best;
}
