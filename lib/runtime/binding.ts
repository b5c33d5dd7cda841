/** The whole native surface as an interface, and the loader that finds the binary. */

import type { TypedArray } from '../graph/types';

export interface NativeInfo {
  /** The kernel table in use and those this processor could use. */
  isa: string;
  availableIsas: string[];
  /** Threads used by default and what set them. */
  threads: number;
  threadsSource: string; // 'cores' | 'affinity' | 'cgroup' | 'STRIDENET_THREADS'
  cores: number;
  compiler: string;
}

export interface NativeState {
  /** Adds a slot and returns its number. Extents are physical. `derived` slots are written by prepare lists only. */
  addSlot(dtype: number, shape: Int32Array, derived: boolean): number;
  /** Copies values in or out. With `logical`, a rank-4 slot is converted between NCHW (outside) and NHWC (inside). */
  write(slot: number, data: TypedArray, logical: boolean): void;
  read(slot: number, logical: boolean): TypedArray;
  readonly bytes: number;
}

export interface NativeProgram {
  readonly bytes: number; // arena and scratch that a session needs to run it
}

export interface NativeSession {
  /** Feeds are copied before this returns; results are fresh typed arrays in fetch order; calls queue in order. */
  run(program: NativeProgram, feeds: TypedArray[], steps: number): Promise<TypedArray[]>;
  /** Runs on the calling thread after the queue has drained. */
  runSync(program: NativeProgram, feeds: TypedArray[], steps: number): TypedArray[];
  /** Seconds by instruction (prepare then step) summed over runs since the last call, when profiling is on. */
  profile(program: NativeProgram): Float64Array;
  /** Pending runs reject with ERR_CLOSED after the one under way; memory is freed. Idempotent. */
  close(): void;
}

export interface NativeBinding {
  readonly opsHash: number;
  info(): NativeInfo;
  State: new () => NativeState;
  Program: new (words: Int32Array) => NativeProgram;
  Session: new (state: NativeState, threads: number) => NativeSession;
  /** Per instruction of a program whose offsets are not checked: flops, bytes, scratch bytes, seconds. */
  plan(words: Int32Array): Float64Array;
  packedLength(opcode: number, weightShape: Int32Array, attrs: Int32Array): number;
}
