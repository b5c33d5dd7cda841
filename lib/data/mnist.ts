/** MNIST and Fashion-MNIST: where they may lie, what they consist of, and how they are fetched when the user asks for it. */

import { join } from 'node:path';
import { checkOptions, formatValue, StridenetError } from '../errors';
import type { StopSignal } from '../stopSignal';
import { cacheRoot } from './cacheRoot';
import type { TrainTest } from './dataset';
import { findIdxFiles, readIdxFiles, type IdxPaths } from './directory';
import { download, type DownloadOptions, type Patience, type RemoteFile } from './download';

/** Options of `data.mnist` and `data.fashionMnist`. */
export interface MnistOptions {
  /** A folder with the four IDX files, looked at first. */
  dir?: string | undefined;
  /** Fetch the files into the cache when they are nowhere on this machine. Default false: nothing is ever fetched unasked. */
  download?: boolean | undefined;
  /** The cache's folder. Default $XDG_CACHE_HOME/stridenet or ~/.cache/stridenet; the files lie in a folder below it. */
  cacheDir?: string | undefined;
  /** Address of a folder with the four .gz files, instead of the publisher's. */
  url?: string | undefined;
  /** Ends a download: the call rejects with the signal's reason, and the cache keeps what is complete. */
  signal?: StopSignal | undefined;
}

/** A data set that has a name: what it consists of and where it may be. */
export interface NamedDataset {
  readonly title: string;
  /** Function of the public interface, for messages. */
  readonly call: string;
  /** Folder below the cache's. */
  readonly folder: string;
  readonly classes: readonly string[];
  readonly files: readonly RemoteFile[];
  readonly urls: readonly string[];
  /** Where a system package puts it, and the command that installs the package. */
  readonly system?: { readonly dir: string; readonly install: string };
}

export const FASHION_MNIST: NamedDataset = {
  title: 'Fashion-MNIST',
  call: 'data.fashionMnist',
  folder: 'fashion-mnist',
  classes: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
  files: [
    file('train-images-idx3-ubyte.gz', 26421880, '3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84'),
    file('train-labels-idx1-ubyte.gz', 29515, 'a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845'),
    file('t10k-images-idx3-ubyte.gz', 4422102, '346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073'),
    file('t10k-labels-idx1-ubyte.gz', 5148, '67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5'),
  ],
  urls: [
    'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion',
    'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com',
  ],
  system: { dir: '/usr/share/datasets/fashion-mnist', install: 'apt-get install dataset-fashion-mnist' },
};

export const MNIST: NamedDataset = {
  title: 'MNIST',
  call: 'data.mnist',
  folder: 'mnist',
  classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  files: [
    file('train-images-idx3-ubyte.gz', 9912422, '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609'),
    file('train-labels-idx1-ubyte.gz', 28881, '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c'),
    file('t10k-images-idx3-ubyte.gz', 1648877, '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6'),
    file('t10k-labels-idx1-ubyte.gz', 4542, 'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6'),
  ],
  urls: ['https://ossci-datasets.s3.amazonaws.com/mnist', 'https://storage.googleapis.com/cvdf-datasets/mnist'],
};

/**
 * Fashion-MNIST (Zalando Research): 60,000 training and 10,000 test images of clothing, 28x28 greyscale, ten classes.
 * Looked for in `dir`, in the user's cache and where Debian's package puts it; fetched only with `download: true`.
 *
 * @throws StridenetError ERR_DATA_UNAVAILABLE with every place tried; ERR_CHECKSUM when a download differs from what was published;
 *   ERR_BAD_FILE when a file is damaged
 * @example const { train, test } = await data.fashionMnist({ download: true });
 */
export function fashionMnist(options: MnistOptions = {}): Promise<TrainTest> {
  return loadNamed(FASHION_MNIST, options);
}

/**
 * MNIST (LeCun, Cortes, Burges): 60,000 training and 10,000 test images of handwritten digits, 28x28 greyscale.
 * Looked for in `dir` and in the user's cache; fetched only with `download: true`.
 *
 * @throws StridenetError as `fashionMnist`
 */
export function mnist(options: MnistOptions = {}): Promise<TrainTest> {
  return loadNamed(MNIST, options);
}

/** Finds, perhaps fetches, and reads a named data set. */
export async function loadNamed(dataset: NamedDataset, options: MnistOptions, patience?: Patience): Promise<TrainTest> {
  checkOptions(dataset.call, options, ['dir', 'download', 'cacheDir', 'url', 'signal']);
  checkTypes(dataset.call, options);
  options.signal?.throwIfAborted();
  const cache = join(options.cacheDir ?? cacheRoot(), dataset.folder);
  const tried: string[] = [];
  const look = async (place: string, dir: string): Promise<IdxPaths | undefined> => {
    const { paths, missing } = await findIdxFiles(dir);
    if (!paths) tried.push(`${dir} (${place}): ${missing.length === 4 ? 'not there' : `lacks ${missing.join(', ')}`}`);
    return paths;
  };
  const paths =
    (options.dir === undefined ? undefined : await look('the folder given', options.dir)) ??
    (await look('cache', cache)) ??
    (dataset.system && (await look('system package', dataset.system.dir))) ??
    (options.download ? await fetchAll(dataset, options.url === undefined ? dataset.urls : [options.url], cache, tried, { signal: options.signal, patience }) : undefined);
  if (!paths) throw unavailable(dataset, tried, options.download === true);
  return readIdxFiles(paths, dataset.classes);
}

async function fetchAll(
  dataset: NamedDataset,
  urls: readonly string[],
  cache: string,
  tried: string[],
  options: DownloadOptions,
): Promise<IdxPaths | undefined> {
  for (const remote of dataset.files) {
    const failures = await download(remote, urls, cache, options);
    if (failures) {
      tried.push(...failures);
      return undefined;
    }
  }
  return (await findIdxFiles(cache)).paths;
}

function unavailable(dataset: NamedDataset, tried: readonly string[], downloaded: boolean): StridenetError {
  const ways = [
    ...(dataset.system ? [`on Debian: ${dataset.system.install}`] : []),
    ...(downloaded ? [] : [`fetch it: ${dataset.call}({ download: true }), on the command line --download`]),
    `name a folder that has ${dataset.files.map((f) => f.name).join(', ')}: ${dataset.call}({ dir })`,
    'without any of these: data.mini(), the embedded subset of Fashion-MNIST',
  ];
  const list = (lines: readonly string[]): string => lines.map((line) => `\n  - ${line}`).join('');
  return new StridenetError('ERR_DATA_UNAVAILABLE', `${dataset.title} is on none of these places:${list(tried)}\nTo get it:${list(ways)}`);
}

function checkTypes(where: string, options: MnistOptions): void {
  for (const key of ['dir', 'cacheDir', 'url'] as const) {
    const value = options[key];
    if (value !== undefined && (typeof value !== 'string' || value === '')) {
      throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${key} to be a non-empty string.`);
    }
  }
  if (options.download !== undefined && typeof options.download !== 'boolean') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects download to be true or false.`);
  }
  const signal: unknown = options.signal;
  if (signal !== undefined && Object.prototype.toString.call(signal) !== '[object AbortSignal]') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects signal to be an AbortSignal but got ${formatValue(signal)}.`);
  }
}

function file(name: string, bytes: number, sha256: string): RemoteFile {
  return { name, bytes, sha256 };
}
