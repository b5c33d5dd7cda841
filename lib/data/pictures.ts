/** Data sets of picture files, whatever names them: decoding a batch, and what becomes of files that are no pictures. */

import { availableParallelism } from 'node:os';
import { formatValue, StridenetError } from '../errors';
import type { DatasetFacts, LabelArray } from './dataset';
import { decodePicture, loadSharp, readPictureFile } from './decode';
import { readLazy } from './kinds';
import { Limiter } from './limiter';
import type { PictureDataset, PictureFilesSettings } from './picture';

/** Picture files with what the model should give for each. */
export interface PictureFiles extends Omit<DatasetFacts, 'shape' | 'layout'> {
  /** What warnings call them. */
  readonly title: string;
  readonly paths: readonly string[];
  readonly labels: LabelArray;
}

/** The data set. @throws StridenetError ERR_INVALID_ARGUMENT for facts that do not fit; ERR_MISSING_DEPENDENCY, before any picture is read */
export function pictureDataset(where: string, files: PictureFiles, settings: PictureFilesSettings): PictureDataset {
  const { title, paths, labels, ...facts } = files;
  const [height, width] = settings.decoding.size;
  const reader = new PictureReader(title, paths, settings);
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
  return dataset as PictureDataset;
}

/** Decodes pictures and remembers those that are none. */
class PictureReader {
  readonly skipped: string[] = [];
  private readonly unreadable = new Set<number>();
  private readonly limiter: Limiter;
  private readonly size: number;
  private readonly sharp = loadSharp();

  constructor(
    private readonly title: string,
    private readonly paths: readonly string[],
    private readonly settings: PictureFilesSettings,
  ) {
    const { channels, size } = settings.decoding;
    this.size = size[0] * size[1] * channels;
    this.limiter = new Limiter(settings.concurrency ?? availableParallelism() + 1);
  }

  /** As `LazyDataset.read` says. */
  async read(indices: Int32Array, into: Uint8Array): Promise<number[]> {
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
      return (await decodePicture(this.sharp, await readPictureFile(path), formatValue(path), this.settings.decoding)).data;
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
    this.unreadable.add(index);
    this.skipped.push(this.paths[index]!);
    if (this.skipped.length > 1) return;
    process.emitWarning(`${this.title} leaves out files that are no pictures: ${reason} Its field "skipped" lists every one that is found.`, 'StridenetWarning');
  }
}
