/** Runs cases of a fuzzer in child processes with a limit of memory, and goes on after a crash or a hang with the case behind it. */

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { REPOSITORY, transpileTo } from '../support/transpile';
import { findInternals } from './internals';

export interface CampaignOptions {
  readonly kind: string;
  readonly count: number;
  /** Case i has seed `seed + i`: with its own seed and a count of 1 it runs alone. */
  readonly seed: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Told of each cause once, when it is found first. */
  readonly onFinding?: (finding: CampaignFinding) => void;
  readonly onProgress?: (done: number) => void;
}

export interface CampaignFinding {
  readonly seed: number;
  readonly signature: string;
  /** What was called. */
  readonly where: string;
  readonly detail: string;
  /** How often it came. */
  count: number;
}

/** A case that takes longer than this hangs. */
const SECONDS_PER_CASE = 100;
/** Address space of a child; Node alone takes more than one gigabyte. */
const MEMORY_KIB = 6 << 20;
const HEAP_MIB = 1024;

export async function runCampaign(options: CampaignOptions): Promise<CampaignFinding[]> {
  const copy = mkdtempSync(path.join(tmpdir(), 'stridenet-fuzz-'));
  try {
    transpileTo(copy);
    for (const name of ['build', 'prebuilds', 'bench', 'data', 'node_modules', 'package.json'])
      symlinkSync(path.join(REPOSITORY, name), path.join(copy, name));
    writeFileSync(path.join(copy, 'internals.json'), JSON.stringify(findInternals(path.join(REPOSITORY, 'lib'))));
    return await new Campaign(copy, options).run();
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

class Campaign {
  private readonly findings = new Map<string, CampaignFinding>();

  constructor(
    private readonly copy: string,
    private readonly options: CampaignOptions,
  ) {}

  async run(): Promise<CampaignFinding[]> {
    const { seed, count } = this.options;
    const end = seed + count;
    for (let next = seed; next < end;) next = await this.runFrom(next, end - next);
    return [...this.findings.values()];
  }

  /** Runs until all is done or the process is: returns the next case. */
  private runFrom(first: number, count: number): Promise<number> {
    const { kind, env, seed, onProgress } = this.options;
    const script = path.join(this.copy, 'test', 'fuzz', 'worker.js');
    const command = `ulimit -c 0; ulimit -v ${MEMORY_KIB}; exec "$0" "$@"`;
    const node = [process.execPath, `--max-old-space-size=${HEAP_MIB}`, script, kind, String(first), String(count), this.copy];
    const child = spawn('bash', ['-c', command, ...node], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let [rest, stderr, seen, since, hung] = ['', '', '', Date.now(), false];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) if (line.startsWith('{')) this.add(JSON.parse(line) as CampaignFinding);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-4000)));
    const current = (): string => {
      try {
        return readFileSync(path.join(this.copy, 'case'), 'utf8').trim();
      } catch {
        return '';
      }
    };
    const watch = setInterval(() => {
      const now = current();
      if (now !== seen) [seen, since] = [now, Date.now()];
      else if (Date.now() - since > SECONDS_PER_CASE * 1000) hung = child.kill('SIGKILL');
      if (Number(now)) onProgress?.(Number(now) - seed);
    }, 1000);
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        clearInterval(watch);
        const last = current();
        if (code === 0 && last === 'done') return resolve(first + count);
        if (!Number(last)) return reject(new Error(`the worker did not start (${signal ?? code}):\n${stderr}`));
        const what = hung ? `hung for ${SECONDS_PER_CASE} s` : `ended with ${signal ?? `code ${code}`}`;
        this.add({ seed: Number(last), signature: `the process ${what}: ${firstLine(stderr)}`, where: '', detail: stderr, count: 1 });
        resolve(Number(last) + 1);
      });
    });
  }

  private add(finding: CampaignFinding): void {
    const known = this.findings.get(finding.signature);
    if (known) {
      known.count++;
      return;
    }
    const first = { ...finding, count: 1 };
    this.findings.set(finding.signature, first);
    this.options.onFinding?.(first);
  }
}

function firstLine(text: string): string {
  return text.split('\n').find((line) => /\S/.test(line) && !line.startsWith('<')) ?? '';
}
