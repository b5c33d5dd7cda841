/** A contact sheet: the first pictures of a data set, transformed as training would, side by side in a PNG file. */

import { checkInteger, checkOptions, StridenetError } from '../errors';
import { elementCount } from '../graph/types';
import { checkPath } from '../io/file';
import { encodePng } from '../io/png';
import { writeFileAtomic } from '../io/replaceFile';
import { Augmenter, withMix } from '../transforms/augmenter';
import type { Transform } from '../transforms/transform';
import { readDataset, type Dataset, type DatasetLike, type LazyDataset } from './dataset';
import { isLazy, readLazy } from './kinds';

/** Options of `data.preview`. */
export interface PreviewOptions {
  /** Transforms of pictures, as `fit` takes them; default none. */
  augment?: readonly Transform[] | undefined;
  /** Mixes pictures with each other, as that of `fit`: transforms.mixup() or transforms.cutmix(). Each row is a batch of its own. Default none. */
  mix?: Transform | undefined;
  /** The file, which is replaced when it exists; default 'preview.png'. */
  path?: string | undefined;
  /** Pictures in a row; default as many as make the sheet about square. */
  columns?: number | undefined;
  /** Of the random numbers, as that of `fit`; default 0. */
  seed?: number | undefined;
}

/** Pixels between pictures, and their level. */
const GAP = 2;
const GAP_LEVEL = 128;
/** Smaller pictures are enlarged by a whole factor to about this many pixels. */
const CELL = 96;
/** More pixels than this are no preview. */
const MOST_PIXELS = 1 << 26;

/**
 * Writes a contact sheet of the first `n` pictures of a data set, row by row, as PNG. Pictures become what they would in the first epoch of a
 * training with `augment` and `seed`; small ones are enlarged. With `mix` each picture is mixed with the one to its left, the first of a row with the
 * last, by a share that is drawn for each row: a training draws it for a batch.
 *
 * @param n number of pictures, at most as many as the data set has
 * @returns the path of the file
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_SHAPE_MISMATCH for transforms that do not fit the pictures,
 *   ERR_DTYPE_MISMATCH for transforms of pictures that are not uint8, ERR_FILE_ACCESS
 * @example await data.preview(train, 64, { augment: [transforms.randomCrop(28, { padding: 2 })], path: 'augmented.png' });
 * @example await data.preview(train, 64, { mix: transforms.cutmix(), path: 'mixed.png' });
 */
export async function preview(dataset: DatasetLike | LazyDataset, n: number, options: PreviewOptions = {}): Promise<string> {
  const where = 'data.preview';
  checkOptions(where, options, ['augment', 'mix', 'path', 'columns', 'seed']);
  const { path = 'preview.png', seed = 0 } = options;
  const transforms = withMix(where, options.augment, options.mix) ?? [];
  const whole = isLazy(dataset) ? readLazy(where, dataset) : readDataset(where, dataset);
  checkInteger(where, 'n', n, 1);
  checkInteger(where, 'seed', seed, 0);
  checkPath(where, path);
  const columns = checkInteger(where, 'columns', options.columns ?? Math.ceil(Math.sqrt(n)), 1);
  const augmenter = new Augmenter(where, transforms, { shape: whole.shape, layout: whole.layout ?? 'nchw' });
  const size = augmenter.shape.reduce((a, b) => a * b, 1);
  const sheet = new Sheet(where, n, Math.min(columns, n), augmenter.shape as Dataset['shape'], whole.layout === 'nhwc');
  const levels = await levelsOf(where, whole, n, transforms.length > 0);
  const transformed = new Uint8Array(n * size);
  await augmenter.run(levels, Int32Array.from({ length: n }, (_, i) => i), { seed, epoch: 1 }, transformed);
  if (augmenter.mixes) {
    for (const [batch, row] of rowsOf(transformed, columns * size).entries()) {
      // What becomes of labels is not shown.
      await augmenter.mix(row, new Uint8Array(row.length / size), 1, { seed, epoch: 1, batch });
    }
  }
  for (let i = 0; i < n; i++) sheet.place(i, transformed.subarray(i * size, (i + 1) * size));
  await writeFileAtomic(path, [await encodePng(sheet)]);
  return path;
}

/** A copy of the first `n` pictures as levels; those that cannot be read are black. */
async function levelsOf(where: string, dataset: Dataset | LazyDataset, n: number, transforms: boolean): Promise<Uint8Array> {
  if (n > dataset.length) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects n to be at most ${dataset.length}, the length of the data set, but got ${n}.`);
  }
  const size = elementCount(dataset.shape);
  if (isLazy(dataset)) {
    const levels = new Uint8Array(n * size);
    const missing = await dataset.read(Int32Array.from({ length: n }, (_, i) => i), levels);
    for (const i of missing) levels.fill(0, i * size, (i + 1) * size);
    return levels;
  }
  const { scale = 1 } = dataset;
  const images = dataset.images.subarray(0, n * size);
  if (images instanceof Uint8Array) return images.slice();
  if (!transforms) return Uint8Array.from(images, (v) => Math.min(255, Math.max(0, Math.round(v * scale * 255))));
  throw new StridenetError('ERR_DTYPE_MISMATCH', `${where} expects uint8 images with augment or mix but the data set's are float32. Keep them as levels from 0 to 255.`);
}

/** Consecutive parts of `length` levels; the last one may be smaller. */
function rowsOf(levels: Uint8Array, length: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(levels.length / length) }, (_, i) => levels.subarray(i * length, (i + 1) * length));
}

class Sheet {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
  private readonly factor: number;

  constructor(
    where: string,
    count: number,
    private readonly columns: number,
    private readonly shape: Dataset['shape'],
    private readonly interleaved: boolean,
  ) {
    const [channels, height, width] = shape;
    this.channels = channels === 3 ? 3 : 1;
    this.factor = Math.max(1, Math.floor(CELL / Math.max(height, width)));
    this.width = columns * (width * this.factor + GAP) + GAP;
    this.height = Math.ceil(count / columns) * (height * this.factor + GAP) + GAP;
    if (this.width * this.height > MOST_PIXELS) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects a sheet of at most ${MOST_PIXELS} pixels but ${count} pictures take ${this.width}x${this.height}. Pass a smaller n.`,
      );
    }
    this.data = new Uint8Array(this.width * this.height * this.channels).fill(GAP_LEVEL);
  }

  /** Puts a picture into cell `i`. */
  place(i: number, picture: Uint8Array): void {
    const [channels, height, width] = this.shape;
    const [pixel, plane] = this.interleaved ? [channels, 1] : [1, height * width];
    const top = Math.floor(i / this.columns) * (height * this.factor + GAP) + GAP;
    const left = (i % this.columns) * (width * this.factor + GAP) + GAP;
    for (let y = 0; y < height * this.factor; y++) {
      const row = Math.floor(y / this.factor) * width;
      let to = ((top + y) * this.width + left) * channels;
      for (let x = 0; x < width * this.factor; x++) {
        const from = (row + Math.floor(x / this.factor)) * pixel;
        for (let c = 0; c < channels; c++) this.data[to++] = picture[from + c * plane]!;
      }
    }
  }
}
