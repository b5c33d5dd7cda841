/**
 * Files written whole or not at all, and file errors in words. It knows no format.
 */

import { randomBytes } from 'node:crypto';
import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { formatValue, StridenetError } from '../errors';

/** One system call moves at most this much: Node refuses more than 2 GiB at a time, and the thread pool is not held for long. */
const TRANSFER_BYTES = 1 << 26;

/**
 * Writes `chunks`, one after the other, as the file `path`: to a temporary name in the same folder first, flushed to the disk,
 * then renamed. A reader sees the old file or the new one. When anything fails the temporary file is removed.
 * @throws StridenetError ERR_FILE_ACCESS with the path and the reason
 */
export async function writeFileAtomic(path: string, chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = temporaryName(path);
  let handle: FileHandle | undefined;
  let created = false;
  try {
    handle = await open(temporary, 'wx');
    created = true;
    for await (const chunk of chunks) await writeFully(handle, chunk);
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(temporary, path);
    created = false;
    await syncFolder(dirname(resolve(path)));
  } catch (error) {
    await handle?.close().catch(() => undefined);
    if (created) await rm(temporary, { force: true }).catch(() => undefined);
    throw fileError('write', path, error);
  }
}

/**
 * Finds out whether `writeFileAtomic(path)` can work, before hours of training: the folder takes a new file and `path` is not a folder.
 * @throws StridenetError ERR_FILE_ACCESS with the path and the reason
 */
export async function checkWritable(path: string): Promise<void> {
  const temporary = temporaryName(path);
  try {
    const existing = await stat(path).catch(() => undefined);
    if (existing?.isDirectory()) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
    await (await open(temporary, 'wx')).close();
    await rm(temporary);
  } catch (error) {
    throw fileError('write', path, error);
  }
}

/** Opens a regular file for reading; a folder, pipe or device is an error (opening a pipe would wait for its writer). */
export async function openRegular(path: string): Promise<{ handle: FileHandle; size: number }> {
  const stats = await stat(path);
  if (!stats.isFile()) throw Object.assign(new Error('it is not a regular file'), stats.isDirectory() && { code: 'EISDIR' });
  const handle = await open(path, 'r');
  return { handle, size: stats.size };
}

/** Fills `target` from `position` on; returns the bytes read, fewer than asked for only at the end of the file. */
export async function readFully(handle: FileHandle, target: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await handle.read(target, done, Math.min(TRANSFER_BYTES, target.length - done), position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** An operating system's error as ERR_FILE_ACCESS; a StridenetError passes through. */
export function fileError(action: 'read' | 'write', path: string, error: unknown): StridenetError {
  if (error instanceof StridenetError) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code ?? '';
  const folder = dirname(resolve(path));
  const reasons: Record<string, string> = {
    ENOENT: action === 'read' ? 'there is no such file' : `the folder ${formatValue(folder)} does not exist; create it first`,
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    EISDIR: 'it is a folder; give the name of a file',
    ENOTDIR: 'a part of the path is not a folder',
    ENOSPC: 'the disk is full',
    EDQUOT: 'the disk quota is used up',
  };
  const reason = reasons[code] ? `${reasons[code]} (${code})` : error instanceof Error ? error.message : String(error);
  return new StridenetError('ERR_FILE_ACCESS', `Cannot ${action} ${formatValue(path)}: ${reason}.`, { cause: error });
}

async function writeFully(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    done += (await handle.write(chunk, done, Math.min(TRANSFER_BYTES, chunk.length - done))).bytesWritten;
  }
}

function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`);
}

/** Makes the rename itself durable. Not every platform can open a folder, and the file is complete either way. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Nothing is lost but durability across a power failure in the next seconds.
  }
}
