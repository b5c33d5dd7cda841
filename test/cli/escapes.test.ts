/** Names in files and arguments with what terminals obey: escape sequences, control characters of both kinds, reordered text. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSharp } from '../../lib/cli/images';
import { StridenetError } from '../../lib/errors';
import { saveSafetensors } from '../../lib/io/safetensors';
import { models, tensor } from '../../lib';
import { jsonOf, stridenet } from './support';

/** Sets the title of the window; CSI in one byte; delete; a line of its own; backspaces; text from right to left. */
const HOSTILE = '\u001b]0;owned\u0007\u009b31m\u007f\rforged\b\u202egnp';
const ACTIVE = /(?!\n)[\p{Cc}\p{Bidi_Control}]/u;

let folder: string;
let weights: string;
let image: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-escapes-'));
  weights = join(folder, `weights${HOSTILE}.safetensors`);
  image = join(folder, `image${HOSTILE}.png`);
  const classNames = Array.from({ length: 10 }, (_, i) => `${HOSTILE}\nclass ${i}`);
  const description = { model: 'lenet5', options: {}, classNames, input: [1, 28, 28] };
  await saveSafetensors(weights, models.lenet5().stateDict(), { 'stridenet.model': JSON.stringify(description) });
  const blank = { width: 28, height: 28, channels: 1 } as const;
  await loadSharp()(new Uint8Array(784), { raw: blank }).png().toFile(image);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs the program and expects what it prints to be inert; the name must still be there to be seen. */
async function expectInert(...argv: string[]): Promise<{ out: string; err: string }> {
  const outcome = await stridenet(...argv);
  expect(outcome.out).not.toMatch(ACTIVE);
  expect(outcome.err).not.toMatch(ACTIVE);
  expect(outcome.out + outcome.err).toContain('\\u001b]0;owned\\u0007');
  return outcome;
}

test('class names and file names in predictions, each on its line', async () => {
  const { out } = await expectInert('predict', 'lenet5', '--weights', weights, image);
  expect(out.split('\n')).toHaveLength(6);
  const result = await expectInert('predict', 'lenet5', '--weights', weights, image, '--json');
  const { images } = jsonOf({ ...result, code: 0 }) as { images: { file: string; top: { class: string }[] }[] };
  expect(images[0]!.file).toBe(image);
  expect(images[0]!.top[0]!.class).toContain(`${HOSTILE}\nclass `);
});

test('names of tensors in errors', async () => {
  const strange = join(folder, 'strange.safetensors');
  await saveSafetensors(strange, new Map([[HOSTILE, tensor([1])]]));
  await expectInert('evaluate', 'lenet5', '--weights', strange);
});

test('arguments in errors', async () => {
  for (const argv of [
    [HOSTILE],
    ['train', HOSTILE],
    ['train', 'lenet5', '--data', HOSTILE],
    ['train', 'lenet5', `--${HOSTILE}`],
    ['train', 'lenet5', '--lr', HOSTILE],
    ['train', 'lenet5', '--out', join(folder, HOSTILE, 'x.safetensors')],
    ['summary', 'lenet5', '--input', HOSTILE],
    ['evaluate', 'lenet5', '--weights', join(folder, HOSTILE)],
    ['predict', 'lenet5', '--weights', weights, join(folder, HOSTILE)],
  ])
    await expectInert(...argv);
});

test('errors of the library, wherever they are printed', () => {
  const { message, stack } = new StridenetError('ERR_BAD_FILE', `no ${HOSTILE}\n  second line`);
  expect(message).not.toMatch(ACTIVE);
  expect(stack).not.toMatch(ACTIVE);
  expect(message).toContain('\n  second line');
});
