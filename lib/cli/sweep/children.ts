/** Trainings of a sweep as processes of their own, so many at a time. */

import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { parseJson } from '../../io/json';
import { EXIT_UNWRITTEN } from '../trainingReport';

/** What a training printed in the end, or why it failed. */
export type Outcome = { readonly result: Readonly<Record<string, unknown>> } | { readonly error: string };

/** The program that this file is a part of. */
const PROGRAM = join(__dirname, '..', 'main.js');
/** Of what a process prints, the last characters are kept. */
const MOST_CHARACTERS = 1 << 20;

/** Processes that end with this one, however it ends. */
export class Children {
  private readonly running = new Set<ChildProcess>();

  constructor(private readonly signal: AbortSignal) {
    // Once: a second signal of the same kind would end a process before it has saved what it learned.
    signal.addEventListener('abort', this.stop, { once: true });
    process.on('exit', this.kill);
  }

  /** Runs `stridenet train` with a config file. Undefined when the signal ended it. */
  async train(config: string): Promise<Outcome | undefined> {
    if (this.signal.aborted) return undefined;
    // Detached: Ctrl-C in a terminal reaches this process alone, which passes it on.
    const child = spawn(process.execPath, [...process.execArgv, PROGRAM, 'train', '--config', config, '--json'], {
      // By the channel a training notices that this process was killed.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: process.platform !== 'win32',
    });
    this.running.add(child);
    let [out, err] = ['', ''];
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (out = (out + text).slice(-MOST_CHARACTERS)));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (err = (err + text).slice(-MOST_CHARACTERS)));
    const { code, signal, fault } = await new Promise<Ended>((resolve) => {
      child.on('error', (error) => resolve({ fault: error.message }));
      child.on('close', (status, killedBy) => resolve({ code: status, signal: killedBy }));
    });
    this.running.delete(child);
    if (this.signal.aborted) return undefined;
    if (fault !== undefined) return { error: `The process could not be started: ${fault}` };
    if (code !== 0 && code !== EXIT_UNWRITTEN) return { error: errorOf(err) ?? `The process ended with ${signal ?? `exit code ${code}`}.` };
    return resultOf(out);
  }

  dispose(): void {
    this.signal.removeEventListener('abort', this.stop);
    process.removeListener('exit', this.kill);
  }

  private readonly stop = (): void => {
    for (const child of this.running) child.kill('SIGTERM');
  };

  private readonly kill = (): void => {
    for (const child of this.running) child.kill('SIGKILL');
  };
}

interface Ended {
  readonly code?: number | null;
  readonly signal?: NodeJS.Signals | null;
  readonly fault?: string;
}

/** The last error that the program printed. */
function errorOf(err: string): string | undefined {
  const lines = err.split('\n').filter((line) => line.startsWith('stridenet: ') && !line.startsWith('stridenet: warning: '));
  return lines.at(-1)?.slice('stridenet: '.length);
}

function resultOf(out: string): Outcome {
  const line = out.trimEnd().split('\n').at(-1)!;
  try {
    return { result: parseJson(line) as Record<string, unknown> };
  } catch {
    return { error: 'The process did not print its result.' };
  }
}
