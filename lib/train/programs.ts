/** The programs of one model in one session: compiled when first needed, kept by what they are specialised for. */

import { checkAlgorithm, type AlgorithmMode } from '../compile/algorithm';
import { compiling } from '../compile/compile';
import { checkInteger } from '../errors';
import { roots, type Graph } from '../graph/graph';
import { topologicalOrder } from '../graph/traverse';
import { dtypeOf, newArray, type TypedArray } from '../graph/types';
import type { Work } from '../work';
import { compilerSwitches, withCaller } from '../runtime/binding';
import { ProgramCache, type CachedProgram } from '../runtime/programCache';
import { nativeQueries } from '../runtime/queries';
import { closedError, Session, type LoadedProgram } from '../runtime/session';
import { currentContents, State, type Contents, type StateOptions } from '../runtime/state';
import { nextTurn, Task } from '../runtime/task';
import { StartOrder } from './startOrder';

/** Values to run on, by the names of the graph's feeds; those that a graph does not take are left out. */
export type FeedValues = Readonly<Record<string, TypedArray>>;

/** Runs the program of `key` behind what was asked for before, in the form that the model has. */
export type RunProgram = (key: string, build: () => Graph, values?: FeedValues) => Promise<void>;

/** Options of everything that runs programs. */
export interface ExecutionOptions {
  /**
   * Default: the threads that this process may use. Fewer take part while other processes need the processors and that is faster. Results
   * do not depend on it.
   */
  threads?: number | undefined;
  /**
   * Default 'fast': 3x3 and 5x5 convolutions use Winograd's algorithm where that is faster, whose rounding errors are some two times those
   * of plain sums; its weights take up to four times the memory. 'exact': never.
   */
  algorithm?: AlgorithmMode | undefined;
}

/** Their names, for checkOptions. */
export const EXECUTION_OPTIONS = ['threads', 'algorithm'];

/** The program of a key, or as much of it as there is. */
interface Entry {
  readonly graph: Graph;
  readonly loading: Task<LoadedProgram>;
}

export class Programs {
  private readonly session: Session;
  readonly algorithm: AlgorithmMode;
  private readonly state: State;
  private readonly cache = new ProgramCache<Entry>(({ loading }) => {
    if (this.closed) return;
    loading.value?.unload();
    loading.cancel(closedError());
  });
  /** How many runs, of all programs, were asked for and are not over. */
  private runs = 0;
  private isRetired = false;
  /**
   * Starts runs in the order of their calls, so that one whose program exists does not overtake one whose program is
   * being compiled.
   */
  private readonly startOrder = new StartOrder();
  private lastRun: Promise<unknown> = Promise.resolve();
  private closed = false;

  /** @throws StridenetError ERR_NATIVE_UNAVAILABLE, ERR_INVALID_ARGUMENT */
  constructor(where: string, { threads, algorithm }: ExecutionOptions, stateOptions: StateOptions = {}) {
    if (threads !== undefined) checkInteger(where, 'threads', threads, 1);
    this.algorithm = checkAlgorithm(where, algorithm);
    this.state = new State(stateOptions);
    this.session = new Session({ state: this.state, threads });
  }

  get isClosed(): boolean {
    return this.closed;
  }

  /** The program of `key` as text, one line for each instruction; `build` makes its graph the first time. */
  listing(key: string, build: () => Graph): string {
    return this.session.listing(this.entry(key, build).value.loading.now());
  }

  /** Makes the program of `key` without holding up the event loop. */
  async prepare(key: string, build: () => Graph): Promise<void> {
    await this.entry(key, build).value.loading.inSlices();
  }

  /** Runs the program of `key` on the calling thread, which waits. @throws StridenetError as Session.runSync */
  runSync(key: string, build: () => Graph, values: FeedValues): TypedArray[] {
    const { graph, loading } = this.entry(key, build).value;
    return this.session.runSync(loading.now(), inOrder(graph, values));
  }

  /**
   * Runs the program of `key` off the event loop; runs queue in the order of calls. `build` and `feed` are called before this returns its
   * promise, the variables are taken as they are then, and the feeds may be reused.
   * @throws StridenetError as Session.run
   */
  async run<G extends Graph>(key: string, build: () => G, feed: (graph: G) => FeedValues): Promise<TypedArray[]> {
    const entry = this.entry(key, build);
    const { graph } = entry.value;
    const feeds = inOrder(graph, feed(graph as G)); // the graph of a key is what its `build` gave
    return this.counting(entry, () => this.start(entry.value, feeds));
  }

