/** This package as one of the contestants: `compile` and `runSync`, `Trainer.step`. */

import { packageVersion } from '../../version';
import { loadSafetensors } from '../../io/safetensors';
import '../../runtime/evaluate';
import { sgd } from '../../optim/sgd';
import { compile } from '../../train/compile';
import { Trainer } from '../../train/trainer';
import { buildNetwork } from '../networks';
import type { Peer, Running, Task } from '../protocol';
import { readImages, readLabels } from './files';

export function stridenetPeer(): Peer {
  return { version: () => `stridenet ${packageVersion()}`, open: (task) => (task.mode === 'inference' ? predict(task) : train(task)) };
}

async function predict(task: Task): Promise<Running> {
  const model = buildNetwork(task.network);
  model.loadStateDict(await loadSafetensors(task.files.weights));
  const net = await compile(model, { input: task.network.input, maxBatch: task.batch, threads: task.threads, algorithm: task.algorithm });
  const images = readImages(task);
  return { once: () => net.runSync(images).dataSync() };
}

async function train(task: Task): Promise<Running> {
  const model = buildNetwork(task.network);
  model.loadStateDict(await loadSafetensors(task.files.weights));
  const trainer = new Trainer(model, {
    optimizer: sgd({ lr: task.learningRate, momentum: task.momentum }),
    input: task.network.input,
    batchSize: task.batch,
    threads: task.threads,
    algorithm: task.algorithm,
  });
  const [images, labels] = [readImages(task), readLabels(task)];
  return { once: async () => Float32Array.of((await trainer.step(images, labels)).loss) };
}
