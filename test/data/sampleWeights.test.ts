/** Weights of examples go with their examples, whatever is made of a data set. What they do in training: test/train/sampleWeights.test.ts. */

import { inspect } from 'node:util';
import * as data from '../../lib/data';
import { expectError, expectRejection } from '../support/expectError';

const shape = [1, 1, 2] as const;
const classes = ['a', 'b', 'c'];
/** Examples whose first pixel is their number and whose weight is half of it. */
const memory = (): data.Dataset => ({ ...bare(6), sampleWeights: Float32Array.from({ length: 6 }, (_, i) => i / 2) });
/** The same without weights. */
const bare = (count: number): data.Dataset =>
  data.arrays(Uint8Array.from({ length: 2 * count }, (_, i) => i >> 1), Uint8Array.from({ length: count }, (_, i) => i % 3), { shape, classes }); // prettier-ignore
const lazy = ({ images, ...rest }: data.Dataset): data.LazyDataset => ({
  ...rest,
  read: async (indices, into) => {
    indices.forEach((index, i) => into.set(images.subarray(2 * index, 2 * index + 2), 2 * i));
    return Promise.resolve([]);
  },
});
const examples = (count = 6): data.Example[] => Array.from({ length: count }, (_, i) => ({ image: Uint8Array.of(i, i), label: i % 3, weight: i / 2 }));
const stream = (): data.DatasetStream => data.from(examples(), { shape, classes, sampleWeights: true });
const plain = (): data.DatasetStream => data.from(examples().map(({ image, label }) => ({ image, label })), { shape, classes }); // prettier-ignore
const collect = async (set: data.DatasetStream): Promise<(number | undefined)[][]> => {
  const all: (number | undefined)[][] = [];
  for await (const { image, weight } of set.examples(1)) all.push([image[0]!, weight]);
  return all;
};

/** The numbers of the examples with their weights. */
async function numbered(set: data.Dataset | data.LazyDataset): Promise<(number | undefined)[][]> {
  const pixels = new Uint8Array(2 * set.length);
  if ('read' in set) await set.read(Int32Array.from({ length: set.length }, (_, i) => i), pixels); // prettier-ignore
  else pixels.set(set.images);
  expect(set.sampleWeights ?? new Float32Array(set.length)).toHaveLength(set.length);
  return Array.from({ length: set.length }, (_, i) => [pixels[2 * i]!, set.sampleWeights?.[i]]);
}

describe.each([
  ['in memory', (): data.Dataset => memory()],
  ['in files', (): data.Dataset => lazy(memory()) as never],
])('%s', (_, make) => {
  it.each<[string, (set: data.Dataset) => data.Dataset, number[]]>([
    ['take', (set) => data.take(set, 2), [0, 1]],
    ['skip', (set) => data.skip(set, 4), [4, 5]],
    ['subset', (set) => data.subset(set, [5, 0, 5]), [5, 0, 5]],
    ['map', (set) => data.map(set, ({ label }) => ({ label })), [0, 1, 2, 3, 4, 5]],
    ['concat', (set) => data.concat(data.take(set, 2), data.skip(set, 5)), [0, 1, 5]],
  ])('%s', async (__, change, places) => {
    expect(await numbered(change(make()))).toEqual(places.map((place) => [place, place / 2]));
  });

  it('split and balance', async () => {
    const { train, validation, test } = data.split(make(), { validation: 2, test: 1, stratified: false, seed: 1 });
    const all = [...(await numbered(train)), ...(await numbered(validation)), ...(await numbered(test))];
    expect(all.sort(([a], [b]) => a! - b!)).toEqual([0, 1, 2, 3, 4, 5].map((place) => [place, place / 2]));
    const even = await numbered(data.balance(data.take(make(), 4), { seed: 1 }));
    expect(even).toHaveLength(6);
    expect(even).toEqual(even.map(([place]) => [place, place! / 2]));
  });

  it('concat with examples that have none, which get 1', async () => {
    expect('sampleWeights' in bare(2)).toBe(false);
    expect(await numbered(data.concat(make(), bare(2)) as never)).toEqual([...(await numbered(make())), [0, 1], [1, 1]]);
    expect(await numbered(data.concat(bare(2), bare(2)))).toEqual([[0, undefined], [1, undefined], [0, undefined], [1, undefined]]); // prettier-ignore
  });
});

describe('streams', () => {
  it('carry them through', async () => {
    const weighed = (places: number[]): number[][] => places.map((place) => [place, place / 2]);
    expect(await collect(stream())).toEqual(weighed([0, 1, 2, 3, 4, 5]));
    expect(await collect(data.take(stream(), 2))).toEqual(weighed([0, 1]));
    expect(await collect(data.skip(stream(), 4))).toEqual(weighed([4, 5]));
    expect(await collect(data.map(stream(), ({ image }) => ({ image })))).toEqual(weighed([0, 1, 2, 3, 4, 5]));
    expect((await collect(data.shuffleBuffer(stream(), 3, { seed: 1 }))).sort(([a], [b]) => a! - b!)).toEqual(weighed([0, 1, 2, 3, 4, 5]));
    expect(await collect(data.concat(data.take(plain(), 2), data.take(stream(), 2)))).toEqual([[0, 1], [1, 1], [0, 0], [1, 0.5]]); // prettier-ignore
  });

  it('and say where one is missing, wrong or not expected', async () => {
    const read = async (weight: unknown, sampleWeights?: boolean): Promise<unknown> =>
      collect(data.from([...examples(1), { ...examples(1)[0]!, weight: weight as number }].map((e, i) => (i === 0 && !sampleWeights ? { ...e, weight: undefined } : e)), { shape, classes, sampleWeights })); // prettier-ignore
    for (const bad of [undefined, NaN, -1, Infinity, '1']) {
      await expectRejection('ERR_INVALID_ARGUMENT', read(bad, true), 'data.from', 'weights', 'at least 0', 'example 1');
    }
    await expectRejection('ERR_INVALID_ARGUMENT', read(2), 'data.from', 'example 1', 'has 2', 'sampleWeights: true');
    expectError('ERR_INVALID_ARGUMENT', () => data.from(examples(), { shape, sampleWeights: [1] as never }), 'sampleWeights');
  });
});

test('map may change them where labels may be changed', async () => {
  expect(await numbered(data.map(memory(), ({ weight }) => ({ weight: 2 * weight! })))).toEqual([0, 1, 2, 3, 4, 5].map((i) => [i, i]));
  expect(await collect(data.map(stream(), ({ weight }) => ({ weight: 2 * weight! })))).toEqual([0, 1, 2, 3, 4, 5].map((i) => [i, i]));
  const changed = data.map(lazy(memory()), () => ({ weight: 7 }));
  await expectRejection('ERR_INVALID_ARGUMENT', changed.read(Int32Array.of(1), new Uint8Array(2)), 'weights of files', 'example 1', '7');
  expectError('ERR_INVALID_ARGUMENT', () => data.map(memory(), () => ({ weight: -1 })), 'data.map', 'example 0', '-1');
  expectError('ERR_INVALID_ARGUMENT', () => data.map(bare(2), () => ({ weight: 1 })), 'data.map', 'example 0');
});

test('are printed', () => {
  expect(inspect(data.take(memory(), 6))).toContain('sampleWeights: Float32Array');
  expect(inspect(bare(2))).not.toContain('sampleWeights');
});
