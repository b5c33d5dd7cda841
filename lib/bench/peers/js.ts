/** Plain JavaScript as a peer: what a network costs in Node without native code. */

import { JsNetwork } from '../js/network';
import type { Peer, Running, Task } from '../protocol';
import { readGraph, readImages, readLabels, readWeights } from './files';

export function jsPeer(): Peer {
  return { version: () => `Node ${process.version}`, open };
}

async function open(task: Task): Promise<Running> {
  const training = task.mode === 'training';
  const network = new JsNetwork(readGraph(task), await readWeights(task), readImages(task), training);
  if (!training) return { once: () => network.predict() };
  const labels = readLabels(task);
  return { once: () => Float32Array.of(network.step(labels, task.learningRate, task.momentum)) };
}
