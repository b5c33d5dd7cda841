/**
 * Files written whole or not at all. It knows no format.
 */

import { constants, type Stats } from 'node:fs';
import { access, open, readlink, realpath, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, sep } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { StridenetError } from '../errors';
import { fileError, TRANSFER_BYTES } from './file';
import { removeStale, temporaryName } from './temporaryFiles';

/** As many symbolic links follow each other at most; the system has the same limit. */
const MOST_LINKS = 40;
/** A full pipe is tried again after this time. */
const PIPE_MILLISECONDS = 5;

export type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes `chunks`, one after the other, as the file `path`: to a temporary name in the same folder first, flushed to the disk,
 * then renamed. A reader sees the old file or the new one. When anything fails the temporary file is removed; those that killed processes
 * left for the same file are removed too.
 *
 * A symbolic link stays one, and what it leads to is replaced. A file that is replaced keeps its permissions, and its owner where that may be
 * given. Pipes and character devices such as /dev/null are written to, since they cannot be replaced.
 *
 * @param bytes how many come in all; default: as many as do
 * @throws StridenetError ERR_FILE_ACCESS with the path and the reason; ERR_INVALID_ARGUMENT when a chunk lost bytes meanwhile
 */
export async function writeFileAtomic(path: string, chunks: Chunks, bytes?: number): Promise<void> {
  try {
    const target = await findTarget(path);
    if (target.kind === 'stream') await writeStream(path, chunks);
    else await replace(target, chunks, bytes);
  } catch (error) {
    throw fileError('write', path, error);
  }
}

/**
 * Finds out whether `writeFileAtomic(path)` can work, before hours of training: the folder takes a new file and `path` may be replaced.
 * @throws StridenetError ERR_FILE_ACCESS with the path and the reason
 */
export async function checkWritable(path: string): Promise<void> {
  try {
    const target = await findTarget(path);
    if (target.kind === 'stream') return;
    const temporary = join(target.folder, await temporaryName(target.name));
    await (await open(temporary, 'wx')).close();
    await rm(temporary);
  } catch (error) {
    throw fileError('write', path, error);
  }
}

/** A pipe or device; or the place of a file, behind all links, and what is there now. */
type Target = { readonly kind: 'stream' } | FileTarget;
interface FileTarget {
  readonly kind: 'file';
  readonly folder: string;
  readonly name: string;
  readonly existing: Stats | undefined;
}

async function findTarget(path: string): Promise<Target> {
  if (path.endsWith(sep) || path.endsWith('/')) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
  const existing = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (existing) {
    if (existing.isDirectory()) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
    await access(path, constants.W_OK);
    if (existing.isCharacterDevice() || existing.isFIFO()) return { kind: 'stream' };
    if (!existing.isFile()) throw new Error(`it is a ${existing.isBlockDevice() ? 'block device' : 'socket'}, not a file`);
  }
  const end = await followLinks(path);
  return { kind: 'file', folder: await realpath(dirname(end)), name: basename(end), existing };
}

/** Where the links at the end of a path lead, be there a file or not. */
async function followLinks(path: string): Promise<string> {
  let end = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    const link = await readlink(end).catch(() => undefined);
    if (link === undefined) return end;
    // Paths are joined as text, because only the system knows where ".." leads from a folder that is a link itself.
    end = isAbsolute(link) ? link : `${dirname(end)}${sep}${link}`;
  }
  throw Object.assign(new Error('too many symbolic links'), { code: 'ELOOP' });
}

async function replace({ folder, name, existing }: FileTarget, chunks: Chunks, bytes: number | undefined): Promise<void> {
  const temporary = await temporaryName(name);
  const from = join(folder, temporary);
  let handle: FileHandle | undefined;
  let created = false;
  try {
    // What replaces a private file is private from its first byte on.
    handle = await open(from, 'wx', existing ? 0o600 : 0o666);
    created = true;
    await removeStale(folder, name, temporary);
    let written = 0;
    for await (const chunk of chunks) written += await writeFully(handle, chunk);
    if (bytes !== undefined && written !== bytes) throw changedMeanwhile(written, bytes);
    if (existing) await takeOver(handle, existing);
    await handle.sync();
    await handle.close();
    handle = undefined;
    await rename(from, join(folder, name));
    created = false;
    await syncFolder(folder);
  } catch (error) {
    await handle?.close().catch(() => undefined);
    if (created) await rm(from, { force: true }).catch(() => undefined);
    throw error;
  }
}

function changedMeanwhile(written: number, bytes: number): StridenetError {
  return new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `Writing a file expects its arrays to stay as they are until it is written, but ${bytes - written} of ${bytes} bytes went missing: ` +
      'an array was transferred to another thread or resized. Nothing was replaced.',
  );
}

/** Owner, group and permissions of the file that is replaced. Who may not give a group gives it no more than everybody. */
async function takeOver(handle: FileHandle, { uid, gid, mode }: Stats): Promise<void> {
  const own = await handle.stat();
  let allowed = mode & 0o777;
  if (own.uid !== uid || own.gid !== gid) {
    const given = await handle.chown(uid, gid).then(() => true, () => handle.chown(own.uid, gid).then(() => true, () => false)); // prettier-ignore
    if (!given) allowed &= 0o707 | ((mode & 0o007) << 3);
  }
  if ((own.mode & 0o777) !== allowed) await handle.chmod(allowed).catch(() => undefined); // some file systems have no permissions
}

/** A pipe that nobody reads is an error at once, and a slow reader holds no thread of the pool. */
async function writeStream(path: string, chunks: Chunks): Promise<void> {
  const handle = await open(path, constants.O_WRONLY | (constants.O_NONBLOCK ?? 0));
  try {
    for await (const chunk of chunks) await writeFully(handle, chunk);
  } finally {
    await handle.close();
  }
}

/** Returns the bytes written: all that the chunk has. */
async function writeFully(handle: FileHandle, chunk: Uint8Array): Promise<number> {
  let done = 0;
  while (done < chunk.length) {
    try {
      done += (await handle.write(chunk, done, Math.min(TRANSFER_BYTES, chunk.length - done))).bytesWritten;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await wait(PIPE_MILLISECONDS);
    }
  }
  return done;
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
