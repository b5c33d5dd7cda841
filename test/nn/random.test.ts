/** The generator against the published known answers, and the properties that its users rely on. */

import { manualSeed, Philox, philox4x32, PURPOSE, randomState, restoreRandomState } from '../../lib/random';
import { binding } from '../../lib/runtime/binding';
import { Children } from '../support/child';

// Random123-1.14, tests/kat_vectors, lines "philox4x32 10": counter, key, answer.
const KNOWN_ANSWERS: readonly [number[], number[], number[]][] = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

test.each(KNOWN_ANSWERS)('philox4x32-10 of counter %p under key %p', (counter, key, answer) => {
  const out = new Uint32Array(4);
  philox4x32(counter, key, out);
  expect([...out]).toEqual(answer);
});

test('a stream walks the blocks in order and depends on seed, stream and purpose', () => {
  const first = new Philox(0);
  expect([first.uint32(), first.uint32(), first.uint32(), first.uint32()]).toEqual(KNOWN_ANSWERS[0]![2]);
  const second = new Uint32Array(4);
  philox4x32([1, 0, 0, 0], [0, 0], second);
  expect(first.uint32()).toBe(second[0]);
  const draws = [new Philox(1), new Philox(0, 1), new Philox(0, 0, PURPOSE.shuffle), new Philox(2 ** 32), new Philox(0, 2 ** 32)].map((s) =>
    s.uint32(),
  );
  expect(new Set([...draws, KNOWN_ANSWERS[0]![2][0]]).size).toBe(6);
});

test('uniform numbers lie in [low, high) with the right mean and variance', () => {
  const x = new Philox(7).fillUniform(new Float32Array(100_000), -2, 4);
  const mean = x.reduce((a, b) => a + b) / x.length;
  expect(Math.min(...x.subarray(0, 1000))).toBeGreaterThanOrEqual(-2);
  expect(x.every((v) => v >= -2 && v <= 4)).toBe(true);
  expect(mean).toBeCloseTo(1, 1);
  expect(x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length).toBeCloseTo(3, 1);
});

test('normal numbers have the right moments, also at an odd length', () => {
  const x = new Philox(7).fillNormal(new Float32Array(100_001), 3, 2);
  const mean = x.reduce((a, b) => a + b) / x.length;
  const moment = (k: number): number => x.reduce((a, b) => a + ((b - mean) / 2) ** k, 0) / x.length;
  expect(mean).toBeCloseTo(3, 1);
  expect(moment(2)).toBeCloseTo(1, 1);
  expect(moment(3)).toBeCloseTo(0, 1);
  expect(moment(4)).toBeCloseTo(3, 0);
  expect(x.every(Number.isFinite)).toBe(true);
});

test('a permutation holds every index once and every order is as likely', () => {
  expect([...new Philox(3).permutation(1000)].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  const counts = new Map<string, number>();
  for (let stream = 0; stream < 6000; stream++) {
    const order = new Philox(3, stream).permutation(3).join();
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(6);
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

test('manualSeed restarts the streams; their state can be saved', () => {
  manualSeed(5);
  const a = Philox.next().uint32();
  const state = randomState();
  const b = Philox.next().uint32();
  expect(b).not.toBe(a);
  restoreRandomState(state);
  expect(Philox.next().uint32()).toBe(b);
  manualSeed(5);
  expect(Philox.next().uint32()).toBe(a);
  expect(() => manualSeed(-1)).toThrow(/manualSeed expects seed to be an integer of at least 0 but got -1/);
});

/** What streams fill and what they give afterwards, as a digest; in a process of its own, by native code when `native`. */
const DIGEST = (native: boolean): string => `
  const { Philox } = require('./lib/random');
  const { binding } = require('./lib/runtime/binding');
  const hash = require('node:crypto').createHash('sha256');
  if (${native}) binding();
  for (const length of [1024, 1279, 50_002, 100_003]) {
    for (const fill of [(r, out) => r.fillUniform(out, -0.3, 0.7), (r, out) => r.fillNormal(out, 0.1, 1.7)]) {
      const random = new Philox(2 ** 40 + 5, 2 ** 33 + 7);
      const out = new Float32Array(length);
      for (let i = 0; i < 2; i++) fill(random, out);
      hash.update(out).update(String(random.uint32()));
    }
  }
  console.log(hash.digest('hex'));
`;

describe('native code', () => {
  let children: Children;
  let expected: string;
  beforeAll(async () => {
    children = new Children();
    expected = (await children.runSource(DIGEST(false))).stdout;
  });
  afterAll(() => children.remove());

  test.each(binding().info().availableIsas)(
    'gives the same numbers to the bit on %s and leaves the stream at the same place',
    async (isa) => {
      expect(expected).toMatch(/^[0-9a-f]{64}\n$/);
      expect((await children.runSource(DIGEST(true), { env: { STRIDENET_ISA: isa } })).stdout).toBe(expected);
    },
  );
});

test('normal numbers are those of Math.log, Math.cos and Math.sin, up to rounding', () => {
  const words = new Philox(11);
  const out = new Philox(11).fillNormal(new Float32Array(20_000));
  for (let i = 0; i < out.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((words.uint32() + 0.5) / 2 ** 32));
    const angle = (2 * Math.PI * words.uint32()) / 2 ** 32;
    expect(Math.abs(out[i]! - radius * Math.cos(angle))).toBeLessThan(3e-7);
    expect(Math.abs(out[i + 1]! - radius * Math.sin(angle))).toBeLessThan(3e-7);
  }
});
