/** The commands read images as the weights file says. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, data, evaluate, manualSeed, models, saveSafetensors } from '../../lib';
import { loadSharp } from '../../lib/cli/images';
import { topClasses } from '../../lib/cli/predictions';
import { jsonOf, stridenet } from './support';

let folder: string;
let weights: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-cli-preprocess-'));
  weights = join(folder, 'lenet.safetensors');
  manualSeed(1);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A model whose images are far from what they would be without its preprocessing, saved. */
async function saved(): Promise<ReturnType<typeof models.lenet5>> {
  const model = models.lenet5();
  model.preprocess = { scale: 1, mean: [100], std: [20], layout: 'nhwc' };
  await saveSafetensors(weights, model.stateDict());
  return model;
}

test('evaluate', async () => {
  const model = await saved();
  const { test } = await data.mini();
  const expected = await evaluate(model, test);
  expect(jsonOf(await stridenet('evaluate', 'lenet5', '--weights', weights, '--json'))).toMatchObject(expected);
  const found = (await stridenet('evaluate', 'lenet5', '--weights', weights)).out;
  // The table of predictions was made with the same: its diagonal holds what accuracy counts.
  const cells = found.split('\n').filter((line) => / %$/.test(line));
  const correct = cells.map((line, label) => Number(line.trim().split(/ +/).slice(-12)[label]!.replace('.', '0')));
  expect(correct.reduce((a, b) => a + b, 0)).toBe(Math.round(1000 * expected.accuracy!));
  model.preprocess = undefined;
  expect(Math.abs((await evaluate(model, test)).loss - expected.loss)).toBeGreaterThan(1e-3);
});

test('predict', async () => {
  const model = await saved();
  const pixels = (await data.mini()).test.images.subarray(0, 784);
  const file = join(folder, 'shoe.png');
  await loadSharp()(pixels, { raw: { width: 28, height: 28, channels: 1 } })
    .png()
    .toFile(file);
  using net = await compile(model, { input: [1, 28, 28] });
  const expected = topClasses(await net.runSync(pixels).data(), 5);
  const { images } = jsonOf(await stridenet('predict', 'lenet5', '--weights', weights, file, '--json')) as { images: { top: object[] }[] };
  expect(images[0]!.top).toMatchObject(expected);
});
