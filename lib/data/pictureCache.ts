/**
 * Decoded pictures in a file: a line that says so, the pictures one after the other, and what they were made of, by which a file is known to be whole
 * and to be of these pictures. It is written whole or not at all, so that processes that make it at the same time do each other no harm.
 */

import { createHash } from 'node:crypto';
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { formatValue, StridenetError } from '../errors';
import { fileError, openToKeep, readFully, type Descriptor } from '../io/file';
import { checkWritable, writeFileAtomic } from '../io/replaceFile';
import { cacheRoot } from './cacheRoot';
import { Limiter } from './limiter';
import type { Decoding } from './picture';

/** What such a file begins with; another number at its end is another format. */
const TITLE = 'stridenet decoded pictures ';
const VERSION = 1;
/** Pictures begin here. */
const HEADER_BYTES = 64;
/** The end of a whole file: the length of the description before it, this, and a digest of the description (SHA-256). */
const END = 'END\n';
const END_BYTES = 8 + 32;
/** Smaller files are read into memory when the first picture is asked for. */
const MOST_IN_MEMORY = 1 << 26;
/** So much is decoded before it is written. */
const CHUNK_BYTES = 1 << 23;
const LEAST_PER_CHUNK = 16;
/** System calls under way at a time: Node has four threads for them. */
const CALLS = 4;

/** Files that could not be decoded, by their places, with the reasons. */
export type Unreadable = ReadonlyMap<number, string>;

/** Pictures that a cache is of. */
export interface CachedPictures {
  /** Every path is told relative to it. */
  readonly root: string;
  readonly paths: readonly string[];
  readonly decoding: Decoding;
  /** Bytes of a picture. */
  readonly size: number;
}

/** Where a cache lies by default. @param origin the folder or list whose pictures it holds */
export function defaultCachePath(origin: string, decoding: Decoding): string {
  const name = createHash('sha256').update(JSON.stringify([resolve(origin), decoding])).digest('hex').slice(0, 32); // prettier-ignore
  return join(cacheRoot(), 'pictures', `${name}.cache`);
}

/** What the pictures are, in a word: their names, sizes, times of writing, and what they are decoded to. */
export async function keyOf({ root, paths, decoding }: CachedPictures): Promise<string> {
  const facts = new Array<string>(paths.length);
  await new Limiter(CALLS).each(paths.length, async (i) => {
    const path = paths[i]!;
    try {
      const { size, mtimeNs } = await stat(path, { bigint: true });
      facts[i] = `${relative(root, path)}\0${size}\0${mtimeNs}\n`;
    } catch (error) {
      throw fileError('read', path, error);
    }
  });
  const hash = createHash('sha256').update(JSON.stringify([VERSION, decoding]));
  for (const fact of facts) hash.update(fact);
  return hash.digest('hex');
}

/** A cache that is open for reading. */
export class PictureCache {
  private readonly limiter = new Limiter(CALLS);
  private memory: Promise<Uint8Array> | undefined;

  private constructor(
    private readonly path: string,
    private readonly handle: Descriptor,
    private readonly count: number,
    private readonly size: number,
    readonly unreadable: Unreadable,
  ) {
    closing.register(this, handle);
  }

  /**
   * Opens a cache if it is there, whole, and of these pictures.
   * @throws StridenetError ERR_FILE_ACCESS; ERR_INVALID_ARGUMENT for a file that is something else and shall not be lost
   */
  static async open(path: string, key: string, { paths, size }: CachedPictures): Promise<PictureCache | undefined> {
    try {
      const { handle, size: bytes } = await openToKeep(path);
      try {
        await checkTitle(path, handle, bytes);
        const unreadable = await readDescription(handle, bytes, key, paths.length, size);
        if (unreadable) return new PictureCache(path, handle, paths.length, size, unreadable);
      } catch (error) {
        await handle.close();
        throw error;
      }
      await handle.close();
      return undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw fileError('read', path, error);
    }
  }

  /** Copies pictures, one after the other. @throws StridenetError ERR_FILE_ACCESS, ERR_FILE_CHANGED when the file was cut off meanwhile */
  async read(indices: Int32Array, into: Uint8Array): Promise<void> {
    if (this.count * this.size <= MOST_IN_MEMORY) {
      const pictures = await (this.memory ??= this.readAll());
      indices.forEach((index, i) => into.set(pictures.subarray(index * this.size, (index + 1) * this.size), i * this.size));
      return;
    }
    await this.limiter.each(indices.length, (i) => this.fill(into.subarray(i * this.size, (i + 1) * this.size), indices[i]! * this.size));
  }

  private async readAll(): Promise<Uint8Array> {
    const pictures = new Uint8Array(this.count * this.size);
    await this.fill(pictures, 0);
    return pictures;
  }

