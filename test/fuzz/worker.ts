/**
 * The process in which cases run: `worker.js KIND SEED COUNT FOLDER`. Writes the number of the case under way to FOLDER/case, so that its
 * parent knows where it crashed or hung, and one line of JSON for every finding to standard output.
 */

import { mkdirSync, openSync, writeSync } from 'node:fs';
import path from 'node:path';
import { judge, tryCall, type Finding } from './calls';
import { tryFile } from './files';
import { tryGraph } from './graphs';
import { Random } from './random';
import { Rejected } from './values';

type Case = (random: Random, seed: number) => Promise<Finding | undefined> | Finding | undefined;

const KINDS: Readonly<Record<string, Case>> = {
  calls: tryCall,
  files: tryFile,
  graphs: tryGraph,
  crashes: crash,
};

/** What every fuzzer must report, for the test of that. */
async function crash(_random: Random, seed: number): Promise<undefined> {
  if (seed === 11) process.exit(7);
  const fail = (): never => {
    throw new Error('on purpose');
  };
  if (seed === 12) setImmediate(fail);
  if (seed === 13) void Promise.resolve().then(fail);
  await new Promise((resolve) => setTimeout(resolve, 10));
  return undefined;
}

/** A promise that has not settled by then never will. */
const SECONDS_TO_SETTLE = 60;

async function main(kind: string, first: number, count: number, folder: string): Promise<void> {
  const run = KINDS[kind]!;
  const progress = openSync(path.join(folder, 'case'), 'w');
  const scratch = path.join(folder, 'scratch');
  mkdirSync(scratch, { recursive: true });
  process.chdir(scratch);
  // Nothing leaves the machine, whatever an option says.
  globalThis.fetch = () => Promise.reject(new TypeError('fetch failed'));
  let current = first;
  const report = (finding: Finding): void => {
    process.stdout.write(`${JSON.stringify({ seed: current, ...finding })}\n`);
  };
  process.on('unhandledRejection', (error) => {
    if (error instanceof Rejected) return;
    const judged = judge(error, []);
    report({
      signature: `unhandled rejection: ${judged?.signature ?? String((error as Error).message).slice(0, 80)}`,
      where: '',
      detail: String((error as Error).stack),
    });
  });
  process.on('uncaughtException', (error) => {
    report({ signature: `uncaught exception: ${String(error).slice(0, 120)}`, where: '', detail: String(error.stack) });
  });
  for (; current < first + count; current++) {
    // An overflow of the stack inside of Node leaves it at 0.
    Error.stackTraceLimit = 10;
    writeSync(progress, String(current).padEnd(20), 0);
    const finding = await settled(attempt(run, current));
    if (finding) report(finding);
    // Rejections that nobody handled are told of between two turns of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
  writeSync(progress, 'done'.padEnd(20), 0);
  process.exit(0);
}

/** A case, in which what the fuzzer itself does wrong is a finding too. */
async function attempt(run: Case, seed: number): Promise<Finding | undefined> {
  try {
    return await run(new Random(seed), seed);
  } catch (error) {
    return judge(error, ['the fuzzer itself']);
  }
}

async function settled(running: Promise<Finding | undefined>): Promise<Finding | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Finding>((resolve) => {
    timer = setTimeout(() => {
      resolve({ signature: `a promise that did not settle within ${SECONDS_TO_SETTLE} s`, where: '', detail: '' });
    }, SECONDS_TO_SETTLE * 1000);
  });
  try {
    return await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
  }
}

const [kind, seed, count, folder] = process.argv.slice(2);
void main(kind!, Number(seed), Number(count), folder!);
