/**
 * Random numbers: Philox4x32-10, a counter-based generator (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011), and the global seed behind `manualSeed`. A number depends on (seed, stream, purpose, position) alone, so
 * the same seed gives the same numbers on every machine, in any order of use. Not for cryptography.
 *
 * Large arrays are filled by native code once it is loaded (native/kernels/random.inl.h), to the same bits: arithmetic is limited to what
 * IEEE 754 rounds in one way, and Math.log, Math.cos and Math.sin, which engines compute differently, are not used.
 */

import { checkInteger } from './errors';
import { atOnce, type Work } from './work';

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;
const TWO_32 = 2 ** 32;

/** What a stream is drawn for; streams of different purposes are independent although they share seed and stream number. */
export const PURPOSE = { values: 0, shuffle: 1, dropout: 2, augment: 3, mix: 4 } as const;
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

/** Fills `out`, whose length is a multiple of 4, with the numbers that start at word 0 of a block. */
export type RandomFill = (
  distribution: 'uniform' | 'normal',
  /** Seed low and high, stream low and high, purpose, block. */
  counters: Int32Array,
  /** The least number and the width of the range; mean and standard deviation. */
  parameters: readonly [number, number],
  out: Float32Array,
) => void;

/**
 * How the numbers of an array come about: all are `first`; uniform from `first` on, `second` wide; or normal with mean `first` and
 * standard deviation `second`. Data, so that native code can make them elsewhere, to the same bits.
 */
export interface FillRule {
  readonly kind: 'constant' | 'uniform' | 'normal';
  readonly first: number;
  readonly second: number;
  /** Seed low and high, stream low and high, purpose: where they are drawn from. */
  readonly stream: Int32Array;
}

/** All numbers are `value`. */
export function constantRule(value: number): FillRule {
  return { kind: 'constant', first: value, second: 0, stream: new Int32Array(5) };
}

/** Makes the numbers. */
export function fillByRule({ kind, first, second, stream }: FillRule, out: Float32Array): Float32Array {
  if (kind === 'constant') return out.fill(first);
  const random = Philox.from(stream);
  return kind === 'uniform' ? random.fillSpan(out, first, second) : random.fillNormal(out, first, second);
}

/** So many swaps take some milliseconds. */
const SWAPS_OF_A_PIECE = 1 << 14;

/** Shorter arrays are filled in JavaScript: a native call would cost more than it saves. */
const NATIVE_LENGTH = 1024;

let nativeFill: RandomFill | undefined;

/** Large arrays are filled by `fill` from now on; undefined: by the loops here. */
export function setRandomFill(fill: RandomFill | undefined): void {
  nativeFill = fill;
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

  /** A generator at the begin of the stream that `uniformRule` and `normalRule` name. */
  static from(stream: Int32Array): Philox {
    const random = new Philox(0);
    random.key.set(stream.subarray(0, 2));
    random.counter.set(stream.subarray(2), 1);
    return random;
  }

  /** What `fillUniform` would write at the begin of this stream. */
  uniformRule(low: number, high: number): FillRule {
    return { kind: 'uniform', first: low, second: high - low, stream: this.stream() };
  }

  /** What `fillNormal` would write at the begin of this stream. */
  normalRule(mean: number, std: number): FillRule {
    return { kind: 'normal', first: mean, second: std, stream: this.stream() };
  }

  private stream(): Int32Array {
    return Int32Array.of(...this.key, ...this.counter.subarray(1));
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
    return this.fillSpan(out, low, high - low);
  }

  /** Fills with numbers uniform from `low` on, `span` wide. */
  fillSpan(out: Float32Array, low: number, span: number): Float32Array {
    for (let i = this.fillNatively('uniform', [low, span], out); i < out.length; i++) out[i] = low + span * this.uniform();
    return out;
  }

  /** Fills with normally distributed numbers, two at a time by Box and Muller. */
  fillNormal(out: Float32Array, mean = 0, std = 1): Float32Array {
    for (let i = this.fillNatively('normal', [mean, std], out); i < out.length; i += 2) {
      const radius = std * Math.sqrt(2 * minusLog(this.uint32()));
      const turn = this.uint32();
      out[i] = mean + radius * cosine(turn);
      if (i + 1 < out.length) out[i + 1] = mean + radius * sine(turn);
    }
    return out;
  }

  /** Fills the front of `out` where that can be done natively, as far as whole blocks go. @returns how many numbers it wrote */
  private fillNatively(distribution: 'uniform' | 'normal', parameters: readonly [number, number], out: Float32Array): number {
    if (!nativeFill || out.length < NATIVE_LENGTH || this.used !== 4) return 0;
    const length = out.length - (out.length % 4);
    const { key, counter } = this;
    const counters = Int32Array.of(key[0]!, key[1]!, counter[1]!, counter[2]!, counter[3]!, counter[0]!);
    nativeFill(distribution, counters, parameters, out.subarray(0, length));
    counter[0]! += length / 4;
    return length;
  }

  /** The integers 0 to n - 1 in random order (Fisher and Yates). */
  permutation(n: number): Int32Array {
    return atOnce(this.permuting(n));
  }

  /** The same, done piece by piece. */
  *permuting(n: number): Work<Int32Array> {
    const order = new Int32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    for (let i = n - 1; i > 0; i--) {
      if (i % SWAPS_OF_A_PIECE === 0) yield;
      const j = this.below(i + 1);
      const swapped = order[i]!;
      order[i] = order[j]!;
      order[j] = swapped;
    }
    return order;
  }
}

