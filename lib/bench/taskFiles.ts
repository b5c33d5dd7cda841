/** The files that the peers of a row share: one model's weights and graph, a batch of images and labels. */

import { writeFileSync } from 'node:fs';
import { elementCount } from '../graph/types';
import { saveSafetensors } from '../io/safetensors';
import type { Module } from '../nn';
import { manualSeed } from '../random';
import '../runtime/evaluate';
import { buildNetwork, type Mode, type Network } from './networks';
import type { PeerName } from './peerProcess';
import { portableGraph } from './portableGraph';
import type { TaskFiles } from './protocol';
import { TemporaryFolder } from './temporaryFolder';

const SEED = 1;

/** A folder that holds the files of one network at a time: the weights of a large one take half a gigabyte. */
export class TaskFolder {
  private readonly folder = new TemporaryFolder();
  private network: Network | undefined;
  private model: Module | undefined;
  private hasOnnx = false;

  /** Writes what is not there yet. */
  async prepare(
    network: Network,
    mode: Mode,
    batch: number,
    peers: readonly PeerName[],
  ): Promise<{ files: TaskFiles; hasDropout: boolean }> {
    const at = (name: string): string => this.folder.at(name);
    if (this.network?.name !== network.name) {
      manualSeed(SEED);
      this.model = buildNetwork(network);
      this.network = network;
      this.hasOnnx = false;
      await saveSafetensors(at('weights.safetensors'), this.model.stateDict());
    }
    const model = this.model!;
    const shape = [batch, ...network.input];
    const graph = portableGraph(model, shape, mode === 'training');
    const classes = graph.nodes[graph.output]!.shape[1]!;
    writeFileSync(at('graph.json'), JSON.stringify(graph));
    writeFileSync(at('images.f32'), noise(elementCount(shape)));
    writeFileSync(
      at('labels.i32'),
      Int32Array.from({ length: batch }, (_, i) => (7 * i) % classes),
    );
    if (mode === 'inference' && peers.includes('ort') && !this.hasOnnx) {
      // Loaded when needed: its protobuf library is of no use to the rest.
      const { exportOnnx } = await import('../onnx/index.js');
      await exportOnnx(model, { input: network.input, path: at('model.onnx') });
      this.hasOnnx = true;
    }
    return {
      files: {
        weights: at('weights.safetensors'),
        graph: at('graph.json'),
        images: at('images.f32'),
        labels: at('labels.i32'),
        onnx: this.hasOnnx ? at('model.onnx') : undefined,
      },
      hasDropout: graph.nodes.some(({ op }) => op === 'dropout'),
    };
  }

  remove(): void {
    this.folder.remove();
  }
}

/** Uniform in [-1, 1): a linear congruential generator (Numerical Recipes). */
function noise(length: number): Float32Array {
  const values = new Float32Array(length);
  let state = SEED;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    values[i] = state / 2 ** 31 - 1;
  }
  return values;
}
