import { tensor } from 'stridenet';
import * as data from '../../lib/data';
import { expectError, expectRejection } from '../support/expectError';

const shape = [1, 1, 2] as const;
const classes = ['a', 'b', 'c'];
const memory = (labels: number[], first = 0): data.Dataset =>
  data.arrays(Uint8Array.from({ length: 2 * labels.length }, (_, i) => first + i), labels, { shape, classes }); // prettier-ignore
/** The same as if it were in files; the pictures at `bad` cannot be read. */
const lazy = ({ images, ...rest }: data.Dataset, bad: number[] = []): data.LazyDataset => ({
  ...rest,
  read: async (indices, into) => {
    await Promise.resolve();
    indices.forEach((index, i) => into.set(images.subarray(2 * index, 2 * index + 2), 2 * i));
    return [...indices.keys()].filter((i) => bad.includes(indices[i]!));
  },
});
const read = async (set: data.LazyDataset, indices?: number[]): Promise<[readonly number[], Uint8Array]> => {
  const places = Int32Array.from(indices ?? Array.from({ length: set.length }, (_, i) => i));
  const into = new Uint8Array(places.length * set.shape[0] * set.shape[1] * set.shape[2]);
  return [await set.read(places, into), into];
};

describe('skip', () => {
  it('is a view of the other images', () => {
    const set = memory([0, 1, 2]);
    const rest = data.skip(set, 1);
    expect(rest).toEqual({ ...set, images: Uint8Array.of(2, 3, 4, 5), labels: Int32Array.of(1, 2), length: 2 });
    expect(rest.images.buffer).toBe(set.images.buffer);
    expect(data.skip(set, 0)).toEqual(set);
    expectError('ERR_INVALID_ARGUMENT', () => data.skip(set, 3), 'data.skip expects n to be below 3');
  });
});

describe('lazy data sets of others', () => {
  it('subset reads the right places, and says which could not be read', async () => {
    const part = data.subset(lazy(memory([0, 1, 2, 0]), [3]), [3, 1, 3, 0]);
    expect([part.length, [...part.labels], part.classes]).toEqual([4, [0, 1, 0, 0], classes]);
    const [left, pixels] = await read(part, [2, 1, 3]);
    expect([left, pixels.slice(2)]).toEqual([[0], Uint8Array.of(2, 3, 0, 1)]);
  });

  it('labels of several values go along', () => {
    const several = { ...lazy(memory([0, 1, 2])), targetShape: [2], labels: Float32Array.of(1, 2, 3, 4, 5, 6) };
    expect(data.subset(several, [2, 0]).labels).toEqual(Float32Array.of(5, 6, 1, 2));
    expect(data.skip(several, 2).labels).toEqual(Float32Array.of(5, 6));
  });

  it('are checked', () => {
    const set = lazy(memory([0, 1]));
    const take = (change: object): unknown => data.take({ ...set, ...change }, 1);
    expectError('ERR_INVALID_ARGUMENT', () => take({ length: 0 }), 'length');
    expectError('ERR_INVALID_ARGUMENT', () => take({ shape: [2] }), '[channels, height, width]');
    expectError('ERR_SHAPE_MISMATCH', () => take({ labels: Int32Array.of(1) }), '2 images');
    expectError('ERR_INVALID_ARGUMENT', () => take({ classes: [5] }), 'classes');
    expectError('ERR_INVALID_ARGUMENT', () => take({ layout: 'x' }), 'layout');
  });
});