const doubles = new Float64Array(1);
const halves = new Int32Array(doubles.buffer);
// The half with the exponent, on machines of either byte order.
const UPPER = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;

/**
 * Minus the natural logarithm of (word + 0.5) / 2^32, as fdlibm computes it (e_log.c): of m 2^k with m in [sqrt(1/2), sqrt(2)) from
 * s = f / (2 + f), f = m - 1, and log(1 + f) = f - (f^2 / 2 - s (f^2 / 2 + R(s^2))).
 */
function minusLog(word: number): number {
  doubles[0] = word + 0.5;
  const upper = halves[UPPER]! + (0x3ff00000 - 0x3fe6a09e);
  halves[UPPER] = (upper & 0xfffff) + 0x3fe6a09e;
  const k = (upper >>> 20) - 1023 - 32;
  const f = doubles[0] - 1;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const half = 0.5 * f * f;
  const even = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1));
  const odd = z * (6.66666666666673513e-1 + w * (2.857142874366239149e-1 + w * (1.818357216161805012e-1 + w * 1.479819860511658591e-1)));
  return -(s * (half + (odd + even)) + k * 1.90821492927058770002e-10 - half + f + k * 6.9314718036912381649e-1);
}

/** The quarter of the circle around which `turn` 2^-32 turns lie, and how far they lie from its middle, in radians: at most pi/4. */
function quadrantOf(turn: number): number {
  return ((turn + 0x20000000) >>> 30) & 3;
}
function angleOf(turn: number): number {
  return ((turn - (quadrantOf(turn) << 30)) | 0) * 1.4629180792671596e-9;
}

/** Cosine and sine of `turn` 2^-32 turns. */
function cosine(turn: number): number {
  const quadrant = quadrantOf(turn);
  const value = quadrant & 1 ? sineNearZero(angleOf(turn)) : cosineNearZero(angleOf(turn));
  return (quadrant + 1) & 2 ? -value : value;
}
function sine(turn: number): number {
  const quadrant = quadrantOf(turn);
  const value = quadrant & 1 ? cosineNearZero(angleOf(turn)) : sineNearZero(angleOf(turn));
  return quadrant & 2 ? -value : value;
}

/** fdlibm's k_sin.c, for |x| <= pi/4. */
function sineNearZero(x: number): number {
  const z = x * x;
  const high = 2.75573137070700676789e-6 + z * (-2.50507602534068634195e-8 + z * 1.58969099521155010221e-10);
  return x + x * z * (-1.66666666666666324348e-1 + z * (8.33333333332248946124e-3 + z * (-1.98412698298579493134e-4 + z * high)));
}

/** fdlibm's k_cos.c, for |x| <= pi/4. */
function cosineNearZero(x: number): number {
  const z = x * x;
  const w = z * z;
  const half = 0.5 * z;
  const one = 1 - half;
  const low = z * (4.16666666666666019037e-2 + z * (-1.38888888888741095749e-3 + z * 2.48015872894767294178e-5));
  const high = w * w * (-2.75573143513906633035e-7 + z * (2.0875723212981748279e-9 + z * -1.13596475577881948265e-11));
  return one + (1 - one - half + z * (low + high));
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
