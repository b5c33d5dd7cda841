/** npz: several arrays that NumPy saved in one zip archive (numpy.savez, numpy.savez_compressed), read by its central directory; also zip64. */

import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { formatValue, StridenetError } from '../errors';
import { checkPath, fileError, openRegular, readFully } from '../io/file';
import { KIND_BYTES, kindOf } from '../io/fileKind';
import { readNpy, type NpyArray } from './npy';
import { Slices } from './slices';

const inflate = promisify(inflateRaw) as (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>;

/** The end of the central directory: 22 bytes and a comment of at most 65,535. */
const END_BYTES = 22;
const LONGEST_COMMENT = 0xffff;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
/** Of an archive with more entries or a longer directory nobody knows the names. */
const MOST_ENTRIES = 65_535;
const LONGEST_DIRECTORY = 1 << 26;
/** Deflate makes at most 1032 bytes of one. */
const MOST_EXPANSION = 1032;
/** So much is summed up at a time. */
const CRC_BYTES = 1 << 20;
/** A field of 32 bits whose value stands elsewhere (zip64). */
const ELSEWHERE = 0xffffffff;

interface Entry {
  readonly name: string;
  /** 0: stored, 8: deflated. */
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  /** Where its local header is. */
  readonly place: number;
}

/**
 * Reads the arrays that `numpy.savez` or `numpy.savez_compressed` wrote, by their names.
 *
 * @throws StridenetError ERR_FILE_ACCESS; ERR_BAD_FILE when the archive is damaged or an array is one that `data.npy` refuses; ERR_OUT_OF_MEMORY
 * @example
 * const { images, labels } = await data.npz('mnist.npz');
 * const set = data.arrays(images!.data as Uint8Array, labels!.data as Uint8Array, { shape: [1, 28, 28] });
 */
export async function npz(path: string): Promise<Record<string, NpyArray>> {
  checkPath('data.npz', path);
  try {
    const { handle, size } = await openRegular(path);
    try {
      const archive = new Archive(path, handle, size);
      const entries = await archive.entries();
      // Without a prototype, so that no name is more than a name.
      const arrays = Object.create(null) as Record<string, NpyArray>;
      for (const entry of entries.filter(({ name }) => !name.endsWith('/'))) {
        const name = entry.name.replace(/\.npy$/, '');
        if (name in arrays) throw badFile(path, `it has ${formatValue(name)} twice`);
        const bytes = await archive.read(entry);
        arrays[name] = await readNpy({
          name: `${formatValue(entry.name)} of ${formatValue(path)}`,
          size: bytes.length,
          read: (target, position) => {
            const part = bytes.subarray(position, position + target.length);
            target.set(part);
            return Promise.resolve(part.length);
          },
        });
      }
      return arrays;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError('read', path, error);
  }
}

class Archive {
  constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    private readonly size: number,
  ) {}

  /** What the central directory lists. */
  async entries(): Promise<Entry[]> {
    const { count, bytes, place } = await this.directory();
    if (count > MOST_ENTRIES || bytes > LONGEST_DIRECTORY) throw badFile(this.path, `its directory claims ${count} entries in ${bytes} bytes`);
    const directory = await this.bytes(place, bytes);
    const entries: Entry[] = [];
    let at = 0;
    let packed = 0;
    for (let i = 0; i < count; i++) {
      if (at + ENTRY_BYTES > bytes || directory.readUInt32LE(at) !== 0x02014b50) throw badFile(this.path, `entry ${i} of its directory is damaged`);
      const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => directory.readUInt16LE(at + field)) as [number, number, number];
      const end = at + ENTRY_BYTES + nameBytes + extraBytes;
      if (end > bytes) throw badFile(this.path, `entry ${i} of its directory is damaged`);
      const name = directory.toString('utf8', at + ENTRY_BYTES, at + ENTRY_BYTES + nameBytes);
      const wide = extraFields(directory.subarray(end - extraBytes, end));
      const number = (field: number): number => {
        const value = directory.readUInt32LE(at + field);
        return value === ELSEWHERE ? (wide.shift() ?? value) : value;
      };
      // In this order the wide ones follow each other.
      const [size, ofPacked, place] = [number(24), number(20), number(42)];
      const entry = { name, method: directory.readUInt16LE(at + 10), crc: directory.readUInt32LE(at + 16), size, packed: ofPacked, place };
      if (directory.readUInt16LE(at + 8) & 1) throw badFile(this.path, `${formatValue(name)} is encrypted`);
      packed += entry.packed;
      entries.push(entry);
      at = end + commentBytes;
    }
    // Entries that share bytes would make much of little.
    if (packed > this.size) throw badFile(this.path, `its ${count} entries claim ${packed} bytes of a file of ${this.size}`);
    return entries;
  }

  /** The bytes of an entry. */
  async read({ name, method, crc, packed, size, place }: Entry): Promise<Uint8Array> {
    const local = await this.bytes(place, LOCAL_BYTES);
    if (local.readUInt32LE(0) !== 0x04034b50) throw badFile(this.path, `${formatValue(name)} is not where its directory says`);
    const bytes = await this.bytes(place + LOCAL_BYTES + local.readUInt16LE(26) + local.readUInt16LE(28), packed);
    if (method !== 0 && method !== 8) throw badFile(this.path, `${formatValue(name)} is compressed by method ${method}; known are stored and deflated`);
    if (method === 0 ? size !== packed : size > packed * MOST_EXPANSION) throw badFile(this.path, `${formatValue(name)} claims ${size} bytes in ${packed}`);
    const values = method === 0 ? bytes : await this.inflate(name, bytes, size);
    if (values.length !== size || (await checksum(values)) !== crc) throw badFile(this.path, `${formatValue(name)} is damaged: its checksum is another`);
    return values;
  }

  private async inflate(name: string, bytes: Uint8Array, size: number): Promise<Uint8Array> {
    try {
      return await inflate(bytes, { maxOutputLength: Math.max(1, size) });
    } catch (error) {
      throw badFile(this.path, `${formatValue(name)} is damaged (${(error as Error).message})`, error);
    }
  }

  /** Where the directory is. */
  private async directory(): Promise<{ count: number; bytes: number; place: number }> {
    const tail = await this.bytes(Math.max(0, this.size - END_BYTES - LONGEST_COMMENT), Math.min(this.size, END_BYTES + LONGEST_COMMENT));
    const at = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
    if (at < 0 || at + END_BYTES > tail.length) {
      const kind = kindOf(await this.bytes(0, Math.min(KIND_BYTES, this.size)));
      throw badFile(this.path, kind === undefined || /archive/.test(kind) ? 'it has no directory: it is cut off' : `it is ${kind}`);
    }
    const [count, bytes, place] = [tail.readUInt16LE(at + 10), tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)];
    if (count !== 0xffff && bytes !== ELSEWHERE && place !== ELSEWHERE) return { count, bytes, place };
    // zip64: 20 bytes before say where the wide record is.
    const locator = at - 20;
    if (locator < 0 || tail.readUInt32LE(locator) !== 0x07064b50) throw badFile(this.path, 'its directory is damaged');
    const record = await this.bytes(wideNumber(tail, locator + 8), 56);
    if (record.readUInt32LE(0) !== 0x06064b50) throw badFile(this.path, 'its directory is damaged');
    return { count: wideNumber(record, 32), bytes: wideNumber(record, 40), place: wideNumber(record, 48) };
  }

  private async bytes(place: number, length: number): Promise<Buffer> {
    if (place + length > this.size) throw badFile(this.path, `it ends before byte ${place + length}: it is cut off or damaged`);
    let bytes: Buffer;
    try {
      bytes = Buffer.alloc(length);
    } catch (cause) {
      throw new StridenetError('ERR_OUT_OF_MEMORY', `${length} bytes of ${formatValue(this.path)} could not be allocated.`, { cause });
    }
    if ((await readFully(this.handle, bytes, place)) < length) throw badFile(this.path, 'it was cut off while it was read');
    return bytes;
  }
}

/** CRC-32, piece by piece. */
async function checksum(bytes: Uint8Array): Promise<number> {
  const slices = new Slices();
  let crc = 0;
  for (let at = 0; at < bytes.length; at += CRC_BYTES) {
    crc = crc32(bytes.subarray(at, at + CRC_BYTES), crc);
    await slices.pause();
  }
  return crc;
}

/** The numbers of the zip64 field of an entry. */
function extraFields(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length;) {
    const [id, length] = [extra.readUInt16LE(at), extra.readUInt16LE(at + 2)];
    const end = Math.min(at + 4 + length, extra.length);
    if (id === 1) return Array.from({ length: Math.floor((end - at - 4) / 8) }, (_, i) => wideNumber(extra, at + 4 + 8 * i));
    at += 4 + length;
  }
  return [];
}

/** 64 bits; more than can be exact is more than any file has. */
function wideNumber(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function badFile(path: string, fault: string, cause?: unknown): StridenetError {
  return new StridenetError('ERR_BAD_FILE', `${formatValue(path)} is not a valid NumPy archive: ${fault}.`, { cause });
}
