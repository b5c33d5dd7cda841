/** From nodes to instructions: the operations of a graph (lowerOps.ts), then its updates (lowerUpdates.ts). */

import type { Graph } from '../graph/graph';
import type { Work } from '../work';
import type { AlgorithmMode } from './algorithm';
import type { InstructionLists, NativeQueries } from './ir';
import { Lowering } from './lowering';
import { LOWERINGS } from './lowerOps';
import { lowerUpdates } from './lowerUpdates';

export function* lower(graph: Graph, queries: NativeQueries, algorithm: AlgorithmMode): Work<InstructionLists> {
  const lowering = new Lowering(graph, queries, algorithm, LOWERINGS);
  yield* lowering.lowerNodes();
  lowerUpdates(lowering, graph.updates);
  return lowering.lists();
}
