/**
 * The instruction form between the graph and the Program: what `lower` makes, `schedule` orders, `planMemory` places and
 * `encode` writes down. One Instruction per opcode of native/program/ops.def; extents are physical from here on.
 */

import type { Tensor } from '../graph/tensor';
import type { DType, Shape } from '../graph/types';
import type { OpcodeName } from './opcodes';

/** A value in memory. Two buffers are the same memory in another shape when one is `aliasOf` the other. */
export interface Buffer {
  readonly id: number;
  readonly dtype: DType;
  /** Physical extents. */
  readonly shape: Shape;
  readonly name: string;
  readonly place: Place;
  /** The buffer whose memory this one reinterprets (never itself an alias). */
  readonly aliasOf?: Buffer;
}

export type Place =
  | { readonly space: 'arena' }
  | { readonly space: 'constant'; readonly data: Float32Array | Int32Array }
  | { readonly space: 'feed'; readonly index: number }
  | { readonly space: 'fetch'; readonly index: number }
  /** A variable's slot. */
  | { readonly space: 'state'; readonly variable: Tensor }
  /** A value computed from variables alone, kept between runs: equal keys are equal values. */
  | { readonly space: 'derived'; readonly key: string };

export interface Instruction {
  readonly opcode: OpcodeName;
  /** In the order of ops.def; null where an optional operand is absent. */
  readonly inputs: readonly (Buffer | null)[];
  readonly outputs: readonly (Buffer | null)[];
  /** By attribute name; every attribute of ops.def is present. */
  readonly attrs: Readonly<Record<string, number>>;
  /** For listings and errors: 'layer2.0.conv1', 'layer2.0.conv1/gradWeight'. */
  readonly name: string;
  /** It is to run just before its first reader and not where it stands, because what it makes is large (recompute). */
  readonly late?: boolean;
}

/** The instruction lists of one specialisation (batch, mode) of a graph. */
export interface InstructionLists {
  /** Runs when a variable changed since the last time, and writes derived buffers only. */
  readonly prepare: readonly Instruction[];
  readonly step: readonly Instruction[];
  /** The buffers of the spaces 'feed' and 'fetch', by index. */
  readonly feeds: readonly Buffer[];
  readonly fetches: readonly Buffer[];
}

/** Where planMemory put the arena buffers: byte offset / 64 by id of the (non-alias) buffer. */
export interface MemoryPlan {
  readonly arenaLines: number;
  readonly offsets: ReadonlyMap<number, number>;
}

/** A slot that a Program wants from a State: a variable's value or a derived value. */
export interface SlotRequest {
  readonly key: Tensor | string;
  readonly dtype: DType;
  /** Physical extents. */
  readonly shape: Shape;
}

/** A finished program and what the runtime must bind to it. `words` refers to state slots by position in `slots`. */
export interface Program {
  readonly words: Int32Array;
  readonly slots: readonly SlotRequest[];
  /** Position within `words` of every tensor entry's offset word that names a slot, so that a State can renumber them. */
  readonly slotWords: readonly number[];
  readonly feeds: readonly Buffer[];
  readonly fetches: readonly Buffer[];
  /** Variables that a step writes. */
  readonly updates: readonly Tensor[];
  readonly lists: InstructionLists;
  readonly memoryPlan: MemoryPlan;
}

/** A way to compute a convolution. */
export interface Candidate {
  readonly algorithm: number;
  /** Adjacent output pixels computed as one; see conv2d_pack in ops.def. */
  readonly widen: number;
  /** Whether it rounds like plain sums of products. */
  readonly sumsProducts: boolean;
  /** Whether its estimate is to be compared with others; a rule of thumb may know better. */
  readonly isOffered: boolean;
  /** Estimates for one thread. */
  readonly seconds: number;
  readonly packSeconds: number;
  /** Numbers of the packed weight, 0 where none is read. */
  readonly packedLength: number;
}

/** What the compiler asks of native code; tests pass a pure stand-in. */
export interface NativeQueries {
  /** Numbers in the packed buffer that a conv2d_pack or matmul_pack instruction writes. */
  packedLength(opcode: 'conv2d_pack' | 'matmul_pack', weightShape: Shape, attrs: Readonly<Record<string, number>>): number;
  /**
   * The ways to compute a convolution or a weight gradient, in the order of preference among those of equal cost, whatever its algorithm and
   * packed weight are said to be. `pack` is the instruction that makes that weight.
   */
  candidates(convolution: Instruction, pack?: Instruction): readonly Candidate[];
  /** Whether native code can compute an instruction. */
  accepts(instruction: Instruction): boolean;
  /** Cost of an instruction on one thread: choices must not follow the number of threads. `seconds` is an estimate. */
  cost(instruction: Instruction): { bytes: number; scratchBytes: number; seconds: number };
}
