/** onnxruntime-node on the ONNX file that this package exported. Inference only: onnxruntime's Node package does not train. */

import { CannotTakePart, type Peer, type Running, type Task } from '../protocol';
import { readImages, requirePeer } from './files';

/** What is used of onnxruntime-node. */
interface Ort {
  readonly env: { readonly versions: { readonly node?: string } };
  readonly Tensor: new (type: 'float32', data: Float32Array, shape: readonly number[]) => OrtTensor;
  readonly InferenceSession: { create(path: string, options: object): Promise<OrtSession> };
}
interface OrtTensor {
  readonly data: Float32Array;
}
interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Record<string, OrtTensor>>;
}

export function ortPeer(): Peer {
  const ort = requirePeer('onnxruntime-node') as Ort;
  return { version: () => `onnxruntime-node ${ort.env.versions.node ?? ''}`.trim(), open: (task) => open(ort, task) };
}

async function open(ort: Ort, { mode, network, batch, threads, files }: Task): Promise<Running> {
  if (mode === 'training') throw new CannotTakePart('onnxruntime-node does not train.');
  if (files.onnx === undefined) throw new CannotTakePart('There is no ONNX file of this model.');
  const session = await ort.InferenceSession.create(files.onnx, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    graphOptimizationLevel: 'all',
  });
  const images = new ort.Tensor('float32', readImages({ files } as Task), [batch, ...network.input]);
  const feeds = { [session.inputNames[0]!]: images };
  const output = session.outputNames[0]!;
  return { once: async () => (await session.run(feeds))[output]!.data };
}
