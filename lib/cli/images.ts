/** Image files as the model's input: what lib/data decodes, in planes, and inverted if that is asked for. */

import { decodePicture, loadSharp, pictureSize, readPictureFile } from '../data/decode';
import type { PictureFit } from '../data/picture';
import { formatShape, formatValue, StridenetError } from '../errors';

export { loadSharp };
type Sharp = ReturnType<typeof loadSharp>;

/** How a picture of other proportions becomes the model's input, and what that is called elsewhere. */
export const FITS = { stretch: 'fill', pad: 'contain', crop: 'cover' } as const satisfies Record<string, PictureFit>;
export type Fit = keyof typeof FITS;

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
  { invert, fit = 'stretch' }: { invert: boolean; fit?: Fit },
): Promise<Uint8Array> {
  const [channels, height, width] = input;
  if (channels > 4) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `A model for image files expects images of 1 to 4 channels (grey or colour, with opacity or not) but this one takes ${formatShape(input)}.`,
    );
  }
  const { data } = await decodePicture(sharp, await readPictureFile(path), formatValue(path), {
    size: [height, width],
    channels: channels as 1 | 2 | 3 | 4,
    fit: FITS[fit],
    // The model has no channel for opacity, so transparent pixels become black, which it knows as empty ground.
    background: invert ? [255, 255, 255] : [0, 0, 0],
  });
  const planes = planesOf(data, channels);
  if (!invert) return planes;
  const colours = (channels - (channels % 2 === 0 ? 1 : 0)) * height * width;
  for (let i = 0; i < colours; i++) planes[i] = 255 - planes[i]!;
  return planes;
}

/** Height and width of an image file, upright. @throws StridenetError ERR_FILE_ACCESS, ERR_BAD_FILE */
export async function imageSize(sharp: Sharp, path: string): Promise<readonly [number, number]> {
  return pictureSize(sharp, await readPictureFile(path), formatValue(path));
}

/** Pixels of interleaved channels as one plane after the other. */
function planesOf(pixels: Uint8Array, channels: number): Uint8Array {
  const size = pixels.length / channels;
  const planes = new Uint8Array(pixels.length);
  for (let c = 0; c < channels; c++) for (let i = 0; i < size; i++) planes[c * size + i] = pixels[i * channels + c]!;
  return planes;
}
