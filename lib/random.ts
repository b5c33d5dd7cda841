/**
 * Random numbers: Philox4x32-10, a counter-based generator (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011), and the global seed behind `manualSeed`. A number depends on (seed, stream, purpose, position) alone, so
 * the same seed gives the same numbers on every machine, in any order of use. Not for cryptography.
 */

import { checkInteger } from './errors';

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;
const TWO_32 = 2 ** 32;

/** What a stream is drawn for; streams of different purposes are independent although they share seed and stream number. */
export const PURPOSE = { values: 0, shuffle: 1, dropout: 2 } as const;
export type Purpose = (typeof PURPOSE)[keyof typeof PURPOSE];

/** The block function: four words from a counter of four words and a key of two, written to `out`. */
export function philox4x32(counter: ArrayLike<number>, key: ArrayLike<number>, out: Uint32Array): void {
  let c0 = counter[0]!;
  let c1 = counter[1]!;
  let c2 = counter[2]!;
  let c3 = counter[3]!;
  let k0 = key[0]!;
  let k1 = key[1]!;
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** The upper 32 bits of the 64-bit product, from 16-bit halves: no partial sum leaves the 32 bits. */
function multiplyHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const carry = ah * bl + ((al * bl) >>> 16);
  const middle = al * bh + (carry & 0xffff);
  return ah * bh + (carry >>> 16) + (middle >>> 16);
}

/** One stream of random numbers. The counter is [block, stream low, stream high, purpose], the key is the seed. */
export class Philox {
  private readonly key: Uint32Array;
  private readonly counter: Uint32Array;
  private readonly block = new Uint32Array(4);
  private used = 4;

  /** @param seed an integer of at least 0, as is @param stream */
  constructor(seed: number, stream = 0, purpose: Purpose = PURPOSE.values) {
    checkInteger('Philox', 'seed', seed, 0);
    checkInteger('Philox', 'stream', stream, 0);
    this.key = Uint32Array.of(seed % TWO_32, seed / TWO_32);
    this.counter = Uint32Array.of(0, stream % TWO_32, stream / TWO_32, purpose);
  }

  /** The next stream of the global seed. */
  static next(): Philox {
    return new Philox(globalSeed, nextStream++);
  }

  /** An integer in [0, 2^32). */
  uint32(): number {
    if (this.used === 4) {
      philox4x32(this.counter, this.key, this.block);
      this.counter[0]!++;
      this.used = 0;
    }
    return this.block[this.used++]!;
  }

  /** An integer in [0, bound), each equally likely. @param bound at most 2^32 */
  below(bound: number): number {
    const limit = TWO_32 - (TWO_32 % bound);
    for (;;) {
      const x = this.uint32();
      if (x < limit) return x % bound;
    }
  }

  /** A multiple of 2^-24 in [0, 1). */
  uniform(): number {
    return (this.uint32() >>> 8) * 2 ** -24;
  }

  /** Fills with numbers uniform in [low, high). */
  fillUniform(out: Float32Array, low = 0, high = 1): Float32Array {
    for (let i = 0; i < out.length; i++) out[i] = low + (high - low) * this.uniform();
    return out;
  }

  /** Fills with normally distributed numbers, two at a time by Box and Muller. */
  fillNormal(out: Float32Array, mean = 0, std = 1): Float32Array {
    for (let i = 0; i < out.length; i += 2) {
      const radius = std * Math.sqrt(-2 * Math.log((this.uint32() + 0.5) / TWO_32));
      const angle = (2 * Math.PI * this.uint32()) / TWO_32;
      out[i] = mean + radius * Math.cos(angle);
      if (i + 1 < out.length) out[i + 1] = mean + radius * Math.sin(angle);
    }
    return out;
  }

  /** The integers 0 to n - 1 in random order (Fisher and Yates). */
  permutation(n: number): Int32Array {
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const swapped = order[i]!;
      order[i] = order[j]!;
      order[j] = swapped;
    }
    return order;
  }
}

/** The global seed and how many streams were taken from it. */
export interface RandomState {
  readonly seed: number;
  readonly nextStream: number;
}

let globalSeed = 0;
let nextStream = 0;

/**
 * Sets the seed from which new modules are initialised and from which whatever is given no seed of its own draws. Each
 * parameter takes one stream, so its initial value depends on the seed and the order of creation only. A process starts with
 * seed 0: without a call, results are the same from run to run.
 *
 * @param seed an integer of at least 0
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function manualSeed(seed: number): void {
  globalSeed = checkInteger('manualSeed', 'seed', seed, 0);
  nextStream = 0;
}

/** The state of the global seed, for checkpoints. */
export function randomState(): RandomState {
  return { seed: globalSeed, nextStream };
}

/** Returns to a state that `randomState` gave. */
export function restoreRandomState(state: RandomState): void {
  globalSeed = checkInteger('restoreRandomState', 'seed', state.seed, 0);
  nextStream = checkInteger('restoreRandomState', 'nextStream', state.nextStream, 0);
}
