/** zoo.json: its types, how to read it, and the weights and images of generateZoo.py, made by the same arithmetic. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What both kinds of rows say about a network. */
export interface ZooModel {
  readonly family: string;
  /** Height and width of the images. */
  readonly extent: number;
  /** The largest weight is sqrt(gain / fan in). */
  readonly gain: number;
  readonly parameters: number;
  /** The number of parameter tensors. */
  readonly names: number;
}

export interface LogitsCase extends ZooModel {
  readonly batch: number;
  readonly classes: number;
  /** By image: the first 16. */
  readonly logits: readonly (readonly number[])[];
  /** By image, over all logits. */
  readonly norms: readonly number[];
}

export interface TrainingCase extends ZooModel {
  readonly lr: number;
  /** Seed of the images. */
  readonly images: number;
  /** By parameter and index: what is added to single biases to stay clear of the kinks of ReLU (kinks.py). */
  readonly moves: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly losses: readonly number[];
  /** By parameter: the norm of its first gradient and the elements first, middle and last of it. */
  readonly gradients: Readonly<Record<string, readonly [number, number, number, number]>>;
  /** By running statistic: its norm after the last step. */
  readonly statistics: Readonly<Record<string, number>>;
}

export interface ZooGolden {
  readonly batch: number;
  readonly logits: readonly LogitsCase[];
  readonly training: readonly TrainingCase[];
}

export const goldenZoo = (): ZooGolden => JSON.parse(readFileSync(join(__dirname, 'zoo.json'), 'utf8')) as ZooGolden;

const PERIOD = 10007;

/** float32(shift + scale * (2 r / 10007 - 1)), r = (31 i^2 + 4099 i + 7919 seed) mod 10007: repeats after 10007 elements. */
export function periodic(count: number, seed: number, scale = 1, shift = 0): Float32Array {
  const values = new Float32Array(count);
  const once = Math.min(count, PERIOD);
  for (let i = 0; i < once; i++) values[i] = shift + scale * ((2 * ((31 * i * i + 4099 * i + 7919 * seed) % PERIOD)) / PERIOD - 1);
  // By whole periods, ever more at once.
  for (let made = PERIOD; made < count; made *= 2) values.copyWithin(made, 0, Math.min(made, count - made));
  return values;
}

/** FNV-1a of the name, modulo 10007. */
export function seedOf(name: string): number {
  let h = 0x811c9dc5;
  for (const c of Buffer.from(name)) h = Math.imul(h ^ c, 0x01000193) >>> 0;
  return h % PERIOD;
}

/** The formula-made value of a parameter or running statistic. */
export function zooValue(name: string, shape: readonly number[], gain: number): Float32Array {
  const size = (extents: readonly number[]): number => extents.reduce((a, b) => a * b, 1);
  const seed = seedOf(name);
  switch (name.slice(name.lastIndexOf('.') + 1)) {
    case 'running_mean':
      return periodic(size(shape), seed, 0.25);
    case 'running_var':
      return periodic(size(shape), seed, 0.5, 1);
    case 'bias':
      return periodic(size(shape), seed, 0.125);
    default:
      if (shape.length === 1) return periodic(size(shape), seed, 0.25, 1);
      return periodic(size(shape), seed, Math.sqrt(gain / size(shape.slice(1))));
  }
}

/** 0.75 cells + 0.25 noise: every pixel of a cell of 8 x 8 has the noise of its first pixel. Two batches in turn, by step. */
export function zooImages(count: number, extent: number, step = 0, seed = 100): Float32Array {
  const noise = periodic(count * 3 * extent * extent, seed + (step % 2));
  return noise.map((value, i) => {
    const x = i % extent;
    const y = Math.floor(i / extent) % extent;
    return 0.75 * noise[i - (x % 8) - (y % 8) * extent]! + 0.25 * value;
  });
}
