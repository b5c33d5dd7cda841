/** From a graph to a Program; reads top to bottom. Knows nothing of sessions: native answers come in as `queries`. */

import type { Graph } from '../graph/graph';
import { atOnce, type Work } from '../work';
import type { AlgorithmMode } from './algorithm';
import { checkGraph } from './checkGraph';
import { encoding } from './encode';
import { fold } from './fold';
import { fuse } from './fuse';
import type { NativeQueries, Program } from './ir';
import { joinDepthwise } from './joinDepthwise';
import { joinPooling } from './joinPooling';
import { localise } from './localise';
import { lower } from './lower';
import { planningMemory } from './planMemory';
import { recompute } from './recompute';
import { schedule } from './schedule';
import { simplify } from './simplify';

export interface CompileOptions {
  /** Fold batch normalisation and join nodes into fused instructions; default true. Off for tests that compare. */
  fuse?: boolean | undefined;
  /** Let buffers share memory; default true (STRIDENET_PLAN). */
  sharesMemory?: boolean | undefined;
  /** What convolutions may use; default 'fast'. */
  algorithm?: AlgorithmMode | undefined;
  /** Compute large results of batch normalisation again for the gradients rather than keep them; default true. Off for tests that compare. */
  recompute?: boolean | undefined;
  /** Check what every pass makes of the graph; default false (STRIDENET_VALIDATE). */
  validate?: boolean | undefined;
}

/**
 * Compiles one specialisation (batch and mode are in the graph's shapes and nodes), in pieces of few milliseconds.
 * @throws StridenetError ERR_OUT_OF_MEMORY when the memory plan exceeds what a program can address
 */
export function* compiling(graph: Graph, queries: NativeQueries, options: CompileOptions = {}): Work<Program> {
  const simple = apply(simplify, graph, options);
  yield;
  const fused = options.fuse === false ? simple : yield* fusing(simple, options);
  yield;
  const kept = options.recompute === false ? fused : apply(recompute, fused, options);
  yield;
  const lowered = yield* lower(kept, queries, options.algorithm ?? 'fast');
  const joined = options.fuse === false ? lowered : joinDepthwise(joinPooling(lowered, queries), queries);
  yield;
  const lists = yield* schedule(localise(joined));
  const memoryPlan = yield* planningMemory(lists, { sharesMemory: options.sharesMemory ?? true });
  return yield* encoding(lists, memoryPlan);
}

function* fusing(graph: Graph, options: CompileOptions): Work<Graph> {
  const folded = apply(fold, graph, options);
  yield;
  const simple = apply(simplify, folded, options);
  yield;
  return apply(fuse, simple, options);
}

function apply(pass: (graph: Graph) => Graph, graph: Graph, { validate }: CompileOptions): Graph {
  const result = pass(graph);
  if (validate) checkGraph(result, graph, pass.name);
  return result;
}

/** The same at once. @throws StridenetError as `compiling` */
export function compileGraph(graph: Graph, queries: NativeQueries, options: CompileOptions = {}): Program {
  return atOnce(compiling(graph, queries, options));
}
