/** stridenet sweep: combinations in child processes, of a program without a compiler between. */

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { combinationsOf, parseParam } from '../../lib/cli/sweep/grid';
import { transpiledCopy } from '../support/transpile';
import { stridenet } from './support';

let copy: ReturnType<typeof transpiledCopy>;
let folder: string;
beforeAll(() => {
  copy = transpiledCopy();
  folder = mkdtempSync(join(tmpdir(), 'stridenet-sweep-'));
});
afterAll(() => {
  copy.remove();
  rmSync(folder, { recursive: true, force: true });
});

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** @param atText when standard output has it, the process gets SIGINT */
async function sweep(argv: readonly string[], atText?: string): Promise<Run> {
  const child = spawn(process.execPath, [join(copy.folder, 'lib', 'cli', 'main.js'), 'sweep', ...argv], { cwd: folder });
  let [out, err, isSent] = ['', '', false];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    if (isSent || atText === undefined || !out.includes(atText)) return;
    isSent = child.kill('SIGINT');
  });
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

function config(settings: object): string {
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ model: 'lenet5', batchSize: 32, limitBatches: 4, ...settings }));
  return 'config.json';
}

function resultsSize(dir: string): number {
  return statSync(join(dir, 'results.jsonl')).size;
}

function resultsOf(dir: string): Record<string, unknown>[] {
  return readFileSync(join(folder, dir, 'results.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>); // prettier-ignore
}

it('runs every combination, survives one that fails, and does not run twice what is done', async () => {
  const argv = [
    config({ epochs: 1, log: 'log.csv' }),
    '--param',
    'lr=0.05,1e30',
    '--param',
    'batchSize=16,32',
    '--jobs',
    '2',
    '--out',
    'runs',
  ];
  const first = await sweep(argv);
  // Two of four fail.
  expect([first.err, first.code]).toEqual(['', 1]);
  expect(first.out).toMatch(/^4\/4 {2}/m);
  const table = first.out.slice(first.out.indexOf('\n\n')).trim().split('\n');
  expect(table[0]).toMatch(/^lr +batchSize +valAccuracy +testAccuracy +seconds$/);
  expect(table[1]).toMatch(/^0\.05 +(16|32) +0\.\d{4} /);
  expect(table.slice(3, 5).every((row) => /^1e\+30 +\d+ +failed: ERR_NOT_FINITE/.test(row))).toBe(true);
  expect(first.out).toMatch(/^best {2}lr=0\.05 batchSize=\d+ {2}\(stridenet train --config runs\/[0-9a-f]{12}\.json\)$/m);
  expect(resultsOf('runs')).toHaveLength(4);
  expect(readdirSync(folder).filter((name) => /^log-[0-9a-f]{12}\.csv$/.test(name))).toHaveLength(4);

  // Of the four, two are done; the file ends in the middle of a line, as a killed process leaves it.
  writeFileSync(join(folder, 'runs', 'results.jsonl'), readFileSync(join(folder, 'runs', 'results.jsonl'), 'utf8') + '{"id": "5');
  const second = await sweep([...argv, '--json']);
  expect(second.code).toBe(1);
  const { results, best, combinations } = JSON.parse(second.out) as {
    results: Record<string, unknown>[];
    best: { parameters: object; config: object };
    combinations: number;
  };
  expect(combinations).toBe(4);
  expect(results.map(({ error }) => typeof error)).toEqual(['undefined', 'undefined', 'string', 'string']);
  expect(best).toMatchObject({ parameters: { lr: 0.05 }, config: { model: 'lenet5', optimizer: { lr: 0.05 } } });
  expect(resultsOf('runs')).toHaveLength(6);
});

it('Ctrl-C ends the children; the same command goes on', async () => {
  const argv = [config({}), '--param', 'epochs=1,100000', '--out', 'interrupted'];
  const { code, err } = await sweep(argv, '1/2  epochs=1  ');
  expect(code).toBe(130);
  expect(err).toContain('stridenet: interrupted; 1 of 2 combinations are done. The same command goes on from here.');
  expect(resultsOf('interrupted')).toMatchObject([{ parameters: { epochs: 1 } }]);
  const again = await sweep(argv, '1 of 2 combinations are done already.');
  expect(again.code).toBe(130);
  expect(resultsOf('interrupted')).toHaveLength(1);
});

/** Processes whose command line names a folder. */
function processesIn(dir: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(dir);
    } catch {
      return false; // it has ended meanwhile
    }
  });
}

