import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as data from '../../lib/data';
import * as decode from '../../lib/data/decode';
import { expectRejection } from '../support/expectError';
import { writePictureFolder, type PictureFolder } from '../support/pictureFolder';

let root: string;
let pictures: string;
let cache: string;
let written: PictureFolder;
let decoded: jest.SpyInstance;
let texts: string[];
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'stridenet-cache-'));
  pictures = join(root, 'pictures');
  cache = join(root, 'pictures.cache');
  written = await writePictureFolder(pictures, 20, 3);
  decoded = jest.spyOn(decode, 'decodePicture');
  texts = [];
  jest.spyOn(process, 'emitWarning').mockImplementation((text) => void texts.push(String(text)));
});
afterEach(() => {
  jest.restoreAllMocks();
  rmSync(root, { recursive: true, force: true });
});

const open = (options: Partial<data.ImageFolderOptions> = {}): Promise<data.PictureDataset> =>
  data.imageFolder(pictures, { size: 8, onError: 'skip', cache, ...options });
const read = async (set: data.LazyDataset): Promise<{ left: readonly number[]; pixels: Buffer }> => {
  const pixels = Buffer.alloc(set.length * set.shape[0] * set.shape[1] * set.shape[2]);
  const left = await set.read(Int32Array.from({ length: set.length }, (_, i) => i), pixels); // prettier-ignore
  const size = pixels.length / set.length;
  for (const i of left) pixels.fill(0, i * size, (i + 1) * size);
  return { left, pixels };
};

it('gives what decoding gives, without decoding again in this run or the next', async () => {
  const expected = await read(await open({ cache: false }));
  decoded.mockClear();
  const first = await open();
  const count = decoded.mock.calls.length;
  expect(count).toBe(first.length - 1); // the empty file needs no decoder
  expect(await read(first)).toEqual(expected);
  expect(await read(data.subset(first, [5]))).toEqual({ left: [], pixels: expected.pixels.subarray(5 * 192, 6 * 192) });
  const second = await open();
  expect(await read(second)).toEqual(expected);
  expect(decoded).toHaveBeenCalledTimes(count);
  expect([...second.skipped].sort()).toEqual([written.empty, written.truncated].sort());
  expect(expected.left.map((i) => second.paths[i])).toEqual([written.empty, written.truncated].sort());
  // Of one data set each: the one without cache and the two with it.
  expect(texts).toHaveLength(3);
  expect(readFileSync(cache, 'latin1')).toMatch(/^stridenet decoded pictures 1\n/);
  expect(readdirSync(root).sort()).toEqual(['pictures', 'pictures.cache']);
});

describe('is made anew', () => {
  const remade = async (options: Partial<data.ImageFolderOptions> = {}): Promise<boolean> => {
    decoded.mockClear();
    const set = await open(options);
    const again = decoded.mock.calls.length > 0;
    expect(await read(set)).toEqual(await read(await open({ ...options, cache: false })));
    return again;
  };
  beforeEach(async () => void (await open()));

  it('not for nothing', async () => expect(await remade()).toBe(false));
  it('when a picture was written over', async () => {
    const path = written.good[3]!;
    const { atime, mtime } = statSync(path);
    utimesSync(path, atime, new Date(mtime.getTime() + 1000));
    expect(await remade()).toBe(true);
  });
  it('when a picture is gone or new', async () => {
    rmSync(written.good[3]!);
    expect(await remade()).toBe(true);
    writeFileSync(join(pictures, written.classes[0]!, 'new.jpg'), readFileSync(written.cmyk));
    expect(await remade()).toBe(true);
  });
  it.each([{ size: 9 }, { channels: 1 }, { fit: 'cover' }, { background: [1, 2, 3] }] as const)('for other options: %p', async (options) => {
    expect(await remade(options as Partial<data.ImageFolderOptions>)).toBe(true);
  });
  it('when it was cut off, anywhere', async () => {
    const { size } = statSync(cache);
    for (const bytes of [size - 1, size - 8, size - 100, 1000, 64, 10, 0]) {
      truncateSync(cache, bytes);
      expect(await remade()).toBe(true);
      expect(statSync(cache).size).toBeGreaterThan(4000);
    }
  });
  it('when it was written to or is of another version', async () => {
    const whole = readFileSync(cache);
    for (const place of [whole.length - 1, whole.length - 6, whole.length - 40, whole.length - 20]) {
      const bytes = Buffer.from(whole);
      bytes[place]! ^= 0x15;
      writeFileSync(cache, bytes);
      expect(await remade()).toBe(true);
    }
    writeFileSync(cache, Buffer.concat([whole, Buffer.from('more')]));
    expect(await remade()).toBe(true);
  });
});

