/** readImage: the pixels of one picture. */

import { checkOptions, formatValue, StridenetError } from '../errors';
import { checkPath } from '../io/file';
import { decodePicture, loadSharp, readPictureFile } from './decode';
import { PICTURE_OPTIONS, readDecoding, type Picture, type PictureOptions } from './picture';
import { readPixels } from './values';

/** Options of `data.readImage`: as of `data.imageFolder`, but a picture keeps its size without one. */
export type ReadImageOptions = Partial<PictureOptions>;

/**
 * The pixels of a picture (JPEG, PNG, WebP, GIF, AVIF, TIFF), decoded by the package sharp off the event loop: upright as its EXIF data say, 8-bit sRGB whatever
 * it was (CMYK, 16 bits, grey, a palette), the first frame of an animation. What is transparent shows the background, black by default, unless opacity is
 * a channel.
 *
 * @param file a path, or the bytes of a file
 * @returns pixels side by side ('nhwc'), as `data.arrays` with `layout: 'nhwc'` takes them
 * @throws StridenetError ERR_FILE_ACCESS; ERR_BAD_FILE when it is no picture, is damaged or incomplete, or would have more than 2^28 pixels;
 *   ERR_MISSING_DEPENDENCY without sharp; ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 * @example const { data: pixels, width, height } = await data.readImage('cat.jpg', { size: [224, 224] });
 */
export async function readImage(file: string | Uint8Array, options: ReadImageOptions = {}): Promise<Picture> {
  const where = 'data.readImage';
  checkOptions(where, options, PICTURE_OPTIONS);
  const decoding = readDecoding(where, options);
  if (typeof file === 'string') {
    checkPath(where, file);
    const bytes = await readPictureFile(file);
    return decodePicture(loadSharp(), bytes, formatValue(file), decoding);
  }
  if (!ArrayBuffer.isView(file)) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects a path or the bytes of a file but got ${formatValue(file)}.`);
  }
  const bytes = readPixels(where, 'the bytes of a file', file);
  if (bytes instanceof Float32Array) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects the bytes of a file as a Uint8Array but got ${formatValue(file)}.`);
  }
  return decodePicture(loadSharp(), bytes, `The file of ${bytes.length} bytes`, decoding);
}
