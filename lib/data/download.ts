/** Files fetched from the network into a folder: bounded in size, checked by SHA-256 before they are written, written whole. */

import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatValue, StridenetError } from '../errors';
import { fileError } from '../io/file';
import { writeFileAtomic } from '../io/replaceFile';

/** A file as its publisher released it. */
export interface RemoteFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Fetches a file from the first of `urls` that has it and writes it to `folder`.
 * @param urls addresses of folders, each with or without a final slash
 * @returns one line per address that failed, or undefined when the file is there
 * @throws StridenetError ERR_CHECKSUM when bytes differ from the published ones; ERR_FILE_ACCESS when the folder cannot be written
 */
export async function download(file: RemoteFile, urls: readonly string[], folder: string): Promise<string[] | undefined> {
  const failures: string[] = [];
  for (const base of urls) {
    const url = `${base.replace(/\/$/, '')}/${file.name}`;
    let body: Uint8Array;
    try {
      body = await fetchBytes(url, file.bytes);
    } catch (error) {
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
async function fetchBytes(url: string, limit: number): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > limit) break;
  }
  return Buffer.concat(chunks).subarray(0, limit + 1);
}

/** fetch hides the reason in causes. */
function reasonOf(error: unknown): string {
  let current = error;
  while (current instanceof Error && current.cause instanceof Error) current = current.cause;
  if (!(current instanceof Error)) return formatValue(current);
  return current.message || String((current as NodeJS.ErrnoException).code ?? current.name);
}
