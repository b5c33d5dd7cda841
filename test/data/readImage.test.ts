import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import * as data from '../../lib/data';
import { expectRejection } from '../support/expectError';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'stridenet-picture-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const [RED, GREEN, BLUE] = [[255, 0, 0], [0, 255, 0], [0, 0, 255]] as const; // prettier-ignore
/** A picture of one row. */
const row = (...pixels: (readonly number[])[]): sharp.Sharp =>
  sharp(Uint8Array.from(pixels.flat()), { raw: { width: pixels.length, height: 1, channels: pixels[0]!.length as 1 | 3 | 4 } });

describe('what is in the file becomes 8-bit sRGB, pixel by pixel', () => {
  it('colour and grey', async () => {
    const png = await row(RED, GREEN, BLUE).png().toBuffer();
    const picture = await data.readImage(png);
    expect(picture).toEqual({ data: Uint8Array.from([RED, GREEN, BLUE].flat()), width: 3, height: 1, channels: 3 });
    expect(picture.data.constructor).toBe(Uint8Array);
    const grey = await row([10], [200]).toColourspace('b-w').png().toBuffer();
    expect((await data.readImage(grey)).data).toEqual(Uint8Array.of(10, 10, 10, 200, 200, 200));
    expect(await data.readImage(grey, { channels: 1 })).toEqual({ data: Uint8Array.of(10, 200), width: 2, height: 1, channels: 1 });
  });

  it('16 bits, in colour and grey, with opacity and without', async () => {
    const deep = (values: number[], width: number, channels: 1 | 3 | 4, space: string): Promise<Buffer> =>
      sharp(Uint16Array.from(values), { raw: { width, height: 1, channels } }).toColourspace(space).png().toBuffer();
    const colour = await deep([65535, 0, 0, 257 * 50, 257 * 100, 257 * 200], 2, 3, 'rgb16');
    expect((await sharp(colour).metadata()).depth).toBe('ushort');
    expect((await data.readImage(colour)).data).toEqual(Uint8Array.of(255, 0, 0, 50, 100, 200));
    const grey = await deep([65535, 0, 257 * 50], 3, 1, 'grey16');
    expect((await data.readImage(grey, { channels: 1 })).data).toEqual(Uint8Array.of(255, 0, 50));
    expect((await data.readImage(grey)).data).toEqual(Uint8Array.of(255, 255, 255, 0, 0, 0, 50, 50, 50));
    const clear = await deep([65535, 0, 0, 0, 0, 65535, 0, 65535], 2, 4, 'rgb16');
    expect((await data.readImage(clear)).data).toEqual(Uint8Array.of(0, 0, 0, 0, 255, 0));
  });

  it('CMYK, whose ink is not its light', async () => {
    const jpeg = await row(RED, GREEN, BLUE).resize(48, 16, { kernel: 'nearest', fit: 'fill' }).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer(); // prettier-ignore
    expect((await sharp(jpeg).metadata()).space).toBe('cmyk');
    const { data: pixels } = await data.readImage(jpeg, { size: [1, 3] });
    [RED, GREEN, BLUE].forEach((_, i) => {
      const channels = [...pixels.subarray(3 * i, 3 * i + 3)];
      expect(channels.indexOf(Math.max(...channels))).toBe(i);
    });
  });

  it('a palette', async () => {
    const png = await row(RED, GREEN, BLUE, RED).png({ palette: true }).toBuffer();
    expect((await sharp(png).metadata()).isPalette).toBe(true);
    expect((await data.readImage(png)).data).toEqual(Uint8Array.from([RED, GREEN, BLUE, RED].flat()));
  });

  it('opacity shows the background, or is a channel', async () => {
    const png = await row([255, 0, 0, 0], [255, 0, 0, 255]).png().toBuffer();
    expect((await data.readImage(png)).data).toEqual(Uint8Array.of(0, 0, 0, 255, 0, 0));
    expect((await data.readImage(png, { background: [255, 255, 255] })).data).toEqual(Uint8Array.of(255, 255, 255, 255, 0, 0));
    expect((await data.readImage(png, { channels: 4 })).data).toEqual(Uint8Array.of(255, 0, 0, 0, 255, 0, 0, 255));
    expect((await data.readImage(png, { channels: 2 })).data.filter((_, i) => i % 2 === 1)).toEqual(Uint8Array.of(0, 255));
  });

  it('an animation is its first frame', async () => {
    const frames = sharp(Uint8Array.from([RED, BLUE].flat()), { raw: { width: 1, height: 2, channels: 3, pageHeight: 1 } });
    const gif = await frames.gif({ delay: [100, 100] }).toBuffer();
    expect((await sharp(gif).metadata()).pages).toBe(2);
    expect(await data.readImage(gif)).toMatchObject({ width: 1, height: 1, data: Uint8Array.from(RED) });
  });

  it('a picture on its side stands up', async () => {
    const lying = await row(RED, GREEN, BLUE).png().withMetadata({ orientation: 6 }).toBuffer();
    expect(await data.readImage(lying)).toEqual({ data: Uint8Array.from([RED, GREEN, BLUE].flat()), width: 1, height: 3, channels: 3 });
  });
});

