/** Child processes that run the package's sources, for what one process can be asked only once: instruction set, exit, memory. */

import { spawn } from 'node:child_process';
import path from 'node:path';
import { transpiledCopy } from './transpile';

export interface ChildResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  /** Added to this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** For Node, before the script: ['--expose-gc']. */
  readonly flags?: readonly string[];
}

/** Plain JavaScript of the sources, and processes that run in it. */
export class Children {
  private readonly copy = transpiledCopy();

  get folder(): string {
    return this.copy.folder;
  }

  remove(): void {
    this.copy.remove();
  }

  /** Runs a module of the repository, such as 'test/support/runKernelTable'. */
  runModule(module: string, args: readonly string[] = [], options: ChildOptions = {}): Promise<ChildResult> {
    return this.run([path.join(this.folder, `${module}.js`), ...args], options);
  }

  /** Runs source text in which `require('./lib')` is the package. */
  runSource(source: string, options: ChildOptions = {}): Promise<ChildResult> {
    return this.run(['-e', source], options);
  }

  private run(args: readonly string[], { env = {}, flags = [] }: ChildOptions): Promise<ChildResult> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [...flags, ...args], {
        cwd: this.folder,
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let stdout = '';
      let stderr = '';
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    });
  }
}

/** Expects a process that ended by itself with code 0, and gives its output. */
export function expectSuccess({ code, signal, stdout, stderr }: ChildResult): string {
  if (code !== 0 || signal !== null) throw new Error(`the process ended with ${signal ?? `code ${code}`}:\n${stdout}\n${stderr}`);
  return stdout.trim();
}
