import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import * as data from '../../lib/data';
import { expectError, expectRejection } from '../support/expectError';
import { writePictureFolder, type PictureFolder } from '../support/pictureFolder';

let root: string;
let pictures: string;
let written: PictureFolder;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'stridenet-folder-'));
  pictures = join(root, 'pictures');
  written = await writePictureFolder(pictures, 56);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const all = (set: data.LazyDataset): Int32Array => Int32Array.from({ length: set.length }, (_, i) => i);
const room = (set: data.LazyDataset, count = set.length): Uint8Array => new Uint8Array(count * set.shape[0] * set.shape[1] * set.shape[2]);
const warnings = (): string[] => {
  const texts: string[] = [];
  jest.spyOn(process, 'emitWarning').mockImplementation((text) => void texts.push(String(text)));
  return texts;
};
afterEach(() => jest.restoreAllMocks());

describe('a folder of 60 files', () => {
  it('has sorted classes and files, and labels that are known at once', async () => {
    const set = await data.imageFolder(pictures, { size: [24, 20] });
    expect(set).toMatchObject({ shape: [3, 24, 20], layout: 'nhwc', classes: written.classes, length: 60, skipped: [] });
    expect(set.paths).toEqual([...written.good, written.truncated, written.empty].sort());
    expect(Array.from(set.labels, (label) => set.classes[label])).toEqual(set.paths.map((path) => path.split('/').at(-2)));
    expect(inspect(set)).toMatch(/^LazyDataset\(length: 60, shape: \[3, 24, 20\], classes: \['dress'/);
  });

  it('reads the pictures that are asked for, in that order, as readImage does', async () => {
    const set = await data.imageFolder(pictures, { size: [24, 20], channels: 1, mean: [0.5] });
    const places = [written.cmyk, written.deep, written.good[0]!, written.cmyk].map((path) => set.paths.indexOf(path));
    const into = room(set, 4);
    expect(await set.read(Int32Array.from(places), into)).toEqual([]);
    const expected = await Promise.all(places.map((i) => data.readImage(set.paths[i]!, { size: [24, 20], channels: 1 })));
    expect(Buffer.compare(into, Buffer.concat(expected.map((picture) => picture.data)))).toBe(0);
    expect(into.some((v) => v > 100)).toBe(true);
    expect(set.mean).toEqual([0.5]);
  });

  it('throw: a file that is no picture rejects by its name', async () => {
    const set = await data.imageFolder(pictures, { size: 8 });
    const read = (path: string): Promise<unknown> => set.read(Int32Array.of(0, set.paths.indexOf(path)), room(set, 2));
    await expectRejection('ERR_BAD_FILE', read(written.truncated), JSON.stringify(written.truncated), 'cannot be decoded');
    await expectRejection('ERR_BAD_FILE', read(written.empty), JSON.stringify(written.empty), 'it is empty');
  });

  it('skip: such files are left out, listed once and told of once', async () => {
    const texts = warnings();
    const set = await data.imageFolder(pictures, { size: 8, onError: 'skip' });
    const bad = [written.truncated, written.empty].map((path) => set.paths.indexOf(path)).sort((a, b) => a - b);
    for (let epoch = 0; epoch < 2; epoch++) {
      const into = room(set);
      expect(await set.read(all(set), into)).toEqual(bad);
      expect(into.subarray(0, 100).some((v) => v > 0)).toBe(true);
    }
    expect([...set.skipped].sort()).toEqual([written.truncated, written.empty].sort());
    expect(texts).toEqual([expect.stringMatching(/^data.imageFolder\(".*"\) leaves out files that are no pictures: .*cannot be decoded/)]);
  });

  it('a class of which nothing is left is told of', async () => {
    const texts = warnings();
    const folder = join(root, 'spoilt');
    await writePictureFolder(folder, 4, 2, false);
    const set = await data.imageFolder(folder, { size: 8, onError: 'skip' });
    const first = set.paths.filter((_, i) => set.labels[i] === 0);
    for (const path of first) writeFileSync(path, 'no picture');
    await set.read(all(set), room(set));
    expect([...set.skipped].sort()).toEqual([...first].sort());
    expect(texts[1]).toContain(`has no picture left of the class "${set.classes[0]}"`);
    expect(texts).toHaveLength(2);
  });

  it('a file that cannot be read is not skipped', async () => {
    const folder = join(root, 'vanishing');
    await writePictureFolder(folder, 4, 2, false);
    const set = await data.imageFolder(folder, { size: 8, onError: 'skip' });
    rmSync(set.paths[1]!);
    await expectRejection('ERR_FILE_ACCESS', set.read(all(set), room(set)), set.paths[1]!, 'no such file');
    expect(set.skipped).toEqual([]);
  });

  it('what is asked for must be there, and there must be room', async () => {
    const set = await data.imageFolder(pictures, { size: 8 });
    await expectRejection('ERR_INVALID_ARGUMENT', set.read(Int32Array.of(0, 60), room(set)), 'in [0, 60)', 'indices[1] is 60');
    await expectRejection('ERR_SHAPE_MISMATCH', set.read(Int32Array.of(0, 1), room(set, 1)), 'at least 384 values', 'got Uint8Array(192)');
  });
});

describe('what belongs to the folder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(root, 'case-'));
  });
  const put = (...names: string[]): void => {
    for (const name of names) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      copyFileSync(written.deep, join(folder, name));
    }
  };
  const read = (options: Partial<data.ImageFolderOptions> = {}): Promise<data.PictureDataset> => data.imageFolder(folder, { size: 8, ...options });

  it('folders in folders, links; nothing hidden and nothing else', async () => {
    put('b/2.PNG', 'b/10.png', 'b/x/1.png', 'b/x.png', 'a/1.png', 'a/.hidden.png', '.git/1.png', 'a/notes.txt', 'loose.png', 'b/.x/1.png');
    symlinkSync(join(folder, 'a', '1.png'), join(folder, 'b', 'link.png'));
    symlinkSync(join(folder, 'a'), join(folder, 'c'));
    const set = await read();
    expect(set.paths.map((path) => path.slice(folder.length + 1))).toEqual(['a/1.png', 'b/10.png', 'b/2.PNG', 'b/link.png', 'b/x.png', 'b/x/1.png', 'c/1.png']);
    expect([...set.labels]).toEqual([0, 1, 1, 1, 1, 1, 2]);
    expect((await read({ extensions: ['.txt', '.PNG'] })).paths).toHaveLength(9);
  });

  it('classes of the training pictures give other folders the same labels', async () => {
    put('b/1.png');
    expect(await read({ classes: ['a', 'b', 'c'] })).toMatchObject({ classes: ['a', 'b', 'c'], labels: Int32Array.of(1) });
    await expectRejection('ERR_DATA_UNAVAILABLE', read({ classes: ['a', 'c'] }), 'none of the classes: "b"', '"a", "c"');
  });

  it('says what is wrong with a folder', async () => {
    await expectRejection('ERR_DATA_UNAVAILABLE', read(), JSON.stringify(folder), 'has no folders');
    put('1.png');
    await expectRejection('ERR_DATA_UNAVAILABLE', read(), 'has pictures ("1.png") but no folders', 'data.imageList');
    put('a/1.png');
    await expectRejection('ERR_DATA_UNAVAILABLE', read(), 'one folder only, "a"');
    put('b/1.bmp');
    await expectRejection('ERR_DATA_UNAVAILABLE', read(), JSON.stringify(join(folder, 'b')), 'no pictures (.jpg,');
    rmSync(join(folder, 'b'), { recursive: true });
    put('b/1.png');
    symlinkSync(folder, join(folder, 'b', 'again'));
    await expectRejection('ERR_FILE_ACCESS', read(), 'links lead in a circle');
    await expectRejection('ERR_FILE_ACCESS', data.imageFolder(join(folder, 'none'), { size: 8 }), 'none');
  });

  it('and with the arguments', async () => {
    const folderOf = data.imageFolder as (...args: unknown[]) => Promise<unknown>;
    await expectRejection('ERR_INVALID_ARGUMENT', folderOf(5, { size: 8 }), 'a path');
    await expectRejection('ERR_INVALID_ARGUMENT', folderOf(folder), 'size to be the [height, width]');
    await expectRejection('ERR_UNKNOWN_OPTION', folderOf(folder, { size: 8, cahe: true }), 'Did you mean "cache"');
    await expectRejection('ERR_INVALID_ARGUMENT', folderOf(folder, { size: 8, onError: 'ignore' }), "'throw' or 'skip'");
    await expectRejection('ERR_INVALID_ARGUMENT', folderOf(folder, { size: 8, cache: 5 }), 'cache');
    await expectRejection('ERR_INVALID_ARGUMENT', folderOf(folder, { size: 8, concurrency: 0 }), 'concurrency');
    for (const extensions of [[], ['png'], 'png', [5]]) await expectRejection('ERR_INVALID_ARGUMENT', folderOf(folder, { size: 8, extensions }), 'extensions');
    put('a/1.png', 'b/1.png');
    await expectRejection('ERR_INVALID_ARGUMENT', read({ mean: [1, 2] }), 'mean');
    await expectRejection('ERR_INVALID_ARGUMENT', read({ classes: [] }), 'classes');
  });
});

