import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ops, tensor } from 'stridenet';
import * as data from '../../lib/data';
import { FASHION_MNIST } from '../../lib/data/mnist';
import { expectError, expectRejection } from '../support/expectError';
import { failure } from './support';

const toy: data.Dataset = {
  images: Uint8Array.of(1, 2, 3, 4, 5, 6),
  labels: Int32Array.of(0, 1, 0),
  shape: [1, 1, 2],
  classes: ['a', 'b'],
  length: 3,
  mean: [0.5],
};

describe('take and subset', () => {
  it('take is a view of the first images', () => {
    const two = data.take(toy, 2);
    expect(two).toEqual({ ...toy, images: Uint8Array.of(1, 2, 3, 4), labels: Int32Array.of(0, 1), length: 2 });
    expect(two.images.buffer).toBe(toy.images.buffer);
    expect(() => data.take(toy, 4)).toThrow('at most 3, the length of the data set, but got 4');
    expect(() => data.take(toy, 0)).toThrow('at least 1');
  });

  it('subset copies the images named', () => {
    expect(data.subset(toy, [2, 0, 2])).toEqual({
      ...toy,
      images: Uint8Array.of(5, 6, 1, 2, 5, 6),
      labels: Int32Array.of(0, 0, 0),
    });
    expect(() => data.subset(toy, [0, 3])).toThrow('indices[1] is 3');
    expect(() => data.subset(toy, [0.5])).toThrow('indices[0] is 0.5');
    expect(data.subset(toy, Uint8Array.of(1)).length).toBe(1);
  });

  it('indices are as many as they were when they were read first, and each is checked as it is used', () => {
    let reads = 0;
    const growing = { get length() { return ++reads; }, 0: 1, 1: 2, 2: 0 }; // prettier-ignore
    expect(data.subset(toy, growing).length).toBe(1);
    const turning = Object.defineProperty([0], 0, { get: () => (reads++ % 2 ? 0 : 3) });
    reads = 1;
    expectError('ERR_INVALID_ARGUMENT', () => data.subset(toy, turning), 'indices[0] is 3');
  });

  it('indices that are none are refused before anything is allocated', () => {
    for (const bad of [{ length: 2 ** 40 }, new Array<number>(2 ** 32 - 1), [NaN], ['0'], [-1]]) {
      expectError('ERR_INVALID_ARGUMENT', () => data.subset(toy, bad as number[]), 'data.subset expects indices in [0, 3) but indices[0] is');
    }
    for (const bad of [[], undefined, 3, '0', {}, { length: -1 }, { length: 0.5 }]) {
      expectError('ERR_INVALID_ARGUMENT', () => data.subset(toy, bad as number[]), 'an array of at least one index but got');
    }
  });
});

describe('arrays', () => {
  const shape = [1, 1, 2] as const;
  const images = Float32Array.of(1, 2, 3, 4, 5, 6);

  it('makes a data set that shares memory', () => {
    const set = data.arrays(images, Uint8Array.of(0, 2, 1), { shape, classes: ['a', 'b', 'c'], mean: [0.5], scale: 2 });
    expect(set).toEqual({ images, labels: Uint8Array.of(0, 2, 1), shape, classes: ['a', 'b', 'c'], length: 3, layout: 'nchw', mean: [0.5], scale: 2 }); // prettier-ignore
    expect(set.images.buffer).toBe(images.buffer);
    expect(data.arrays(images, [0, 2, 1], { shape }).classes).toEqual(['0', '1', '2']);
  });

  it('takes tensors, whose shape is known', () => {
    const batch = tensor(images, [3, 1, 1, 2]);
    const expected = data.arrays(images, [0, 1, 1], { shape });
    expect(data.arrays(batch, tensor(Int32Array.of(0, 1, 1)))).toEqual(expected);
    expect(data.arrays(ops.mul(batch, 1), [0, 1, 1], { shape, layout: 'nchw' })).toEqual(expected);
    expectError('ERR_SHAPE_MISMATCH', () => data.arrays(batch, [0, 1, 1], { shape: [1, 2, 1] }), '[n, 1, 2, 1]', '[3, 1, 1, 2]');
    expectError('ERR_SHAPE_MISMATCH', () => data.arrays(tensor([1]), [0]), '[n, channels, height, width]', '[1]');
    expectError('ERR_INVALID_ARGUMENT', () => data.arrays(batch, [0, 1, 1], { layout: 'nhwc' }), 'x.transpose([0, 3, 1, 2])');
  });

  it('refuses what does not fit', () => {
    expectError('ERR_SHAPE_MISMATCH', () => data.arrays(images, [0], { shape: [1, 2, 2] }), 'a multiple of 4 values', 'got 6');
    expectError('ERR_SHAPE_MISMATCH', () => data.arrays(new Uint8Array(0), [], { shape }), 'got 0');
    expectError('ERR_SHAPE_MISMATCH', () => data.arrays(images, [0, 1], { shape }), 'each of the 3 images but got 2');
    expectError('ERR_INVALID_ARGUMENT', () => data.arrays(images, [0, 1, 0]), 'shape', 'undefined');
    expectError('ERR_INVALID_ARGUMENT', () => data.arrays(images, [0, 1, -1], { shape }), 'label 2 is -1');
    expectError('ERR_INVALID_ARGUMENT', () => data.arrays(images, [0, 1, 2], { shape, classes: ['a', 'b'] }), 'in [0, 1]', 'label 2 is 2');
    expectError('ERR_INVALID_ARGUMENT', () => data.arrays(images, [0, 1e9, 2], { shape }), 'label 1 is 1000000000');
    expectError('ERR_INVALID_ARGUMENT', () => data.arrays(images, [0, 1, 1], { shape, classes: 2 as never }), 'classes', 'got 2');
    expectError('ERR_INVALID_ARGUMENT', () => data.arrays(images, [0, 1, 1], { shape, std: [0] }), 'std', '[0]');
    expectError('ERR_UNKNOWN_OPTION', () => data.arrays(images, [0, 1, 1], { shap: shape } as never), 'Did you mean "shape"');
  });
});