  private async fill(target: Uint8Array, position: number): Promise<void> {
    let count: number;
    try {
      count = await readFully(this.handle, target, HEADER_BYTES + position);
    } catch (error) {
      throw fileError('read', this.path, error);
    }
    if (count === target.length) return;
    throw new StridenetError(
      'ERR_FILE_CHANGED',
      `The cache of decoded pictures ${formatValue(this.path)} was cut off while pictures were read from it. Make the data set again, which makes the cache again.`,
    );
  }
}

/** Files are closed when nothing refers to their cache any more. */
const closing = new FinalizationRegistry<Descriptor>((handle) => {
  handle.closeSync();
});

/** Before hours of decoding: whether the file can be written. @param make whether its folder is made */
export async function prepareCache(path: string, make: boolean): Promise<void> {
  try {
    if (make) await mkdir(dirname(path), { recursive: true });
  } catch (error) {
    throw fileError('write', path, error);
  }
  await checkWritable(path);
}

/**
 * Writes a cache. @param decode decodes pictures into a buffer, as `LazyDataset.read`, and rejects if one that is none shall not be left out
 * @param unreadable what `decode` left out until now
 * @throws StridenetError ERR_FILE_ACCESS, when the disk is full for one; ERR_BAD_FILE when no picture can be decoded; what `decode` throws
 */
export async function writeCache(
  path: string,
  key: string,
  pictures: CachedPictures,
  decode: (indices: Int32Array, into: Uint8Array) => Promise<readonly number[]>,
  unreadable: Unreadable,
): Promise<void> {
  await writeFileAtomic(path, chunksOf(key, pictures, decode, unreadable));
}

async function* chunksOf(
  key: string,
  { paths, size }: CachedPictures,
  decode: (indices: Int32Array, into: Uint8Array) => Promise<readonly number[]>,
  unreadable: Unreadable,
): AsyncGenerator<Uint8Array> {
  const header = Buffer.alloc(HEADER_BYTES);
  header.write(`${TITLE}${VERSION}\n`);
  yield header;
  const perChunk = Math.max(LEAST_PER_CHUNK, Math.floor(CHUNK_BYTES / size));
  const buffer = new Uint8Array(Math.min(perChunk, paths.length) * size);
  for (let start = 0; start < paths.length; start += perChunk) {
    const indices = Int32Array.from({ length: Math.min(perChunk, paths.length - start) }, (_, i) => start + i);
    for (const i of await decode(indices, buffer)) buffer.fill(0, i * size, (i + 1) * size);
    yield buffer.subarray(0, indices.length * size);
  }
  if (unreadable.size === paths.length) {
    throw new StridenetError('ERR_BAD_FILE', `None of the ${paths.length} files is a picture: ${[...unreadable.values()][0]}`);
  }
  const description = Buffer.from(JSON.stringify({ key, unreadable: [...unreadable].sort(([a], [b]) => a - b) }));
  yield description;
  const end = Buffer.alloc(END_BYTES);
  end.writeUInt32LE(description.length);
  end.write(END, 4);
  end.set(digest(description), 8);
  yield end;
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** A file that begins otherwise is none of ours, unless it is empty. */
async function checkTitle(path: string, handle: Descriptor, bytes: number): Promise<void> {
  const start = Buffer.alloc(TITLE.length);
  const count = await readFully(handle, start, 0);
  if (bytes === 0 || start.toString('latin1', 0, count) === TITLE.slice(0, count)) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `cache expects the path of a file that is to be made, or of a cache of decoded pictures, but ${formatValue(path)} is something else. It was left as it is: ` +
      'remove it or name another file.',
  );
}

/** The unreadable files, if the file is whole and of these pictures. */
async function readDescription(handle: Descriptor, bytes: number, key: string, count: number, size: number): Promise<Unreadable | undefined> {
  const end = Buffer.alloc(END_BYTES);
  if (bytes < HEADER_BYTES + END_BYTES || (await readFully(handle, end, bytes - END_BYTES)) < END_BYTES) return undefined;
  const length = end.readUInt32LE(0);
  const begin = HEADER_BYTES + count * size;
  if (end.toString('latin1', 4, 8) !== END || begin + length + END_BYTES !== bytes) return undefined;
  const text = Buffer.alloc(length);
  await readFully(handle, text, begin);
  if (!digest(text).equals(end.subarray(8))) return undefined;
  return parseDescription(text.toString(), key);
}

/** What the digest vouches for. */
function parseDescription(text: string, key: string): Unreadable | undefined {
  const { key: found, unreadable } = JSON.parse(text) as { key: string; unreadable: [number, string][] };
  return found === key ? new Map(unreadable) : undefined;
}