(existsSync('/proc/self/cmdline') ? it : it.skip)('a sweep that is killed leaves no training behind', async () => {
  const dir = join(folder, 'killed');
  const argv = [join(copy.folder, 'lib', 'cli', 'main.js'), 'sweep', config({}), '--param', 'epochs=100000', '--out', dir];
  const child = spawn(process.execPath, argv, { cwd: folder, stdio: 'ignore' });
  while (processesIn(dir).length < 2) await wait(50);
  await wait(500);
  child.kill('SIGKILL');
  while (processesIn(dir).length > 0) await wait(50);
  expect(resultsSize(dir)).toBe(0);
});

it('combinations: names go first, places by the names of flags', () => {
  const base = { model: 'lenet5', optimizer: { name: 'sgd', momentum: 0.5 } };
  const params = ['lr=1,2', 'optimizer=sgd,adam', 'augment=[],["randomHorizontalFlip"]'].map(parseParam);
  const combinations = combinationsOf(base, params);
  expect(combinations).toHaveLength(8);
  expect(new Set(combinations.map(({ id }) => id)).size).toBe(8);
  expect(combinations[0]).toMatchObject({
    values: { lr: 1, optimizer: 'sgd', augment: [] },
    settings: { optimizer: { name: 'sgd', momentum: 0.5, lr: 1 }, augment: [] },
  });
  expect(combinations[7]!.settings).toEqual({
    model: 'lenet5',
    optimizer: { name: 'adam', lr: 2 },
    augment: [{ name: 'randomHorizontalFlip' }],
  });
  expect(combinationsOf({ ...base, threads: 2 }, params).map(({ id }) => id)).toEqual(combinations.map(({ id }) => id));
});

it.each<[string[], number, string]>([
  [[], 2, 'stridenet sweep expects --param NAME=VALUE,VALUE'],
  [['--param', 'lr'], 2, '--param expects NAME=VALUE,VALUE such as lr=0.01,0.1 but got "lr".'],
  [['--param', 'lr=1,,2'], 2, '--param lr expects values between commas'],
  [['--param', 'lr=1,1'], 2, '--param lr has the value 1 twice.'],
  [['--param', 'lr=1', '--param', 'optimizer.lr=2'], 2, '--param optimizer.lr is there twice.'],
  [['--param', 'lr=1', '--metric', 'valAcuracy'], 2, '--metric valAcuracy is not measured. Did you mean "valAccuracy"?'],
  [['--param', 'lrr=1'], 1, '--param lrr has an unknown setting config.lrr.'],
  [['--param', 'optimizer.lrr=1'], 1, 'optim.sgd has no option "lrr". Did you mean "lr"?'],
  [['--param', 'epochs=0'], 1, '--param epochs expects config.epochs to be an integer of at least 1 but got 0.'],
  [['--param', 'model=lenet'], 1, 'ERR_UNKNOWN_MODEL'],
])('is refused before anything is trained: %j', async (argv, exitCode, message) => {
  const { code, out, err } = await stridenet('sweep', join(folder, config({})), ...argv);
  expect([code, out]).toEqual([exitCode, '']);
  expect(err).toContain(message);
});

it('a config of TypeScript is read where Node.js runs it, and refused by name elsewhere', async () => {
  writeFileSync(join(folder, 'config.ts'), `const epochs: number = 0;\nexport default { model: 'lenet5', epochs };\n`);
  const { code, err } = await sweep(['config.ts', '--param', 'lr=1']);
  expect(code).toBe(1);
  const isRun = (process.features as { typescript?: unknown }).typescript;
  expect(err).toContain(
    isRun
      ? 'expects config.epochs to be an integer of at least 1'
      : `"config.ts" is TypeScript, which Node.js ${process.version} does not run.`,
  );
});

it('a config module that throws, or exports nothing', async () => {
  writeFileSync(join(folder, 'throws.mjs'), `throw new Error('not today');`);
  expect((await sweep(['throws.mjs', '--param', 'lr=1'])).err).toContain('ERR_BAD_FILE: "throws.mjs" cannot be imported: not today');
  writeFileSync(join(folder, 'empty.mjs'), `export const epochs = 1;`);
  expect((await sweep(['empty.mjs', '--param', 'lr=1'])).err).toContain('ERR_BAD_FILE: "empty.mjs" has no default export.');
  writeFileSync(join(folder, 'function.mjs'), `export default { model: 'lenet5', optimizer: { lr: () => 1 } };`);
  expect((await sweep(['function.mjs', '--param', 'epochs=1'])).err).toContain('expects config.optimizer.lr to be');
});
