/** The layers of a model, with the time that each takes in a forward pass. */

import { compiling } from '../compile/compile';
import { elementCount, type Shape } from '../graph/types';
import type { Module } from '../nn/module';
import { nativeQueries } from '../runtime/queries';
import { Session } from '../runtime/session';
import { State } from '../runtime/state';
import { Task } from '../runtime/task';
import { summary } from '../summary';
import { inferenceGraph } from '../train/graphs';
import type { LayerTable } from './run';

/** Images of a pass. */
const BATCH = 8;
/** Passes that are measured. */
const PASSES = 5;

/**
 * Measures inference of a few images. A layer that the compiler joins with another, such as an activation with the convolution before it, has
 * no time of its own.
 *
 * @param input shape of one image
 * @throws StridenetError as `summary` does
 */
export async function layerTable(model: Module, input: Shape, threads?: number): Promise<LayerTable> {
  const { layers } = summary(model, [BATCH, ...input]);
  const graph = inferenceGraph(model, { count: BATCH, dtype: 'float32', input, preprocess: {} });
  const program = await new Task(compiling(graph, nativeQueries())).inSlices();
  const session = new Session({ state: new State(), threads, profile: true });
  try {
    const loaded = session.load(program);
    const feeds = [new Float32Array(BATCH * elementCount(input))];
    await session.run(loaded, feeds); // packs weights, touches memory
    session.profile(loaded);
    await session.run(loaded, feeds, { steps: PASSES });
    const seconds = new Map<string, number>();
    for (const row of session.profile(loaded)) {
      if (row.list === 'step') seconds.set(row.name, (seconds.get(row.name) ?? 0) + row.seconds / PASSES);
    }
    return { batch: BATCH, rows: layers.map((layer) => ({ ...layer, seconds: seconds.get(layer.path) })) };
  } finally {
    session.close();
  }
}
