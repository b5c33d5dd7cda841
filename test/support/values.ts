/** Deterministic test values. Equally spaced and shuffled, so that no two are close together and none is at zero: away from kinks and ties. */

import type { Shape } from '../../lib/graph/types';

/** A small generator (mulberry32): uniform in [0, 1). Not the package's, which is under test. */
export function uniform(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** What an input of a row holds. */
export interface Operand {
  readonly shape: Shape;
  /** 'any': in (-1, 1), the default; 'positive': in (0.25, 1.75); 'labels': classes as int32; 'wide': in (-12, 12). */
  readonly kind?: 'any' | 'positive' | 'labels' | 'wide';
  /** For labels: the number of classes. */
  readonly classes?: number;
}

const RANGES = { any: [-1, 1], positive: [0.25, 1.75], wide: [-12, 12] } as const;

export function valuesOf({ shape, kind = 'any', classes = 1 }: Operand, seed: number): Float32Array | Int32Array {
  const count = shape.reduce((a, b) => a * b, 1);
  const random = uniform(seed + 1);
  if (kind === 'labels') return Int32Array.from({ length: count }, () => Math.floor(random() * classes));
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  const [low, high] = RANGES[kind];
  // Cell centres moved by up to an eighth of a cell, differently for each seed: never zero, never equal in two operands.
  const shift = 0.1 + 0.15 * random();
  return Float32Array.from(order, (k) => low + ((high - low) * (k + 0.5 + shift)) / (count + 0.5));
}

/** A direction or a weighting: uniform in (-1, 1). */
export function directionOf(count: number, seed: number): Float32Array {
  const random = uniform(seed + 7919);
  return Float32Array.from({ length: count }, () => 2 * random() - 1);
}
