import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import * as data from '../../lib/data';
import { expectRejection } from '../support/expectError';
import { writePictureFolder, type PictureFolder } from '../support/pictureFolder';

let root: string;
let list: string;
let written: PictureFolder;
/** Paths of pictures as a list in the folder has them. */
let names: string[];
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'stridenet-list-'));
  list = join(root, 'list.csv');
  written = await writePictureFolder(join(root, 'my, pictures'), 10, 2);
  names = written.good.map((path) => relative(root, path));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A list with a line for each label, of the pictures in their order. */
const read = (labels: string[], options: Partial<data.ImageListOptions> = {}, header = 'path,label'): Promise<data.PictureDataset> => {
  writeFileSync(list, [`\ufeff${header}`, ...labels.map((label, i) => `"${names[i]}",${label}`)].join('\r\n'));
  return data.imageList(list, { size: 8, ...options });
};

describe('labels', () => {
  it('are names of classes', async () => {
    const set = await read(['dog', 'cat', '"a, b"', 'cat']);
    expect(set).toMatchObject({ classes: ['a, b', 'cat', 'dog'], labels: Int32Array.of(2, 1, 0, 1), length: 4, shape: [3, 8, 8], layout: 'nhwc', paths: written.good.slice(0, 4) }); // prettier-ignore
    expect(set.targetShape).toBeUndefined();
    const into = new Uint8Array(192);
    expect(await set.read(Int32Array.of(3), into)).toEqual([]);
    expect(into).toEqual((await data.readImage(written.good[3]!, { size: 8 })).data);
  });

  it('or numbers, in the order of their size', async () => {
    expect(await read(['10', '9', '10', '2'])).toMatchObject({ classes: ['2', '9', '10'], labels: Int32Array.of(2, 1, 2, 0) });
  });

  it('of classes that are given, by name or number', async () => {
    const classes = ['cat', 'dog', 'emu'];
    expect(await read(['dog', 'cat'], { classes })).toMatchObject({ classes, labels: Int32Array.of(1, 0) });
    expect(await read(['2', '0'], { classes })).toMatchObject({ classes, labels: Int32Array.of(2, 0) });
    await expectRejection('ERR_INVALID_ARGUMENT', read(['dog', 'fox'], { classes }), '"cat", "dog", "emu"', 'line 3', '"fox"');
    await expectRejection('ERR_INVALID_ARGUMENT', read(['3'], { classes }), 'line 2', '"3"');
  });

  it('several of a picture', async () => {
    const set = await read(['sky;sea', 'sand', 'sea; sand'], { separator: ';' });
    expect(set).toMatchObject({ classes: ['sand', 'sea', 'sky'], targetShape: [3], labels: Float32Array.of(0, 1, 1, 1, 0, 0, 1, 1, 0) });
  });

  it('with the weights of the pictures', async () => {
    const columns = { weight: 'weight' };
    const set = await read(['cat,0.5', 'dog,2', 'cat,0'], { columns }, 'path,label,weight');
    expect(set).toMatchObject({ classes: ['cat', 'dog'], labels: Int32Array.of(0, 1, 0), sampleWeights: Float32Array.of(0.5, 2, 0) });
    expect((await read(['cat,0.5'], {}, 'path,label,weight')).sampleWeights).toBeUndefined();
    const rows = [0.5, '2'].map((weight, i) => ({ path: written.good[i]!, label: 1, weight }));
    expect(await data.imageList(rows, { size: 8, columns })).toMatchObject({ sampleWeights: Float32Array.of(0.5, 2) });
    for (const bad of ['-1', 'much', 'NaN', '1e39', ' ']) {
      const wrong = read(['cat,1', `dog,${bad}`], { columns }, 'path,label,weight');
      await expectRejection('ERR_INVALID_ARGUMENT', wrong, 'weights', 'at least 0', 'line 3', JSON.stringify(bad));
    }
    await expectRejection('ERR_BAD_FILE', read(['cat,1', 'dog,'], { columns }, 'path,label,weight'), 'line 3', '"weight"');
    await expectRejection('ERR_BAD_FILE', read(['cat'], { columns }), 'no column "weight"');
    await expectRejection('ERR_INVALID_ARGUMENT', read(['cat'], { columns: { weight: 3 as never } }), 'columns.weight', '3');
  });

  it('numbers of columns', async () => {
    const one = await read(['1.5', '-2e3'], { columns: { label: ['age'] } }, 'path,age');
    expect(one).toMatchObject({ classes: [], targetShape: [1], labels: Float32Array.of(1.5, -2000) });
    const two = await read(['1,2', '3,4'], { columns: { path: 'file', label: ['y', 'x'] } }, 'file,x,y');
    expect(two).toMatchObject({ targetShape: [2], labels: Float32Array.of(2, 1, 4, 3) });
    for (const bad of ['two', ' ', '1;2', 'NaN']) {
      await expectRejection('ERR_INVALID_ARGUMENT', read(['1', bad], { columns: { label: ['label'] } }), 'numbers as labels', 'line 3', JSON.stringify(bad));
    }
  });
});

