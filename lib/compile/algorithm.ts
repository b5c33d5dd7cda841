/** Chooses how a convolution is computed by asking what each candidate would cost. */

import { formatValue, StridenetError } from '../errors';
import { ALGORITHM } from './opcodes';

/**
 * `fast`: convolutions take whatever is estimated to be fastest, Winograd's algorithm among it. `exact`: none whose rounding errors exceed
 * those of plain sums of products.
 */
export type AlgorithmMode = 'fast' | 'exact';

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkAlgorithm(where: string, value: unknown = 'fast'): AlgorithmMode {
  if (value === 'fast' || value === 'exact') return value;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects algorithm to be 'fast' or 'exact' but got ${formatValue(value)}.`);
}

export interface ConvAlgorithm {
  readonly algorithm: number;
  /** Adjacent output pixels computed as one; see conv2d_pack in ops.def. */
  readonly widen: number;
}

/** Estimated seconds of a candidate. */
export type Estimate = (choice: ConvAlgorithm) => number;

export const DIRECT: ConvAlgorithm = { algorithm: ALGORITHM.direct, widen: 1 };

const WIDENINGS = [1, 2, 4, 8];
/** From here on a row of output channels fills the register tile by itself. */
const WIDE_ENOUGH = 64;

/** A line's sources in as many images as there are lanes (16) stay in the second-level cache. */
const HWCN_LINE_FLOATS = 8192;

/** The fastest of the candidates; among equals the first. */
function fastest(estimate: Estimate, candidates: readonly ConvAlgorithm[]): ConvAlgorithm {
  let best = candidates[0]!;
  if (candidates.length === 1) return best;
  let least = Infinity;
  for (const choice of candidates) {
    const seconds = estimate(choice);
    if (seconds < least) [best, least] = [choice, seconds];
  }
  return best;
}

/**
 * The direct form with as many output pixels joined as pays.
 * @param channels channels of the written tensor @param width extent of its rows
 * @param isDense whether neighbouring written pixels read overlapping runs of memory, which widening needs
 */
export function chooseWidening(estimate: Estimate, channels: number, width: number, isDense: boolean): ConvAlgorithm {
  if (channels >= WIDE_ENOUGH || !isDense) return DIRECT;
  const possible = WIDENINGS.filter((widen) => width % widen === 0 && channels * widen <= WIDE_ENOUGH);
  return fastest(
    estimate,
    possible.map((widen) => ({ algorithm: ALGORITHM.direct, widen })),
  );
}

/** The depthwise form if the convolution is one (as many groups as channels on both sides) and it is estimated to be faster. */
export function chooseDepthwise(estimate: Estimate, isDepthwise: boolean, direct: ConvAlgorithm): ConvAlgorithm {
  return isDepthwise ? fastest(estimate, [{ algorithm: ALGORITHM.depthwise, widen: 1 }, direct]) : direct;
}

/** Winograd's input gradients with images in the lanes, by the extent of a square kernel. */
const HWCN_WINOGRAD_GRAD_INPUT: Readonly<Record<number, readonly number[]>> = { 5: [ALGORITHM.hwcn_winograd2x2] };

/**
 * The form with images in the lanes if it is possible (one group, no dilation along a line, a gradient only of stride 1) and is estimated to
 * be faster.
 * @param lineFloats numbers of one image that a line of results is computed from @param channels of the written tensor, or of dy
 * @param gradInputExtent of the kernel of an input gradient that Winograd's algorithm may be used for, else 0
 */
export function chooseHwcn(
  estimate: Estimate,
  isPossible: boolean,
  lineFloats: number,
  channels: number,
  other: ConvAlgorithm,
  gradInputExtent = 0,
): ConvAlgorithm {
  const isNarrow = channels < WIDE_ENOUGH && lineFloats <= HWCN_LINE_FLOATS;
  if (!isPossible || !isNarrow) return other;
  const forms = [ALGORITHM.hwcn, ...(HWCN_WINOGRAD_GRAD_INPUT[gradInputExtent] ?? [])];
  return fastest(estimate, [other, ...forms.map((algorithm) => ({ algorithm, widen: 1 }))]);
}

/** Winograd's algorithms by the extent of a square kernel: convolutions and input gradients; weight gradients. */
const WINOGRAD: Readonly<Record<number, readonly number[]>> = {
  3: [ALGORITHM.winograd4x4, ALGORITHM.winograd2x2],
  5: [ALGORITHM.winograd2x2],
};
const WINOGRAD_GRAD_WEIGHT: Readonly<Record<number, readonly number[]>> = { 3: [ALGORITHM.winograd4x4], 5: [ALGORITHM.winograd2x2] };

/**
 * Winograd's algorithm with tiles of 4x4 or 2x2 output pixels, if it can be used and is estimated to be faster.
 * @param extent of the kernel, 0 if mode or geometry rule Winograd's algorithm out
 */
export function chooseWinograd(estimate: Estimate, extent: number, direct: ConvAlgorithm): ConvAlgorithm {
  return fastest(estimate, [direct, ...(WINOGRAD[extent] ?? []).map((algorithm) => ({ algorithm, widen: 1 }))]);
}

/** Winograd's weight gradient, likewise. */
export function chooseGradWeight(estimate: Estimate, extent: number, direct: ConvAlgorithm): ConvAlgorithm {
  return fastest(estimate, [direct, ...(WINOGRAD_GRAD_WEIGHT[extent] ?? []).map((algorithm) => ({ algorithm, widen: 1 }))]);
}
