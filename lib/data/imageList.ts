/** imageList: pictures that a table names, with what the model should give for each. */

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { checkOptions, formatNames, formatValue, readArray, StridenetError } from '../errors';
import type { Shape } from '../graph/types';
import { checkPath } from '../io/file';
import { badCsv, parseCsv, readCsvText } from './csv';
import { checkClassNames, type LabelArray } from './dataset';
import { Limiter } from './limiter';
import { readPictureFilesOptions, type PictureDataset, type PictureFilesOptions } from './picture';
import { pictureDataset } from './pictures';
import { inSlices } from './slices';
import { isSampleWeight, SAMPLE_WEIGHT } from './values';

/** Options of `data.imageList`. */
export interface ImageListOptions extends PictureFilesOptions {
  /** The folder that paths are relative to. Default: that of the CSV file; of rows the current one. */
  root?: string | undefined;
  /** Names of the columns. */
  columns?:
    | {
        /** That of the picture's path. Default 'path'. */
        path?: string | undefined;
        /** That of the class; or those of numbers that the model should give, as an array even if it is one. Default 'label'. */
        label?: string | readonly string[] | undefined;
        /** That of numbers of at least 0 that say how much the loss of each picture counts (`sampleWeights`). Default: none. */
        weight?: string | undefined;
      }
    | undefined;
  /** What stands between the classes of a picture that has several, such as ';'. Default: a picture has one class, whatever its label consists of. */
  separator?: string | undefined;
  /** Names of the classes, in label order. Default: those that occur, sorted, or in the order of their numbers if all of them are whole numbers. */
  classes?: readonly string[] | undefined;
}

/** One picture: its path and label, in fields that are called as `columns` says. */
export type ImageRow = Readonly<Record<string, unknown>>;

const WHERE = 'data.imageList';
const MOST_ROWS = 10_000_000;
const MOST_COLUMNS = 10_000;
/** System calls under way at a time: Node has four threads for them. */
const CALLS = 4;

/** A row with the words for it in messages. */
interface Entry {
  readonly name: string;
  readonly path: string;
  readonly labels: readonly (string | number)[];
  readonly weight: string | number | undefined;
}

/**
 * The pictures that a CSV file (RFC 4180, UTF-8, with a header) or an array of rows names. Labels are classes, names or numbers; with `separator` several of them
 * for a picture, which become a 0 or 1 for each class (for `nn.bceWithLogits`); with an array of columns, numbers (for `nn.mse`). Pictures are decoded when
 * they are needed, as those of `data.imageFolder`.
 *
 * @param list path of a CSV file, or rows such as `[{ path: 'a.jpg', label: 'cat' }]`
 * @throws StridenetError ERR_BAD_FILE with the line of a table that is none or lacks a value; ERR_FILE_ACCESS when pictures are not there;
 *   ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_MISSING_DEPENDENCY and with a cache others, as `data.imageFolder`
 * @example
 * const cats = await data.imageList('labels.csv', { size: [64, 64], columns: { path: 'file', label: 'breed' } });
 * const scenes = await data.imageList('labels.csv', { size: [64, 64], separator: ';' });  // sky;sea
 * const ages = await data.imageList('labels.csv', { size: [64, 64], columns: { label: ['age'] } });
 */
export async function imageList(list: string | readonly ImageRow[], options: ImageListOptions): Promise<PictureDataset> {
  const settings = readPictureFilesOptions(WHERE, options, ['root', 'columns', 'separator', 'classes']);
  const { separator, scale, mean, std } = options;
  const columns = readColumns(options.columns);
  if (separator !== undefined && (typeof separator !== 'string' || separator === '' || columns.numeric)) {
    throw invalid('separator to be what stands between the names of classes, such as ";", and label to be one column then', separator);
  }
  const classes = options.classes === undefined ? undefined : checkClassNames(WHERE, 'classes', options.classes);
  if (classes && columns.numeric) throw invalid('no classes where labels are the numbers of several columns', classes);
  if (options.root !== undefined) checkPath(`${WHERE} root`, options.root);
  const entries = typeof list === 'string' ? await entriesOfCsv(list, columns) : entriesOfRows(list, columns);
  const root = options.root ?? (typeof list === 'string' ? dirname(list) : '.');
  const paths = entries.map(({ path }) => resolve(root, path));
  await checkPresence(entries, paths);
  const labels = columns.numeric ? numbersOf(entries) : classesOf(entries, separator, classes);
  const title = typeof list === 'string' ? `${WHERE}(${formatValue(list)})` : WHERE;
  const origin = typeof list === 'string' ? list : createHash('sha256').update(paths.join('\0')).digest('hex'); // prettier-ignore
  const sampleWeights = columns.weight === undefined ? undefined : weightsOf(entries);
  return pictureDataset(WHERE, { title, origin, root, paths, ...labels, sampleWeights, scale, mean, std }, settings);
}