describe('rows', () => {
  it('of a program', async () => {
    const rows = [{ file: names[0]!, kind: 'b', id: 5 }, { file: names[1]!, kind: 7, id: 6 }]; // prettier-ignore
    const set = await data.imageList(rows, { size: 8, root, columns: { path: 'file', label: 'kind' } });
    expect(set).toMatchObject({ classes: ['7', 'b'], labels: Int32Array.of(1, 0), paths: written.good.slice(0, 2) });
    const absolute = await data.imageList([{ path: written.good[0], label: 3 }], { size: 8, columns: { label: ['label'] } });
    expect(absolute).toMatchObject({ labels: Float32Array.of(3), paths: [written.good[0]] });
  });

  it('are checked', async () => {
    const rows = (list: unknown): Promise<unknown> => data.imageList(list as data.ImageRow[], { size: 8, root });
    for (const list of [[], 5, undefined]) await expectRejection('ERR_INVALID_ARGUMENT', rows(list), 'CSV file or an array');
    for (const row of [null, 5, {}, { path: 5 }, { path: '' }]) await expectRejection('ERR_INVALID_ARGUMENT', rows([row]), '"path"', 'row 0');
    for (const label of [undefined, '', NaN, ['a']]) await expectRejection('ERR_INVALID_ARGUMENT', rows([{ path: names[0], label }]), '"label"', 'row 0');
  });
});

it('files that are not there are named', async () => {
  const rows = [names[0]!, 'no.jpg', 'my, pictures', 'none.jpg', 'x', 'y'].map((path) => ({ path, label: 'a' }));
  await expectRejection('ERR_FILE_ACCESS', data.imageList(rows, { size: 8, root }), '5 of the 6 pictures', 'no.jpg" (row 1)', 'and 3 more', 'Option root');
});

it('bad pictures and caches are as those of folders', async () => {
  const rows = [...written.good.slice(0, 3), written.truncated].map((path) => ({ path, label: 'a' }));
  const cache = join(root, 'list.cache');
  jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const set = await data.imageList(rows, { size: 8, onError: 'skip', cache });
  expect(set.skipped).toEqual([written.truncated]);
  expect(await set.read(Int32Array.of(3, 0), new Uint8Array(384))).toEqual([0]);
  await expectRejection('ERR_BAD_FILE', data.imageList(rows, { size: 8, cache }), 'truncated.jpg');
  jest.restoreAllMocks();
});

it('says what is wrong with a list and with options', async () => {
  await expectRejection('ERR_BAD_FILE', read(['a'], {}, 'file,label'), 'no column "path" but "file", "label"', 'columns');
  await expectRejection('ERR_BAD_FILE', read([]), 'no rows');
  await expectRejection('ERR_BAD_FILE', read(['a', '']), 'line 3 has an empty "label"');
  await expectRejection('ERR_FILE_ACCESS', data.imageList(join(root, 'none.csv'), { size: 8 }), 'none.csv');
  const options: [object, string][] = [[{ separator: '' }, 'separator'], [{ separator: ';', columns: { label: ['label'] } }, 'separator'], [{ classes: ['a'], columns: { label: ['label'] } }, 'no classes'],
    [{ columns: { label: [] } }, 'columns.label'], [{ columns: { path: 5 } }, 'columns.path'], [{ root: 5 }, 'root'], [{ size: undefined }, 'size']]; // prettier-ignore
  for (const [bad, text] of options) await expectRejection('ERR_INVALID_ARGUMENT', read(['1'], bad), text);
  await expectRejection('ERR_UNKNOWN_OPTION', read(['1'], { columns: { labels: 'x' } as never }), 'Did you mean "label"');
});
