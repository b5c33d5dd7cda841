/**
 * Files fetched from the network into a folder: bounded in size and time, checked by SHA-256 before they are written, written whole.
 */

import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { clearTimeout, setTimeout } from 'node:timers';
import { transferableAbortController } from 'node:util';
import { formatValue, StridenetError } from '../errors';
import { fileError } from '../io/file';
import { writeFileAtomic } from '../io/replaceFile';
import type { StopSignal } from '../stopSignal';

/** A file as its publisher released it. */
export interface RemoteFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** How long a server may keep somebody waiting, in milliseconds. */
export interface Patience {
  /** The longest wait for the head of the answer. */
  readonly answer: number;
  /** A download is given up unless SLOWEST_BYTES arrive within each of these periods. */
  readonly stall: number;
  /** The longest time for a whole file. */
  readonly total: number;
}

const PATIENCE: Patience = { answer: 30_000, stall: 8_000, total: 60 * 60 * 1000 };
/** A server that sends less within `stall` holds the connection open and no more. */
const SLOWEST_BYTES = 1024;

export interface DownloadOptions {
  /** Ends the download: it rejects with the signal's reason. */
  readonly signal?: StopSignal | undefined;
  readonly patience?: Patience | undefined;
}

/**
 * Fetches a file from the first of `urls` that has it and writes it to `folder`.
 * @param urls addresses of folders, each with or without a final slash
 * @returns one line per address that failed, or undefined when the file is there
 * @throws StridenetError ERR_CHECKSUM when bytes differ from the published ones; ERR_FILE_ACCESS when the folder cannot be written; the signal's
 *   reason
 */
export async function download(
  file: RemoteFile,
  urls: readonly string[],
  folder: string,
  { signal, patience = PATIENCE }: DownloadOptions = {},
): Promise<string[] | undefined> {
  const failures: string[] = [];
  for (const base of urls) {
    const url = `${base.replace(/\/$/, '')}/${file.name}`;
    let body: Uint8Array;
    try {
      body = await fetchBytes(url, file.bytes, signal as AbortSignal | undefined, patience);
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(`${url}: ${reasonOf(error)}`);
      continue;
    }
    const found = createHash('sha256').update(body).digest('hex');
    if (body.length !== file.bytes || found !== file.sha256) {
      const size = body.length > file.bytes ? `more than ${file.bytes}` : String(body.length);
      throw new StridenetError(
        'ERR_CHECKSUM',
        `${url} should have ${file.bytes} bytes with SHA-256 ${file.sha256} but has ${size} bytes with ${found}. Nothing was written.`,
      );
    }
    const path = join(folder, file.name);
    try {
      await mkdir(folder, { recursive: true });
    } catch (error) {
      throw fileError('write', path, error);
    }
    await writeFileAtomic(path, [body]);
    return undefined;
  }
  return failures;
}

/** The body of an answer, cut off after one byte too many. */
async function fetchBytes(url: string, limit: number, signal: AbortSignal | undefined, patience: Patience): Promise<Uint8Array> {
  const watch = new Watch(patience);
  const giveUp = (): void => watch.stop(signal?.reason);
  signal?.addEventListener('abort', giveUp);
  try {
    const response = await fetch(url, { signal: watch.signal });
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
    }
    watch.answered();
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      length += chunk.length;
      watch.received(length);
      if (length > limit) break;
    }
    return Buffer.concat(chunks).subarray(0, limit + 1);
  } finally {
    signal?.removeEventListener('abort', giveUp);
    watch.end();
  }
}

/** Gives up on a server that does not answer, sends next to nothing, or never comes to an end. */
class Watch {
  // Node's own, whatever the environment calls AbortController
  private readonly controller = transferableAbortController();
  private readonly total: NodeJS.Timeout;
  private current: NodeJS.Timeout;
  private length = 0;
  private counted = 0;

  constructor(private readonly patience: Patience) {
    const { answer, total } = patience;
    this.total = this.after(total, `the download was not complete after ${total / 1000} seconds`);
    this.current = this.after(answer, `the server did not answer within ${answer / 1000} seconds`);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  answered(): void {
    clearTimeout(this.current);
    this.current = this.expectMore();
  }

  /** @param length bytes in all */
  received(length: number): void {
    this.length = length;
    if (length - this.counted < SLOWEST_BYTES) return;
    this.counted = length;
    this.current.refresh();
  }

  stop(reason: unknown): void {
    this.controller.abort(reason);
  }

  end(): void {
    clearTimeout(this.total);
    clearTimeout(this.current);
  }

  private expectMore(): NodeJS.Timeout {
    const { stall } = this.patience;
    const text = (): string => `the server sent ${this.length - this.counted} bytes in ${stall / 1000} seconds, after ${this.counted} before`;
    return setTimeout(() => this.controller.abort(new Error(text())), stall);
  }

  private after(milliseconds: number, text: string): NodeJS.Timeout {
    return setTimeout(() => this.controller.abort(new Error(text)), milliseconds);
  }
}

/** fetch hides the reason in causes. */
function reasonOf(error: unknown): string {
  let current = error;
  while (current instanceof Error && current.cause instanceof Error) current = current.cause;
  if (!(current instanceof Error)) return formatValue(current);
  return current.message || String((current as NodeJS.ErrnoException).code ?? current.name);
}
