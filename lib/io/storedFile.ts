/**
 * Values that stay in their file: read each time somebody asks for them, by native code straight into its own memory. The file is kept
 * open, so that one that is renamed, replaced by another or deleted goes on being read; one that is written over is noticed and refused.
 * What the bytes mean was checked when the file was loaded. It knows no format.
 */

import { fstatSync, readSync, type BigIntStats } from 'node:fs';
import { formatShape, formatValue, StridenetError } from '../errors';
import type { FileSpan, StoredValue } from '../graph/storage';
import { elementCount, type DType, type Shape, type TypedArray } from '../graph/types';
import type { ReadableType } from './elementTypes';
import { fileError, readFully, type Descriptor } from './file';

/** Smaller files are read into memory at once, which costs less than keeping them open. */
const LEAST_BYTES = 1 << 20;
/**
 * Descriptors kept open at a time, since a process may have a thousand. They are closed when nothing refers to the file any more, which the
 * garbage collector finds out; the values of further files lie in memory, of which it has a better idea.
 */
const MOST_FILES = 64;
/** Converted types pass through a buffer of this many bytes. */
const CONVERT_BYTES = 1 << 20;
/** How many bytes are compared at each watched place. */
const SAMPLE_BYTES = 64;

let openFiles = 0;
const closing = new FinalizationRegistry<Descriptor>((handle) => {
  openFiles--;
  handle.closeSync();
});

/** A file that is kept open for reading. */
export class StoredFile {
  private readonly stats: BigIntStats;
  private samples: readonly (readonly [place: number, bytes: Uint8Array])[] = [];

  private constructor(
    readonly path: string,
    private readonly handle: Descriptor,
  ) {
    this.stats = fstatSync(handle.fd, { bigint: true });
    openFiles++;
    closing.register(this, handle);
  }

  /** Takes an open file over, unless its values had better lie in memory: then undefined, and the caller closes it. */
  static keep(path: string, handle: Descriptor, size: number): StoredFile | undefined {
    return size >= LEAST_BYTES && openFiles < MOST_FILES ? new StoredFile(path, handle) : undefined;
  }

  get descriptor(): number {
    return this.handle.fd;
  }

  /** Remembers the bytes at some places of the file, and others that were read already. */
  async watch(places: readonly number[], known: readonly (readonly [place: number, bytes: Uint8Array])[]): Promise<void> {
    const read = async (place: number): Promise<readonly [number, Uint8Array]> => {
      const bytes = Buffer.alloc(SAMPLE_BYTES);
      return [place, bytes.subarray(0, await readFully(this.handle, bytes, place))];
    };
    const short = known.map(([place, bytes]) => [place, Uint8Array.from(bytes.subarray(0, SAMPLE_BYTES))] as const);
    this.samples = [...(await Promise.all(places.map(read))), ...short];
  }

  /**
   * Size and time of writing tell who wrote over the file, but not everybody: times can be put back (`cp -p`, `touch -r`), and writing through
   * a mapping leaves them alone on some file systems. So the watched places are compared too: up to 64 bytes of each, which other weights
   * have otherwise. The time of the last change of the inode (ctime) does not help: renaming, deleting and backing up change it as well. Not noticed is
   * a change that puts the times back and spares all these places, and one between this check and the next.
   * @throws StridenetError ERR_FILE_CHANGED when the file was written to since it was loaded; ERR_FILE_ACCESS
   */
  check(): void {
    const { size, mtimeNs } = this.stats;
    const now = this.system(() => fstatSync(this.descriptor, { bigint: true }));
    if (now.size !== size) throw this.changed(`has ${now.size} bytes instead of ${size}`);
    if (now.mtimeNs !== mtimeNs) throw this.changed(`was written to at ${now.mtime.toISOString()}`);
    const buffer = Buffer.alloc(SAMPLE_BYTES);
    for (const [place, bytes] of this.samples) {
      const count = this.system(() => readSync(this.descriptor, buffer, 0, bytes.length, place));
      if (buffer.compare(bytes, 0, bytes.length, 0, count) !== 0)
        throw this.changed('was written to, though its time of writing is the same');
    }
  }

