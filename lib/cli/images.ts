/** Image files as the model's input, decoded and resized by sharp, which is an optional peer dependency. */

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { formatShape, formatValue, StridenetError } from '../errors';
import { fileError, openRegular } from '../io/file';

type Sharp = typeof import('sharp');

/** How a picture of other proportions becomes the model's input, and what sharp calls it. */
export const FITS = { stretch: 'fill', pad: 'contain', crop: 'cover' } as const;
export type Fit = keyof typeof FITS;

/** @throws StridenetError ERR_MISSING_DEPENDENCY when sharp is not installed or does not load */
export function loadSharp(load: (name: string) => unknown = createRequire(__filename)): Sharp {
  try {
    const loaded = load('sharp') as Sharp & { default?: Sharp };
    return loaded.default ?? loaded;
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND' ? 'it is not installed' : (error as Error).message;
    throw new StridenetError('ERR_MISSING_DEPENDENCY', `Reading image files takes the package sharp: ${reason}. Run: npm install sharp`, {
      cause: error,
    });
  }
}

/**
 * One image in C, H, W order: stretched, padded or cropped to height and width; grey for one channel, colour for three, and grey or colour with opacity for two
 * and four.
 * @param options.invert light becomes dark: for dark drawings on a light ground where the model learned the opposite
 * @throws StridenetError ERR_FILE_ACCESS, ERR_BAD_FILE when it is no image that sharp knows, ERR_SHAPE_MISMATCH for more channels than pictures have
 */
export async function readImage(
  sharp: Sharp,
  path: string,
  input: readonly [number, number, number],
  options: { invert: boolean; fit?: Fit },
): Promise<Uint8Array> {
  const [channels, height, width] = input;
  if (channels > 4) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `A model for image files expects images of 1 to 4 channels (grey or colour, with opacity or not) but this one takes ${formatShape(input)}.`,
    );
  }
  const encoded = await readBytes(path);
  try {
    // The model has no channel for opacity, so transparent pixels become black, which it knows as empty ground.
    const ground = options.invert ? '#ffffff' : '#000000';
    let image = sharp(encoded).rotate();
    image = channels % 2 === 0 ? image.ensureAlpha() : image.flatten({ background: ground });
    const background = channels % 2 === 0 ? { r: 0, g: 0, b: 0, alpha: 0 } : ground;
    image = image.resize(width, height, { fit: FITS[options.fit ?? 'stretch'], background });
    image = channels === 1 ? grey(image) : image.toColourspace('srgb');
    if (options.invert) image = image.negate({ alpha: false });
    const pixels = await image.raw({ depth: 'uchar' }).toBuffer();
    if (channels !== 2) return planesOf(pixels, channels);
    // sharp gives grey without opacity, so that comes from the pixels in colour.
    const shades = await grey(sharp(pixels, { raw: { width, height, channels: 4 } }))
      .raw({ depth: 'uchar' })
      .toBuffer();
    return Buffer.concat([shades, planesOf(pixels, 4).subarray(3 * height * width)]);
  } catch (error) {
    throw notAnImage(path, error);
  }
}

/** Height and width of an image file, upright. @throws StridenetError ERR_BAD_FILE */
export async function imageSize(sharp: Sharp, path: string): Promise<readonly [number, number]> {
  try {
    const { width, height, orientation = 1 } = await sharp(await readBytes(path)).metadata();
    // With an orientation of 5 to 8 the picture lies on its side.
    return orientation >= 5 ? [width, height] : [height, width];
  } catch (error) {
    throw notAnImage(path, error);
  }
}

function notAnImage(path: string, error: unknown): StridenetError {
  if (error instanceof StridenetError) return error;
  return new StridenetError('ERR_BAD_FILE', `${formatValue(path)} cannot be decoded as an image: ${(error as Error).message}.`, {
    cause: error,
  });
}

function grey(image: ReturnType<Sharp>): ReturnType<Sharp> {
  return image.greyscale().toColourspace('b-w');
}

/** Pixels of interleaved channels as one plane after the other. */
function planesOf(pixels: Uint8Array, channels: number): Uint8Array {
  const size = pixels.length / channels;
  const planes = new Uint8Array(pixels.length);
  for (let c = 0; c < channels; c++) for (let i = 0; i < size; i++) planes[c * size + i] = pixels[i * channels + c]!;
  return planes;
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    const { handle } = await openRegular(path);
    await handle.close();
    return await readFile(path);
  } catch (error) {
    throw fileError('read', path, error);
  }
}
