/** The listings that are expected: a file beside this one, compressed, and how others differ from it. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import type { Listings } from './listings';

const FILE = path.join(__dirname, 'listings.json.br');

export function readRecord(): Listings {
  return JSON.parse(brotliDecompressSync(readFileSync(FILE)).toString()) as Listings;
}

export function writeRecord(listings: Listings): void {
  // The window holds what other instruction sets and modes made of the same model, which is almost the same.
  const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS };
  writeFileSync(FILE, brotliCompressSync(JSON.stringify(listings), { params }));
}

/** Names of listings that are not in both or not the same. */
export function differingNames(before: Listings, after: Listings): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => before[name] !== after[name]);
}

/** The differences as git shows those of files. */
export function unifiedDiff(before: Listings, after: Listings): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'stridenet-replay-'));
  try {
    for (const [side, listings] of Object.entries({ before, after })) {
      mkdirSync(path.join(folder, side));
      for (const name of differingNames(before, after)) {
        if (listings[name] !== undefined) writeFileSync(path.join(folder, side, name.replaceAll(' ', '-')), `${listings[name]}\n`);
      }
    }
    const options = ['--no-index', '--no-prefix', '--no-color', '--unified=1'];
    const git = spawnSync('git', ['diff', ...options, 'before', 'after'], { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 30 });
    if (git.error) throw git.error;
    return git.stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
