/** Reading what the benchmark wrote for its peers. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { readSafetensors } from '../../io/safetensors';
import type { PortableGraph } from '../portableGraph';
import { CannotTakePart, type Task } from '../protocol';

export function readImages({ files }: Task): Float32Array {
  return new Float32Array(bytesOf(files.images));
}

export function readLabels({ files }: Task): Int32Array {
  return new Int32Array(bytesOf(files.labels));
}

export function readGraph({ files }: Task): PortableGraph {
  return JSON.parse(readFileSync(files.graph, 'utf8')) as PortableGraph;
}

/** Float32 weights and running statistics by name. */
export async function readWeights({ files }: Task): Promise<Map<string, Float32Array>> {
  const { tensors } = await readSafetensors(files.weights);
  return new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array]));
}

/** A package that the user may have installed beside this one, or in the folder where the benchmark was started. */
export function requirePeer(name: string): unknown {
  return createRequire(__filename)(resolvePeer(name));
}

/** The file that `requirePeer` loads. @throws CannotTakePart when it is not installed */
export function resolvePeer(name: string): string {
  for (const base of [__filename, path.join(process.cwd(), 'package.json')]) {
    try {
      return createRequire(base).resolve(name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new CannotTakePart(`${name} is not installed. Run: npm install ${name}`);
}

function bytesOf(file: string): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = readFileSync(file);
  return buffer.slice(byteOffset, byteOffset + byteLength);
}
