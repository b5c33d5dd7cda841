import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { data, transforms } from '../../lib/index';
import { expectRejection } from '../support/expectError';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-preview-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const pixels = (path: string): Promise<{ data: Buffer; info: sharp.OutputInfo }> =>
  sharp(path).raw().toBuffer({ resolveWithObject: true }); // prettier-ignore

test('pictures stand row by row, enlarged, with gaps between them', async () => {
  const images = Uint8Array.from({ length: 3 * 48 * 48 }, (_, i) => 10 + Math.floor(i / (48 * 48)) * 20);
  const set = data.arrays(images, [0, 1, 0], { shape: [1, 48, 48] });
  const path = await data.preview(set, 3, { path: join(folder, 'grey.png'), columns: 2 });
  const { data: sheet, info } = await pixels(path);
  expect([info.width, info.height]).toEqual([2 * 98 + 2, 2 * 98 + 2]);
  const level = (x: number, y: number): number => sheet[(y * info.width + x) * info.channels]!;
  expect([level(2, 2), level(97, 97), level(100, 2), level(2, 100), level(100, 100), level(1, 1), level(98, 5)]).toEqual([10, 10, 30, 50, 128, 128, 128]);
});

test.each(['nchw', 'nhwc'] as const)('colours and transforms (%s)', async (layout) => {
  const planes = [200, 100, 50];
  const images = Uint8Array.from({ length: 3 * 64 }, (_, i) => planes[layout === 'nchw' ? Math.floor(i / 64) : i % 3]!);
  const set = data.arrays(images, [0], { shape: [3, 8, 8], layout, classes: ['a'] });
  const path = await data.preview(set, 1, { path: join(folder, `${layout}.png`), augment: [transforms.randomInvert(1)] });
  const { data: sheet, info } = await pixels(path);
  const at = (50 * info.width + 50) * info.channels;
  expect([info.width, info.channels, ...sheet.subarray(at, at + 3)]).toEqual([100, 3, 55, 155, 205]);
});

test.each(['mix', 'augment'] as const)('each row is mixed as a batch of its own (%s)', async (option) => {
  const images = Uint8Array.from({ length: 5 * 48 * 48 }, (_, i) => [0, 60, 250, 200, 100][Math.floor(i / (48 * 48))]!);
  const set = data.arrays(images, new Float32Array(5), { shape: [1, 48, 48], targetShape: [] });
  const mix = transforms.mixup();
  const path = await data.preview(set, 5, { path: join(folder, 'mixed.png'), columns: 2, ...(option === 'mix' ? { mix } : { augment: [mix] }) });
  const { data: sheet, info } = await pixels(path);
  const level = (row: number, column: number): number => sheet[((50 + 98 * row) * info.width + 50 + 98 * column) * info.channels]!;
  const own = 1 - level(0, 0) / 60;
  expect(own).toBeGreaterThan(0);
  expect(own).toBeLessThan(1);
  expect(Math.abs(level(0, 1) - 60 * own)).toBeLessThanOrEqual(1);
  // The other row has a share of its own: 250 and 200 make the same sum, 50 more or less apart.
  expect(Math.abs(level(1, 0) + level(1, 1) - 450)).toBeLessThanOrEqual(1);
  expect(Math.abs((level(1, 0) - 200) / 50 - own)).toBeGreaterThan(0.05);
  // One picture alone has no other.
  expect(level(2, 0)).toBe(100);
});

test('what cannot be shown is refused', async () => {
  const set = data.arrays(new Float32Array(64), [0], { shape: [1, 8, 8] });
  const path = join(folder, 'float.png');
  await expectRejection('ERR_DTYPE_MISMATCH', data.preview(set, 1, { path, augment: [transforms.randomInvert()] }), 'uint8');
  await expectRejection('ERR_DTYPE_MISMATCH', data.preview(set, 1, { path, mix: transforms.mixup() }), 'augment or mix');
  await expectRejection('ERR_INVALID_ARGUMENT', data.preview(set, 1, { path, mix: transforms.randomInvert() }), 'mix to be transforms.mixup()', 'in augment');
  await expectRejection('ERR_INVALID_ARGUMENT', data.preview(set, 1, { path, mix: transforms.mixup as never }), 'mix to be transforms.mixup()');
  await expectRejection('ERR_INVALID_ARGUMENT', data.preview(set, 1, { path, augment: 5 as never, mix: transforms.mixup() }), 'a list of transforms');
  await expectRejection('ERR_INVALID_ARGUMENT', data.preview(set, 2, { path }), 'at most 1');
  await expectRejection('ERR_UNKNOWN_OPTION', data.preview(set, 1, { file: path } as object), 'has no option "file"');
  await expectRejection('ERR_FILE_ACCESS', data.preview(set, 1, { path: folder }), 'folder');
  expect(await data.preview(set, 1, { path })).toBe(path);
});
