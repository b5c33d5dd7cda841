/**
 * Session: runs programs against a State on threads of its own, one after the other. Programs are made on first use of their key
 * (batch size and mode, say) and kept. What a program computes is the compiler's business, how it runs native code's.
 */

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import { disassemble, formatBytes } from '../compile/disassemble';
import type { Program } from '../compile/ir';
import { checkInteger, checkOptions, formatShape, formatValue, StridenetError } from '../errors';
import { elementCount, type DType, type TypedArray } from '../graph/types';
import { binding, fromNative, nativeInfo, type NativeProgram, type NativeSession } from './binding';
import { formatProfile, type ProfileRow } from './profile';
import { planProgram } from './queries';
import { atOnce, type Work } from '../work';
import type { Contents, Mirrors, State } from './state';

export type ProgramKey = string | number;

export interface SessionOptions {
  readonly state: State;
  /** Threads that work on a run; default: those that this process may use. */
  readonly threads?: number;
  /** Measure what `profile` gives, without printing it; default: as STRIDENET_PROFILE says. */
  readonly profile?: boolean;
  /** Makes the program of a key; called once for each. */
  readonly specialise?: (key: ProgramKey) => Program;
}

export interface RunOptions {
  /** How often the program runs on the same feeds; the results are those of the last time. Default 1. */
  readonly steps?: number;
}

const TYPED_ARRAY: Readonly<Record<DType, string>> = { float32: 'Float32Array', int32: 'Int32Array', uint8: 'Uint8Array' };

/** Runs may take place at once for so long before the event loop turns. */
const MILLISECONDS_A_TURN = 5;
let turnBegan: number | undefined;

/**
 * Whether the event loop must turn before another run takes place at once: a promise that is settled at once continues whoever awaits it
 * before anything else, so a loop of short runs would keep out all the rest.
 */
function isTurnDue(): boolean {
  const now = performance.now();
  if (turnBegan === undefined) {
    turnBegan = now;
    setImmediate(() => {
      turnBegan = undefined;
    });
  }
  return now - turnBegan > MILLISECONDS_A_TURN;
}

/** A program that native code has verified, bound to the State of the session that made it. */
export class LoadedProgram {
  readonly native: NativeProgram;
  private readonly variables: Mirrors;
  private readonly updated: Mirrors | undefined;
  private readonly feeds: readonly { readonly name: string; readonly tag: string; readonly length: number }[];

  /** @internal Sessions make them. */
  constructor(
    readonly program: Program,
    private readonly state: State,
    readonly words: Int32Array,
  ) {
    try {
      this.native = new (binding().Program)(words);
    } catch (error) {
      throw fromNative(error);
    }
    this.variables = state.mirrorsOf(program.slots.flatMap(({ key }) => (typeof key === 'string' ? [] : [key])));
    this.updated = program.updates.length > 0 ? state.mirrorsOf(program.updates) : undefined;
    this.feeds = program.feeds.map(({ name, dtype, shape }) => ({ name, tag: TYPED_ARRAY[dtype], length: elementCount(shape) }));
    state.remember(program);
  }

  /** It will not be run again: what it alone takes is given back. No run of it may be under way. */
  unload(): void {
    this.native.close();
    this.state.forget(this.program);
  }

  /** Whether its variables are in place. */
  get isCurrent(): boolean {
    return this.variables.areCurrent;
  }

  /** Brings its variables up to date, to what they were made of when `contents` were asked for. No run may be under way. */
  updating(contents?: Contents): Work<void> {
    return this.variables.updating(contents);
  }

  /** Checks the feeds and counts a run that is about to begin. Its variables must be in place. */
  begin(feeds: readonly TypedArray[]): void {
    if (feeds.length !== this.feeds.length) {
      throw new StridenetError('ERR_INVALID_ARGUMENT', `This program expects ${this.feeds.length} feeds but got ${feeds.length}.`);
    }
    for (let i = 0; i < feeds.length; i++) {
      const [feed, wanted] = [feeds[i]!, this.feeds[i]!];
      if (feed?.[Symbol.toStringTag] !== wanted.tag || feed.length !== wanted.length) this.refuse(i, feed);
    }
    this.state.runBegins();
  }

  /**
   * What must happen after a run, even one that failed: it may have written some of its updates.
   * @throws StridenetError ERR_FILE_CHANGED when the files that it read are no longer what was loaded
   */
  finish(succeeded: boolean): void {
    this.updated?.tookUpdates();
    if (!succeeded) this.variables.forget();
    this.state.runEnded();
    this.variables.checkRead();
  }

  private refuse(index: number, feed: unknown): never {
    const { name, tag, length } = this.feeds[index]!;
    const { shape } = this.program.feeds[index]!;
    const sameType = (feed as TypedArray | undefined)?.[Symbol.toStringTag] === tag;
    throw new StridenetError(
      sameType ? 'ERR_SHAPE_MISMATCH' : 'ERR_DTYPE_MISMATCH',
      `Feed ${index} "${name}" expects a ${tag} of ${length} numbers (stored as ${formatShape(shape)}) but got ${formatValue(feed)}.`,
    );
  }
}

