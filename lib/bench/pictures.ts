/**
 * Pictures to measure reading with: as large as photographs, and with as much detail at every size. They are made of the images that come with the
 * package, so that nothing is downloaded.
 */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Dataset } from '../data/dataset';
import { loadSharp } from '../data/decode';
import { Limiter } from '../data/limiter';
import { mini } from '../data/mini';

/** Channels, height and width of a picture. */
export type PictureShape = readonly [channels: number, height: number, width: number];

/** Each octave lays the images side by side, enlarged by a share of what makes one of them fill the picture: detail of that size. */
const OCTAVES = [
  { enlarged: 1, weight: 0.3 },
  { enlarged: 1 / 4, weight: 0.25 },
  { enlarged: 1 / 18, weight: 0.45 },
];
/** Of the levels of a channel, what is brightness, which all channels have in common; the rest is the channel's own, in coarse patches. */
const BRIGHTNESS = 0.8;
/** That of photographs on the web. */
const JPEG_QUALITY = 90;
/** Pictures that are encoded at a time. */
const AT_A_TIME = 4;

/** Makes picture after picture, each the same whenever it is asked for. */
export class PictureMaker {
  private constructor(private readonly source: Dataset) {}

  static async open(): Promise<PictureMaker> {
    return new PictureMaker((await mini()).train);
  }

  /** Picture number `i`, channels side by side. @param into gets height x width x channels levels */
  make(i: number, [channels, height, width]: PictureShape, into: Uint8Array): void {
    const first = (OCTAVES.length + channels) * i;
    const octaves = OCTAVES.map(({ enlarged }, octave) => this.layer(first + octave, enlarged, height, width));
    const brightness = new Float32Array(height * width);
    for (const [octave, { weight }] of OCTAVES.entries()) {
      const levels = octaves[octave]!;
      for (let pixel = 0; pixel < levels.length; pixel++) brightness[pixel]! += BRIGHTNESS * weight * levels[pixel]!;
    }
    for (let c = 0; c < channels; c++) {
      const own = this.layer(first + OCTAVES.length + c, 1, height, width);
      for (let pixel = 0; pixel < own.length; pixel++) into[pixel * channels + c] = brightness[pixel]! + (1 - BRIGHTNESS) * own[pixel]!;
    }
  }

  /** Images side by side, [height, width]. @param first number of the one at the top left */
  private layer(first: number, enlarged: number, height: number, width: number): Uint8Array {
    const { images, length, shape } = this.source;
    const [, rows, columns] = shape;
    const factor = Math.max(1, Math.round((Math.max(height, width) * enlarged) / columns));
    /** By pixel of a line: how many images are to its left, and its column in its own. */
    const [imageAt, columnAt] = [new Int32Array(width), new Int32Array(width)];
    for (let x = 0; x < width; x++) {
      const column = Math.floor(x / factor);
      [imageAt[x], columnAt[x]] = [Math.floor(column / columns), column % columns];
    }
    const levels = new Uint8Array(height * width);
    for (let y = 0; y < height; y++) {
      const row = Math.floor(y / factor);
      // Neighbours are other images; each row has others too.
      const [leftmost, line] = [first + 61 * Math.floor(row / rows), (row % rows) * columns];
      for (let x = 0; x < width; x++) {
        levels[y * width + x] = images[((leftmost + imageAt[x]!) % length) * rows * columns + line + columnAt[x]!]!;
      }
    }
    return levels;
  }

  /**
   * Writes pictures number 0 to `count` - 1 as JPEG files into a folder for each class, as `data.imageFolder` reads them.
   * @returns bytes of a file on average
   * @throws StridenetError ERR_MISSING_DEPENDENCY without sharp
   */
  async writeFiles(folder: string, count: number, classes: number, shape: PictureShape): Promise<number> {
    const sharp = loadSharp();
    const [channels, height, width] = shape;
    for (let label = 0; label < classes; label++) await mkdir(path.join(folder, String(label)), { recursive: true });
    let bytes = 0;
    await new Limiter(AT_A_TIME).each(count, async (i) => {
      const levels = new Uint8Array(height * width * channels);
      this.make(i, shape, levels);
      const picture = sharp(levels, { raw: { width, height, channels: channels as 1 | 3 } }).jpeg({ quality: JPEG_QUALITY });
      const { size } = await picture.toFile(path.join(folder, String(i % classes), `${i}.jpg`));
      bytes += size;
    });
    return bytes / count;
  }
}
