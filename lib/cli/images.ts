/** Image files as the model's input, decoded and resized by sharp, which is an optional peer dependency. */

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { formatValue, StridenetError } from '../errors';
import { fileError, openRegular } from '../io/file';

type Sharp = typeof import('sharp');

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
 * One image in C, H, W order: stretched to height and width, greyscale for one channel, colour for three.
 * @param options.invert light becomes dark: for dark drawings on a light ground where the model learned the opposite
 * @throws StridenetError ERR_FILE_ACCESS, ERR_BAD_FILE when it is no image that sharp knows
 */
export async function readImage(
  sharp: Sharp,
  path: string,
  [channels, height, width]: readonly [number, number, number],
  options: { invert: boolean },
): Promise<Uint8Array> {
  const encoded = await readBytes(path);
  let pixels: Uint8Array;
  try {
    // What is transparent becomes the ground that the model knows as empty: black.
    const ground = options.invert ? '#ffffff' : '#000000';
    let image = sharp(encoded).rotate().flatten({ background: ground }).resize(width, height, { fit: 'fill' });
    image = channels === 1 ? image.greyscale().toColourspace('b-w') : image.toColourspace('srgb');
    if (options.invert) image = image.negate({ alpha: false });
    pixels = await image.raw({ depth: 'uchar' }).toBuffer();
  } catch (error) {
    throw new StridenetError('ERR_BAD_FILE', `${formatValue(path)} cannot be decoded as an image: ${(error as Error).message}.`, {
      cause: error,
    });
  }
  const size = height * width;
  const planes = new Uint8Array(channels * size);
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
