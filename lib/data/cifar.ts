/** CIFAR-10 and CIFAR-100 as their authors publish them in binary (https://www.cs.toronto.edu/~kriz/cifar.html): records of labels and three planes of 32x32. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkOptions, formatValue, StridenetError } from '../errors';
import { checkPath, fileError, openRegular, readFully } from '../io/file';
import { printedDataset, type Dataset, type TrainTest } from './dataset';

const PIXELS = 3 * 32 * 32;
/** So many records, 3 MB, are read at a time. */
const RECORDS = 1000;
/** The published files have 10,000 or 50,000. */
const MOST_RECORDS = 1_000_000;

const CIFAR10 = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];

/** The kinds of things, each with five of the classes in the order of its name. */
const COARSE = (
  'aquatic_mammals,fish,flowers,food_containers,fruit_and_vegetables,household_electrical_devices,household_furniture,insects,large_carnivores,' +
  'large_man-made_outdoor_things,large_natural_outdoor_scenes,large_omnivores_and_herbivores,medium_mammals,non-insect_invertebrates,people,reptiles,small_mammals,' +
  'trees,vehicles_1,vehicles_2'
).split(',');

const FINE = (
  'apple,aquarium_fish,baby,bear,beaver,bed,bee,beetle,bicycle,bottle,bowl,boy,bridge,bus,butterfly,camel,can,castle,caterpillar,cattle,chair,chimpanzee,clock,' +
  'cloud,cockroach,couch,crab,crocodile,cup,dinosaur,dolphin,elephant,flatfish,forest,fox,girl,hamster,house,kangaroo,keyboard,lamp,lawn_mower,leopard,lion,' +
  'lizard,lobster,man,maple_tree,motorcycle,mountain,mouse,mushroom,oak_tree,orange,orchid,otter,palm_tree,pear,pickup_truck,pine_tree,plain,plate,poppy,' +
  'porcupine,possum,rabbit,raccoon,ray,road,rocket,rose,sea,seal,shark,shrew,skunk,skyscraper,snail,snake,spider,squirrel,streetcar,sunflower,sweet_pepper,table,' +
  'tank,telephone,television,tiger,tractor,train,trout,tulip,turtle,wardrobe,whale,willow_tree,wolf,woman,worm'
).split(',');

/** Options of `data.cifar100`. */
export interface Cifar100Options {
  /** 'fine' (default): 100 classes; 'coarse': the 20 kinds that they belong to. */
  labels?: 'fine' | 'coarse' | undefined;
}

/** How one of the two lies in its files. */
interface Format {
  readonly call: string;
  /** The folder in the published archive. */
  readonly folder: string;
  readonly archive: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
  /** The names of each label that stands before the pixels, and which of them counts. */
  readonly labels: readonly (readonly string[])[];
  readonly label: number;
}

/**
 * CIFAR-10 (Krizhevsky): 50,000 training and 10,000 test images, 32x32 in colour, of ten classes, from the binary version.
 *
 * @param dir the folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin, or the one around it (cifar-10-batches-bin)
 * @throws StridenetError ERR_DATA_UNAVAILABLE when a file is missing; ERR_BAD_FILE when one is cut off or of another kind; ERR_OUT_OF_MEMORY
 * @example const { train, test } = await data.cifar10('cifar-10-batches-bin');
 */
export function cifar10(dir: string): Promise<TrainTest> {
  return load(dir, {
    call: 'data.cifar10',
    folder: 'cifar-10-batches-bin',
    archive: 'cifar-10-binary.tar.gz',
    train: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`),
    test: ['test_batch.bin'],
    labels: [CIFAR10],
    label: 0,
  });
}

/**
 * CIFAR-100 (Krizhevsky): 50,000 training and 10,000 test images, 32x32 in colour, of a hundred classes in twenty kinds, from the binary version.
 *
 * @param dir the folder with train.bin and test.bin, or the one around it (cifar-100-binary)
 * @throws StridenetError as `data.cifar10`; ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example const { train, test } = await data.cifar100('cifar-100-binary', { labels: 'coarse' });
 */
export async function cifar100(dir: string, options: Cifar100Options = {}): Promise<TrainTest> {
  const call = 'data.cifar100';
  checkOptions(call, options, ['labels']);
  const { labels = 'fine' } = options;
  if ((labels as unknown) !== 'fine' && (labels as unknown) !== 'coarse') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${call} expects labels to be 'fine' or 'coarse' but got ${formatValue(labels)}.`);
  }
  return load(dir, {
    call,
    folder: 'cifar-100-binary',
    archive: 'cifar-100-binary.tar.gz',
    train: ['train.bin'],
    test: ['test.bin'],
    labels: [COARSE, FINE],
    label: labels === 'coarse' ? 0 : 1,
  });
}

