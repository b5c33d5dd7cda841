/**
 * Session: runs programs against a State on threads of its own, one after the other. What a program computes is the compiler's business,
 * how it runs native code's, and which programs are kept that of whoever loads them.
 */

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import { disassemble, formatBytes } from '../compile/disassemble';
import type { Program } from '../compile/ir';
import { StridenetError } from '../errors';
import type { TypedArray } from '../graph/types';
import { binding, fromNative, nativeInfo, type NativeProgram, type NativeSession } from './binding';
import { formatProfile, type ProfileRow } from './profile';
import { planProgram } from './queries';
import { atOnce, type Work } from '../work';
import type { Contents, Mirrors, State } from './state';

export interface SessionOptions {
  readonly state: State;
  /** Threads that work on a run; default: those that this process may use. */
  readonly threads?: number;
  /** Measure what `profile` gives, without printing it; default: as STRIDENET_PROFILE says. */
  readonly profile?: boolean;
}

export interface RunOptions {
  /** How often the program runs on the same feeds; the results are those of the last time. Default 1. */
  readonly steps?: number;
}

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

  /** Counts a run that is about to begin. Its variables must be in place. */
  begin(): void {
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
}

export class Session {
  private readonly native: NativeSession;
  private readonly state: State;
  /** What to print at the end; empty unless profiling. */
  private readonly profiled: LoadedProgram[] = [];
  private closed = false;

  /** @throws StridenetError ERR_NATIVE_UNAVAILABLE */
  constructor({ state, threads, profile }: SessionOptions) {
    this.state = state;
    try {
      this.native = new (binding().Session)(state.native, threads ?? nativeInfo().threads, profile);
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** Verifies and binds a program; whoever loads it keeps it. */
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
   * @param loaded a program that this session loaded
   * @param feeds one typed array for each feed of the program, in the order of its graph
   * @returns the fetched values in logical order, in memory of their own
   * @throws StridenetError ERR_CLOSED, ERR_DTYPE_MISMATCH, ERR_SHAPE_MISMATCH, ERR_OUT_OF_MEMORY, with the caller's stack
   */
  async run(loaded: LoadedProgram, feeds: readonly TypedArray[], options: RunOptions = {}): Promise<TypedArray[]> {
    this.makeCurrent(loaded);
    return this.start(loaded, feeds, options);
  }

  /** @internal `run` for a program that is current. */
  async start(loaded: LoadedProgram, feeds: readonly TypedArray[], { steps = 1 }: RunOptions = {}): Promise<TypedArray[]> {
    this.checkOpen();
    loaded.begin();
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
  runSync(loaded: LoadedProgram, feeds: readonly TypedArray[], { steps = 1 }: RunOptions = {}): TypedArray[] {
    this.makeCurrent(loaded);
    loaded.begin();
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

  /** The program as text: one line for each instruction. */
  listing({ program, words }: LoadedProgram): string {
    this.checkOpen();
    const { isa, threads } = nativeInfo();
    const costs = planProgram(binding(), words, isa, threads);
    return disassemble(program, { scratchBytes: (index) => costs[index]!.scratchBytes });
  }

  /** Seconds spent in each instruction since the last call, if the session was made with `profile` or STRIDENET_PROFILE is 1; else all are 0. */
  profile({ program, native }: LoadedProgram): ProfileRow[] {
    this.checkOpen();
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
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private makeCurrent(loaded: LoadedProgram): void {
    this.checkOpen();
    if (!loaded.isCurrent) atOnce(loaded.updating());
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
