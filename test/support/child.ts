/** Child processes that run TypeScript of this repository, for what one process can be asked only once: instruction set, exit, memory. */

import { spawn } from 'node:child_process';
import path from 'node:path';

const ROOT = path.join(__dirname, '..', '..');

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

function run(args: readonly string[], { env = {}, flags = [] }: ChildOptions): Promise<ChildResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...flags, '-r', 'ts-node/register/transpile-only', ...args], {
      cwd: ROOT,
      env: { ...process.env, TS_NODE_PROJECT: path.join(ROOT, 'tsconfig.check.json'), ...env },
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

/** Runs a script, by its path from the repository's root. */
export function runScript(script: string, args: readonly string[] = [], options: ChildOptions = {}): Promise<ChildResult> {
  return run([path.join(ROOT, script), ...args], options);
}

/** Runs source text; paths in it are relative to the repository's root: `require('./lib')`. */
export function runSource(source: string, options: ChildOptions = {}): Promise<ChildResult> {
  return run(['-e', source], options);
}
