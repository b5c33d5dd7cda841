/** What pictures are decoded to, and the options of whatever decodes them. Nothing here knows a decoder. */

import { checkInteger, checkOptions, formatValue, readArray, StridenetError } from '../errors';
import type { LazyDataset } from './dataset';

/** Pixels side by side, row by row: the channels of a pixel are neighbours ('nhwc'). */
export interface Picture {
  /** height x width x channels values, 0 to 255. */
  readonly data: Uint8Array;
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** 1: grey, 2: grey and opacity, 3: red, green and blue, 4: these and opacity. */
  readonly channels: number;
}

/** How a picture of other proportions is brought to a size: stretched, cropped in its middle, or padded with the background. */
export type PictureFit = 'fill' | 'cover' | 'contain';

/** What becomes of a picture. */
export interface Decoding {
  /** [height, width] in pixels; undefined: its own. */
  readonly size: readonly [number, number] | undefined;
  readonly channels: 1 | 2 | 3 | 4;
  readonly fit: PictureFit;
  /** Red, green and blue, 0 to 255, behind what is transparent and around what is padded. */
  readonly background: readonly [number, number, number];
}

/** Labelled picture files. */
export interface PictureDataset extends LazyDataset {
  /** The file of each picture. */
  readonly paths: readonly string[];
  /** Files that could not be decoded and were left out, in the order in which that was found; it grows while pictures are read. Parts of a data set share it. */
  readonly skipped: readonly string[];
}

/** Options of whatever decodes pictures. */
export interface PictureOptions {
  /** Height and width to which pictures are resized, or one number for both, in pixels. */
  size: number | readonly [number, number];
  /** 1: grey, 3: red, green and blue (default); 2 and 4 with opacity. */
  channels?: 1 | 2 | 3 | 4 | undefined;
  /**
   * How a picture of other proportions is brought to the size: 'fill' (default) stretches it, 'cover' crops what is too much at the margins, 'contain' pads it with
   * the background.
   */
  fit?: PictureFit | undefined;
  /** Red, green and blue, 0 to 255, behind transparent pixels and around padded pictures. Default [0, 0, 0], black. */
  background?: readonly [number, number, number] | undefined;
}

/** Their names, for checkOptions. */
export const PICTURE_OPTIONS = ['size', 'channels', 'fit', 'background'] as const;

/** A picture of more rows or columns than this is none that a model could see. */
const LONGEST_SIDE = 1 << 15;
const FITS: readonly unknown[] = ['fill', 'cover', 'contain'] satisfies PictureFit[];

/**
 * The options, checked, with their defaults; without a size pictures keep theirs.
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function readDecoding(where: string, options: Partial<PictureOptions>): Decoding {
  const { size, channels = 3, fit = 'fill', background = [0, 0, 0] } = options;
  if (![1, 2, 3, 4].includes(channels)) {
    throw invalid(where, 'channels to be 1 (grey), 3 (colour), or 2 or 4 (with opacity)', channels);
  }
  if (!FITS.includes(fit)) throw invalid(where, "fit to be 'fill', 'cover' or 'contain'", fit);
  const colour = readArray(background, 3) ?? [];
  if (colour.length !== 3 || !colour.every((v) => Number.isInteger(v) && (v as number) >= 0 && (v as number) <= 255)) {
    throw invalid(where, 'background to be red, green and blue, each an integer from 0 to 255', background);
  }
  return { size: size === undefined ? undefined : readSize(where, size), channels, fit, background: colour as unknown as Decoding['background'] };
}

function readSize(where: string, size: unknown): readonly [number, number] {
  const extents = typeof size === 'number' ? [size, size] : (readArray(size, 2) ?? []);
  if (extents.length === 2 && extents.every((v) => Number.isInteger(v) && (v as number) > 0 && (v as number) <= LONGEST_SIDE)) {
    return extents as [number, number];
  }
  throw invalid(where, `size to be [height, width] or one number for both, integers from 1 to ${LONGEST_SIDE}`, size);
}

/** Options of data sets of picture files. */
export interface PictureFilesOptions extends PictureOptions {
  /**
   * What a file that is no picture, is damaged or incomplete does: 'throw' (default) rejects the reading with an error that names it, 'skip' leaves it out,
   * lists it in `skipped` and tells of it by a warning of the process.
   */
  onError?: 'throw' | 'skip' | undefined;
  /**
   * Keeps the decoded pictures in a file, so that no later epoch and no later run decodes them: `true` in the user's cache ($XDG_CACHE_HOME/stridenet or
   * ~/.cache/stridenet), or the path of a file. All pictures are decoded at once if the file is not there, or if the pictures (names, sizes, times of
   * writing) or these options are others than it was made of. It takes length x height x width x channels bytes. Default false.
   */
  cache?: boolean | string | undefined;
  /** How many pictures are decoded at a time. Default: one more than the processors that this process may use. */
  concurrency?: number | undefined;
  /** A stored value, 0 to 255, times this is what the model sees, before mean and deviation. Default 1/255. */
  scale?: number | undefined;
  /** Subtracted from the scaled value, one per channel or one for all. Default 0. */
  mean?: readonly number[] | undefined;
  /** Divides the scaled value less the mean, one per channel or one for all. Default 1. */
  std?: readonly number[] | undefined;
}

/** Their names, for checkOptions. */
export const PICTURE_FILES_OPTIONS = [...PICTURE_OPTIONS, 'onError', 'cache', 'concurrency', 'scale', 'mean', 'std'] as const;

/** What data sets of picture files are told. */
export interface PictureFilesSettings {
  readonly decoding: Decoding & { readonly size: readonly [number, number] };
  readonly onError: 'throw' | 'skip';
  readonly cache: boolean | string;
  readonly concurrency: number | undefined;
}

/** @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION for one that is none of these and of `more` */
export function readPictureFilesOptions(where: string, options: PictureFilesOptions, more: readonly string[]): PictureFilesSettings {
  checkOptions(where, options, [...PICTURE_FILES_OPTIONS, ...more]);
  const { onError = 'throw', cache = false, concurrency, size } = (options as Partial<PictureFilesOptions> | undefined) ?? {};
  if (size === undefined) throw invalid(where, 'size to be the [height, width] that every picture gets, such as [224, 224]', size);
  if ((onError as unknown) !== 'throw' && (onError as unknown) !== 'skip') throw invalid(where, "onError to be 'throw' or 'skip'", onError);
  if (typeof cache !== 'boolean' && (typeof cache !== 'string' || cache === '' || cache.includes('\0'))) {
    throw invalid(where, 'cache to be true, false or the path of a file', cache);
  }
  if (concurrency !== undefined) checkInteger(where, 'concurrency', concurrency, 1);
  return { decoding: readDecoding(where, options) as PictureFilesSettings['decoding'], onError, cache, concurrency };
}

function invalid(where: string, expected: string, got: unknown): StridenetError {
  return new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${expected} but got ${formatValue(got)}.`);
}