async function load(dir: string, format: Format): Promise<TrainTest> {
  checkPath(format.call, dir);
  const isThere = (path: string): Promise<boolean> => stat(path).then(() => true, () => false); // prettier-ignore
  const inner = join(dir, format.folder);
  const folder = (await isThere(join(inner, format.test[0]!))) ? inner : dir;
  const files = [...format.train, ...format.test];
  const found = await Promise.all(files.map((name) => isThere(join(folder, name))));
  const missing = files.filter((_, i) => !found[i]);
  if (missing.length > 0) {
    throw new StridenetError(
      'ERR_DATA_UNAVAILABLE',
      `The folder ${formatValue(folder)} has no ${missing.join(', no ')}. ${format.call} reads the binary version: ` +
        `https://www.cs.toronto.edu/~kriz/${format.archive}, unpacked.`,
    );
  }
  const read = (names: readonly string[]): Promise<Dataset> => readRecords(names.map((name) => join(folder, name)), format); // prettier-ignore
  return { train: await read(format.train), test: await read(format.test) };
}

async function readRecords(paths: readonly string[], format: Format): Promise<Dataset> {
  const record = format.labels.length + PIXELS;
  const counts = await Promise.all(paths.map((path) => countRecords(path, record)));
  const length = counts.reduce((a, b) => a + b, 0);
  const images = allocate(length * PIXELS);
  const labels = allocate(length);
  let at = 0;
  for (const [k, path] of paths.entries()) {
    await readFile(path, record, counts[k]!, (bytes, i) => {
      const wrong = format.labels.findIndex((names, j) => bytes[j]! >= names.length);
      if (wrong >= 0) throw badFile(path, `record ${i} has the label ${bytes[wrong]} where there are ${format.labels[wrong]!.length} classes`);
      labels[at] = bytes[format.label]!;
      images.set(bytes.subarray(format.labels.length), at++ * PIXELS);
    });
  }
  return printedDataset({ images, labels, shape: [3, 32, 32], classes: format.labels[format.label]!, length });
}

async function countRecords(path: string, record: number): Promise<number> {
  try {
    const { handle, size } = await openRegular(path);
    await handle.close();
    if (size > 0 && size % record === 0 && size / record <= MOST_RECORDS) return size / record;
    throw badFile(path, `it has ${size} bytes, which is no number of records of ${record} bytes: it is cut off or of another kind`);
  } catch (error) {
    throw fileError('read', path, error);
  }
}

/** Hands over one record after the other, in pieces between which the event loop turns. */
async function readFile(path: string, record: number, count: number, take: (bytes: Uint8Array, i: number) => void): Promise<void> {
  try {
    const { handle } = await openRegular(path);
    try {
      const buffer = new Uint8Array(RECORDS * record);
      for (let start = 0; start < count; start += RECORDS) {
        const piece = buffer.subarray(0, Math.min(RECORDS, count - start) * record);
        if ((await readFully(handle, piece, start * record)) < piece.length) throw badFile(path, 'it was cut off while it was read');
        for (let i = 0; i * record < piece.length; i++) take(piece.subarray(i * record, (i + 1) * record), start + i);
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError('read', path, error);
  }
}

function allocate(bytes: number): Uint8Array {
  try {
    return new Uint8Array(bytes);
  } catch (cause) {
    throw new StridenetError('ERR_OUT_OF_MEMORY', `Cannot allocate ${bytes} bytes for images.`, { cause });
  }
}

function badFile(path: string, fault: string): StridenetError {
  return new StridenetError('ERR_BAD_FILE', `${formatValue(path)} is not a valid file of CIFAR: ${fault}.`);
}
