/** How values are shown in messages, whatever they are, and how arrays are read. */

import { formatValue, nearest, readArray, readIterable, StridenetError } from '../lib/errors';
import { tensor } from '../lib/graph/leaves';

const cyclic: unknown[] = [1];
cyclic.push(cyclic);
let deep: unknown[] = [1];
for (let i = 0; i < 100_000; i++) deep = [deep];
let shared: unknown[] = [1];
for (let i = 0; i < 30; i++) shared = Array<unknown>(8).fill(shared);
const thrower = new Proxy([], { get: () => { throw new Error('read'); } }); // prettier-ignore
const { proxy: revoked, revoke } = Proxy.revocable([], {});
revoke();

describe('formatValue', () => {
  test.each<[unknown, string]>([
    [undefined, 'undefined'],
    [null, 'null'],
    [-0, '-0'],
    [NaN, 'NaN'],
    [10n, '10n'],
    [Symbol('odd'), 'Symbol(odd)'],
    ['a "b"', '"a \\"b\\""'],
    ['\x1b[31mred\x9b0m', '"\\u001b[31mred\\u009b0m"'],
    ['a'.repeat(100), `"${'a'.repeat(80)}" and 20 more characters`],
    [[1, [2, 3]], '[1, [2, 3]]'],
    // eslint-disable-next-line no-sparse-arrays
    [[, 1], '[nothing, 1]'],
    [new Array(9).fill(1), 'an array of 9'],
    [new Array(2 ** 32 - 1), 'an array of 4294967295'],
    [[[[[1]]]], '[[[an array of 1]]]'],
    [cyclic, '[1, [1, [1, an array of 2]]]'],
    [deep, '[[[an array of 1]]]'],
    [{}, 'an object'],
    [Object.create(null), 'an object'],
    [{ constructor: { name: { toString: 1 } } }, 'an object { constructor }'],
    [{ constructor: { name: '\x1b[31m' } }, 'an object { constructor }'],
    [{ images: 1, labels: 2 }, 'an object { images, labels }'],
    [{ '\x1b[31m': 1 }, 'an object { "\\u001b[31m" }'],
    [Object.fromEntries(Array.from('abcdefg', (key) => [key, 1])), 'an object { a, b, c, d, e, f, ... }'],
    [{ ['a'.repeat(200)]: 1 }, `an object { "${'a'.repeat(80)}" and 120 more characters }`],
    [new Date(NaN), 'a Date'],
    [tensor([[1, 2]]), 'a Tensor of shape [1, 2]'],
    [new Float32Array(3), 'Float32Array(3)'],
    [new DataView(new ArrayBuffer(8)), 'DataView(8)'],
    [Math.max, 'function max'],
    [() => 1, 'function (anonymous)'],
    [thrower, 'a Proxy'],
    [revoked, 'a Proxy'],
    [Object.defineProperty([1], 0, { get: () => { throw new Error('read'); } }), 'a value that cannot be read'], // prettier-ignore
  ])('value %#', (value, text) => {
    expect(formatValue(value)).toBe(text);
  });
  test('is short for arrays that share their entries', () => {
    expect(formatValue(shared).length).toBeLessThanOrEqual(200);
  });
});

describe('readArray', () => {
  test('copies what it reads once', () => {
    let reads = 0;
    const changing = Object.defineProperty([1, 2], 0, { get: () => ++reads });
    const copy = readArray(changing, 2)!;
    expect([copy[0], copy[0], reads]).toEqual([1, 1, 1]);
  });
  test('refuses what is no array, or too long', () => {
    expect(readArray({ length: 1, 0: 1 }, 6)).toBeUndefined();
    expect(readArray('ab', 6)).toBeUndefined();
    expect(readArray(new Array(2 ** 32 - 1), 6)).toBeUndefined();
    expect(readArray(new Proxy([], { get: () => NaN }), 6)).toBeUndefined();
  });
  // eslint-disable-next-line no-sparse-arrays
  test('holes are undefined', () => { expect(readArray([, 1], 2)).toStrictEqual([undefined, 1]); }); // prettier-ignore
});

describe('readIterable', () => {
  test('copies what arrays and other iterables give', () => {
    expect(readIterable([1, 2], 2)).toEqual([1, 2]);
    expect(readIterable(new Set([1, 2]), 2)).toEqual([1, 2]);
    expect(readIterable('ab', 2)).toEqual(['a', 'b']);
  });
  test('refuses what is no iterable, what has no end, and typed arrays, whose memory may be gone', () => {
    const endless = { *[Symbol.iterator]() { for (;;) yield 1; } }; // prettier-ignore
    const detached = new Uint8Array(4);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    for (const bad of [undefined, null, 3, {}, { [Symbol.iterator]: 1 }, new Array(2 ** 32 - 1), endless, detached]) {
      expect(readIterable(bad, 6)).toBeUndefined();
    }
  });
});

test('the message of an error is a text, whatever was given', () => {
  const bare = Object.create(null) as object;
  const broken = new Proxy(new String('x'), {}); // its toString throws
  for (const [given, text] of [
    ['a\x1b', 'a\\u001b'],
    [undefined, 'undefined'],
    [Symbol('odd'), 'Symbol(odd)'],
    [bare, 'an object'],
    [broken, 'a Proxy'],
  ]) {
    // prettier-ignore
    expect(new StridenetError('ERR_BAD_FILE', given as string).message).toBe(text);
  }
});

test('nearest', () => {
  expect(nearest('strides', ['stride', 'padding'])).toBe('stride');
  expect(nearest('colour', ['stride', 'padding'])).toBeUndefined();
});
