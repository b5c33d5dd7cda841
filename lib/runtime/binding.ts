/** The whole native surface as an interface, and the loader that finds the binary. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import { OPS_HASH } from '../compile/opcodes';
import { StridenetError, type ErrorCode } from '../errors';
import type { TypedArray } from '../graph/types';
import { nodeRequire, packageRoot } from '../installation';
import { setRandomFill } from '../random';

export interface NativeInfo {
  /** The kernel table in use and those this processor could use. */
  isa: string;
  availableIsas: string[];
  /** Threads used by default and what set them. */
  threads: number;
  threadsSource: string; // 'cores' | 'affinity' | 'cgroup' | 'STRIDENET_THREADS'
  cores: number;
  compiler: string;
  /** What STRIDENET_PROFILE, STRIDENET_VALIDATE and STRIDENET_PLAN ask for. */
  profile: boolean;
  validate: boolean;
  plan: boolean;
}

export interface NativeState {
  /** Adds a slot and returns its number. Extents are physical. `derived` slots are written by prepare lists only. */
  addSlot(dtype: number, shape: Int32Array, derived: boolean): number;
  /**
   * Copies values in or out, waiting for a run under way. With `logical`, a rank-4 slot is converted between NCHW (outside) and NHWC
   * (inside). With `first`, the data is a part that begins at that element: of a slot that is converted, whole entries of its first axis.
   */
  write(slot: number, data: TypedArray, logical: boolean, first?: number): void;
  read(slot: number, logical: boolean): TypedArray;
  readPart(slot: number, data: TypedArray, logical: boolean, first: number): void;
  /** Whole slots in logical order, all between the same two runs. */
  readAll(slots: Int32Array, data: readonly TypedArray[]): void;
  /** The same as writing the float32 numbers in logical order that a file holds from byte `offset` on; they are read when a run needs them. */
  writeFile(slot: number, descriptor: number, offset: number): void;
  /** The same as writing what a `FillRule` makes; 0: constant, 1: uniform, 2: normal. It is made when a run needs it. */
  writeRule(slot: number, kind: number, first: number, second: number, stream: Int32Array): void;
  /**
   * Gives back the memory of variables and derived slots that only prepare lists take; a run that prepares again reads files again and
   * needs the other variables restored.
   */
  releaseSources(): void;
  isReleased(slot: number): boolean;
  /** Gives back the memory of a derived slot that no program takes; it may be used again. */
  dropDerived(slot: number): void;
  /** Writes the value, in logical order, that a released variable had, or part after part of it. */
  restore(slot: number, data: TypedArray, first?: number): void;
  /** Memory is freed as soon as no session of it is open and no run under way; everything else throws ERR_CLOSED then. Idempotent. */
  close(): void;
  /** Tells the garbage collector what the slots take. Each change makes it work. */
  reportMemory(): void;
  readonly bytes: number;
}

export interface NativeProgram {
  readonly bytes: number; // arena and scratch that a session needs to run it
  /** It cannot be run any more; its memory is freed when the runs under way are over. Idempotent. */
  close(): void;
}

export interface NativeSession {
  /** Feeds are copied before this returns; results are fresh typed arrays in fetch order; calls queue in order. */
  /** `mayRunHere`: on the calling thread when that takes less time than handing it over. */
  run(program: NativeProgram, feeds: TypedArray[], steps: number, mayRunHere: boolean): Promise<TypedArray[]>;
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
  State: new (releasesSources?: boolean, expectedBytes?: number) => NativeState;
  Program: new (words: Int32Array) => NativeProgram;
  Session: new (state: NativeState, threads: number, profile?: boolean) => NativeSession;
  /** Per instruction of a program whose offsets are not checked: bytes, scratch bytes on so many threads, seconds. */
  plan(words: Int32Array, isa: string, threads: number): Float64Array;
  /**
   * For each way to compute the convolution that ends a step list, behind nothing but what packs its weight: algorithm, pixels joined, 1 if it
   * rounds like sums of products, 1 if it is offered, seconds, seconds of packing, numbers of the packed weight.
   */
  candidates(words: Int32Array, isa: string): Float64Array;
  /**
   * What these estimates are made of, in the same order: for each way the amounts of the kinds of work, bytes and phases of the convolution,
   * then those of packing its weight.
   */
  candidateWork(words: Int32Array, isa: string): Float64Array;
  /** The names of the kinds of work (native/kernels/work.h). */
  workKinds(): string[];
  /** Measured on all `threads` at once: floating-point operations, bytes read and bytes copied per second. Blocks for some tenths of a second. */
  probe(threads: number): Float64Array;
  /** Floating-point operations per second on all `threads` at once, at this moment. Blocks for some milliseconds. */
  probeFlops(threads: number): number;
  packedLength(opcode: number, weightShape: Int32Array, attrs: Int32Array, isa: string): number;
  /** `RandomFill` of lib/random.ts with plain arguments. */
  fillRandom(normal: boolean, counters: Int32Array, first: number, second: number, out: Float32Array): void;
  /** The names of the transforms, in the order of the numbers that lib/transforms/augmenter.ts writes. */
  transformNames(): string[];
  /**
   * Transforms pictures on a thread of libuv's pool. The arrays must stay where they are until the promise settles: no other thread may
   * take their memory.
   * @param picture channels, height, width, and 1 if channels lie side by side
   * @param key seed low and high, epoch
   */
  augment(
    transforms: Float64Array,
    picture: Int32Array,
    key: Int32Array,
    images: Uint8Array,
    indices: Int32Array,
    into: Uint8Array,
  ): Promise<void>;
  /** Mixes each picture with the one before it, in place, as `augment` runs. @param own the share that it keeps */
  mixup(picture: Int32Array, images: Uint8Array, own: number): Promise<void>;
  /** The same with a box of the other one. @param box top, left, height, width */
  cutmix(picture: Int32Array, images: Uint8Array, box: Int32Array): Promise<void>;
  /** One operation with numbers that are given (native/augment/fixed.cc), at once: for comparisons with torchvision. */
  applyOperation(name: string, numbers: Float64Array, picture: Int32Array, image: Uint8Array): Uint8Array;
}

