/** Data sets of the command line: by name, a folder of IDX files, or a folder of pictures. */

import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { formatNames, formatValue, nearest, StridenetError } from '../errors';
import {
  directory,
  fashionMnist,
  imageFolder,
  mini,
  mnist,
  split,
  type Dataset,
  type LazyDataset,
  type PictureDataset,
  type TrainTest,
} from '../data';
import { findIdxFiles } from '../data/directory';
import type { ModelEntry } from '../models/catalogue';
import type { DataSettings } from './settings/settings';

const NAMED: Readonly<Record<string, (options: { download: boolean }) => Promise<TrainTest>>> = {
  'fashion-mnist': fashionMnist,
  mnist,
  mini: () => mini(),
};

/** Share of the pictures of a folder that test, where it is not divided. */
const TEST_SHARE = 0.2;
const VALIDATION_FOLDERS = ['val', 'valid', 'validation'];

/** In memory, or pictures of files. */
export type AnyLoaded = Dataset | LazyDataset;

/** What is learned from and measured with. */
export interface Loaded {
  readonly train: AnyLoaded;
  readonly test: AnyLoaded;
  /** There when the folder has one beside its test pictures. */
  readonly validation?: AnyLoaded;
}

/** What a data setting says, a folder by its full path. */
export async function dataSource(name: string): Promise<string> {
  const isFolder = !Object.hasOwn(NAMED, name) && (await stat(name).catch(() => undefined))?.isDirectory();
  return isFolder ? resolve(name) : name;
}

/**
 * @param input [channels, height, width] that pictures get unless the settings say something else
 * @throws StridenetError ERR_DATA_UNAVAILABLE when it is neither a known name nor a folder, and as the loaders of lib/data
 */
export async function loadData(settings: DataSettings, input: ModelEntry['input']): Promise<Loaded> {
  const { data: name } = settings;
  const stats = Object.hasOwn(NAMED, name) ? undefined : await stat(name).catch(() => undefined);
  if (stats?.isDirectory() && (await hasPictures(name))) return loadPictures(settings, input);
  refusePictureSettings(settings);
  if (Object.hasOwn(NAMED, name)) return NAMED[name]!({ download: settings.download ?? false });
  if (stats?.isDirectory()) return directory(name);
  const names = Object.keys(NAMED);
  const near = nearest(name, names);
  throw new StridenetError(
    'ERR_DATA_UNAVAILABLE',
    `--data ${formatValue(name)} is neither a folder nor one of ${names.join(', ')}.${near ? ` Did you mean "${near}"?` : ''}`,
  );
}

/** Whether a folder has folders, and none of the files of MNIST. */
async function hasPictures(dir: string): Promise<boolean> {
  const { paths, missing } = await findIdxFiles(dir);
  return !paths && missing.length === 4 && (await foldersOf(dir)).length > 0;
}

async function foldersOf(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => !entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name);
}

async function loadPictures(
  { data, imageSize, channels, onError, cache, seed }: DataSettings,
  input: ModelEntry['input'],
): Promise<Loaded> {
  const options = { size: imageSize ?? ([input[1], input[2]] as const), channels: channels ?? (input[0] as 1 | 3), onError, cache };
  const folders = await foldersOf(data);
  if (!folders.includes('train')) return splitOff(await imageFolder(data, options), seed);
  const train = await imageFolder(join(data, 'train'), options);
  const measured = async (name: string | undefined): Promise<PictureDataset | undefined> =>
    name === undefined ? undefined : imageFolder(join(data, name), { ...options, classes: train.classes });
  const test = await measured(folders.find((name) => name === 'test'));
  const validation = await measured(folders.find((name) => VALIDATION_FOLDERS.includes(name)));
  if (test) return { train, test, ...(validation && { validation }) };
  return validation ? { train, test: validation } : splitOff(train, seed);
}

function splitOff(pictures: PictureDataset, seed: number): Loaded {
  const { train, validation } = split(pictures, { validation: TEST_SHARE, seed });
  return { train, test: validation };
}

/** Settings that say how pictures are read mean nothing for images that are there as numbers. */
function refusePictureSettings({ data, imageSize, channels, onError, cache }: DataSettings): void {
  const [given] =
    Object.entries({ 'image-size': imageSize, channels, 'on-error': onError, cache }).find(([, value]) => value !== undefined) ?? [];
  if (given === undefined) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `--${given} is for folders of pictures but --data ${formatValue(data)} is none. Leave it out.`,
  );
}

/** Holds a part of the training images out. @param share of them, or a number */
export function holdOut(loaded: Loaded, share: number, seed: number): Loaded & { readonly validation: AnyLoaded } {
  if (loaded.validation) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      'validation holds images out but the folder has images for validation of its own. Leave the setting out.',
    );
  }
  const { train, validation } = split(loaded.train as LazyDataset, { validation: share, seed });
  return { train, validation, test: loaded.test };
}

/** The files of some data sets that were left out because they are no pictures, each once; undefined unless the settings leave such files out. */
export function skippedFiles({ onError }: DataSettings, datasets: readonly (AnyLoaded | undefined)[]): string[] | undefined {
  if (onError !== 'skip') return undefined;
  return [...new Set(datasets.flatMap((dataset) => (dataset as Partial<PictureDataset> | undefined)?.skipped ?? []))].sort();
}

/** How many there are, and the first of them by name. */
export function formatSkipped(files: readonly string[]): string {
  if (files.length === 0) return 'no file was left out';
  return `${files.length} ${files.length === 1 ? 'file that is no picture' : 'files that are no pictures'}: ${formatNames(files)}`;
}