  /**
   * Runs the program of `key` many times, as `run` does, a group of feeds at a time; the event loop turns between groups. No other run comes
   * between, so that all see the variables as they are at the call.
   * @param groups each asked for when it is its turn; feeds must stay as they are until then
   * @param done gets the results of each group
   */
  async runGroups(
    key: string,
    build: () => Graph,
    groups: Iterable<readonly FeedValues[]>,
    done: (results: readonly TypedArray[][]) => void,
  ): Promise<void> {
    const entry = this.entry(key, build);
    const { graph, loading } = entry.value;
    const contents = currentContents(topologicalOrder(roots(graph)));
    const caller = new Error();
    const runAll = async (): Promise<void> => {
      for (const group of groups) {
        if (this.closed) throw closedError();
        const program = await this.makeReady(loading, contents);
        done(await Promise.all(group.map((values) => this.submit(program, inOrder(graph, values)))));
        await nextTurn();
      }
    };
    try {
      await this.counting(entry, () => this.startOrder.enter(runAll, async () => undefined));
    } catch (error) {
      throw withCaller(error, caller);
    }
  }

  private async counting<T>(entry: CachedProgram<Entry>, run: () => Promise<T>): Promise<T> {
    entry.runBegins();
    this.runs++;
    try {
      return await run();
    } finally {
      entry.runEnds();
      this.runs--;
      if (this.isRetired) this.retire();
    }
  }

  private start({ graph, loading }: Entry, feeds: readonly TypedArray[]): Promise<TypedArray[]> {
    if (this.startOrder.allStarted && loading.value?.isCurrent) return this.submit(loading.value, feeds);
    const copies = feeds.map(copyOf);
    const contents = currentContents(topologicalOrder(roots(graph)));
    const caller = new Error();
    const running = this.startOrder.enter(
      () => this.makeReady(loading, contents),
      (program) => this.submit(program, copies),
    );
    return running.catch((error: unknown) => {
      throw withCaller(error, caller);
    });
  }

  /**
   * Calls `action` between the runs that were asked for before this and those that are afterwards: when the former and `makeReady` are over. The
   * latter begin when it has returned its promise.
   */
  async between<Ready, T>(makeReady: () => Promise<Ready>, action: (ready: Ready) => Promise<T>): Promise<T> {
    return this.startOrder.enter(async () => {
      await this.lastRun;
      return makeReady();
    }, action);
  }

  /** Closes the session; the model gets its values back. Idempotent. */
  close(): void {
    this.closed = true;
    for (const { loading } of this.cache.takeAll()) loading.cancel(closedError());
    this.session.close();
    this.state.close();
  }

  /** Closes when all runs that were asked for are over; there are no others. */
  retire(): void {
    this.isRetired = true;
    if (this.runs === 0) this.close();
  }

  /** The same as `close` when all runs are over, without holding up the event loop. */
  async closeInSlices(): Promise<void> {
    if (!this.closed) await new Task(this.state.releasing()).inSlices();
    this.close();
  }

  private async makeReady(loading: Task<LoadedProgram>, contents: Contents): Promise<LoadedProgram> {
    const program = await loading.inSlices();
    if (!program.isCurrent) {
      await this.state.idle();
      await new Task(program.updating(contents)).inSlices();
    }
    return program;
  }

  private submit(program: LoadedProgram, feeds: readonly TypedArray[]): Promise<TypedArray[]> {
    const running = this.session.start(program, feeds);
    this.lastRun = running.catch(() => undefined);
    return running;
  }

  private entry(key: string, build: () => Graph): CachedProgram<Entry> {
    return this.cache.get(key, () => {
      if (this.closed) throw closedError();
      const graph = build();
      return { graph, loading: new Task(this.load(key, graph)) };
    });
  }

  private *load(key: string, graph: Graph): Work<LoadedProgram> {
    try {
      const program = yield* compiling(graph, nativeQueries(), { ...compilerSwitches(), algorithm: this.algorithm });
      yield;
      return this.session.load(program);
    } catch (error) {
      this.cache.delete(key); // the next call tries again, since it may find more memory
      throw error;
    }
  }
}

function inOrder({ feeds }: Graph, values: FeedValues): TypedArray[] {
  return feeds.map(({ name }) => values[name]!);
}

/** The caller may use the array again at once. @throws StridenetError ERR_OUT_OF_MEMORY */
function copyOf(values: TypedArray): TypedArray {
  const copy = newArray('A run', [values.length], dtypeOf(values)!);
  copy.set(values);
  return copy;
}
