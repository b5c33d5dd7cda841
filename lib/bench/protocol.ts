/**
 * What the benchmark and its peers say to each other: one JSON object a line, requests on the peer's standard input, one answer for each on its
 * standard output. bench/peers/pytorch.py speaks it too.
 */

import type { AlgorithmMode } from '../compile/algorithm';
import type { Mode, Network } from './networks';

/** Files that all peers of a row share. */
export interface TaskFiles {
  /** safetensors, PyTorch's names and order of axes. */
  readonly weights: string;
  /** PortableGraph as JSON. */
  readonly graph: string;
  /** Float32, [N, C, H, W], no header. */
  readonly images: string;
  /** Int32, [N], no header. */
  readonly labels: string;
  /** Only for inference, and only when a peer reads it. */
  readonly onnx?: string;
}

export interface Task {
  readonly mode: Mode;
  readonly network: Network;
  readonly batch: number;
  readonly threads: number;
  /** Ours alone: 'exact' leaves Winograd's algorithm out. */
  readonly algorithm: AlgorithmMode;
  /** Of stochastic gradient descent, as all peers train. */
  readonly learningRate: number;
  readonly momentum: number;
  readonly files: TaskFiles;
}

export type Request =
  /** Which program this is, or why it cannot run. */
  | { readonly do: 'hello' }
  /** Loads the model and runs it once, or trains two steps. */
  | { readonly do: 'open'; readonly task: Task }
  /** Runs until `seconds` are over, once at least, after uncounted runs of `warmup` seconds. */
  | { readonly do: 'measure'; readonly seconds: number; readonly warmup: number };

export interface Hello {
  /** Such as 'onnxruntime-node 1.30.0'. */
  readonly version: string;
}
/** The peer cannot take part, and what would change that. */
export interface Unavailable {
  readonly unavailable: string;
}
export interface Opened {
  /** Milliseconds to load the model, and those of the first run or step. */
  readonly loadMs: number;
  readonly firstMs: number;
  /** Inference: logits as base64 of little-endian float32. */
  readonly logits?: string;
  /** Training: mean loss before the first and before the second step; a slow peer makes only one. */
  readonly losses?: readonly number[];
  /** Resident bytes after the first run. */
  readonly residentBytes: number;
}
export interface Measured {
  readonly milliseconds: readonly number[];
  /** Most resident bytes so far. */
  readonly peakBytes: number;
}

/** The peer's side in JavaScript: what lib/bench/peers implement and lib/bench/worker.ts serves. */
export interface Peer {
  version(): string;
  /** @throws Unavailable when it cannot do this task */
  open(task: Task): Promise<Running>;
}

export interface Running {
  /** Runs or trains once and waits for the result: logits, or the loss as the only number. */
  once(): Promise<Float32Array> | Float32Array;
}

/** Thrown by a peer that cannot take part. */
export class CannotTakePart extends Error {}
