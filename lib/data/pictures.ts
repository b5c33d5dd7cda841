/** Data sets of picture files, whatever names them: decoding a batch or taking it from a cache, and what becomes of files that are no pictures. */

import { availableParallelism } from 'node:os';
import { formatValue, StridenetError } from '../errors';
import { elementCount } from '../graph/types';
import type { DatasetFacts, LabelArray } from './dataset';
import { decodePicture, loadSharp, readPictureFile } from './decode';
import { readLazy } from './kinds';
import { Limiter } from './limiter';
import type { PictureDataset, PictureFilesSettings } from './picture';
import { defaultCachePath, keyOf, PictureCache, prepareCache, writeCache, type CachedPictures } from './pictureCache';

/** Picture files with what the model should give for each. */
export interface PictureFiles extends Omit<DatasetFacts, 'shape' | 'layout'> {
  /** What warnings call them. */
  readonly title: string;
  /** The folder or list that names them, and the folder below which they lie. */
  readonly origin: string;
  readonly root: string;
  readonly paths: readonly string[];
  readonly labels: LabelArray;
  readonly sampleWeights?: Float32Array | undefined;
}

/**
 * The data set, with its cache.
 * @throws StridenetError ERR_INVALID_ARGUMENT for facts that do not fit; ERR_MISSING_DEPENDENCY; with a cache whatever decoding and writing throw
 */
export async function pictureDataset(where: string, files: PictureFiles, settings: PictureFilesSettings): Promise<PictureDataset> {
  const { title, origin, root, paths, labels, ...facts } = files;
  const [height, width] = settings.decoding.size;
  const reader = new PictureReader(title, files, settings);
  const dataset = readLazy(where, {
    ...facts,
    shape: [settings.decoding.channels, height, width],
    labels,
    length: paths.length,
    layout: 'nhwc',
    paths,
    skipped: reader.skipped,
    read: (indices, into) => reader.read(indices, into),
  } as PictureDataset);
  if (settings.cache === false) loadSharp();
  else await reader.openCache(settings.cache === true ? defaultCachePath(origin, settings.decoding) : settings.cache, settings.cache === true, root);
  return dataset as PictureDataset;
}

/** Decodes pictures and remembers those that are none. */
class PictureReader {
  readonly skipped: string[] = [];
  private readonly unreadable = new Map<number, string>();
  private readonly limiter: Limiter;
  private readonly size: number;
  private readonly paths: readonly string[];
  /** Pictures of each class that are not left out; empty where labels are no classes. */
  private readonly leftOfClass: number[] = [];
  private cache: PictureCache | undefined;

  constructor(
    private readonly title: string,
    private readonly files: PictureFiles,
    private readonly settings: PictureFilesSettings,
  ) {
    const { channels, size } = settings.decoding;
    this.size = elementCount([...size, channels]);
    this.limiter = new Limiter(settings.concurrency ?? availableParallelism() + 1);
    this.paths = files.paths;
    const { classes, labels } = files;
    if (classes.length === 0 || labels.length !== files.paths.length) return;
    this.leftOfClass = classes.map(() => 0);
    for (let i = 0; i < labels.length; i++) this.leftOfClass[labels[i]!]!++;
  }

  /** Reads from the cache from now on, which is made if there is none of these pictures. @param makeFolder whether its folder is made too */
  async openCache(path: string, makeFolder: boolean, root: string): Promise<void> {
    const pictures: CachedPictures = { root, paths: this.paths, decoding: this.settings.decoding, size: this.size };
    const key = await keyOf(pictures);
    let cache = await PictureCache.open(path, key, pictures);
    if (!cache) {
      await prepareCache(path, makeFolder);
      await writeCache(path, key, pictures, (indices, into) => this.read(indices, into), this.unreadable);
      cache = await PictureCache.open(path, key, pictures);
    }
    if (!cache) {
      throw new StridenetError(
        'ERR_FILE_CHANGED',
        `The cache of decoded pictures ${formatValue(path)} was replaced by one of other pictures as soon as it was written. Give every data set a cache of its own.`,
      );
    }
    for (const [index, reason] of cache.unreadable) {
      if (this.settings.onError === 'throw') throw new StridenetError('ERR_BAD_FILE', reason);
      this.skip(index, reason);
    }
    this.cache = cache;
  }

  /** As `LazyDataset.read` says. */
  async read(indices: Int32Array, into: Uint8Array): Promise<number[]> {
    if (this.cache) {
      await this.cache.read(indices, into);
      return [...indices.keys()].filter((i) => this.unreadable.has(indices[i]!));
    }
    const left: number[] = [];
    await this.limiter.each(indices.length, async (i) => {
      const index = indices[i]!;
      const pixels = this.unreadable.has(index) ? undefined : await this.decode(index);
      if (pixels) into.set(pixels, i * this.size);
      else left.push(i);
    });
    return left.sort((a, b) => a - b);
  }

  /** The pixels, or undefined for a file that is left out. */
  private async decode(index: number): Promise<Uint8Array | undefined> {
    const path = this.paths[index]!;
    try {
      return (await decodePicture(loadSharp(), await readPictureFile(path), formatValue(path), this.settings.decoding)).data;
    } catch (error) {
      // A file that cannot be read at all (permission, a lost disk) is no bad picture.
      if (this.settings.onError === 'throw' || !(error instanceof StridenetError) || error.code !== 'ERR_BAD_FILE') throw error;
      this.skip(index, error.message);
      return undefined;
    }
  }

  private skip(index: number, reason: string): void {
    // An index may stand twice in a batch.
    if (this.unreadable.has(index)) return;
    this.unreadable.set(index, reason);
    this.skipped.push(this.paths[index]!);
    if (this.skipped.length === 1)
      this.warn(`leaves out files that are no pictures: ${reason} Its field "skipped" lists every one that is found.`);
    const { classes, labels } = this.files;
    if (this.leftOfClass.length === 0) return;
    const label = labels[index]!;
    this.leftOfClass[label]!--;
    if (this.leftOfClass[label] === 0)
      this.warn(`has no picture left of the class ${formatValue(classes[label])}: all of them were left out.`);
  }

  private warn(what: string): void {
    process.emitWarning(`${this.title} ${what}`, 'StridenetWarning');
  }
}