interface Columns {
  readonly path: string;
  readonly labels: readonly string[];
  /** Whether labels are numbers rather than classes. */
  readonly numeric: boolean;
  readonly weight: string | undefined;
}

function readColumns(columns: ImageListOptions['columns']): Columns {
  checkOptions(`${WHERE} columns`, columns, ['path', 'label', 'weight']);
  const { path = 'path', label = 'label', weight } = columns ?? {};
  const labels = typeof label === 'string' ? [label] : (readArray(label, MOST_COLUMNS) ?? []);
  if (typeof path !== 'string') throw invalid('columns.path to be the name of a column', path);
  if (labels.length === 0 || !labels.every((name) => typeof name === 'string')) {
    throw invalid('columns.label to be the name of a column with classes, or an array of names of columns with numbers', label);
  }
  if (weight !== undefined && typeof weight !== 'string') throw invalid('columns.weight to be the name of a column', weight);
  return { path, labels, numeric: typeof label !== 'string', weight };
}

async function entriesOfCsv(file: string, { path, labels, weight }: Columns): Promise<Entry[]> {
  checkPath(WHERE, file);
  const table = await inSlices(parseCsv(file, await readCsvText(file)));
  const names = [path, ...labels, ...(weight === undefined ? [] : [weight])];
  const absent = names.filter((name) => !table.columns.includes(name));
  if (absent.length > 0) {
    throw badCsv(file, `it has no column ${formatNames(absent, formatValue)} but ${formatNames(table.columns, formatValue)}. Option columns says which to read`);
  }
  if (table.rows.length === 0) throw badCsv(file, 'it has a header but no rows');
  const all = names.map((name) => table.columns.indexOf(name));
  const [at, ...places] = all as [number, ...number[]];
  const weighs = weight === undefined ? undefined : places.pop();
  return table.rows.map(({ line, fields }) => {
    const empty = all.find((i) => fields[i] === '');
    if (empty !== undefined) throw badCsv(file, `line ${line} has an empty ${formatValue(table.columns[empty])}`);
    return { name: `line ${line} of ${formatValue(file)}`, path: fields[at]!, labels: places.map((i) => fields[i]!), weight: weighs === undefined ? undefined : fields[weighs] };
  });
}

function entriesOfRows(list: unknown, { path, labels, weight }: Columns): Entry[] {
  const rows = readArray(list, MOST_ROWS);
  if (!rows || rows.length === 0) throw invalid('the path of a CSV file or an array of at least one row', list);
  return rows.map((row, i) => {
    const fields = Object(row) as ImageRow;
    const file = fields[path];
    if (typeof file !== 'string' || file === '' || file.includes('\0')) {
      throw invalid(`each row to have the path of a picture as its ${formatValue(path)}, but that of row ${i} is`, file, '');
    }
    const names = [...labels, ...(weight === undefined ? [] : [weight])];
    const values = names.map((name) => fields[name]);
    const bad = values.findIndex((value) => !(typeof value === 'number' && Number.isFinite(value)) && (typeof value !== 'string' || value === ''));
    if (bad >= 0) throw invalid(`each row to have a text or number as its ${formatValue(names[bad])}, but that of row ${i} is`, values[bad], '');
    const known = values as (string | number)[];
    return { name: `row ${i}`, path: file, labels: known.slice(0, labels.length), weight: known[labels.length] };
  });
}

