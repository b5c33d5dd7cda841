import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as data from '../../lib/data';
import { FASHION_MNIST } from '../../lib/data/mnist';

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
