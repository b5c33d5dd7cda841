/** The programs of one model in one session: compiled when first needed, kept by what they are specialised for. */

import { compileGraph, type Graph } from '../compile/compile';
import { checkInteger } from '../errors';
import { planningEnabled } from '../runtime/binding';
import { nativeQueries } from '../runtime/queries';
import { Session, type LoadedProgram } from '../runtime/session';
import { State } from '../runtime/state';

/** A program with the graph that it was made from. */
export interface ReadyProgram {
  readonly graph: Graph;
  readonly loaded: LoadedProgram;
}

export class Programs {
  readonly session: Session;
  private readonly state = new State();
  private readonly programs = new Map<string, ReadyProgram>();

  /** @param threads default: what this process may use. @throws StridenetError ERR_NATIVE_UNAVAILABLE, ERR_INVALID_ARGUMENT */
  constructor(where: string, threads: number | undefined) {
    if (threads !== undefined) checkInteger(where, 'threads', threads, 1);
    this.session = new Session({ state: this.state, threads });
  }

  /** The program of `key`; `build` makes its graph the first time. */
  get(key: string, build: () => Graph): ReadyProgram {
    let ready = this.programs.get(key);
    if (!ready) {
      const graph = build();
      const program = compileGraph(graph, nativeQueries(), { plan: planningEnabled() });
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
