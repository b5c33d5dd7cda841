/** `stridenet predict` on weights that say little about themselves, and on pictures of other proportions than the model's. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageSize, loadSharp, readImage } from '../../lib/cli/images';
import { saveSafetensors } from '../../lib/io/safetensors';
import { models } from '../../lib';
import { jsonOf, stridenet } from './support';

let folder: string;
let weights: string;
let square: string;
let wide: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-predict-'));
  weights = join(folder, 'own.safetensors');
  await saveSafetensors(weights, models.lenet5({ classes: 3 }).stateDict());
  const sharp = loadSharp();
  const white = (width: number, height: number): ReturnType<typeof sharp> =>
    sharp({ create: { width, height, channels: 3, background: '#ffffff' } }).png();
  square = join(folder, 'square.png');
  wide = join(folder, 'wide.png');
  await white(56, 56).toFile(square);
  await white(56, 28).toFile(wide);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const predict = (...argv: string[]): ReturnType<typeof stridenet> => stridenet('predict', 'lenet5', '--weights', weights, ...argv);

describe('names of classes', () => {
  it('are given on the command line or in a file, and say how many there are', async () => {
    const list = join(folder, 'classes.txt');
    writeFileSync(list, 'cat\nbig dog\nowl\n');
    for (const classes of ['cat, big dog,owl', list]) {
      const outcome = await predict(square, '--classes', classes, '--json');
      expect([outcome.code, outcome.err]).toEqual([0, '']);
      const { images } = jsonOf(outcome) as { images: { top: { class: string; label: number }[] }[] };
      const named = images[0]!.top.map(({ class: name, label }) => [label, name]).sort();
      expect(named).toEqual([[0, 'cat'], [1, 'big dog'], [2, 'owl']]); // prettier-ignore
    }
  });

  it('that are unknown are numbers, which is said', async () => {
    const ten = join(folder, 'ten.safetensors');
    await saveSafetensors(ten, models.lenet5({ classes: 10 }).stateDict());
    const { code, out, err } = await stridenet('predict', 'lenet5', '--weights', ten, square);
    expect(code).toBe(0);
    expect(out).toMatch(/% {2}\d$/m);
    expect(err).toBe(`stridenet: ${ten} does not name its classes, so their numbers are printed; --classes names them.`);
  });

  it('must be as many as the weights are for', async () => {
    expect(await predict(square, '--classes', 'cat,dog')).toMatchObject({
      code: 1,
      err: expect.stringContaining('ERR_STATE_DICT_MISMATCH'),
    });
  });
});

describe('proportions', () => {
  it('a picture that is stretched is named; one that fits is not', async () => {
    const { err, code } = await predict(square, wide, '--classes', 'a,b,c');
    expect(code).toBe(0);
    expect(err).toBe(`stridenet: ${wide} is 56x28 and was stretched to 28x28; --fit pad or --fit crop keeps its proportions.`);
    expect((await predict(square, wide, '--classes', 'a,b,c', '--fit', 'pad')).err).toBe('');
    expect((await predict(square, wide, '--classes', 'a,b,c', '--fit', 'cut')).code).toBe(2);
  });

  it('pad keeps all of it on empty ground, crop its middle', async () => {
    const sharp = loadSharp();
    const read = (fit: 'stretch' | 'pad' | 'crop', invert = false): Promise<Uint8Array> =>
      readImage(sharp, wide, [1, 28, 28], { invert, fit });
    const bright = (pixels: Uint8Array): number => pixels.filter((value) => value > 127).length;
    expect([bright(await read('stretch')), bright(await read('pad')), bright(await read('crop'))]).toEqual([784, 392, 784]);
    const padded = await read('pad');
    expect([padded[0], padded[14 * 28]]).toEqual([0, 255]);
    // Dark on light: the ground that is added is as empty as the picture's.
    expect(bright(await read('pad', true))).toBe(0);
    const colour = await readImage(sharp, wide, [4, 28, 28], { invert: false, fit: 'pad' });
    expect([colour[3 * 784], colour[3 * 784 + 14 * 28]]).toEqual([0, 255]);
  });

  it('are those of the picture as it is looked at', async () => {
    const turned = join(folder, 'turned.jpg');
    await loadSharp()(wide).jpeg().withMetadata({ orientation: 6 }).toFile(turned);
    expect(await imageSize(loadSharp(), turned)).toEqual([56, 28]);
  });
});
