/** A folder with the four IDX files of an MNIST-like data set, under the names that MNIST gave them. */

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkOptions, formatValue, StridenetError } from '../errors';
import { checkClassNames, printedDataset, type Dataset, type TrainTest } from './dataset';
import { readIdx } from './idx';

/** The files of a data set, in the order in which they are looked for. Each may be gzipped (`.gz`). */
export const IDX_FILES = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'] as const;
export type IdxFile = (typeof IDX_FILES)[number];

/** Names of picture files. */
const PICTURE = /\.(jpe?g|png|gif|webp|avif|bmp|tiff?)$/i;

/** The path of each file. */
export type IdxPaths = Readonly<Record<IdxFile, string>>;

/** Options of `data.directory`. */
export interface DirectoryOptions {
  /** Names of the classes, in label order. Default: the labels '0', '1', ... that occur. */
  classes?: readonly string[] | undefined;
}

/**
 * Reads a data set of greyscale images from a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
 * t10k-labels-idx1-ubyte, each plain or with .gz.
 *
 * @param dir the folder
 * @throws StridenetError ERR_DATA_UNAVAILABLE when files are missing; ERR_BAD_FILE when they are damaged or do not fit each other
 * @example const { train, test } = await data.directory('./kuzushiji');
 */
export async function directory(dir: string, options: DirectoryOptions = {}): Promise<TrainTest> {
  checkOptions('data.directory', options, ['classes']);
  if (typeof dir !== 'string' || dir === '') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `data.directory expects the path of a folder but got ${formatValue(dir)}.`);
  }
  const classes = options.classes === undefined ? undefined : checkClassNames('data.directory', 'classes', options.classes);
  const { paths, missing } = await findIdxFiles(dir);
  if (!paths) {
    throw new StridenetError(
      'ERR_DATA_UNAVAILABLE',
      `The folder ${formatValue(dir)} has no ${missing.join(', no ')} (plain or .gz).${await pictureAdvice(dir)}`,
    );
  }
  return readIdxFiles(paths, classes);
}

/** Looks for the four files in a folder. */
export async function findIdxFiles(dir: string): Promise<{ paths?: IdxPaths; missing: readonly string[] }> {
  const found = await Promise.all(IDX_FILES.map(async (name) => (await firstFile([join(dir, name), join(dir, `${name}.gz`)])) ?? ''));
  const missing = IDX_FILES.filter((_, i) => found[i] === '');
  if (missing.length > 0) return { missing };
  return { paths: Object.fromEntries(IDX_FILES.map((name, i) => [name, found[i]!])) as IdxPaths, missing };
}

/** Reads the four files and checks that they belong together. */
export async function readIdxFiles(paths: IdxPaths, classes?: readonly string[]): Promise<TrainTest> {
  const train = await readPart(paths['train-images-idx3-ubyte'], paths['train-labels-idx1-ubyte']);
  const test = await readPart(paths['t10k-images-idx3-ubyte'], paths['t10k-labels-idx1-ubyte']);
  const [trainShape, testShape] = [train.shape.join(), test.shape.join()];
  if (trainShape !== testShape) {
    throw new StridenetError(
      'ERR_BAD_FILE',
      `The test images of ${formatValue(paths['t10k-images-idx3-ubyte'])} have shape [${testShape}] but the training images have [${trainShape}].`,
    );
  }
  const names = classes ?? Array.from({ length: Math.max(train.maxLabel, test.maxLabel) + 1 }, (_, label) => String(label));
  for (const { maxLabel, labelsPath } of [train, test]) {
    if (maxLabel >= names.length) {
      throw new StridenetError('ERR_BAD_FILE', `${formatValue(labelsPath)} has a label ${maxLabel} but there are ${names.length} classes.`);
    }
  }
  const dataset = ({ images, labels, shape }: Part): Dataset =>
    printedDataset({ images, labels, shape, classes: names, length: labels.length });
  return { train: dataset(train), test: dataset(test) };
}

/** What to do about a folder of pictures, or of folders with the pictures of a class each. */
async function pictureAdvice(dir: string): Promise<string> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name);
  const pictures = entries.some((entry) => entry.isFile() && PICTURE.test(entry.name));
  if (folders.length === 0 && !pictures) return '';
  const shown = [...folders.slice(0, 3).map(formatValue), ...(folders.length > 3 ? ['...'] : [])].join(', ');
  return (
    ` It has ${folders.length > 0 ? `folders (${shown})` : 'pictures'}, but only the four IDX files of an MNIST-like data set are read. ` +
    (folders.length > 0
      ? 'data.imageFolder(dir, { size }) reads a folder with a folder of pictures for each class.'
      : 'data.imageList(file, { size }) reads pictures that a CSV file lists with their classes.')
  );
}

interface Part {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
  readonly shape: readonly [number, number, number];
  readonly maxLabel: number;
  readonly labelsPath: string;
}

async function readPart(imagesPath: string, labelsPath: string): Promise<Part> {
  const [images, labels] = await Promise.all([readIdx(imagesPath), readIdx(labelsPath)]);
  const [n, height, width] = images.shape;
  if (images.shape.length !== 3 || images.data.length === 0) {
    throw new StridenetError('ERR_BAD_FILE', `${formatValue(imagesPath)} should hold images [n, height, width] but has shape ${formatValue(images.shape)}.`);
  }
  if (labels.shape.length !== 1 || labels.data.length !== n) {
    throw new StridenetError(
      'ERR_BAD_FILE',
      `${formatValue(labelsPath)} should hold ${n} labels, one for each image of ${formatValue(imagesPath)}, but has shape ${formatValue(labels.shape)}.`,
    );
  }
  const maxLabel = labels.data.reduce((a, b) => Math.max(a, b), 0);
  return { images: images.data, labels: labels.data, shape: [1, height!, width!], maxLabel, labelsPath };
}

async function firstFile(candidates: readonly string[]): Promise<string | undefined> {
  for (const path of candidates) {
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isFile()) return path;
  }
  return undefined;
}
