/** The commands that compute, from first weights to predictions. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mini } from '../../lib/data';
import { loadSharp } from '../../lib/cli/images';
import { loadSafetensors, saveSafetensors } from '../../lib/io/safetensors';
import { fit, models, optim } from '../../lib';
import { jsonOf, stridenet } from './support';

let folder: string;
let weights: string;
let trainedAccuracy: number;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-cli-'));
  weights = join(folder, 'lenet.safetensors');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a checkpoint with all epochs behind it leaves nothing to train, and one that went further is refused', async () => {
  const file = join(folder, 'done.checkpoint');
  const { train } = await mini();
  await fit(models.lenet5(), train, {
    epochs: 2,
    batchSize: 64,
    optimizer: optim.sgd({ lr: 0.05, momentum: 0.9, weightDecay: 5e-4 }),
    seed: 1,
    progress: false,
    callbacks: [{ onEpochEnd: async (_, { trainer }) => trainer.save(file) }],
  });
  const resumed = await stridenet('train', 'lenet5', '--schedule', 'constant', '--resume', file, '--epochs', '2');
  expect([resumed.err, resumed.code]).toEqual(['', 0]);
  expect(resumed.out).toContain(`Nothing is left to train: ${JSON.stringify(file)} has 2 of 2 epochs behind it.`);
  const beyond = await stridenet('train', 'lenet5', '--schedule', 'constant', '--resume', file, '--epochs', '1');
  expect(beyond.err).toContain('epochs to be at least 2');
  expect(beyond.code).toBeGreaterThan(0);
  rmSync(file);
});

describe('train, then use the weights', () => {
  it('train --json reports what was learned and saves it', async () => {
    const outcome = await stridenet('train', 'lenet5', '--epochs', '2', '--threads', '2', '--out', weights, '--json');
    expect([outcome.err, outcome.code]).toEqual(['', 0]);
    const result = jsonOf(outcome);
    expect(result).toMatchObject({ model: 'lenet5', data: 'mini', epochs: 2, threads: 2, weights });
    expect(Object.keys(result)).toEqual(
      ['model', 'data', 'epochs', 'trainLoss', 'trainAccuracy', 'testLoss', 'testAccuracy', 'validation', 'imagesPerSecond', 'seconds', 'threads', 'isa', 'weights'], // prettier-ignore
    );
    trainedAccuracy = result.testAccuracy as number;
    expect(trainedAccuracy).toBeGreaterThan(0.6);
    expect(readdirSync(folder)).toEqual(['lenet.safetensors']);
  });

  it('evaluate finds the same accuracy again', async () => {
    const outcome = await stridenet('evaluate', 'lenet5', '--weights', weights, '--json');
    expect(jsonOf(outcome)).toMatchObject({ model: 'lenet5', images: 1000, accuracy: trainedAccuracy });
    const { out, code } = await stridenet('evaluate', 'lenet5', '--weights', weights);
    expect(code).toBe(0);
    expect(out).toContain('Ankle boot 9');
    expect(out).toContain(`accuracy ${trainedAccuracy.toFixed(4)}`);
  });

  it('predict names the classes of image files', async () => {
    const { test } = await mini();
    const bag = test.labels.indexOf(8);
    const file = join(folder, 'bag.png');
    const pixels = test.images.subarray(bag * 784, (bag + 1) * 784) as Uint8Array;
    await loadSharp()(pixels, { raw: { width: 28, height: 28, channels: 1 } })
      .png()
      .toFile(file);
    const outcome = await stridenet('predict', 'lenet5', '--weights', weights, file, file, '--json');
    expect(outcome.code).toBe(0);
    const { images } = jsonOf(outcome) as { images: { file: string; top: { class: string; label: number; probability: number }[] }[] };
    expect(images).toHaveLength(2);
    expect(images[0]).toMatchObject({ file, top: [{ class: 'Bag', label: 8 }, {}, {}, {}, {}] });
    expect(images[1]).toEqual(images[0]);
    expect((await stridenet('predict', 'lenet5', '--weights', weights, file)).out).toMatch(/bag\.png\n +\d+\.\d % {2}Bag\n/);
  });

  it('weights of a variant remember it; weights of others are taken as they are', async () => {
    const course = join(folder, 'course.safetensors');
    const options = [
      '--activation',
      'sigmoid',
      '--pooling',
      'avg',
      '--init',
      'xavier-uniform',
      '--schedule',
      'constant',
      '--lr',
      '0.9',
      '--momentum',
      '0',
    ];
    const trained = jsonOf(await stridenet('train', 'lenet5', '--epochs', '1', ...options, '--out', course, '--json'));
    const evaluated = jsonOf(await stridenet('evaluate', 'lenet5', '--weights', course, '--json'));
    expect(evaluated.accuracy).toBe(trained.testAccuracy);
    const plain = join(folder, 'plain.safetensors');
    await saveSafetensors(plain, await loadSafetensors(course));
    const { accuracy } = jsonOf(
      await stridenet('evaluate', 'lenet5', '--weights', plain, '--activation', 'sigmoid', '--pooling', 'avg', '--json'),
    );
    expect(accuracy).toBe(trained.testAccuracy);
  });

  it('the same seed gives the same bytes', async () => {
    const [a, b] = [join(folder, 'a.safetensors'), join(folder, 'b.safetensors')];
    await stridenet('train', 'lenet5', '--epochs', '1', '--seed', '7', '--threads', '1', '--out', a);
    await stridenet('train', 'lenet5', '--epochs', '1', '--seed', '7', '--threads', '2', '--out', b);
    expect(readFileSync(a).equals(readFileSync(b))).toBe(true);
  });
});

describe('what goes wrong', () => {
  it('a loss that is not finite ends training and saves nothing', async () => {
    const out = join(folder, 'nan.safetensors');
    const { code, err } = await stridenet('train', 'lenet5', '--epochs', '1', '--lr', '1e30', '--schedule', 'constant', '--out', out);
    expect(code).toBe(1);
    expect(err).toContain('stridenet: ERR_NOT_FINITE: ');
    expect(existsSync(out)).toBe(false);
  });

  it('weights that are truncated or of another shape', async () => {
    const other = join(folder, 'other.safetensors');
    await saveSafetensors(other, models.lenet5({ classes: 7 }).stateDict());
    expect((await stridenet('evaluate', 'lenet5', '--weights', other)).err).toContain('ERR_STATE_DICT_MISMATCH');
    const truncated = join(folder, 'truncated.safetensors');
    const bytes = readFileSync(other);
    writeFileSync(truncated, bytes.subarray(0, bytes.length - 4));
    expect((await stridenet('evaluate', 'lenet5', '--weights', truncated)).err).toContain('ERR_BAD_FILE');
  });
});

it('doctor finds everything in order', async () => {
  const outcome = await stridenet('doctor', '--json');
  expect(jsonOf(outcome)).toMatchObject({ ok: true, node: process.version, isa: expect.any(String), threads: expect.any(Number) });
  expect(outcome.code).toBe(0);
  expect((await stridenet('doctor')).out).toMatch(/computation +correct$/);
  process.env['STRIDENET_THREAD'] = '2';
  const { out } = await stridenet('doctor').finally(() => delete process.env['STRIDENET_THREAD']);
  expect(out).toMatch(/^STRIDENET_THREAD +2 \(unknown: it changes nothing\)$/m);
});
