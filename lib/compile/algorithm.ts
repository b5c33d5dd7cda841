/** Chooses how a convolution is computed among what native code says that it can do, and at what cost. */

import { formatValue, StridenetError } from '../errors';
import { BYTES_PER_ELEMENT } from '../graph/types';
import type { Candidate } from './ir';

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

/** An algorithm and its parameter, as attributes of an instruction. */
export interface ConvAlgorithm {
  readonly algorithm: number;
  readonly widen: number;
}

/**
 * What a byte more of packed weights must save in every run, in seconds: about what reading it from memory takes. A form that takes
 * twice the bytes and is a little faster makes the first run longer, and the process larger, by more than most get back. The first MiB is
 * free.
 */
const PACKED_BYTE_SECONDS = 4e-11;
const FREE_PACKED_BYTES = 2 ** 20;

/**
 * Seconds that a candidate takes from every run. A weight that trains is packed in every step. One at rest is packed once, but then it takes
 * memory for good.
 */
function price({ seconds, packSeconds, packedLength }: Candidate, isAtRest: boolean): number {
  const bytes = BYTES_PER_ELEMENT.float32 * packedLength;
  return seconds + (isAtRest ? PACKED_BYTE_SECONDS * Math.max(0, bytes - FREE_PACKED_BYTES) : packSeconds);
}

/**
 * The cheapest of the candidates that the mode allows; among equals the first. How many pixels an algorithm joins is decided by the time of a
 * run alone.
 * @param isAtRest whether the weight, if one is read packed, never changes
 */
export function chooseAlgorithm(candidates: readonly Candidate[], mode: AlgorithmMode, isAtRest: boolean): ConvAlgorithm {
  const allowed = candidates.filter(({ isOffered, sumsProducts }) => isOffered && (mode === 'fast' || sumsProducts));
  const forms = new Map<number, Candidate>();
  for (const candidate of allowed) {
    const known = forms.get(candidate.algorithm);
    if (!known || candidate.seconds < known.seconds) forms.set(candidate.algorithm, candidate);
  }
  const { algorithm, widen } = cheapest([...forms.values()], (candidate) => price(candidate, isAtRest));
  return { algorithm, widen };
}

function cheapest(candidates: readonly Candidate[], priceOf: (candidate: Candidate) => number): Candidate {
  const prices = candidates.map(priceOf);
  return candidates[prices.indexOf(Math.min(...prices))]!;
}
