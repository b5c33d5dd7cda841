/** The golden files: their types, how to read them, and their inputs, made by the same integer arithmetic as in generate.py. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** float32(scale (2 r / 10007 - 1)), r = (31 i^2 + 4099 i + 7919 seed) mod 10007. */
export function formula(count: number, seed: number, scale = 1): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => scale * ((2 * ((31 * i * i + 4099 * i + 7919 * seed) % 10007)) / 10007 - 1));
}

/** (7 i + 3 seed) mod classes */
export function labels(count: number, classes: number, seed: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (7 * i + 3 * seed) % classes);
}

/** One row of ops.json: inputs formula(shapes[k], k + 1), gradients of sum(y formula(y, 50)). */
export interface OpCase {
  readonly name: string;
  readonly op: string;
  readonly shapes: readonly (readonly number[])[];
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly inputScale?: number;
  readonly shape: readonly number[];
  readonly y: readonly number[];
  readonly gradients: readonly (readonly number[])[];
}

/** Values of a tensor at every `stride`-th flat position, and norms over all of them. */
export interface Sample {
  readonly shape: readonly number[];
  readonly stride: number;
  readonly values: readonly number[];
  readonly sum: number;
  readonly norm: number;
}

export interface LenetRun {
  readonly name: string;
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
  readonly losses: readonly number[];
  readonly float32Losses: readonly number[];
  readonly finalNorms: readonly number[];
}

export interface LenetVariant {
  /** Sigmoid and average pooling in place of ReLU and maximum pooling. */
  readonly course: boolean;
  readonly loss: number;
  readonly logits: readonly number[];
  /** By parameter, in order: the scale of its formula-made values. */
  readonly scales: Readonly<Record<string, number>>;
  readonly gradients: Readonly<Record<string, Sample>>;
  readonly runs: readonly LenetRun[];
}

export interface LenetGolden {
  readonly batch: number;
  readonly steps: number;
  readonly variants: readonly LenetVariant[];
}

function read<T>(file: string): T {
  return JSON.parse(readFileSync(join(__dirname, file), 'utf8')) as T;
}

export const goldenOps = (): readonly OpCase[] => read<{ cases: OpCase[] }>('ops.json').cases;
export const goldenLenet = (): LenetGolden => read<LenetGolden>('lenet.json');