describe('concat', () => {
  it('in memory', () => {
    const joined = data.concat(memory([0, 1]), memory([2], 10), memory([1], 20));
    expect(joined).toEqual({ ...memory([0, 1, 2, 1]), images: Uint8Array.of(0, 1, 2, 3, 10, 11, 20, 21) });
  });

  it('in files, and in memory beside files', async () => {
    const joined = data.concat(lazy(memory([0, 1]), [1]), memory([2], 10), lazy(memory([1, 1], 20), [0]));
    expect([joined.length, [...joined.labels]]).toEqual([5, [0, 1, 2, 1, 1]]);
    const [left, pixels] = await read(joined, [4, 3, 2, 1, 0, 4]);
    expect(left).toEqual([1, 3]);
    expect([pixels.slice(0, 2), pixels.slice(4, 6), pixels.slice(8)]).toEqual([Uint8Array.of(22, 23), Uint8Array.of(10, 11), Uint8Array.of(0, 1, 22, 23)]);
    expect(await read(joined, [1, 0])).toEqual([[0], Uint8Array.of(2, 3, 0, 1)]);
  });

  it('refuses what does not fit', () => {
    const set = memory([0, 1]);
    const refuse = (code: 'ERR_INVALID_ARGUMENT' | 'ERR_SHAPE_MISMATCH', other: object, ...pieces: string[]): void =>
      expectError(code, () => data.concat(set, { ...set, ...other }), ...pieces);
    refuse('ERR_SHAPE_MISMATCH', { shape: [1, 2, 1] }, 'images of one shape', '[1, 1, 2]', 'data set 1 [1, 2, 1]');
    refuse('ERR_SHAPE_MISMATCH', { targetShape: [1] }, 'labels of one shape');
    refuse('ERR_INVALID_ARGUMENT', { classes: ['a'] }, 'same classes', '["a"] in data set 1');
    refuse('ERR_INVALID_ARGUMENT', { layout: 'nhwc' }, 'same layout', '"nchw" in data set 0');
    refuse('ERR_INVALID_ARGUMENT', { mean: [1] }, 'same mean');
    refuse('ERR_INVALID_ARGUMENT', { images: new Float32Array(4) }, 'Uint8Array and Float32Array');
    const nameless = { ...set, classes: [] };
    expectError('ERR_INVALID_ARGUMENT', () => data.concat(nameless, { ...nameless, labels: new Float32Array(2) }), 'all classes or all values');
    expectError('ERR_INVALID_ARGUMENT', () => data.concat(), 'at least one');
    expectError('ERR_INVALID_ARGUMENT', () => data.concat(lazy(set), { ...set, images: new Float32Array(4) }), 'uint8 images in memory');
    const stream = data.from([], { shape, classes });
    expectError('ERR_INVALID_ARGUMENT', () => data.concat(stream as never, set), 'streams alone');
    expectError('ERR_INVALID_ARGUMENT', () => data.concat(stream, data.from([], { shape, classes, labelType: 'float32' })), 'labels of one type');
  });
});

describe('map', () => {
  it('in memory at once', () => {
    const set = memory([0, 1]);
    const mapped = data.map(set, ({ image, label }, i) => ({ image: Float32Array.from(image, (v) => v / 2), label: (label as number) + i }));
    expect(mapped).toEqual({ ...set, images: Float32Array.of(0, 0.5, 1, 1.5), labels: Int32Array.of(0, 2) });
    expect(data.map(set, () => ({}))).toEqual(set);
    const values = data.map(set, ({ image }) => ({ image: image.subarray(0, 1), label: [1, image[0]!] }), { shape: [1, 1, 1], classes: [], targetShape: [2], labelType: 'float32' }); // prettier-ignore
    expect(values).toMatchObject({ images: Uint8Array.of(0, 2), labels: Float32Array.of(1, 0, 1, 2), shape: [1, 1, 1], targetShape: [2], classes: [] });
    expectError('ERR_INVALID_ARGUMENT', () => data.map(set, (async () => Promise.reject(new Error('late'))) as never), 'at once', 'Promise');
    expectError('ERR_INVALID_ARGUMENT', () => data.map(set, () => ({ label: 3 })), 'the label of example 0', '[0, 2]');
    expectError('ERR_INVALID_ARGUMENT', () => data.map(set, 5 as never), 'fn to be a function');
    expectError('ERR_UNKNOWN_OPTION', () => data.map(set, () => ({}), { shap: shape } as never), 'Did you mean "shape"');
  });

  it('in files when they are read', async () => {
    const seen: number[] = [];
    const mapped = data.map(lazy(memory([0, 1, 2]), [1]), async ({ image }, i) => {
      seen.push(i);
      return Promise.resolve({ image: Uint8Array.of(...image, 9) });
    }, { shape: [1, 1, 3] }); // prettier-ignore
    expect(seen).toEqual([]);
    const [left, pixels] = await read(mapped, [2, 1, 0]);
    expect([left, pixels]).toEqual([[1], Uint8Array.of(4, 5, 9, 0, 0, 0, 0, 1, 9)]);
    expect(seen).toEqual([2, 0]);
    const set = lazy(memory([0, 1, 2]));
    await expectRejection('ERR_INVALID_ARGUMENT', read(data.map(set, () => ({ label: 2 }))), 'leave labels of files as they are', 'example 0 to 2');
    await expectRejection('ERR_INVALID_ARGUMENT', read(data.map(set, () => ({ image: new Float32Array(2) }))), 'uint8 images of files', 'Float32Array');
    expectError('ERR_INVALID_ARGUMENT', () => data.map(set, () => ({}), { classes }), 'no classes', 'known before');
  });

  it('lets the event loop turn', async () => {
    const set = data.map(lazy(memory(new Array<number>(40).fill(0))), ({ image }) => {
      for (const end = performance.now() + 2; performance.now() < end; );
      return { image };
    });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await read(set);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });
});

