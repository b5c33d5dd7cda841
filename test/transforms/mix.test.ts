/** mixup and cutmix: what pictures and labels become, and how shares are distributed. */
import { transforms } from '../../lib/index';
import { Philox } from '../../lib/random';
import { binding } from '../../lib/runtime/binding';
import { Augmenter } from '../../lib/transforms/augmenter';
import { drawBeta } from '../../lib/transforms/mix';
import { expectRejection } from '../support/expectError';

const SHAPE = [3, 6, 5];
const SIZE = 90;
const at = { seed: 1, epoch: 2, batch: 3 };

function flat(levels: readonly number[]): Uint8Array {
  return Uint8Array.from({ length: levels.length * SIZE }, (_, i) => levels[Math.floor(i / SIZE)]!);
}

test('mixup makes the weighted mean with the picture before, and of the labels', async () => {
  const augmenter = new Augmenter('fit', [transforms.mixup({ alpha: 2 })], { shape: SHAPE, layout: 'nchw' });
  expect(augmenter.mixes).toBe(true);
  const images = flat([0, 100, 250]);
  const labels = await augmenter.mix(images, Uint8Array.of(0, 1, 1), 4, at);
  const own = labels[0]!;
  expect(own).toBeGreaterThan(0);
  expect(own).toBeLessThan(1);
  const expected = [1 - own, own, 0, 0].map(Math.fround);
  expect([...labels]).toEqual([own, expected[0], 0, 0, expected[0], own, 0, 0, 0, 1, 0, 0]);
  for (const [i, [mine, other]] of [
    [0, 250],
    [100, 0],
    [250, 100],
  ].entries()) {
    const level = Math.round(own * mine! + (1 - own) * other!);
    for (const v of images.subarray(i * SIZE, (i + 1) * SIZE)) expect(Math.abs(v - level)).toBeLessThanOrEqual(1);
  }
});

test.each(['nchw', 'nhwc'] as const)('cutmix takes a box of the picture before, and its share of the label (%s)', async (layout) => {
  const augmenter = new Augmenter('fit', [transforms.cutmix()], { shape: SHAPE, layout });
  let boxes = 0;
  for (let batch = 0; batch < 40; batch++) {
    const images = flat([10, 20]);
    const labels = await augmenter.mix(images, Int32Array.of(1, 0), 2, { ...at, batch });
    const taken = images.subarray(0, SIZE).filter((v) => v === 20).length;
    expect(images.subarray(SIZE).filter((v) => v === 10).length).toBe(taken);
    expect([...images].every((v) => v === 10 || v === 20)).toBe(true);
    expect(labels[0]).toBeCloseTo(taken / SIZE, 6);
    expect(labels[1]).toBeCloseTo(1 - taken / SIZE, 6);
    boxes += taken > 0 && taken < SIZE ? 1 : 0;
  }
  expect(boxes).toBeGreaterThan(10);
});

test('the box lies where it is said to', async () => {
  const images = flat([1, 2]);
  await binding().cutmix(Int32Array.of(...SHAPE, 0), images, Int32Array.of(1, 2, 3, 2));
  const plane = [...images.subarray(30, 60)];
  expect(plane).toEqual(Array.from({ length: 30 }, (_, i) => (i >= 5 && i < 20 && i % 5 >= 2 && i % 5 < 4 ? 2 : 1)));
});

test('seed, epoch and batch decide', async () => {
  const augmenter = new Augmenter('fit', [transforms.mixup(), transforms.cutmix()], { shape: SHAPE, layout: 'nchw' });
  const mixed = async (where: typeof at): Promise<string> => {
    const images = flat([3, 200, 90]);
    return `${String(await augmenter.mix(images, Uint8Array.of(0, 1, 2), 3, where))} ${String(images)}`;
  };
  expect(await mixed(at)).toBe(await mixed(at));
  const others = await Promise.all([mixed({ ...at, seed: 2 }), mixed({ ...at, epoch: 1 }), mixed({ ...at, batch: 4 })]);
  expect(new Set([await mixed(at), ...others]).size).toBe(4);
});

test.each([0.2, 1, 4])('shares have the mean and variance of the beta distribution with alpha %p', (alpha) => {
  const count = 20_000;
  const random = new Philox(7);
  const shares = Array.from({ length: count }, () => drawBeta(alpha, random));
  const mean = shares.reduce((a, b) => a + b) / count;
  const variance = shares.reduce((a, b) => a + (b - mean) ** 2, 0) / count;
  const expected = 1 / (4 * (2 * alpha + 1));
  expect(Math.abs(mean - 0.5)).toBeLessThan(4 * Math.sqrt(expected / count));
  expect(Math.abs(variance / expected - 1)).toBeLessThan(0.05);
});

test('labels and lengths that do not fit are refused', async () => {
  const augmenter = new Augmenter('fit', [transforms.mixup()], { shape: SHAPE, layout: 'nchw' });
  await expectRejection('ERR_INVALID_ARGUMENT', augmenter.mix(flat([1, 2]), Int32Array.of(0, 3), 3, at), 'label 1 is 3');
  await expectRejection('ERR_SHAPE_MISMATCH', augmenter.mix(flat([1, 2]), Int32Array.of(0), 3, at));
});
