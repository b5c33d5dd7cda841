/** `stridenet train` as a process of its own on a few images, to be interrupted, killed and resumed. */

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mini } from '../../lib/data';
import { IDX_FILES } from '../../lib/data/directory';
import { idxBytes } from '../data/support';
import { transpiledCopy } from '../support/transpile';

const IMAGES = 256;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Settles when standard output or standard error has `text`, or the process has ended. */
  says(text: string): Promise<void>;
}

/** The program and a data set of few images; `remove` takes both away. */
export class TrainingProcesses {
  private readonly copy = transpiledCopy();
  readonly data = mkdtempSync(join(tmpdir(), 'stridenet-few-'));

  static async create(): Promise<TrainingProcesses> {
    const processes = new TrainingProcesses();
    const { train, test } = await mini();
    for (const [i, { images, labels }] of [train, train, test, test].entries()) {
      const bytes =
        i % 2 === 0
          ? idxBytes([IMAGES, 28, 28], [...images.subarray(0, IMAGES * 784)])
          : idxBytes([IMAGES], [...labels.subarray(0, IMAGES)]);
      writeFileSync(join(processes.data, IDX_FILES[i]!), bytes);
    }
    return processes;
  }

  remove(): void {
    this.copy.remove();
    rmSync(this.data, { recursive: true, force: true });
  }

  /**
   * Starts `stridenet train lenet5` in `folder`.
   * @param limits.fileBytes the largest file that the process can write, as on a disk that is full
   * @param limits.preload a script that runs before the program
   */
  start(folder: string, args: readonly string[], { fileBytes, preload }: { fileBytes?: number; preload?: string } = {}): Running {
    const program = [...(preload ? ['-r', preload] : []), join(this.copy.folder, 'lib', 'cli', 'main.js'), 'train', 'lenet5', ...args];
    // The shell's unit is 1024 bytes; exec makes the shell the program, so that signals reach it.
    const limited = ['-c', `ulimit -f ${Math.ceil((fileBytes ?? 0) / 1024)}; exec "$0" "$@"`, process.execPath];
    const child =
      fileBytes === undefined
        ? spawn(process.execPath, program, { cwd: folder })
        : spawn('bash', [...limited, ...program], { cwd: folder });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    const ended = new Promise<Ended>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, out, err }));
    });
    const says = (text: string): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (out.includes(text) || err.includes(text)) resolve();
        };
        child.stdout.on('data', look);
        child.stderr.on('data', look);
        child.on('close', () => resolve());
        look();
      });
    return { child, ended, says };
  }

  /** Trains to the end without a disturbance. Returns the bytes of the weights. */
  async undisturbed(folder: string, args: readonly string[]): Promise<Buffer> {
    const out = join(folder, 'undisturbed.safetensors');
    const { code, err } = await this.start(folder, [...args, '--out', out]).ended;
    if (code !== 0) throw new Error(`stridenet train ended with ${code}: ${err}`);
    const bytes = readFileSync(out);
    rmSync(out);
    return bytes;
  }
}
