/**
 * Values that stay in their file: read each time somebody asks for them, by native code straight into its own memory. The file is kept
 * open, so that one that is renamed, replaced by another or deleted goes on being read; one that is written over is noticed and refused.
 * What the bytes mean was checked when the file was loaded. It knows no format.
 */

import { fstatSync, readSync, type BigIntStats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { formatValue, StridenetError } from '../errors';
import type { FileRegion, StoredValue } from '../graph/storage';
import { elementCount, type Shape } from '../graph/types';
import type { StoredType } from './elementTypes';
import { fileError } from './file';

/** Reading a smaller file takes less time than opening one does memory. */
const LEAST_BYTES = 1 << 20;
/**
 * Descriptors kept open at a time, since a process may have a thousand. They are closed when nothing refers to the file any more, which the
 * garbage collector finds out; the values of further files lie in memory, of which it has a better idea.
 */
const MOST_FILES = 64;
/** Converted types pass through a buffer of this many bytes. */
const CONVERT_BYTES = 1 << 20;

let openFiles = 0;
const closing = new FinalizationRegistry<FileHandle>((handle) => {
  openFiles--;
  void handle.close().catch(() => undefined); // nothing was written to it
});

/** A file that is kept open for reading. */
export class StoredFile {
  private readonly stats: BigIntStats;

  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
  ) {
    this.stats = fstatSync(handle.fd, { bigint: true });
    openFiles++;
    closing.register(this, handle);
  }

  /** Takes an open file over, unless its values had better lie in memory: then undefined, and the caller closes it. */
  static keep(path: string, handle: FileHandle, size: number): StoredFile | undefined {
    return size >= LEAST_BYTES && openFiles < MOST_FILES ? new StoredFile(path, handle) : undefined;
  }

  get descriptor(): number {
    return this.handle.fd;
  }

  /** @throws StridenetError ERR_FILE_CHANGED when the file was written to since it was loaded; ERR_FILE_ACCESS */
  check(): void {
    let now: BigIntStats;
    try {
      now = fstatSync(this.descriptor, { bigint: true });
    } catch (error) {
      throw fileError('read', this.path, error);
    }
    const { size, mtimeNs } = this.stats;
    if (now.size === size && now.mtimeNs === mtimeNs) return;
    const found = now.size === size ? `was written to at ${now.mtime.toISOString()}` : `has ${now.size} bytes instead of ${size}`;
    throw new StridenetError(
      'ERR_FILE_CHANGED',
      `Weights that were loaded from ${formatValue(this.path)} are read from it when they are needed, but since then it ${found}. ` +
        'Load the file again, and replace files of weights by renaming a new one, as saveSafetensors does, rather than by writing over them.',
    );
  }

  /** Fills `target` from byte `position` on. @throws StridenetError as `check` */
  read(target: Uint8Array, position: number): void {
    try {
      for (let done = 0; done < target.length;) {
        const count = readSync(this.descriptor, target, done, Math.min(2 ** 30, target.length - done), position + done);
        if (count === 0) break; // it was cut off, which `check` says better
        done += count;
      }
    } catch (error) {
      throw fileError('read', this.path, error);
    }
    this.check();
  }
}

/** Floating-point numbers of a file. */
export class StoredNumbers implements StoredValue {
  readonly region?: FileRegion;

  /** @param offset their first byte @param known the numbers, if they lie in memory too */
  constructor(
    private readonly file: StoredFile,
    private readonly type: StoredType,
    readonly shape: Shape,
    private readonly offset: number,
    private readonly known?: Float32Array,
  ) {
    if (!type.convert) this.region = { file, offset };
  }

  read(): Float32Array {
    if (this.known) return this.known.slice();
    const data = new Float32Array(elementCount(this.shape));
    const { bytes, convert } = this.type;
    if (!convert) {
      this.file.read(new Uint8Array(data.buffer), this.offset);
      return data;
    }
    const total = data.length * bytes;
    const buffer = new Uint8Array(Math.min(CONVERT_BYTES, total));
    for (let at = 0; at < total; at += buffer.length) {
      const chunk = buffer.subarray(0, Math.min(buffer.length, total - at));
      this.file.read(chunk, this.offset + at);
      convert(chunk, data, at / bytes);
    }
    return data;
  }
}
