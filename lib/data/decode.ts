/**
 * Picture files as pixels, by sharp, an optional peer dependency that is loaded when a picture is decoded and not before. The only place that
 * knows it: what `stridenet predict` reads and what a model learned from are decoded in the same way.
 */

import { formatValue, StridenetError } from '../errors';
import { nodeRequire } from '../installation';
import { fileError, openRegular, readFully } from '../io/file';
import { KIND_BYTES, kindOf } from '../io/fileKind';
import type { Decoding, Picture } from './picture';

type Sharp = typeof import('sharp');
type Pipeline = ReturnType<Sharp>;

/** A file that claims more pixels (the largest cameras take 151 million) was made to fill the memory. */
const MOST_PIXELS = 1 << 28;
/** Larger files are no pictures. */
const MOST_BYTES = 1 << 29;

/** @throws StridenetError ERR_MISSING_DEPENDENCY when sharp is not installed or does not load */
export function loadSharp(load: (name: string) => unknown = nodeRequire): Sharp {
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
 * The picture in a file's bytes, upright (EXIF), its first frame or page, as 8-bit sRGB. Other colours (CMYK, 16 bits, palettes, profiles) are converted;
 * without a channel for opacity, the background shines through.
 * @param name what the bytes are, for messages: a quoted path
 * @throws StridenetError ERR_BAD_FILE when they are no picture, are damaged or incomplete, or claim more than 2^28 pixels
 */
export async function decodePicture(sharp: Sharp, bytes: Uint8Array, name: string, decoding: Decoding): Promise<Picture> {
  const { size, channels, fit, background } = decoding;
  const withAlpha = channels % 2 === 0;
  const [r, g, b] = background;
  try {
    if (bytes.length === 0) throw new Error('it is empty');
    // A file whose decoder merely warns is whole; one that ends early or breaks off is not.
    const input = sharp(bytes, { failOn: 'error', limitInputPixels: MOST_PIXELS }).rotate();
    let image = withAlpha ? input.ensureAlpha() : input.flatten({ background: { r, g, b } });
    if (size) {
      const padding = withAlpha ? { r: 0, g: 0, b: 0, alpha: 0 } : { r, g, b };
      image = image.resize(size[1], size[0], { fit, background: padding });
    }
    image = channels === 1 ? grey(image) : image.toColourspace('srgb');
    const { data, info } = await rawPixels(image);
    const { width, height } = info;
    if (channels === 2) return { data: await greyAndOpacity(sharp, data, width, height), width, height, channels };
    if (info.channels !== channels) throw new Error(`it has ${info.channels} channels instead of ${channels}`);
    return { data: plainBytes(data), width, height, channels };
  } catch (error) {
    throw notAPicture(name, bytes, error);
  }
}

/** Height and width of a picture, upright. @throws StridenetError ERR_BAD_FILE */
export async function pictureSize(sharp: Sharp, bytes: Uint8Array, name: string): Promise<readonly [number, number]> {
  try {
    const { width, height, orientation = 1 } = await sharp(bytes, { limitInputPixels: MOST_PIXELS }).metadata();
    // With an orientation of 5 to 8 the picture lies on its side.
    return orientation >= 5 ? [width, height] : [height, width];
  } catch (error) {
    throw notAPicture(name, bytes, error);
  }
}

/** The bytes of a picture file. @throws StridenetError ERR_FILE_ACCESS, ERR_BAD_FILE when it is empty or larger than 512 MiB */
export async function readPictureFile(path: string): Promise<Uint8Array> {
  try {
    const { handle, size } = await openRegular(path);
    try {
      if (size === 0) throw unreadable(formatValue(path), 'it is empty');
      if (size > MOST_BYTES) throw unreadable(formatValue(path), `it has ${size} bytes; pictures have at most ${MOST_BYTES}`);
      const bytes = Buffer.allocUnsafeSlow(size);
      return bytes.subarray(0, await readFully(handle, bytes, 0));
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError('read', path, error);
  }
}

function grey(image: Pipeline): Pipeline {
  return image.greyscale().toColourspace('b-w');
}

function rawPixels(image: Pipeline): Promise<{ data: Uint8Array; info: { width: number; height: number; channels: number } }> {
  return image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
}

/** sharp gives grey without opacity, so that comes from the pixels in colour. */
async function greyAndOpacity(sharp: Sharp, colours: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  const { data: shades } = await rawPixels(grey(sharp(colours, { raw: { width, height, channels: 4 } })));
  const pixels = new Uint8Array(2 * width * height);
  for (let i = 0; i < shades.length; i++) {
    pixels[2 * i] = shades[i]!;
    pixels[2 * i + 1] = colours[4 * i + 3]!;
  }
  return pixels;
}

function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function notAPicture(name: string, bytes: Uint8Array, error: unknown): StridenetError {
  const kind = kindOf(bytes.subarray(0, KIND_BYTES));
  // Decoders of libvips tell the same thing in several lines.
  const reason = (error as Error).message.split('\n')[0]!.replace(/\.$/, '');
  return unreadable(name, kind === undefined || kind.endsWith('picture') ? reason : `it is ${kind}`, error);
}

function unreadable(name: string, reason: string, cause?: unknown): StridenetError {
  return new StridenetError('ERR_BAD_FILE', `${name} cannot be decoded as an image: ${reason}.`, { cause });
}
