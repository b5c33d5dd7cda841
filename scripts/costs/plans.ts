/** What native code plans for the operations that were measured. */

import { casesOf } from '../../lib/bench/kernelCases';
import { compileGraph } from '../../lib/compile/compile';
import type { Candidate, NativeQueries } from '../../lib/compile/ir';
import { ALGORITHM } from '../../lib/compile/opcodes';
import { sum } from '../../lib/ops';
import { binding } from '../../lib/runtime/binding';
import { makeQueries } from '../../lib/runtime/queries';
import type { Isa } from './header';
import { whatOf } from './measurements';

/** What an estimate is made of. */
export interface Plan {
  /** Amounts, in the order of the kinds of work. */
  readonly work: readonly number[];
  readonly bytes: number;
  readonly phases: number;
}

/** One way to compute an operation. */
export interface Way {
  readonly candidate: Candidate;
  /** Its name, with the number of pixels that are joined: `direct x2`. */
  readonly name: string;
  readonly plan: Plan;
  /** Of packing its weight, if it reads one. */
  readonly pack: Plan | undefined;
}

/** The operations of networks with all ways to compute each, by `whatOf`. */
export function planConvolutions(models: readonly string[], batches: readonly number[], isa: Isa): Map<string, Way[]> {
  const found = new Map<string, Way[]>();
  for (const make of casesOf(models, batches, 'fed')) {
    const one = make();
    const what = whatOf(one);
    if (!one.operation.startsWith('conv2d') || found.has(what)) continue;
    const ways: Way[] = [];
    compileGraph({ feeds: one.feeds, outputs: [sum(one.output)], updates: [] }, recordingQueries(isa, ways), {});
    found.set(what, ways);
  }
  return found;
}

export function wayName(algorithm: string, widen: number): string {
  return widen === 1 ? algorithm : `${algorithm} x${widen}`;
}

/** Queries that note the ways to compute the convolution that they are asked about. */
function recordingQueries(isa: Isa, ways: Way[]): NativeQueries {
  const native = binding();
  let asked: Int32Array = new Int32Array();
  const candidates = (words: Int32Array, of: string): Float64Array => native.candidates((asked = words), of);
  const queries = makeQueries({ ...native, candidates }, isa);
  return {
    ...queries,
    candidates: (convolution, pack) => {
      const found = queries.candidates(convolution, pack);
      const plans = readPlans(native.candidateWork(asked, isa), native.workKinds().length);
      for (const [i, candidate] of found.entries()) {
        const name = wayName(Object.keys(ALGORITHM)[candidate.algorithm]!, candidate.widen);
        ways.push({ candidate, name, plan: plans[2 * i]!, pack: candidate.packedLength > 0 ? plans[2 * i + 1]! : undefined });
      }
      return found;
    },
  };
}

function readPlans(numbers: Float64Array, kinds: number): Plan[] {
  return Array.from({ length: numbers.length / (kinds + 2) }, (_, i) => {
    const [bytes, phases] = numbers.subarray(i * (kinds + 2) + kinds);
    return { work: [...numbers.subarray(i * (kinds + 2), i * (kinds + 2) + kinds)], bytes: bytes!, phases: phases! };
  });
}
