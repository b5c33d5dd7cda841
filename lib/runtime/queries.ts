/** The compiler's questions answered by native code: pure functions of instruction set, shapes and attributes, remembered by them. */

import { encode, encodeAttrs } from '../compile/encode';
import type { Buffer, Candidate, Instruction, NativeQueries, Place } from '../compile/ir';
import { OPCODES } from '../compile/opcodes';
import { StridenetError } from '../errors';
import { RecentMap } from '../recentMap';
import { binding, fromNative, nativeInfo, type NativeBinding } from './binding';

export interface Cost {
  readonly bytes: number;
  readonly scratchBytes: number;
  readonly seconds: number;
}

/**
 * How many answers of each kind are kept: as many as the largest networks ask for in both modes and some batch sizes.
 * They take a few megabytes.
 */
const ANSWERS_KEPT = 10_000;

/** Numbers per instruction in what NativeBinding.plan returns. */
const PLAN_FIELDS = 3;

/** Numbers per candidate in what NativeBinding.candidates returns. */
const CANDIDATE_FIELDS = 7;
type CandidateNumbers = [number, number, number, number, number, number, number];

let queries: NativeQueries | undefined;

/** The queries of this environment's binary for its instruction set. @throws StridenetError ERR_NATIVE_UNAVAILABLE */
export function nativeQueries(): NativeQueries {
  return (queries ??= makeQueries(binding(), nativeInfo().isa));
}

/** @param isa instruction set that is asked about */
export function makeQueries(native: NativeBinding, isa: string): NativeQueries {
  const lengths = new RecentMap<string, number>(ANSWERS_KEPT);
  const costs = new RecentMap<string, Cost>(ANSWERS_KEPT);
  const candidates = new RecentMap<string, readonly Candidate[]>(ANSWERS_KEPT);
  const cost = (instruction: Instruction): Cost => {
    const words = encodeAlone([instruction]);
    return remember(costs, words.join(), () => planProgram(native, words, isa, 1)[0]!);
  };
  return {
    packedLength(opcode, weightShape, attrs) {
      const words = encodeAttrs(opcode, opcode, attrs);
      return remember(lengths, [opcode, ...weightShape, '|', ...words].join(), () => {
        const length = native.packedLength(OPCODES[opcode].code, Int32Array.from(weightShape), Int32Array.from(words), isa);
        if (length > 0) return length;
        const text = `${opcode} of a weight stored as [${weightShape.join(', ')}] with attributes ${JSON.stringify(attrs)}`;
        throw new StridenetError('ERR_PROGRAM_INVALID', `Internal error in the compiler: native code refuses ${text}.`);
      });
    },
    candidates(convolution, pack) {
      const words = encodeAlone(pack ? [pack, convolution] : [convolution]);
      return remember(candidates, words.join(), () => readCandidates(asked(() => native.candidates(words, isa))));
    },
    accepts(instruction) {
      try {
        cost(instruction);
        return true;
      } catch {
        return false;
      }
    },
    cost,
  };
}

/** What native code answers, its errors as ours. */
function asked<T>(question: () => T): T {
  try {
    return question();
  } catch (error) {
    throw fromNative(error);
  }
}

/** Cost of every instruction of a program, prepare list first; scratch is that of so many threads. */
export function planProgram(native: NativeBinding, words: Int32Array, isa: string, threads: number): Cost[] {
  const numbers = asked(() => native.plan(words, isa, threads));
  return Array.from({ length: numbers.length / PLAN_FIELDS }, (_, i) => {
    const [bytes, scratchBytes, seconds] = numbers.subarray(i * PLAN_FIELDS, (i + 1) * PLAN_FIELDS);
    return { bytes: bytes!, scratchBytes: scratchBytes!, seconds: seconds! };
  });
}

function readCandidates(numbers: Float64Array): Candidate[] {
  return Array.from({ length: numbers.length / CANDIDATE_FIELDS }, (_, i) => {
    const fields = numbers.subarray(i * CANDIDATE_FIELDS, (i + 1) * CANDIDATE_FIELDS);
    const [algorithm, widen, sumsProducts, isOffered, seconds, packSeconds, packedLength] = fields as unknown as CandidateNumbers;
    return { algorithm, widen, sumsProducts: sumsProducts === 1, isOffered: isOffered === 1, seconds, packSeconds, packedLength };
  });
}

/** A program of these instructions, their operands where they are wanted but all arena buffers at offset 0. */
function encodeAlone(instructions: readonly Instruction[]): Int32Array {
  const feeds: Buffer[] = [];
  const fetches: Buffer[] = [];
  const moved = new Map<Buffer, Buffer>();
  const offsets = new Map<number, number>();
  const move = (buffer: Buffer | null): Buffer | null => {
    if (!buffer) return null;
    const known = moved.get(buffer);
    if (known) return known;
    const { space } = (buffer.aliasOf ?? buffer).place;
    const kept = space === 'feed' || space === 'fetch';
    const list = space === 'feed' ? feeds : fetches;
    const place: Place = kept ? { space, index: list.length } : { space: 'arena' };
    const copy: Buffer = { id: moved.size, dtype: buffer.dtype, shape: buffer.shape, name: buffer.name, place };
    if (kept) list.push(copy);
    else offsets.set(copy.id, 0);
    moved.set(buffer, copy);
    return copy;
  };
  const step = instructions.map((one) => ({ ...one, inputs: one.inputs.map(move), outputs: one.outputs.map(move) }));
  return encode({ prepare: [], step, feeds, fetches }, { arenaLines: 2 ** 30, offsets }).words;
}

function remember<V>(cache: RecentMap<string, V>, key: string, make: () => V): V {
  let value = cache.get(key);
  if (value === undefined) {
    value = make();
    cache.set(key, value);
  }
  return value;
}
