/** The programs of one model in one session: compiled when first needed, kept by what they are specialised for. */

import { checkAlgorithm, type AlgorithmMode } from '../compile/algorithm';
import { compileGraph, type Graph } from '../compile/compile';
import { checkInteger } from '../errors';
import { planningEnabled } from '../runtime/binding';
import { nativeQueries } from '../runtime/queries';
import { Session, type LoadedProgram } from '../runtime/session';
import { State, type StateOptions } from '../runtime/state';

/** Options of everything that runs programs. */
export interface ExecutionOptions {
  /** Default: the threads that this process may use. Results do not depend on it. */
  threads?: number;
  /**
   * Default 'fast': 3x3 and 5x5 convolutions use Winograd's algorithm where that is faster, whose rounding errors are some two times those
   * of plain sums; its weights take up to four times the memory. 'exact': never.
   */
  algorithm?: AlgorithmMode;
}

/** Their names, for checkOptions. */
export const EXECUTION_OPTIONS = ['threads', 'algorithm'];

/** A program with the graph that it was made from. */
export interface ReadyProgram {
  readonly graph: Graph;
  readonly loaded: LoadedProgram;
}

export class Programs {
  readonly session: Session;
  readonly algorithm: AlgorithmMode;
  private readonly state: State;
  private readonly programs = new Map<string, ReadyProgram>();

  /** @throws StridenetError ERR_NATIVE_UNAVAILABLE, ERR_INVALID_ARGUMENT */
  constructor(where: string, { threads, algorithm }: ExecutionOptions, stateOptions: StateOptions = {}) {
    if (threads !== undefined) checkInteger(where, 'threads', threads, 1);
    this.algorithm = checkAlgorithm(where, algorithm);
    this.state = new State(stateOptions);
    this.session = new Session({ state: this.state, threads });
  }

  /** The program of `key`; `build` makes its graph the first time. */
  get(key: string, build: () => Graph): ReadyProgram {
    let ready = this.programs.get(key);
    if (!ready) {
      const graph = build();
      const program = compileGraph(graph, nativeQueries(), { plan: planningEnabled(), algorithm: this.algorithm });
      ready = { graph, loaded: this.session.load(program) };
      this.programs.set(key, ready);
    }
    return ready;
  }

  /** Closes the session; the model gets its values back. Idempotent. */
  close(): void {
    this.session.close();
    this.state.release();
    this.programs.clear();
  }
}