  /** Fills `target` from byte `position` on. Whether the file is still the same is for `check` to say, afterwards. @throws StridenetError ERR_FILE_ACCESS */
  read(target: Uint8Array, position: number): void {
    for (let done = 0; done < target.length;) {
      const wanted = Math.min(2 ** 30, target.length - done);
      const count = this.system(() => readSync(this.descriptor, target, done, wanted, position + done));
      if (count === 0) break; // it was cut off, which `check` says
      done += count;
    }
  }

  private system<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw fileError('read', this.path, error);
    }
  }

  private changed(found: string): StridenetError {
    return new StridenetError(
      'ERR_FILE_CHANGED',
      `Weights that were loaded from ${formatValue(this.path)} are read from it when they are needed, but since then it ${found}. ` +
        'Load the file again, and replace files of weights by renaming a new one, as saveSafetensors does, rather than by writing over them.',
    );
  }
}

/** A value in a file. */
export interface StoredPlace {
  readonly name: string;
  readonly type: ReadableType;
  readonly shape: Shape;
  /** The first byte. */
  readonly offset: number;
}

/** A tensor whose numbers stay in a file. */
export class StoredNumbers<T extends TypedArray = TypedArray> implements StoredValue<T> {
  readonly span?: FileSpan;
  readonly shape: Shape;

  /** @param known the numbers, if they lie in memory too */
  constructor(
    private readonly file: StoredFile,
    private readonly place: StoredPlace,
    private readonly known?: T,
  ) {
    this.shape = place.shape;
    if (!place.type.convert) this.span = { file, offset: place.offset };
  }

  /** @throws StridenetError ERR_FILE_CHANGED, ERR_FILE_ACCESS, ERR_OUT_OF_MEMORY; ERR_BAD_FILE for an integer that does not fit */
  read(): T {
    if (this.known) return this.known.slice() as T;
    const { name, type, shape, offset } = this.place;
    const data = allocate(this.file.path, name, type.dtype, shape);
    const bad = type.convert ? this.readConverted(data) : this.file.read(bytesOf(data), offset);
    this.file.check();
    if (bad !== undefined) throw misfit(this.file.path, name, bad, type.dtype);
    return data as T;
  }

  private readConverted(data: TypedArray): string | undefined {
    const { type, offset } = this.place;
    const total = data.length * type.bytes;
    const buffer = new Uint8Array(Math.min(CONVERT_BYTES, total));
    for (let at = 0; at < total; at += buffer.length) {
      const chunk = buffer.subarray(0, Math.min(buffer.length, total - at));
      this.file.read(chunk, offset + at);
      const bad = type.convert!(chunk, data, at / type.bytes);
      if (bad !== undefined) return bad;
    }
    return undefined;
  }
}

/** The error for an integer of a tensor that is too large. */
export function misfit(path: string, name: string, value: string, dtype: DType): StridenetError {
  return new StridenetError(
    'ERR_BAD_FILE',
    `Tensor ${formatValue(name)} of ${formatValue(path)} holds ${value}, which does not fit ${dtype}.`,
  );
}

/** @throws StridenetError ERR_OUT_OF_MEMORY */
export function allocate(path: string, name: string, dtype: DType, shape: Shape): TypedArray {
  const count = elementCount(shape);
  try {
    return dtype === 'float32' ? new Float32Array(count) : dtype === 'int32' ? new Int32Array(count) : new Uint8Array(count);
  } catch (cause) {
    throw new StridenetError(
      'ERR_OUT_OF_MEMORY',
      `Tensor ${formatValue(name)} of ${formatValue(path)} has shape ${formatShape(shape)}, whose ${count} ${dtype} numbers could not be allocated.`,
      { cause },
    );
  }
}

export function bytesOf(data: TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