it('throw: a file that is no picture is named, whether the cache is there or not', async () => {
  await expectRejection('ERR_BAD_FILE', open({ onError: 'throw' }), 'cannot be decoded as an image');
  expect(existsSync(cache)).toBe(false);
  await open();
  await expectRejection('ERR_BAD_FILE', open({ onError: 'throw' }), 'cannot be decoded as an image');
  rmSync(written.empty);
  rmSync(written.truncated);
  expect((await open({ onError: 'throw' })).length).toBe(written.good.length);
});

it('a folder without any picture leaves none', async () => {
  for (const path of written.good) writeFileSync(path, 'text');
  await expectRejection('ERR_BAD_FILE', open(), `None of the ${written.good.length + 2} files is a picture`);
  expect(readdirSync(root)).toEqual(['pictures']);
});

it('a file that is something else is not written over', async () => {
  writeFileSync(cache, 'my diary');
  await expectRejection('ERR_INVALID_ARGUMENT', open(), JSON.stringify(cache), 'is something else');
  expect(readFileSync(cache, 'utf8')).toBe('my diary');
  await expectRejection('ERR_FILE_ACCESS', open({ cache: root }), 'it is a folder');
  decoded.mockClear();
  await expectRejection('ERR_FILE_ACCESS', open({ cache: join(root, 'none', 'x') }), 'does not exist; create it first');
  expect(decoded).not.toHaveBeenCalled();
});

it('two that make it at the same time both get it', async () => {
  const sets = await Promise.all([open(), open(), open()]);
  const expected = await read(await open({ cache: false }));
  for (const set of sets) expect(await read(set)).toEqual(expected);
  expect(readdirSync(root).sort()).toEqual(['pictures', 'pictures.cache']);
});

// A file system of one's own takes root or user namespaces, which not every system gives.
const unshare = process.getuid?.() === 0 ? '-m' : '-rm';
const mount = 'mount -t tmpfs -o size=1m none "$0"';
const mounts = process.platform === 'linux' && spawnSync('unshare', [unshare, 'bash', '-c', mount, tmpdir()]).status === 0;
(mounts ? it : it.skip)('a full disk is told, and nothing is left', () => {
  const disk = join(root, 'disk');
  mkdirSync(disk);
  const program = `require('./lib/data').imageFolder(${JSON.stringify(pictures)}, { size: 200, onError: 'skip', cache: ${JSON.stringify(join(disk, 'x'))} })
    .then(console.log, ({ code, message }) => console.log(code, message));`;
  const script = `${mount} && "$1" --no-warnings -r ts-node/register/transpile-only -e "$2"; echo "left: $(ls -A "$0")"`;
  const child = spawnSync('unshare', [unshare, 'bash', '-c', script, disk, process.execPath, program], { cwd: join(__dirname, '..', '..'), encoding: 'utf8' });
  expect(child.stderr).toBe('');
  expect(child.stdout).toMatch(/^ERR_FILE_ACCESS Cannot write ".*disk.x": the disk is full \(ENOSPC\)\.\nleft: \n$/);
});

it('lies in the user\'s cache by default', async () => {
  const before = process.env.XDG_CACHE_HOME;
  process.env.XDG_CACHE_HOME = join(root, 'home');
  try {
    await open({ cache: true });
    await open({ cache: true, size: 9 });
    decoded.mockClear();
    await open({ cache: true });
    expect(decoded).not.toHaveBeenCalled();
    expect(readdirSync(join(root, 'home', 'stridenet', 'pictures'))).toHaveLength(2);
  } finally {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
  }
});

it('a large one is read where it lies, and one that is cut off meanwhile is refused', async () => {
  const size = [1100, 1000] as const;
  const set = await open({ size });
  expect(statSync(cache).size).toBeGreaterThan(1 << 26);
  const places = Int32Array.of(7, 2, 7);
  const into = new Uint8Array(3 * 3_300_000);
  expect(await set.read(places, into)).toEqual([]);
  const expected = await Promise.all([7, 2, 7].map((i) => data.readImage(set.paths[i]!, { size })));
  expect(Buffer.compare(into, Buffer.concat(expected.map((picture) => picture.data)))).toBe(0);
  truncateSync(cache, 10_000_000);
  await expectRejection('ERR_FILE_CHANGED', set.read(places, into), JSON.stringify(cache), 'was cut off');
});
