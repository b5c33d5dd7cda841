/**
 * Regular files read in pieces, and file errors in words. It knows no format.
 */

import * as fs from 'node:fs';
import { constants, type Stats } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { formatValue, StridenetError } from '../errors';

/** One system call moves at most this much: Node refuses more than 2 GiB at a time, and the thread pool is not held for long. */
export const TRANSFER_BYTES = 1 << 26;

/** @throws StridenetError ERR_INVALID_ARGUMENT unless `path` is the text of a path */
export function checkPath(where: string, path: unknown): asserts path is string {
  if (typeof path === 'string' && path !== '' && !path.includes('\0')) return;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects a path but got ${formatValue(path)}.`);
}

const [openDescriptor, statDescriptor, readDescriptor] = [promisify(fs.open), promisify(fs.fstat), promisify(fs.read)];

/** What can be read from any place. */
export type ReadableFile = Pick<FileHandle, 'read'> | Descriptor;

/**
 * A file that may stay open until nothing refers to its user any more: whoever keeps it calls `closeSync` in a FinalizationRegistry. Of a
 * FileHandle that is left to the garbage collector Node.js warns (DEP0137).
 */
export class Descriptor {
  private constructor(readonly fd: number) {}

  static async open(path: string, flags: number): Promise<Descriptor> {
    return new Descriptor(await openDescriptor(path, flags));
  }

  async stat(): Promise<Stats> {
    return statDescriptor(this.fd);
  }

  async read(target: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }> {
    return readDescriptor(this.fd, target, offset, length, position);
  }

  async close(): Promise<void> {
    return Promise.resolve(this.closeSync());
  }

  closeSync(): void {
    fs.closeSync(this.fd);
  }
}

/** Opens a regular file for reading; a folder, pipe or device is an error (opening a pipe would wait for its writer). */
export async function openRegular(path: string): Promise<{ handle: FileHandle; size: number }> {
  return openWith(path, open);
}

/** The same for a file that may stay open. */
export async function openToKeep(path: string): Promise<{ handle: Descriptor; size: number }> {
  return openWith(path, async (...args) => Descriptor.open(...args));
}

async function openWith<Handle extends { stat(): Promise<Stats>; close(): Promise<void> }>(
  path: string,
  openFile: (path: string, flags: number) => Promise<Handle>,
): Promise<{ handle: Handle; size: number }> {
  if (!(await stat(path)).isFile()) await refuseIrregular(path);
  // Should a pipe have come in its place meanwhile, opening does not wait either.
  const handle = await openFile(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) await refuseIrregular(path);
    return { handle, size: stats.size };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function refuseIrregular(path: string): Promise<never> {
  const isFolder = (await stat(path)).isDirectory();
  throw Object.assign(new Error('it is not a regular file'), isFolder && { code: 'EISDIR' });
}

/** Fills `target` from `position` on; returns the bytes read, fewer than asked for only at the end of the file. */
export async function readFully(handle: ReadableFile, target: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await handle.read(target, done, Math.min(TRANSFER_BYTES, target.length - done), position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a folder; give the name of a file',
  ENOTDIR: 'a part of the path is not a folder',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than the system allows',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its symbolic links lead in a circle',
  EMFILE: 'this process has too many files open',
  ENFILE: 'the system has too many files open',
  EBUSY: 'it is in use, perhaps the place where something is mounted',
  ENXIO: 'nobody reads from this pipe',
  EPIPE: 'nobody reads from this pipe any more',
};

/** An operating system's error as ERR_FILE_ACCESS; a StridenetError passes through. */
export function fileError(action: 'read' | 'write', path: string, error: unknown): StridenetError {
  if (error instanceof StridenetError) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code ?? '';
  const known = code === 'ENOENT' ? missingReason(action, path) : REASONS[code];
  const reason = known ? `${known} (${code})` : error instanceof Error ? error.message : String(error);
  return new StridenetError('ERR_FILE_ACCESS', `Cannot ${action} ${formatValue(path)}: ${reason}.`, { cause: error });
}

function missingReason(action: 'read' | 'write', path: string): string {
  let folder: string;
  try {
    folder = dirname(resolve(path));
  } catch {
    return 'the current folder was deleted; give a whole path'; // process.cwd() says so by failing
  }
  return action === 'read' ? 'there is no such file' : `the folder ${formatValue(folder)} does not exist; create it first`;
}