/** Where a binary may lie. A local build comes first: in a clone it is newer than what `npm run prebuild` left. */
export function binaryCandidates(root: string = packageRoot('ERR_NATIVE_UNAVAILABLE')): string[] {
  return [
    path.join(root, 'build', 'Release', 'stridenet.node'),
    path.join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'stridenet.node'),
  ];
}

let loaded: { readonly binding: NativeBinding; readonly file: string } | undefined;

/** The native code of this environment, loaded on first use. @throws StridenetError ERR_NATIVE_UNAVAILABLE */
export function binding(): NativeBinding {
  return (loaded ?? loadOwn()).binding;
}

/** The file that `binding()` came from. @throws StridenetError ERR_NATIVE_UNAVAILABLE */
export function bindingFile(): string {
  return (loaded ?? loadOwn()).file;
}

function loadOwn(): NonNullable<typeof loaded> {
  const found = loadBinding(binaryCandidates());
  const { binding } = found;
  // A switch that is out of place is refused by whatever comes first, and again by all that follows.
  infoOf(binding);
  setRandomFill((distribution, counters, [first, second], out) => {
    binding.fillRandom(distribution === 'normal', counters, first, second, out);
  });
  loaded = found;
  return loaded;
}

/**
 * Loads the first of `files` that exists and fits.
 * @throws StridenetError ERR_NATIVE_UNAVAILABLE, listing what was tried and why it failed; ERR_UNSUPPORTED_ISA as native code says
 */
export function loadBinding(
  files: readonly string[],
  load: (file: string) => unknown = nodeRequire,
): { binding: NativeBinding; file: string } {
  const tried: string[] = [];
  for (const file of files) {
    if (!existsSync(file)) {
      tried.push(`${file}: no such file`);
      continue;
    }
    let candidate: NativeBinding;
    try {
      candidate = load(file) as NativeBinding;
    } catch (error) {
      // Errors that native code throws by itself are about a setting of the user, not about the file.
      const own = fromNative(error);
      if (own instanceof StridenetError) throw own;
      tried.push(`${file}: ${(error as Error).message}`);
      continue;
    }
    if (candidate.opsHash >>> 0 === OPS_HASH) return { binding: candidate, file };
    tried.push(`${file}: built from other sources than this JavaScript (instruction set ${candidate.opsHash >>> 0}, expected ${OPS_HASH})`);
  }
  throw new StridenetError(
    'ERR_NATIVE_UNAVAILABLE',
    `No native binary of stridenet could be loaded for ${process.platform}-${process.arch} on Node ${process.version}. Tried:\n` +
      tried.map((line) => `  ${line}\n`).join('') +
      'In a clone of the repository, build it with "npm run build". As a dependency, reinstall the package; if its prebuilds folder has ' +
      'no binary for this platform, build one from a clone with "npm run prebuild".',
  );
}

const NATIVE_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'ERR_SHAPE_MISMATCH',
  'ERR_DTYPE_MISMATCH',
  'ERR_INVALID_ARGUMENT',
  'ERR_NOT_FINITE',
  'ERR_CLOSED',
  'ERR_OUT_OF_MEMORY',
  'ERR_UNSUPPORTED_ISA',
  'ERR_PROGRAM_INVALID',
  'ERR_BAD_FILE',
  'ERR_FILE_ACCESS',
]);

/**
 * What native code threw as a StridenetError with the native error as its cause; anything else as it is.
 * @param caller an Error made where the user called: the result shows that stack
 */
export function fromNative(error: unknown, caller?: Error): unknown {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (error instanceof StridenetError || typeof code !== 'string' || !NATIVE_CODES.has(code)) return error;
  return withCaller(new StridenetError(code as ErrorCode, String(message), { cause: error }), caller);
}

/** The error, if it is one of ours, with the stack of `caller`, an Error made where the user called. */
export function withCaller(error: unknown, caller?: Error): unknown {
  const frames = caller?.stack?.indexOf('\n    at ') ?? -1;
  if (error instanceof StridenetError && frames >= 0) error.stack = `${error.name}: ${error.message}${caller!.stack!.slice(frames)}`;
  return error;
}

/**
 * What the machine has and the environment variables ask for.
 * @throws StridenetError ERR_NATIVE_UNAVAILABLE; ERR_INVALID_ARGUMENT and ERR_UNSUPPORTED_ISA for an environment variable that is out of place
 */
export function nativeInfo(): NativeInfo {
  return infoOf(binding());
}

/** What the environment asks of the compiler: buffers of their own with STRIDENET_PLAN=off, checks of its passes with STRIDENET_VALIDATE=on. */
export function compilerSwitches(): { sharesMemory: boolean; validate: boolean } {
  const { plan, validate } = nativeInfo();
  return { sharesMemory: plan, validate };
}

function infoOf(binding: NativeBinding): NativeInfo {
  try {
    return binding.info();
  } catch (error) {
    throw fromNative(error);
  }
}
