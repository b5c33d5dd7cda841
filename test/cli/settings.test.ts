/** Trainings with settings beyond the defaults, from the first images to the files that are left. */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSharp } from '../../lib/cli/images';
import { mini } from '../../lib/data';
import { jsonOf, stridenet } from './support';

const IMAGES_OF_A_CLASS = 12;

let folder: string;
let pictures: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-settings-'));
  pictures = join(folder, 'pictures');
  await writePictures(pictures, 0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Images of three classes as PNG files. @param first of the images that are taken */
async function writePictures(dir: string, first: number): Promise<void> {
  const { train } = await mini();
  const counts = [0, 0, 0];
  for (let i = first; i < train.length && counts.some((count) => count < IMAGES_OF_A_CLASS); i++) {
    const label = train.labels[i]!;
    if (label > 2 || counts[label]! >= IMAGES_OF_A_CLASS) continue;
    counts[label]!++;
    const name = train.classes[label]!.replace('/', ' or ');
    mkdirSync(join(dir, name), { recursive: true });
    const pixels = train.images.subarray(i * 784, (i + 1) * 784) as Uint8Array;
    await loadSharp()(pixels, { raw: { width: 28, height: 28, channels: 1 } })
      .png()
      .toFile(join(dir, name, `${i}.png`));
  }
}

it('a folder of pictures with augmentation, averages, early stopping and a report', async () => {
  const [out, log, report, board] = ['w.safetensors', 'log.csv', 'report.html', 'board'].map((name) => join(folder, name)) as [string, string, string, string]; // prettier-ignore
  const flags = ['--epochs', '3', '--batch-size', '8', '--optimizer', 'adamw', '--lr', '2e-3', '--ema', '0.8', '--clip-norm', '1'];
  const more = ['--augment', 'randomCrop:28:padding=2,randomHorizontalFlip', '--early-stopping', '2', '--metrics', 'accuracy,top2'];
  const files = ['--out', out, '--log', log, '--report', report, '--tensorboard', board];
  const outcome = await stridenet('train', 'lenet5', '--data', pictures, '--validation', '0.2', ...flags, ...more, ...files, '--json');
  expect([outcome.err, outcome.code]).toEqual(['', 0]);
  const result = jsonOf(outcome);
  expect(result).toMatchObject({ data: pictures, weights: out, validation: { loss: expect.any(Number), top2: expect.any(Number) } });

  const rows = readFileSync(log, 'utf8').trimEnd().split('\n').map((line) => line.split(',')); // prettier-ignore
  expect(rows[0]).toEqual(expect.arrayContaining(['loss', 'top2', 'valLoss', 'valTop2']));
  const losses = rows.slice(1).map((row) => Number(row[rows[0]!.indexOf('valLoss')]));
  expect((result['validation'] as { loss: number }).loss).toBe(Math.min(...losses));
  expect(readFileSync(report, 'utf8')).toMatch(/Confusion[^]*Pullover[^]*randomCrop/i);
  expect(readdirSync(board)).toEqual(expect.arrayContaining(['train', 'validation']));

  // The fifth that was put aside by the seed, with the best weights.
  const evaluated = jsonOf(await stridenet('evaluate', 'lenet5', '--weights', out, '--data', pictures, '--json'));
  expect(evaluated).toMatchObject({ images: 7, accuracy: result['testAccuracy'], loss: result['testLoss'] });
});

it('folders of training and test pictures; files that are none are skipped if that is asked for', async () => {
  const divided = join(folder, 'divided');
  await writePictures(join(divided, 'train'), 0);
  await writePictures(join(divided, 'val'), 2000);
  writeFileSync(join(divided, 'train', 'Pullover', 'broken.png'), 'no picture');
  const argv = ['train', 'lenet5', '--data', divided, '--epochs', '1', '--batch-size', '12'];
  expect((await stridenet(...argv)).err).toMatch(/ERR_BAD_FILE: .*broken\.png/);
  const { out, code } = await stridenet(...argv, '--on-error', 'skip');
  expect(code).toBe(0);
  expect(out).toMatch(/test accuracy .*36 images/);
  expect(out).toMatch(/^left out {7}1 file that is no picture: .*broken\.png$/m);
  const trained = jsonOf(await stridenet(...argv, '--on-error', 'skip', '--out', join(folder, 'skipping.safetensors'), '--json'));
  expect(trained['skipped']).toEqual([join(divided, 'train', 'Pullover', 'broken.png')]);
  const evaluate = ['evaluate', 'lenet5', '--weights', join(folder, 'skipping.safetensors'), '--data', divided, '--on-error', 'skip'];
  expect((await stridenet(...evaluate)).out).toMatch(/^left out: no file was left out$/m);
  expect(jsonOf(await stridenet(...evaluate, '--json'))).toMatchObject({ images: 36, skipped: [] });
  expect(out).toContain('Pullover');
  const plan = jsonOf(await stridenet(...argv, '--dry-run', '--json'));
  expect(plan).toMatchObject({ images: { train: 37, validation: 36, test: 36 }, classes: 3, shape: [1, 28, 28] });
});

it('pictures are measured behind the validation transforms, in training, in the end and by evaluate', async () => {
  const out = join(folder, 'cropped.safetensors');
  const data = ['--data', pictures, '--image-size', '32'];
  const measured = ['--validation-transforms', 'centerCrop:28'];
  const argv = ['train', 'lenet5', ...data, '--epochs', '2', '--batch-size', '12', '--augment', 'randomCrop:28', ...measured];
  const result = jsonOf(await stridenet(...argv, '--report', join(folder, 'cropped.html'), '--out', out, '--json'));
  const evaluated = await stridenet('evaluate', 'lenet5', '--weights', out, ...data, ...measured, '--json');
  expect(jsonOf(evaluated)).toMatchObject({ images: 7, accuracy: result['testAccuracy'], loss: result['testLoss'] });
  expect((await stridenet(...argv)).out).toMatch(/Confusion matrix/);
  const without = await stridenet('evaluate', 'lenet5', '--weights', out, ...data);
  expect([without.code, without.err]).toEqual([1, expect.stringContaining('expects images of 28x28')]);
});

const hasFull = existsSync('/dev/full');
(hasFull ? it : it.skip)('a log on a full disk costs neither the training nor its weights, and the exit code says so', async () => {
  const warning = jest.spyOn(process, 'emitWarning').mockImplementation();
  try {
    const out = join(folder, 'full.safetensors');
    const argv = ['train', 'lenet5', '--epochs', '3', '--limit-batches', '2', '--log', '/dev/full', '--out', out];
    const { code, err } = await stridenet(...argv);
    const reason = 'Cannot write "/dev/full": the disk is full (ENOSPC).';
    expect([code, err]).toEqual([3, `stridenet: training was done, but a file lacks a part: ${reason}`]);
    expect(warning).toHaveBeenCalledTimes(1);
    expect(existsSync(out)).toBe(true);
    const outcome = await stridenet(...argv, '--json');
    expect([outcome.code, jsonOf(outcome)]).toEqual([3, expect.objectContaining({ epochs: 3, unwritten: [reason] })]);
  } finally {
    warning.mockRestore();
  }
});

it('weights of other classes than the folders have are refused', async () => {
  const weights = join(folder, 'ten.safetensors');
  await stridenet('train', 'lenet5', '--epochs', '1', '--limit-batches', '2', '--out', weights, '--json');
  const { err, code } = await stridenet('evaluate', 'lenet5', '--weights', weights, '--data', pictures);
  expect([code, err]).toEqual([1, expect.stringContaining('but the folders of pictures are ')]);
});

it('mixed batches have no accuracy of training, and the best epoch is said', async () => {
  const flags = [
    '--epochs',
    '2',
    '--limit-batches',
    '8',
    '--cutmix',
    '1',
    '--keep-best',
    '--monitor',
    'valAccuracy',
    '--schedule',
    'oneCycle',
  ];
  const { out, err, code } = await stridenet('train', 'lenet5', ...flags);
  expect([err, code]).toEqual(['', 0]);
  expect(out).toMatch(/^epoch 1\/2 {2}loss \d\.\d{4} {2}test loss/m);
  expect(out).toContain('train accuracy not measured');
});

it('outputs have files of their own', async () => {
  const same = join(folder, 'same');
  const { code, err } = await stridenet('train', 'lenet5', '--out', same, '--log', join(folder, '.', 'same'));
  expect([code, err]).toEqual([2, expect.stringContaining('--out and --log expect files of their own')]);
  expect(existsSync(same)).toBe(false);
});

it('--fast-dev-run runs a batch and saves nothing', async () => {
  const out = join(folder, 'dev.safetensors');
  const outcome = await stridenet('train', 'lenet5', '--fast-dev-run', '--out', out, '--json');
  expect(jsonOf(outcome)).toMatchObject({ epochs: 1, weights: null, testLoss: expect.any(Number) });
  expect(existsSync(out)).toBe(false);
});
