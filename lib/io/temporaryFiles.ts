/**
 * Names of the files that are written before they take the place of others, and the removal of those whose writer was killed. A name tells the
 * file that it is for and the process that writes it, so that the next writer of the same file can see who still lives.
 */

import { createHash, randomBytes } from 'node:crypto';
import { lstat, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/**
 * The name of a temporary file contains at most so many bytes of the file's name. Longer names are cut and told apart
 * by a digest.
 */
const STEM_BYTES = 120;
/**
 * In network folders and containers there may be temporary files of other machines, whose writers cannot be seen. They
 * are left alone for so long.
 */
const FOREIGN_MILLISECONDS = 60 * 60 * 1000;

/** Who writes: the machine (with its process namespace), the process and when it started, since numbers of processes come again. */
interface Writer {
  readonly machine: string;
  readonly pid: number;
  readonly started: string;
}

let self: Promise<Writer> | undefined;

/** A new name, of a file in the same folder as the one called `name`, that no other writer takes. */
export async function temporaryName(name: string): Promise<string> {
  const { machine, pid, started } = await (self ??= findSelf());
  return `${prefixOf(name)}${machine}-${pid}-${started}-${randomBytes(4).toString('hex')}.tmp`;
}

/**
 * Removes what writers of `name` left in `folder` when they were killed; never what a living process writes. It fails in silence: the file
 * that is to be written matters more.
 * @param keep name of a temporary file just made, whose time says what the file system calls now
 */
export async function removeStale(folder: string, name: string, keep: string): Promise<void> {
  const prefix = prefixOf(name);
  const found = (await readdir(folder).catch(() => [])).filter((entry) => entry.startsWith(prefix) && entry !== keep);
  for (const entry of found) {
    const match = /^([0-9a-f]{8})-(\d+)-([0-9a-z]+)-[0-9a-f]{8}\.tmp$/.exec(entry.slice(prefix.length));
    if (!match) continue;
    const writer = { machine: match[1]!, pid: Number(match[2]), started: match[3]! };
    if (await isStale(folder, entry, keep, writer)) await rm(join(folder, entry), { force: true }).catch(() => undefined);
  }
}

async function isStale(folder: string, entry: string, keep: string, writer: Writer): Promise<boolean> {
  try {
    const stats = await lstat(join(folder, entry));
    if (!stats.isFile()) return false;
    if (writer.machine === (await self)?.machine) return !(await lives(writer));
    return (await lstat(join(folder, keep))).mtimeMs - stats.mtimeMs > FOREIGN_MILLISECONDS;
  } catch {
    return false;
  }
}

async function lives({ pid, started }: Writer): Promise<boolean> {
  if (pid < 1 || !Number.isSafeInteger(pid)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return (await startOf(pid)) === started;
}

async function findSelf(): Promise<Writer> {
  const [boot, namespace] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => hostname()),
    readlink('/proc/self/ns/pid').catch(() => ''),
  ]);
  const machine = createHash('sha256').update(`${boot} ${namespace}`).digest('hex').slice(0, 8);
  return { machine, pid: process.pid, started: await startOf(process.pid) };
}

/** When a process started, where the system says it: field 22 of Linux's stat, counted after the name, which may hold anything. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  return ticks ? Number(ticks).toString(36) : '0';
}

/** Hidden, and within the 255 bytes that file systems give a name. */
function prefixOf(name: string): string {
  const bytes = Buffer.from(name);
  if (bytes.length <= STEM_BYTES) return `.${name}.`;
  // A character that is cut in two becomes a replacement character of three bytes.
  const stem = bytes.subarray(0, STEM_BYTES - 12).toString();
  return `.${stem}~${createHash('sha256').update(bytes).digest('hex').slice(0, 8)}.`;
}