/** @throws StridenetError ERR_FILE_ACCESS when files are not there, which is better known now than in the middle of an epoch */
async function checkPresence(entries: readonly Entry[], paths: readonly string[]): Promise<void> {
  const absent: number[] = [];
  await new Limiter(CALLS).each(paths.length, async (i) => {
    const isFile = await stat(paths[i]!).then((stats) => stats.isFile(), () => false); // prettier-ignore
    if (!isFile) absent.push(i);
  });
  if (absent.length === 0) return;
  const places = formatNames(absent.sort((a, b) => a - b), (i) => `${formatValue(paths[i])} (${entries[i]!.name})`, 2); // prettier-ignore
  throw new StridenetError(
    'ERR_FILE_ACCESS',
    `${absent.length} of the ${paths.length} pictures are no files that could be found: ${places}. Option root says which folder their paths are relative to.`,
  );
}

interface Labels {
  readonly labels: LabelArray;
  readonly classes: readonly string[];
  readonly targetShape?: Shape;
}

function numbersOf(entries: readonly Entry[]): Labels {
  const count = entries[0]!.labels.length;
  const labels = new Float32Array(entries.length * count);
  entries.forEach((entry, i) => {
    entry.labels.forEach((value, k) => {
      const number = numberOf(value);
      if (!Number.isFinite(number)) throw new StridenetError('ERR_INVALID_ARGUMENT', `${WHERE} expects numbers as labels but ${entry.name} has ${formatValue(value)}.`);
      labels[i * count + k] = number;
    });
  });
  return { labels, classes: [], targetShape: [count] };
}

/** NaN for a text that is no number. */
function numberOf(value: string | number): number {
  return typeof value === 'number' ? value : value.trim() === '' ? NaN : Number(value);
}

function weightsOf(entries: readonly Entry[]): Float32Array {
  return Float32Array.from(entries, ({ name, weight }) => {
    const number = numberOf(weight!);
    if (isSampleWeight(number)) return number;
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${WHERE} expects weights to be ${SAMPLE_WEIGHT} but ${name} has ${formatValue(weight)}.`);
  });
}

function classesOf(entries: readonly Entry[], separator: string | undefined, given: readonly string[] | undefined): Labels {
  const split = (label: string | number): string[] => {
    const text = String(label).trim();
    return separator === undefined ? [text] : text.split(separator).map((name) => name.trim());
  };
  const names = entries.map(({ labels }) => split(labels[0]!));
  const classes = given ?? sortedNames(new Set(names.flat()));
  const places = new Map(classes.map((name, i) => [name, i]));
  const labels = separator === undefined ? new Int32Array(entries.length) : new Float32Array(entries.length * classes.length);
  names.forEach((own, i) => {
    for (const name of own) {
      const place = places.get(name) ?? numberOfClass(name, classes.length);
      if (place === undefined) {
        throw new StridenetError(
          'ERR_INVALID_ARGUMENT',
          `${WHERE} expects labels that are names of classes (${formatNames(classes, formatValue)}) or their numbers, but ${entries[i]!.name} has ${formatValue(name)}.`,
        );
      }
      if (separator === undefined) labels[i] = place;
      else labels[i * classes.length + place] = 1;
    }
  });
  return { labels, classes, ...(separator !== undefined && { targetShape: [classes.length] }) };
}

/** Numbers by their size, names in an order that is the same everywhere. */
function sortedNames(names: ReadonlySet<string>): string[] {
  const list = [...names];
  if (list.every((name) => /^\d{1,15}$/.test(name))) return list.sort((a, b) => Number(a) - Number(b));
  return list.sort();
}

function numberOfClass(name: string, count: number): number | undefined {
  return /^\d{1,15}$/.test(name) && Number(name) < count ? Number(name) : undefined;
}

function invalid(expected: string, got: unknown, but = ' but got'): StridenetError {
  return new StridenetError('ERR_INVALID_ARGUMENT', `${WHERE} expects ${expected}${but} ${formatValue(got)}.`);
}