describe('parts of it', () => {
  const firstRow = async (set: data.LazyDataset, place: number): Promise<Buffer> => {
    const into = room(set, 1);
    await set.read(Int32Array.of(place), into);
    return Buffer.from(into);
  };

  it('stay in their files', async () => {
    const set = await data.imageFolder(pictures, { size: 8 });
    const parts = [data.subset(set, [40, 3, 3]), data.take(set, 5), data.skip(set, 57), data.take(data.skip(set, 3), 1)];
    const places = [[40, 3, 3], [0, 1, 2, 3, 4], [57, 58, 59], [3]]; // prettier-ignore
    for (const [i, part] of parts.entries()) {
      expect(part.paths).toEqual(places[i]!.map((place) => set.paths[place]));
      expect([...part.labels]).toEqual(places[i]!.map((place) => set.labels[place]));
      expect(part.length).toBe(places[i]!.length);
    }
    expect(await firstRow(parts[0]!, 1)).toEqual(await firstRow(set, 3));
    expect(await firstRow(parts[3]!, 0)).toEqual(await firstRow(set, 3));
    expectError('ERR_INVALID_ARGUMENT', () => data.subset(set, [60]), 'data.subset expects indices in [0, 60)');
    expectError('ERR_INVALID_ARGUMENT', () => data.take(set, 61), 'at most 60');
    expectError('ERR_INVALID_ARGUMENT', () => data.skip(set, 60), 'below 60');
    await expectRejection('ERR_INVALID_ARGUMENT', parts[1]!.read(Int32Array.of(5), room(set, 1)), 'in [0, 5)');
  });

  it('split divides it by class, the same way each time', async () => {
    const set = await data.imageFolder(pictures, { size: 8 });
    const { train, validation } = data.split(set, { validation: 0.25, seed: 1 });
    expect([train.length, validation.length]).toEqual([45, 15]);
    expect([...train.paths, ...validation.paths].sort()).toEqual([...set.paths].sort());
    expect(new Set(validation.labels).size).toBe(4);
    expect(data.split(set, { validation: 0.25, seed: 1 }).validation.paths).toEqual(validation.paths);
    expect(data.split(set, { validation: 0.25, seed: 2 }).validation.paths).not.toEqual(validation.paths);
  });
});

it('leaves the event loop free while it decodes', async () => {
  const folder = join(root, 'large');
  await writePictureFolder(folder, 2, 2, false);
  for (let i = 0; i < 12; i++) copyFileSync(written.deep, join(folder, 'trouser', `${i}.png`));
  writeFileSync(join(folder, 'readme.txt'), '');
  const set = await data.imageFolder(folder, { size: [1000, 1000] });
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await set.read(all(set), room(set));
  clearInterval(timer);
  expect(turns).toBeGreaterThan(5);
});