describe('balance', () => {
  const counts = ({ labels }: data.LazyDataset | data.Dataset): number[] => classes.map((_, k) => [...labels].filter((label) => label === k).length);
  it('gives classes that occur as many examples as the largest', () => {
    const set = memory([0, 0, 0, 0, 0, 0, 0, 2, 2, 2]);
    const even = data.balance(set, { seed: 1 });
    expect(counts(even)).toEqual([7, 0, 7]);
    const times = [7, 8, 9].map((i) => even.images.filter((v) => v === 2 * i).length);
    expect([...times].sort()).toEqual([2, 2, 3]);
    expect(data.balance(set, { seed: 1 })).toEqual(even);
    expect(new Set([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => data.balance(set, { seed }).images.join())).size).toBeGreaterThan(1);
    const drawn = data.balance(set, { seed: 1, replacement: true });
    expect(counts(drawn)).toEqual([7, 0, 7]);
    expect(new Set(drawn.images.subarray(0, 14).filter((_, i) => i % 2 === 0)).size).toBeLessThan(7);
    expect(counts(data.balance(lazy(set), { seed: 1 }))).toEqual([7, 0, 7]);
  });

  it('takes classes only', () => {
    const values = data.arrays(new Uint8Array(4), Float32Array.of(1, 2), { shape });
    for (const call of [data.balance, data.classWeights]) expectError('ERR_INVALID_ARGUMENT', () => call(values), 'the class of each example');
    expectError('ERR_INVALID_ARGUMENT', () => data.balance({ ...memory([0]), labels: Int32Array.of(7) }), 'label 0 is 7');
    expectError('ERR_INVALID_ARGUMENT', () => data.balance(memory([0]), { replacement: 1 as never }), 'replacement');
  });
});

describe('classWeights', () => {
  it('weigh classes alike', () => {
    expect(data.classWeights(memory([0, 0, 0, 1, 1, 2]))).toEqual(Float32Array.of(6 / 9, 1, 2));
    expect(data.classWeights(lazy(memory([0, 1, 2])))).toEqual(Float32Array.of(1, 1, 1));
    expectError('ERR_INVALID_ARGUMENT', () => data.classWeights(memory([0, 0, 2])), 'none of "b"', 'infinite');
  });
});

describe('arrays takes what browsers, sharp and models give', () => {
  it('pixels of a canvas, interleaved ones and tensors', () => {
    const clamped = data.arrays(Uint8ClampedArray.of(1, 2, 3), [0], { shape: [3, 1, 1], layout: 'nhwc', classes });
    expect(clamped).toMatchObject({ images: Uint8Array.of(1, 2, 3), layout: 'nhwc' });
    expect(data.arrays(tensor([[[[1, 2]]]]), [1], { classes })).toMatchObject({ images: Float32Array.of(1, 2), shape });
    expect(data.take(clamped, 1)).toEqual(clamped);
  });
});
