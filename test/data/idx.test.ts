import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { directory } from '../../lib/data/directory';
import { readIdx } from '../../lib/data/idx';
import { failure, idxBytes } from './support';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-idx-'));
  path = join(folder, 'file');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const good = idxBytes([2, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255]);

describe('readIdx', () => {
  it.each([
    ['plain', good],
    ['gzipped, whatever its name', gzipSync(good)],
  ])('reads a file that is %s', async (_, bytes) => {
    writeFileSync(path, bytes);
    expect(await readIdx(path)).toEqual({ shape: [2, 2, 3], data: Uint8Array.from(good.subarray(16)) });
  });

  it('reads a file larger than one chunk', async () => {
    const values = Array.from({ length: 1_000_000 }, (_, i) => (i * 7) & 0xff);
    writeFileSync(path, gzipSync(idxBytes([1000, 1000], values)));
    expect(Buffer.compare((await readIdx(path)).data, Uint8Array.from(values))).toBe(0);
  });

  it('refuses every truncation, plain and gzipped', async () => {
    const packed = gzipSync(good);
    for (const whole of [good, packed]) {
      for (let n = 0; n < whole.length; n++) {
        writeFileSync(path, whole.subarray(0, n));
        expect((await failure(readIdx(path))).code).toBe('ERR_BAD_FILE');
      }
    }
  });

  const damaged = (): Buffer => {
    const packed = gzipSync(good);
    packed[packed.length - 8]! ^= 1; // the checksum
    return packed;
  };
  const header = (...bytes: number[]): Buffer => Buffer.from(bytes);
  const cases: [string, Buffer, RegExp][] = [
    ['an empty file', Buffer.alloc(0), /has 0 bytes, too few for a header/],
    ['another kind of file', Buffer.from('\x89PNG....', 'latin1'), /it is a PNG picture/],
    ['another element type', header(0, 0, 0x0d, 1, 0, 0, 0, 1, 0, 0, 0, 0), /holds float32 elements; only uint8 is supported/],
    ['rank 0', header(0, 0, 8, 0, 1), /rank is 0; expected is 1 to 4/],
    ['rank 255', header(0, 0, 8, 255), /rank is 255/],
    ['extents beyond the file', header(0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255, 1), /more than a file of its size can be expected to hold/],
    ['extents beyond the gzip stream', gzipSync(header(0, 0, 8, 2, 0, 1, 0, 0, 0, 1, 0, 0)), /more than a file of its size can be expected to hold/],
    ['bytes after the elements', Buffer.concat([good, Buffer.of(0)]), /bytes after the 12 elements of shape \[2, 2, 3\]/],
    ['missing elements', good.subarray(0, 20), /needs 12 elements/],
    ['a decompression bomb', gzipSync(Buffer.concat([good, Buffer.alloc(50_000_000)])), /bytes after the 12 elements/],
    ['a damaged gzip stream', damaged(), /gzip stream is damaged/],
  ];
  it.each(cases)('refuses %s', async (_, bytes, message) => {
    writeFileSync(path, bytes);
    const error = await failure(readIdx(path));
    expect(error.code).toBe('ERR_BAD_FILE');
    expect(error.message).toMatch(message);
    expect(error.message).toContain(path);
  });

  it('refuses a small file that unpacks to a large one, and takes one that unpacks to a little', async () => {
    const zeros = (count: number): Buffer => {
      const bytes = Buffer.alloc(8 + count);
      bytes.writeUInt32BE(0x0801);
      bytes.writeUInt32BE(count, 4);
      return gzipSync(bytes, { level: 9 });
    };
    writeFileSync(path, zeros(68_000_000)); // true to its header: a thousand times its size
    expect((await failure(readIdx(path))).message).toContain('needs 68000000 elements, more than a file of its size can be expected to hold');
    writeFileSync(path, zeros(10_000_000));
    expect((await readIdx(path)).data.length).toBe(10_000_000);
  });

  it.each([[5], [undefined], [null], [''], ['a\0b'], [['file']]])('refuses the path %j', async (given) => {
    expect((await failure(readIdx(given as string))).code).toBe('ERR_INVALID_ARGUMENT');
  });

  it('says why a file cannot be read', async () => {
    expect((await failure(readIdx(join(folder, 'none')))).message).toContain('there is no such file');
    expect((await failure(readIdx(folder))).code).toBe('ERR_FILE_ACCESS');
  });
});

describe('data.directory', () => {
  const files = (changes: Record<string, Buffer> = {}): void => {
    const all: Record<string, Buffer> = {
      'train-images-idx3-ubyte': good,
      'train-labels-idx1-ubyte.gz': gzipSync(idxBytes([2], [0, 2])),
      't10k-images-idx3-ubyte.gz': gzipSync(idxBytes([1, 2, 3], [1, 1, 1, 1, 1, 1])),
      't10k-labels-idx1-ubyte': idxBytes([1], [1]),
      ...changes,
    };
    for (const [name, bytes] of Object.entries(all)) writeFileSync(join(folder, name), bytes);
  };

  it('reads plain and gzipped files side by side', async () => {
    files();
    const { train, test } = await directory(folder);
    expect(train).toMatchObject({ shape: [1, 2, 3], length: 2, classes: ['0', '1', '2'], labels: Uint8Array.of(0, 2) });
    expect(test).toMatchObject({ shape: [1, 2, 3], length: 1, classes: ['0', '1', '2'] });
  });

  it('names what is missing', async () => {
    writeFileSync(join(folder, 'train-images-idx3-ubyte'), good);
    const error = await failure(directory(folder));
    expect(error.code).toBe('ERR_DATA_UNAVAILABLE');
    expect(error.message).toContain('has no train-labels-idx1-ubyte, no t10k-images-idx3-ubyte, no t10k-labels-idx1-ubyte');
  });

  it.each<[string, Record<string, Buffer>, RegExp]>([
    ['labels of another number', { 't10k-labels-idx1-ubyte': idxBytes([2], [0, 0]) }, /should hold 1 labels, one for each image of/],
    ['images of another rank', { 'train-images-idx3-ubyte': idxBytes([12], [...good.subarray(16)]) }, /should hold images \[n, height, width\]/],
    ['no images', { 'train-images-idx3-ubyte': idxBytes([0, 2, 3], []) }, /has shape \[0, 2, 3\]/],
    ['test images of another size', { 't10k-images-idx3-ubyte.gz': gzipSync(idxBytes([1, 3, 2], [1, 1, 1, 1, 1, 1])) }, /\[1,3,2\] but the training images have \[1,2,3\]/],
  ])('refuses %s', async (_, changes, message) => {
    files(changes);
    const error = await failure(directory(folder));
    expect(error.code).toBe('ERR_BAD_FILE');
    expect(error.message).toMatch(message);
  });

  it('refuses a label without a class, and misspelled options', async () => {
    files();
    expect((await failure(directory(folder, { classes: ['a', 'b'] }))).message).toContain('has a label 2 but there are 2 classes');
    expect((await failure(directory(folder, { clases: [] } as object))).code).toBe('ERR_UNKNOWN_OPTION');
    expect((await failure(directory(3 as unknown as string))).code).toBe('ERR_INVALID_ARGUMENT');
  });
});
