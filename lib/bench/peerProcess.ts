/** A peer in a process of its own. It does what it is asked to and nothing between; it ends with the benchmark. */

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { CannotTakePart, type Hello, type Measured, type Opened, type Request, type Task, type Unavailable } from './protocol';

interface PeerFacts {
  /** Peers of one family are compared by their best; a family's name stands for all of them. */
  readonly family: string;
  /** Column heading. */
  readonly label: string;
  /** Its first run compiles, so it says nothing about the others. */
  readonly compiles?: boolean;
}

const FACTS = {
  stridenet: { family: 'stridenet', label: 'stridenet' },
  js: { family: 'js', label: 'plain JS' },
  'tfjs-cpu': { family: 'tfjs', label: 'tfjs cpu' },
  'tfjs-wasm': { family: 'tfjs', label: 'tfjs wasm' },
  ort: { family: 'ort', label: 'onnxruntime' },
  'torch-eager': { family: 'torch', label: 'PyTorch eager' },
  'torch-channels_last': { family: 'torch', label: 'PyTorch channels_last' },
  'torch-compile': { family: 'torch', label: 'PyTorch compile', compiles: true },
} satisfies Readonly<Record<string, PeerFacts>>;
export type PeerName = keyof typeof FACTS;
export const PEERS: Readonly<Record<PeerName, PeerFacts>> = FACTS;

type Answer<T> = T | Unavailable | { readonly error: string };

export class PeerProcess {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly lines: AsyncIterator<string>;
  private stderr = '';

  constructor(
    readonly name: PeerName,
    threads: number,
  ) {
    const variant = name.startsWith('torch-') ? name.slice('torch-'.length) : undefined;
    const [command, args] =
      variant === undefined
        ? [process.execPath, [path.join(__dirname, 'worker.js'), name]]
        : [process.env['PYTHON'] ?? 'python3', [path.join(__dirname, '..', '..', 'bench', 'peers', 'pytorch.py'), variant]];
    this.child = spawn(command, args, { env: { ...process.env, OMP_NUM_THREADS: String(threads) }, stdio: 'pipe' });
    // A command that does not exist shows when the answer does not come.
    this.child.on('error', (error) => (this.stderr += error.message));
    this.child.stdin.on('error', () => undefined);
    this.child.stderr.on('data', (chunk: Buffer) => (this.stderr = (this.stderr + chunk.toString()).slice(-2000)));
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  hello(): Promise<Hello> {
    return this.ask<Hello>({ do: 'hello' });
  }

  open(task: Task): Promise<Opened> {
    return this.ask<Opened>({ do: 'open', task });
  }

  measure(seconds: number, warmup: number): Promise<Measured> {
    return this.ask<Measured>({ do: 'measure', seconds, warmup });
  }

  /** Ends the process and waits until it is gone, so that its memory is free. */
  async close(): Promise<void> {
    const { child } = this;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** @throws CannotTakePart, Error */
  private async ask<T extends object>(request: Request): Promise<T> {
    this.child.stdin.write(`${JSON.stringify(request)}\n`);
    const { done, value } = await this.lines.next();
    if (done) throw new Error(`${PEERS[this.name].label} ended: ${this.stderr.trim() || 'it gave no reason'}`);
    const answer = JSON.parse(value) as Answer<T>;
    if ('unavailable' in answer) throw new CannotTakePart(answer.unavailable);
    if ('error' in answer) throw new Error(answer.error);
    return answer;
  }
}
