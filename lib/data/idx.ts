/**
 * The IDX format of MNIST and its kin, plain or gzipped: two zero bytes, element type, rank, extents (uint32, big endian), elements.
 * It reads unsigned bytes, the only element type those data sets use.
 */

import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { formatValue, StridenetError } from '../errors';
import { checkPath, fileError, openRegular, readFully } from '../io/file';
import { kindOf } from '../io/fileKind';

/** An array of bytes with its extents, outermost first. */
export interface IdxArray {
  /** Extents of the axes. */
  readonly shape: readonly number[];
  /** The values in row-major order. */
  readonly data: Uint8Array;
}

const ELEMENT_TYPES: Readonly<Record<number, string>> = {
  0x08: 'uint8',
  0x09: 'int8',
  0x0b: 'int16',
  0x0c: 'int32',
  0x0d: 'float32',
  0x0e: 'float64',
};
const MAX_RANK = 4;
/**
 * Pictures expand two- to tenfold; labels in order, and small files, by up to deflate's limit of a thousand. A large file that claims more than
 * this factor is one of nothing but repetition, made to fill the memory.
 */
const MAX_EXPANSION = 100;
const SMALL_BYTES = 1 << 26;

/**
 * Reads an IDX file of unsigned bytes, gzipped or not (told by its first bytes). Memory is bounded by what the header announces,
 * and that by the file's size: a gzipped file may announce 64 MiB or a hundred times its size. Gunzip one that holds more before.
 * @throws StridenetError ERR_FILE_ACCESS when the file cannot be read; ERR_BAD_FILE when it is truncated, malformed or of another kind
 */
export async function readIdx(path: string): Promise<IdxArray> {
  checkPath('readIdx', path);
  try {
    const { handle, size } = await openRegular(path);
    const start = new Uint8Array(2);
    await readFully(handle, start, 0).finally(() => handle.close());
    const gzipped = start[0] === 0x1f && start[1] === 0x8b;
    const reader = new Reader(path, gzipped ? Math.max(SMALL_BYTES, size * MAX_EXPANSION) : size);
    for await (const chunk of gzipped ? unzip(path) : createReadStream(path)) reader.push(chunk as Uint8Array);
    return reader.finish();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'Z_BUF_ERROR') throw badFile(path, 'its gzip stream ends early: it is truncated', error);
    if (code?.startsWith('Z_')) throw badFile(path, `its gzip stream is damaged (${(error as Error).message})`, error);
    throw fileError('read', path, error);
  }
}

/** The inflated bytes of a file; leaving the loop over them closes it. */
async function* unzip(path: string): AsyncGenerator<Uint8Array> {
  const file = createReadStream(path);
  const gunzip = createGunzip({ chunkSize: 1 << 18 });
  file.on('error', (error) => gunzip.destroy(error)).pipe(gunzip);
  try {
    yield* gunzip as AsyncIterable<Uint8Array>;
  } finally {
    file.destroy();
  }
}

/** Takes the file's bytes as they come and refuses the first that cannot be right. */
class Reader {
  private header = Buffer.alloc(0);
  private result: IdxArray | undefined;
  private filled = 0;

  constructor(
    private readonly path: string,
    private readonly maxBytes: number,
  ) {}

  push(chunk: Uint8Array): void {
    let rest = chunk;
    if (!this.result) {
      this.header = Buffer.concat([this.header, chunk]);
      const length = this.headerLength();
      if (length === undefined || this.header.length < length) return;
      this.result = this.begin();
      rest = this.header.subarray(length);
    }
    const { data } = this.result;
    if (this.filled + rest.length > data.length) {
      throw badFile(this.path, `it has bytes after the ${data.length} elements of shape ${formatValue(this.result.shape)}`);
    }
    data.set(rest, this.filled);
    this.filled += rest.length;
  }

  finish(): IdxArray {
    if (!this.result) throw badFile(this.path, `it has ${this.header.length} bytes, too few for a header: it is truncated`);
    const { data, shape } = this.result;
    if (this.filled < data.length) {
      throw badFile(this.path, `shape ${formatValue(shape)} needs ${data.length} elements but ${this.filled} are there: it is truncated`);
    }
    return this.result;
  }

  private headerLength(): number | undefined {
    if (this.header.length < 4) return undefined;
    const [zero0, zero1, type, rank] = this.header as unknown as [number, number, number, number];
    const known = ELEMENT_TYPES[type];
    if (zero0 !== 0 || zero1 !== 0 || known === undefined) {
      const kind = kindOf(this.header);
      const begins = `it begins with the bytes ${this.header.subarray(0, 4).toString('hex')} instead of 000008 and a rank`;
      throw badFile(this.path, kind ? `it is ${kind}` : begins);
    }
    if (known !== 'uint8') throw badFile(this.path, `it holds ${known} elements; only uint8 is supported`);
    if (rank < 1 || rank > MAX_RANK) throw badFile(this.path, `its rank is ${rank}; expected is 1 to ${MAX_RANK}`);
    return 4 + 4 * rank;
  }

  private begin(): IdxArray {
    const shape = Array.from({ length: this.header[3]! }, (_, axis) => this.header.readUInt32BE(4 + 4 * axis));
    const count = shape.reduce((a, b) => a * b, 1);
    if (count > this.maxBytes) {
      throw badFile(this.path, `shape ${formatValue(shape)} needs ${count} elements, more than a file of its size can be expected to hold`);
    }
    try {
      return { shape, data: new Uint8Array(count) };
    } catch (cause) {
      throw new StridenetError('ERR_OUT_OF_MEMORY', `The ${count} elements of ${formatValue(this.path)} could not be allocated.`, { cause });
    }
  }
}

function badFile(path: string, fault: string, cause?: unknown): StridenetError {
  return new StridenetError('ERR_BAD_FILE', `${formatValue(path)} is not a valid IDX file: ${fault}.`, { cause });
}