export class Session {
  private readonly native: NativeSession;
  private readonly state: State;
  private readonly specialise: SessionOptions['specialise'];
  private readonly programs = new Map<ProgramKey, LoadedProgram>();
  /** What to print at the end; empty unless profiling. */
  private readonly profiled: LoadedProgram[] = [];
  private closed = false;

  /** @throws StridenetError ERR_NATIVE_UNAVAILABLE */
  constructor({ state, threads, profile, specialise }: SessionOptions) {
    this.state = state;
    this.specialise = specialise;
    try {
      this.native = new (binding().Session)(state.native, threads ?? nativeInfo().threads, profile);
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** Verifies and binds a program that is not made by `specialise`; whoever loads it keeps it. */
  load(program: Program): LoadedProgram {
    this.checkOpen();
    const loaded = new LoadedProgram(program, this.state, this.state.renumber(program));
    if (isProfiling()) this.profiled.push(loaded);
    return loaded;
  }

  /**
   * Runs off the event loop, but for what takes less time than handing it over does (some 20 microseconds); runs queue in order. The feeds may
   * be reused when this returns.
   *
   * @param target a key for `specialise`, or a program that this session loaded
   * @param feeds one typed array for each feed of the program, in the order of its graph
   * @returns the fetched values in logical order, in memory of their own
   * @throws StridenetError ERR_CLOSED, ERR_DTYPE_MISMATCH, ERR_SHAPE_MISMATCH, ERR_OUT_OF_MEMORY, with the caller's stack
   */
  async run(target: ProgramKey | LoadedProgram, feeds: readonly TypedArray[], options: RunOptions = {}): Promise<TypedArray[]> {
    checkOptions('run', options, ['steps']);
    const steps = checkInteger('run', 'steps', options.steps ?? 1, 1);
    const loaded = this.resolve(target);
    if (!loaded.isCurrent) atOnce(loaded.updating());
    return this.start(loaded, feeds, steps);
  }

  /** @internal `run` for a program that is current. */
  async start(loaded: LoadedProgram, feeds: readonly TypedArray[], steps = 1): Promise<TypedArray[]> {
    this.resolve(loaded);
    loaded.begin(feeds);
    const caller = new Error();
    let succeeded = false;
    try {
      const results = await this.native.run(loaded.native, feeds as TypedArray[], steps, !isTurnDue());
      succeeded = true;
      return results;
    } catch (error) {
      throw fromNative(error, caller);
    } finally {
      loaded.finish(succeeded);
    }
  }

  /** Like `run`, but on the calling thread, which waits: the fastest way for one small input. */
  runSync(target: ProgramKey | LoadedProgram, feeds: readonly TypedArray[], steps = 1): TypedArray[] {
    if (steps !== 1) checkInteger('runSync', 'steps', steps, 1);
    const loaded = this.resolve(target);
    if (!loaded.isCurrent) atOnce(loaded.updating());
    loaded.begin(feeds);
    let succeeded = false;
    try {
      const results = this.native.runSync(loaded.native, feeds as TypedArray[], steps);
      succeeded = true;
      return results;
    } catch (error) {
      throw fromNative(error);
    } finally {
      loaded.finish(succeeded);
    }
  }

  /** The program of a key as text: one line for each instruction. */
  listing(target: ProgramKey | LoadedProgram): string {
    const { program, words } = this.resolve(target);
    const { isa, threads } = nativeInfo();
    const costs = planProgram(binding(), words, isa, threads);
    return disassemble(program, { scratchBytes: (index) => costs[index]!.scratchBytes });
  }

  /** Seconds spent in each instruction since the last call, if the session was made with `profile` or STRIDENET_PROFILE is 1; else all are 0. */
  profile(target: ProgramKey | LoadedProgram): ProfileRow[] {
    const { program, native } = this.resolve(target);
    const seconds = this.native.profile(native);
    const { prepare, step } = program.lists;
    return [...prepare, ...step].map(({ opcode, name }, i) => ({
      list: i < prepare.length ? 'prepare' : 'step',
      opcode,
      name,
      seconds: seconds[i] ?? 0,
    }));
  }

  /** Runs that wait reject with ERR_CLOSED; memory is freed. The State lives on. Idempotent. */
  close(): void {
    if (this.closed) return;
    for (const [i, loaded] of this.profiled.entries()) {
      const title = `program ${i + 1} of ${this.profiled.length} (${formatBytes(loaded.native.bytes)})`;
      process.stderr.write(`${formatProfile(title, this.profile(loaded))}\n`);
    }
    this.closed = true;
    this.native.close();
    this.profiled.length = 0;
    this.programs.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private resolve(target: ProgramKey | LoadedProgram): LoadedProgram {
    if (this.closed) this.checkOpen();
    if (typeof target === 'object') return target;
    let loaded = this.programs.get(target);
    if (!loaded) {
      if (!this.specialise) throw new StridenetError('ERR_INVALID_ARGUMENT', `This session has no program "${target}".`);
      loaded = this.load(this.specialise(target));
      this.programs.set(target, loaded);
    }
    return loaded;
  }

  private checkOpen(): void {
    if (this.closed) throw closedError();
  }
}

/** The error of every call of a closed session. */
export function closedError(): StridenetError {
  return new StridenetError('ERR_CLOSED', 'This session is closed. Make a new one, or close it after its last run.');
}

function isProfiling(): boolean {
  return nativeInfo().profile;
}