describe('size', () => {
  const read = async (fit: data.PictureFit): Promise<number[]> => {
    const png = await row(RED, GREEN, GREEN, BLUE).png().toBuffer();
    const { data: pixels, width, height } = await data.readImage(png, { size: 2, fit, background: [9, 9, 9] });
    expect([width, height]).toEqual([2, 2]);
    return [...pixels];
  };
  it('fill stretches, cover crops, contain pads', async () => {
    const filled = await read('fill');
    expect(filled[0]).toBeGreaterThan(filled[2]!);
    expect(filled.slice(0, 6)).toEqual(filled.slice(6));
    expect(await read('cover')).toEqual([GREEN, GREEN, GREEN, GREEN].flat());
    const padded = await read('contain');
    expect([padded.filter((v) => v === 9).length, padded.length]).toEqual([6, 12]);
  });

  it('is [height, width]', async () => {
    const png = await row(RED).png().toBuffer();
    expect(await data.readImage(png, { size: [2, 5] })).toMatchObject({ height: 2, width: 5 });
  });
});

describe('a file that is no picture is refused by its name', () => {
  let jpeg: Buffer;
  beforeAll(async () => (jpeg = await sharp({ create: { width: 200, height: 200, channels: 3, background: 'red', noise: { type: 'gaussian', mean: 100, sigma: 30 } } }).jpeg().toBuffer())); // prettier-ignore
  const refuse = async (bytes: Uint8Array | string, ...pieces: string[]): Promise<void> => {
    const path = join(folder, 'cat "1".jpg');
    writeFileSync(path, bytes);
    await expectRejection('ERR_BAD_FILE', data.readImage(path, { size: 32 }), JSON.stringify(path), 'cannot be decoded as an image', ...pieces);
    if (bytes.length > 0) await expectRejection('ERR_BAD_FILE', data.readImage(Buffer.from(bytes as string)), `The file of ${bytes.length} bytes`);
  };
  it('that is empty', () => refuse('', 'it is empty'));
  it('text', () => refuse('no picture'));
  it('a web page', () => refuse('<!doctype html><p>Not found', 'it is an HTML page'));
  it('a JPEG that ends early', () => refuse(jpeg.subarray(0, jpeg.length / 2), 'cannot be decoded'));
  it('a PNG that ends early', async () => {
    const png = await sharp(jpeg).png().toBuffer();
    await refuse(png.subarray(0, png.length / 2));
    const flipped = Buffer.from(png);
    flipped[png.length >> 1]! ^= 255;
    await refuse(flipped);
  });
  it('a header of 40,000 x 40,000 pixels', async () => {
    const png = await row(RED).png().toBuffer();
    png.writeUInt32BE(40_000, 16);
    png.writeUInt32BE(40_000, 20);
    // The checksum of the header must be right for the sizes to be believed.
    png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
    await refuse(png, 'pixel limit');
  });
  it('none, or a folder', async () => {
    await expectRejection('ERR_FILE_ACCESS', data.readImage(join(folder, 'none.jpg')), 'none.jpg', 'no such file');
    await expectRejection('ERR_FILE_ACCESS', data.readImage(folder), 'it is a folder');
  });
});

it('arguments are checked first', async () => {
  const read = data.readImage as (...args: unknown[]) => Promise<data.Picture>;
  const file = join(folder, 'none.jpg');
  await expectRejection('ERR_INVALID_ARGUMENT', read(5), 'expects a path or the bytes of a file but got 5');
  await expectRejection('ERR_INVALID_ARGUMENT', read(''), 'a path');
  await expectRejection('ERR_INVALID_ARGUMENT', read(new Float32Array(3)), 'as a Uint8Array');
  await expectRejection('ERR_INVALID_ARGUMENT', read(new Uint16Array(3)), 'the bytes of a file');
  await expectRejection('ERR_UNKNOWN_OPTION', read(file, { sise: 3 }), 'Did you mean "size"');
  for (const size of [0, 1.5, [1], [1, 2, 3], '3', 40_000]) await expectRejection('ERR_INVALID_ARGUMENT', read(file, { size }), 'size');
  await expectRejection('ERR_INVALID_ARGUMENT', read(file, { channels: 5 }), 'channels to be 1 (grey), 3 (colour)', 'got 5');
  await expectRejection('ERR_INVALID_ARGUMENT', read(file, { fit: 'crop' }), "'fill', 'cover' or 'contain'", '"crop"');
  for (const background of [0, [0, 0], [0, 0, 256]]) await expectRejection('ERR_INVALID_ARGUMENT', read(file, { background }), 'background');
});

it('sharp is loaded when a picture is decoded and not before', () => {
  const program = "require('./lib/data'); console.log(Object.keys(require.cache).filter((file) => /node_modules.sharp/.test(file)).length)";
  const { stdout, stderr } = spawnSync(process.execPath, ['-r', 'ts-node/register/transpile-only', '-e', program], {
    cwd: join(__dirname, '..', '..'),
    encoding: 'utf8',
  });
  expect([stdout, stderr]).toEqual(['0\n', '']);
});

/** As PNG computes it. */
function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
