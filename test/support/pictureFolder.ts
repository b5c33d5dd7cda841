/**
 * A folder of real JPEG and PNG files for tests: clothes of Fashion-MNIST, a folder for each class, and among them what is found in folders of
 * pictures: a JPEG that ends early, a file of no bytes, a CMYK JPEG and a PNG of 16 bits.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import * as data from '../../lib/data';

/** Side of the written pictures, which need not be that of the read ones. */
const SIDE = 32;

export interface PictureFolder {
  /** Names of the classes, sorted. */
  readonly classes: readonly string[];
  /** The files that are pictures, as a data set lists them: with the CMYK JPEG and the PNG of 16 bits. */
  readonly good: readonly string[];
  /** The file that ends early and the empty one. */
  readonly truncated: string;
  readonly empty: string;
  readonly cmyk: string;
  readonly deep: string;
}

/**
 * Writes `count` pictures of so many classes (at most 10) to the folder, every third one a PNG, and the four files beside them.
 * @param bad whether the two files that are no pictures are written too
 */
export async function writePictureFolder(folder: string, count: number, classCount = 4, bad = true): Promise<PictureFolder> {
  const { train } = await data.mini();
  const name = (label: number): string => train.classes[label]!.replace(/\W/g, '-').toLowerCase();
  const labels = Array.from({ length: classCount }, (_, label) => label);
  const classes = labels.map(name).sort();
  for (const each of classes) mkdirSync(join(folder, each), { recursive: true });
  const chosen = Array.from(train.labels.keys()).filter((i) => train.labels[i]! < classCount).slice(0, count); // prettier-ignore
  const good: string[] = [];
  for (const i of chosen) {
    const picture = pixelsOf(train, i).resize(SIDE, SIDE);
    const path = join(folder, name(train.labels[i]!), `${String(i).padStart(5, '0')}.${i % 3 === 0 ? 'png' : 'jpg'}`);
    await (i % 3 === 0 ? picture.png() : picture.jpeg()).toFile(path);
    good.push(path);
  }
  const [first, last] = [classes[0]!, classes.at(-1)!];
  const files = {
    truncated: join(folder, last, 'truncated.jpg'),
    empty: join(folder, first, 'empty.png'),
    cmyk: join(folder, last, 'cmyk.jpg'),
    deep: join(folder, first, 'deep.png'),
  };
  const jpeg = await pixelsOf(train, chosen[0]!).resize(SIDE, SIDE).jpeg().toBuffer();
  if (bad) writeFileSync(files.truncated, jpeg.subarray(0, jpeg.length / 2));
  if (bad) writeFileSync(files.empty, '');
  await pixelsOf(train, chosen[0]!).resize(SIDE, SIDE).toColourspace('cmyk').jpeg({ quality: 100 }).toFile(files.cmyk);
  await pixelsOf(train, chosen[0]!).resize(SIDE, SIDE).toColourspace('rgb16').png().toFile(files.deep);
  return { classes, good: [...good, files.cmyk, files.deep].sort(), ...files };
}

function pixelsOf({ images }: data.Dataset, i: number): sharp.Sharp {
  return sharp(images.slice(i * 784, (i + 1) * 784) as Uint8Array, { raw: { width: 28, height: 28, channels: 1 } }).toColourspace('srgb');
}