describe('data.directory', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'stridenet-directory-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('says what to do with folders of pictures', async () => {
    for (const name of ['cats', 'dogs', 'emus', 'foxes', '.cache']) mkdirSync(join(folder, name));
    await expectRejection('ERR_DATA_UNAVAILABLE', data.directory(folder), 'It has folders ("cats", "dogs", "emus", ...)', 'data.imageFolder(dir');
  });

  it('and with pictures', async () => {
    writeFileSync(join(folder, 'cat.JPG'), '');
    await expectRejection('ERR_DATA_UNAVAILABLE', data.directory(folder), 'It has pictures', 'data.imageList(file');
  });

  it('says nothing more of an empty folder and of none', async () => {
    for (const dir of [folder, join(folder, 'none')]) {
      const { message } = await failure(data.directory(dir));
      expect(message).toMatch(/t10k-labels-idx1-ubyte \(plain or \.gz\)\.$/);
    }
  });

  it.each([5, 'cat', [], ['a', 1], new Array<string>(10)])('classes that are no names are refused: %p', async (classes) => {
    await expectRejection('ERR_INVALID_ARGUMENT', data.directory(folder, { classes: classes as never }), 'the names of the classes');
  });
});

describe('data.mini', () => {
  it('has 600 training and 100 test images of each class, in at most 3.5 MB', async () => {
    const { train, test } = await data.mini();
    expect([train.length, test.length, train.shape, test.shape]).toEqual([6000, 1000, [1, 28, 28], [1, 28, 28]]);
    expect([train.images.length, test.images.length]).toEqual([6000 * 784, 1000 * 784]);
    expect(train.classes).toHaveLength(10);
    const count = (labels: ArrayLike<number>): number[] => {
      const counts = new Array<number>(10).fill(0);
      for (let i = 0; i < labels.length; i++) counts[labels[i]!]!++;
      return counts;
    };
    expect(count(train.labels)).toEqual(new Array(10).fill(600));
    expect(count(test.labels)).toEqual(new Array(10).fill(100));
    const folder = join(__dirname, '..', '..', 'data', 'fashion-mnist-mini');
    expect(readdirSync(folder).reduce((bytes, name) => bytes + statSync(join(folder, name)).size, 0)).toBeLessThan(3.5e6);
  });

  const debian = FASHION_MNIST.system!.dir;
  (existsSync(debian) ? it : it.skip)('is what the script takes from Fashion-MNIST', async () => {
    const [mini, full] = await Promise.all([data.mini(), data.directory(debian, { classes: FASHION_MNIST.classes })]);
    for (const [part, perClass] of [['train', 600], ['test', 100]] as const) {
      const seen = new Array<number>(10).fill(0);
      const chosen = [...full[part].labels.keys()].filter((i) => seen[full[part].labels[i]!]!++ < perClass);
      const expected = data.subset(full[part], chosen);
      expect(Buffer.compare(mini[part].images as Uint8Array, expected.images as Uint8Array)).toBe(0);
      expect(Buffer.compare(mini[part].labels as Uint8Array, expected.labels as Uint8Array)).toBe(0);
    }
  });
});
