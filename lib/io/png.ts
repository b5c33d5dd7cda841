/** PNG files of 8-bit pixels, written (ISO/IEC 15948). It reads none. */

import { promisify, types } from 'node:util';
import { crc32, deflate, deflateSync } from 'node:zlib';
import { formatValue, StridenetError } from '../errors';

/** Pixels: rows from the top, and in a row pixel after pixel, each of `channels` values. */
export interface Picture {
  /** height x width x channels values, 0 is black. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Pixels of a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** 1 gray, 2 gray and alpha, 3 RGB, 4 RGB and alpha. */
  readonly channels: number;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** The colour type of a number of channels, less one. */
const COLOUR_TYPES = [0, 4, 2, 6];
/** Larger extents are refused by readers. */
const MAX_EXTENT = 2 ** 31 - 1;

/** The picture as a PNG file, compressed on another thread. @throws StridenetError ERR_INVALID_ARGUMENT for what is no picture */
export async function encodePng(picture: Picture): Promise<Uint8Array> {
  const { header, rows } = layOut(picture);
  return file(header, await promisify(deflate)(rows));
}

/** The same at once, for small pictures. */
export function encodePngSync(picture: Picture): Uint8Array {
  const { header, rows } = layOut(picture);
  return file(header, deflateSync(rows));
}

function layOut(picture: Picture): { header: Buffer; rows: Buffer } {
  const { data, width, height, channels } = checkPicture('encodePng', picture);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = 8; // bits of a value
  header[9] = COLOUR_TYPES[channels - 1]!;
  const stride = width * channels;
  // Before every row stands its filter: 0, none.
  const rows = Buffer.alloc(height * (stride + 1));
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  return { header, rows };
}

function file(header: Buffer, body: Buffer): Buffer {
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), chunk('IDAT', body), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(data.length + 12);
  bytes.writeUInt32BE(data.length, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, data.length + 8)), data.length + 8);
  return bytes;
}

/** @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkPicture(where: string, picture: unknown): Picture {
  const { data, width, height, channels } = (picture ?? {}) as Partial<Picture>;
  const extents = [width, height].every((extent) => Number.isSafeInteger(extent) && extent! > 0 && extent! <= MAX_EXTENT);
  const isBytes = types.isUint8Array(data) || types.isUint8ClampedArray(data);
  if (extents && isBytes && COLOUR_TYPES[channels! - 1] !== undefined && data.length === width! * height! * channels!) {
    return { data, width: width!, height: height!, channels: channels! };
  }
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects a picture { data, width, height, channels } of height x width x channels bytes with 1 to 4 channels but got ${formatValue(picture)}.`,
  );
}
