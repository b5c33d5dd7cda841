/** A folder for the files of a measurement, which is gone when the measurement or the process ends. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** What ends a process in order. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** A thread that still writes a file into the folder is waited for so often, 100 ms each time. */
const RETRIES = 5;

export class TemporaryFolder {
  private readonly folder = mkdtempSync(path.join(tmpdir(), 'stridenet-bench-'));

  constructor() {
    process.once('exit', this.remove);
    for (const signal of SIGNALS) process.once(signal, this.end);
  }

  /** The path of a file in it. */
  at(name: string): string {
    return path.join(this.folder, name);
  }

  /** Idempotent. */
  readonly remove = (): void => {
    process.removeListener('exit', this.remove);
    for (const signal of SIGNALS) process.removeListener(signal, this.end);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: RETRIES });
  };

  /** The signal does what it would have done without this folder. */
  private readonly end = (signal: NodeJS.Signals): void => {
    this.remove();
    process.kill(process.pid, signal);
  };
}
