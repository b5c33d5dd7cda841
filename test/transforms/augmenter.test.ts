/** Pictures transformed by native code: what random draws depend on, how often and where they fall, and what is refused. */
import { transforms } from '../../lib/index';
import { Augmenter } from '../../lib/transforms/augmenter';
import type { Transform } from '../../lib/transforms';
import { expectError, expectRejection } from '../support/expectError';

const GREY = { shape: [1, 8, 8], layout: 'nchw' } as const;

/** `count` pictures, each of whose pixels has a level of its own as far as there are some. */
function pictures(count: number, size: number): Uint8Array {
  return Uint8Array.from({ length: count * size }, (_, i) => (i * 37 + Math.floor(i / size) * 11) % 256);
}

async function augmented(
  list: readonly Transform[],
  images: Uint8Array,
  indices: readonly number[],
  at = { seed: 1, epoch: 0 },
  input: { shape: readonly number[]; layout: 'nchw' | 'nhwc' } = GREY,
): Promise<Uint8Array> {
  const augmenter = new Augmenter('fit', list, input);
  const into = new Uint8Array(indices.length * augmenter.shape.reduce((a, b) => a * b, 1));
  await augmenter.run(images, Int32Array.from(indices), at, into);
  return into;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const MANY: readonly Transform[] = [
  transforms.randomCrop(8, { padding: 2, paddingMode: 'reflect' }),
  transforms.randomHorizontalFlip(),
  transforms.randomVerticalFlip(0.3),
  transforms.randomAffine({ degrees: 20, translate: [0.1, 0.1], scale: [0.8, 1.2], shear: 5, interpolation: 'bilinear' }),
  transforms.colorJitter({ brightness: 0.3, contrast: 0.3 }),
  transforms.randomErasing({ value: 'random' }),
  transforms.trivialAugmentWide(),
];

test('without transforms pictures stay as they are', async () => {
  const images = pictures(3, 64);
  expect(await augmented([], images, [0, 1, 2])).toEqual(images);
});

test('seed, epoch and index decide, whatever else is in the batch', async () => {
  const images = pictures(40, 64);
  const whole = await augmented(MANY, images, range(40));
  for (const order of [[39, 3, 7], [7], [0, 7, 7]]) {
    const chosen = Uint8Array.from(order.flatMap((i) => [...images.subarray(i * 64, (i + 1) * 64)]));
    const alone = await augmented(MANY, chosen, order);
    for (const [at, i] of order.entries()) {
      expect(alone.subarray(at * 64, (at + 1) * 64)).toEqual(whole.subarray(i * 64, (i + 1) * 64));
    }
  }
  expect(await augmented(MANY, images, range(40))).toEqual(whole);
  for (const at of [
    { seed: 2, epoch: 0 },
    { seed: 2 ** 32 + 1, epoch: 0 },
    { seed: 1, epoch: 1 },
  ]) {
    expect(await augmented(MANY, images, range(40), at)).not.toEqual(whole);
  }
  expect(await augmented(MANY, images, range(40).reverse())).not.toEqual(whole);
});

test('a batch that is cut for several threads gives what its pictures give one by one', async () => {
  const size = 3 * 64 * 64;
  const images = pictures(24, size);
  const input = { shape: [3, 64, 64], layout: 'nchw' } as const;
  const list = [transforms.randomResizedCrop(32), transforms.randomHorizontalFlip(), transforms.colorJitter({ hue: 0.1, saturation: 0.5 })];
  const whole = await augmented(list, images, range(24), { seed: 3, epoch: 2 }, input);
  for (const i of range(24)) {
    const one = await augmented(list, images.subarray(i * size, (i + 1) * size), [i], { seed: 3, epoch: 2 }, input);
    expect(whole.subarray(i * one.length, (i + 1) * one.length)).toEqual(one);
  }
});

test('another transform in front changes nothing about what one behind it draws', async () => {
  const images = new Uint8Array(50 * 64).fill(100);
  const flips = await augmented([transforms.randomInvert(1), transforms.randomErasing()], images, range(50));
  const both = await augmented([transforms.randomHorizontalFlip(), transforms.randomErasing()], images, range(50));
  expect(flips.map((v) => (v === 155 ? 100 : v))).toEqual(both);
});

test.each([0, 0.2, 0.5, 1])('flips happen at rate %p', async (p) => {
  const count = 4000;
  const row = Uint8Array.from({ length: 64 }, (_, i) => i);
  const images = new Uint8Array(count * 64);
  for (const i of range(count)) images.set(row, i * 64);
  const across = await augmented([transforms.randomHorizontalFlip(p)], images, range(count));
  const down = await augmented([transforms.randomVerticalFlip(p)], images, range(count));
  const rate = (flipped: Uint8Array, corner: number): number => range(count).filter((i) => flipped[i * 64] === corner).length / count;
  // Four deviations of a rate of 4,000 draws.
  const tolerance = 4 * Math.sqrt((p * (1 - p)) / count);
  expect(Math.abs(rate(across, 7) - p)).toBeLessThanOrEqual(tolerance);
  expect(Math.abs(rate(down, 56) - p)).toBeLessThanOrEqual(tolerance);
});

test('crops lie inside the padded picture, everywhere equally often', async () => {
  const count = 2500;
  // The level says where a pixel stands, and 0 is padding.
  const picture = Uint8Array.from({ length: 64 }, (_, i) => i + 1);
  const images = new Uint8Array(count * 64);
  for (const i of range(count)) images.set(picture, i * 64);
  const crops = await augmented([transforms.randomCrop(8, { padding: 2 })], images, range(count));
  const seen = new Map<string, number>();
  for (const i of range(count)) {
    const crop = crops.subarray(i * 64, (i + 1) * 64);
    const at = crop.findIndex((v) => v > 0);
    const [top, left] = [Math.floor((crop[at]! - 1) / 8) - Math.floor(at / 8), ((crop[at]! - 1) % 8) - (at % 8)];
    expect(Math.max(Math.abs(top), Math.abs(left))).toBeLessThanOrEqual(2);
    const expected = picture.map((_, j) => {
      const [y, x] = [Math.floor(j / 8) + top, (j % 8) + left];
      return y < 0 || y > 7 || x < 0 || x > 7 ? 0 : picture[y * 8 + x]!;
    });
    expect(Buffer.compare(crop, expected)).toBe(0);
    seen.set(`${top} ${left}`, (seen.get(`${top} ${left}`) ?? 0) + 1);
  }
  expect(seen.size).toBe(25);
  for (const times of seen.values()) expect(Math.abs(times - count / 25)).toBeLessThan(5 * Math.sqrt(count / 25));
});

test('angles, factors and boxes are as wide as they are said to be', async () => {
  const count = 1000;
  const images = new Uint8Array(count * 64).fill(100);
  const bright = await augmented([transforms.colorJitter({ brightness: [0.5, 1.5] })], images, range(count));
  const levels = range(count).map((i) => bright[i * 64]!);
  expect(Math.min(...levels)).toBeLessThan(53);
  expect(Math.min(...levels)).toBeGreaterThanOrEqual(49);
  expect(Math.max(...levels)).toBeGreaterThan(147);
  expect(Math.max(...levels)).toBeLessThanOrEqual(150);
  expect(Math.abs(levels.reduce((a, b) => a + b) / count - 99.5)).toBeLessThan(4);

  const erased = await augmented([transforms.randomErasing({ p: 1, scale: [0.1, 0.3], ratio: [1, 1] })], images, range(count));
  for (const i of range(count)) {
    const share = erased.subarray(i * 64, (i + 1) * 64).filter((v) => v === 0).length / 64;
    expect(share).toBeGreaterThan(0.1);
    expect(share).toBeLessThan(0.4);
  }
});

test('interleaved pictures become what planes become', async () => {
  const [h, w] = [6, 10];
  const planes = pictures(4, 3 * h * w);
  const interleave = (from: Uint8Array, [c, height, width]: readonly number[]): Uint8Array =>
    from.map((_, i) => {
      const size = c! * height! * width!;
      const [image, rest] = [Math.floor(i / size), i % size];
      return from[image * size + (rest % c!) * height! * width! + Math.floor(rest / c!)]!;
    });
  const list = [
    transforms.randomResizedCrop([7, 5], { interpolation: 'bicubic' }),
    transforms.randomPerspective({ p: 1, fill: [10, 20, 30] }),
    transforms.colorJitter({ hue: 0.3 }),
    transforms.randomErasing({ p: 1, value: [1, 2, 3] }),
  ];
  const ofPlanes = await augmented(list, planes, range(4), { seed: 5, epoch: 0 }, { shape: [3, h, w], layout: 'nchw' });
  const ofPixels = await augmented(
    list,
    interleave(planes, [3, h, w]),
    range(4),
    { seed: 5, epoch: 0 },
    { shape: [3, h, w], layout: 'nhwc' },
  );
  expect(ofPixels).toEqual(interleave(ofPlanes, [3, 7, 5]));
});

test('shapes are known before anything runs', () => {
  const shapeOf = (list: readonly Transform[], shape: readonly number[] = [3, 40, 60]): readonly number[] =>
    new Augmenter('fit', list, { shape, layout: 'nchw' }).shape;
  expect(shapeOf([transforms.resize(20)])).toEqual([3, 20, 30]);
  expect(shapeOf([transforms.resize([20, 21])])).toEqual([3, 20, 21]);
  expect(shapeOf([transforms.resize(20)], [1, 60, 40])).toEqual([1, 30, 20]);
  expect(shapeOf([transforms.centerCrop(32), transforms.grayscale()])).toEqual([1, 32, 32]);
  expect(shapeOf([transforms.grayscale({ numOutputChannels: 3 })], [1, 5, 5])).toEqual([3, 5, 5]);
  expect(shapeOf([transforms.randomCrop([50, 64], { padIfNeeded: true }), transforms.randomResizedCrop(16)])).toEqual([3, 16, 16]);
});

test('a transform is plain data, from which it can be made again', () => {
  for (const each of [...MANY, transforms.randomRotation(5), transforms.randAugment(), transforms.mixup({ alpha: 0.2 })]) {
    const { name, options } = JSON.parse(JSON.stringify(each)) as Transform;
    expect(transforms.create(name, options)).toEqual(each);
    expect(Object.isFrozen(each) && Object.isFrozen(each.options)).toBe(true);
  }
});

test('what does not fit is refused where it is written', async () => {
  expectError('ERR_UNKNOWN_OPTION', () => transforms.randomCrop(28, { paddng: 2 } as object), 'Did you mean "padding"');
  expectError('ERR_INVALID_ARGUMENT', () => transforms.randomCrop(0), 'transforms.randomCrop expects size');
  expectError('ERR_INVALID_ARGUMENT', () => transforms.randomHorizontalFlip(2), 'p to be a finite number in [0, 1]');
  expectError('ERR_INVALID_ARGUMENT', () => transforms.colorJitter({ hue: 0.7 }), 'hue');
  expectError('ERR_INVALID_ARGUMENT', () => transforms.gaussianBlur(4), 'odd');
  expectError('ERR_INVALID_ARGUMENT', () => transforms.randomResizedCrop(8, { scale: [0, 1] }), 'above 0');
  expectError('ERR_INVALID_ARGUMENT', () => transforms.randAugment({ magnitude: 31 }), 'magnitude to be an integer from 0 to 30');
  expectError('ERR_INVALID_ARGUMENT', () => transforms.create('randomCrops'), 'Did you mean "randomCrop"');
  expectError('ERR_UNKNOWN_OPTION', () => transforms.create('randomCrop', { sizes: 3 }), 'Did you mean "size"');
  const on = (...list: unknown[]): (() => Augmenter) => {
    return () => new Augmenter('fit', list as Transform[], GREY);
  };
  expectError(
    'ERR_SHAPE_MISMATCH',
    on(transforms.randomCrop(9)),
    'fit: transforms.randomCrop expects pictures of at least 9x9',
    'padIfNeeded',
  );
  expectError('ERR_SHAPE_MISMATCH', on(transforms.randomCrop(8, { padding: 8, paddingMode: 'reflect' })), 'at most 7 rows');
  expectError('ERR_SHAPE_MISMATCH', on(transforms.gaussianBlur(17)), 'kernel');
  expectError('ERR_SHAPE_MISMATCH', on(transforms.randomCrop(8, { fill: [1, 2, 3] })), 'one level or 1');
  expectError('ERR_INVALID_ARGUMENT', on(transforms.mixup(), transforms.randomInvert()), 'randomInvert comes after mixup');
  expectError('ERR_INVALID_ARGUMENT', on(transforms.randomInvert), 'Call it: transforms.randomInvert');
  expectError('ERR_UNKNOWN_OPTION', on({ name: 'randomInvert', options: { q: 1 } }), 'transforms.randomInvert has no option');
  expectError('ERR_SHAPE_MISMATCH', () => new Augmenter('fit', [], { shape: [2, 8, 8], layout: 'nchw' }), '1 or 3 channels');

  const augmenter = on(transforms.randomCrop(4))();
  const run = (bytes: number, room: number, at = { seed: 1, epoch: 0 }): Promise<void> =>
    augmenter.run(new Uint8Array(bytes), Int32Array.of(0, 1), at, new Uint8Array(room));
  await expectRejection('ERR_SHAPE_MISMATCH', run(127, 32), 'expects 128 levels for 2 pictures and room for 32');
  await expectRejection('ERR_SHAPE_MISMATCH', run(128, 33));
  await expectRejection('ERR_INVALID_ARGUMENT', run(128, 32, { seed: -1, epoch: 0 }));
  await run(128, 32);
});
