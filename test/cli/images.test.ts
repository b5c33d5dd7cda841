import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSharp, readImage } from '../../lib/cli/images';
import { failure } from '../data/support';

const sharp = loadSharp();
let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-image-'));
  path = join(folder, 'image.png');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (data: Uint8Array, width: number, height: number, channels: 1 | 3 | 4) =>
  sharp(data, { raw: { width, height, channels } }).png().toFile(path);

it('a greyscale image keeps its values and can be inverted', async () => {
  await write(Uint8Array.of(0, 50, 100, 255), 2, 2, 1);
  expect([...(await readImage(sharp, path, [1, 2, 2], { invert: false }))]).toEqual([0, 50, 100, 255]);
  expect([...(await readImage(sharp, path, [1, 2, 2], { invert: true }))]).toEqual([255, 205, 155, 0]);
});

it('colour becomes planes, or grey for one channel', async () => {
  await write(Uint8Array.of(255, 0, 0, 0, 0, 255), 2, 1, 3);
  expect([...(await readImage(sharp, path, [3, 1, 2], { invert: false }))]).toEqual([255, 0, 0, 0, 0, 255]);
  const grey = await readImage(sharp, path, [1, 1, 2], { invert: false });
  expect(grey).toHaveLength(2);
  expect(grey[0]).toBeGreaterThan(grey[1]!);
});

it('what is transparent is empty, and any size is stretched', async () => {
  await write(Uint8Array.of(255, 255, 255, 0), 1, 1, 4);
  expect([...(await readImage(sharp, path, [1, 2, 3], { invert: false }))]).toEqual([0, 0, 0, 0, 0, 0]);
  expect([...(await readImage(sharp, path, [1, 2, 3], { invert: true }))]).toEqual([0, 0, 0, 0, 0, 0]);
});

it('says what is wrong with a file', async () => {
  writeFileSync(path, 'no image');
  const bad = await failure(readImage(sharp, path, [1, 2, 2], { invert: false }));
  expect([bad.code, bad.message]).toEqual(['ERR_BAD_FILE', expect.stringContaining('cannot be decoded as an image')]);
  expect((await failure(readImage(sharp, join(folder, 'none'), [1, 2, 2], { invert: false }))).code).toBe('ERR_FILE_ACCESS');
});

it('asks for sharp when it is absent', () => {
  const absent = (): unknown => {
    throw Object.assign(new Error("Cannot find module 'sharp'"), { code: 'MODULE_NOT_FOUND' });
  };
  expect(() => loadSharp(absent)).toThrow('Reading image files takes the package sharp: it is not installed. Run: npm install sharp');
});
