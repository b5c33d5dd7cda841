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

describe('a model of any number of channels gets as many planes', () => {
  // Two pixels: a red one, half transparent, and a white one.
  const pictures: [string, Uint8Array, 1 | 3 | 4][] = [
    ['grey', Uint8Array.of(76, 255), 1],
    ['colour', Uint8Array.of(255, 0, 0, 255, 255, 255), 3],
    ['colour with opacity', Uint8Array.of(255, 0, 0, 128, 255, 255, 255, 255), 4],
  ];
  it.each(pictures)('%s', async (kind, pixels, channels) => {
    await write(pixels, 2, 1, channels);
    const read = async (count: number, invert = false): Promise<number[]> => [...(await readImage(sharp, path, [count, 1, 2], { invert }))];
    const [opacity, grey, colour] = [kind === 'colour with opacity' ? 128 : 255, kind === 'grey', kind === 'colour'];
    const [one, two, three, four] = [await read(1), await read(2), await read(3), await read(4)] as const;
    expect([one.length, two.length, three.length, four.length]).toEqual([2, 4, 6, 8]);
    expect(two.slice(2)).toEqual([opacity, 255]);
    expect(four.slice(6)).toEqual([opacity, 255]);
    expect([one[1], two[1], three[1], three[3], three[5], four[1], four[3], four[5]]).toEqual(new Array(8).fill(255));
    if (grey) expect([one[0], two[0], three[0], three[2], three[4], four[0]]).toEqual(new Array(6).fill(76));
    else expect([four[0], four[2], four[4]]).toEqual([255, 0, 0]);
    if (colour) expect([three[0], three[2], three[4]]).toEqual([255, 0, 0]);
    // Opacity is not inverted.
    expect((await read(4, true)).slice(6)).toEqual([opacity, 255]);
    expect((await read(2, true)).slice(1)).toEqual([0, opacity, 255]);
  });

  it('but no more than pictures have', async () => {
    await write(Uint8Array.of(1), 1, 1, 1);
    const bad = await failure(readImage(sharp, path, [5, 1, 1], { invert: false }));
    expect([bad.code, bad.message]).toEqual(['ERR_SHAPE_MISMATCH', expect.stringContaining('1 to 4 channels')]);
  });
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
