/** The files that csvLogger and jsonLogger write, and what the other small callbacks do. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { callbacks, fit, manualSeed, nn, optim, type Callback, type FitContext, type FitOptions, type History } from 'stridenet';
import type { Dataset } from '../../lib/data/dataset';
import { Philox } from '../../lib/random';
import { expectError, expectRejection } from '../support/expectError';

const folder = mkdtempSync(path.join(tmpdir(), 'stridenet-loggers-'));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string): string => path.join(folder, name);

function points(length: number): Dataset {
  const images = new Philox(1).fillNormal(new Float32Array(2 * length));
  const labels = Uint8Array.from({ length }, (_, i) => (images[2 * i]! > 0 ? 1 : 0));
  return { images, labels, shape: [2, 1, 1], classes: ['left', 'right'], length };
}

const train = async (callback: Callback, more: Partial<FitOptions> = {}): Promise<History> =>
  fit(new nn.Sequential(new nn.Flatten(), new nn.Linear(2, 2)), points(64), {
    epochs: 2,
    batchSize: 16,
    optimizer: optim.sgd({ lr: 0.5 }),
    threads: 1,
    seed: 1,
    progress: false,
    callbacks: [callback],
    ...more,
  });

/** Events by hand, with records that have more than fit's. */
async function log(callback: Callback, records: readonly object[], reached = { epoch: 0, steps: 0 }): Promise<void> {
  const context = { trainer: reached } as FitContext;
  await callback.onTrainBegin?.(context);
  for (const record of records) await callback.onEpochEnd?.(record as never, context);
}

test('a table of the epochs, under the names of the first record', async () => {
  const file = inFolder('log.csv');
  const { epochs } = await train(callbacks.csvLogger(file), { validation: points(32) });
  const [header, ...rows] = readFileSync(file, 'utf8').trimEnd().split('\n');
  const columns = header!.split(',');
  expect(columns).toEqual(expect.arrayContaining(['epoch', 'loss', 'accuracy', 'valLoss', 'valAccuracy', 'seconds']));
  expect(rows.map((row) => row.split(',').map(Number))).toEqual(
    epochs.map((record) => columns.map((column) => (record as unknown as Record<string, number>)[column])),
  );
});

test('any number is a column, texts and matrices are none; cells and names are as CSV has them', async () => {
  const file = inFolder('cells.csv');
  await log(callbacks.csvLogger(file, { separator: ';' }), [
    { epoch: 1, 'a;"b"': 0.1, valTop5: 1e-7, name: 'text', confusion: [[1]] },
    { epoch: 2, valTop5: NaN, later: 3 },
  ]);
  expect(readFileSync(file, 'utf8')).toBe('epoch;"a;""b""";valTop5\n1;0.1;1e-7\n2;;NaN\n');
});

test('a file is replaced, or gone on with under its own header, without the torn line of a killed training', async () => {
  const file = inFolder('append.csv');
  await log(callbacks.csvLogger(file), [{ epoch: 1, loss: 0.5, top5: 1 }]);
  writeFileSync(file, '2,0.', { flag: 'a' });
  await log(callbacks.csvLogger(file, { append: true }), [{ loss: 0.25, epoch: 2, other: 9 }]);
  expect(readFileSync(file, 'utf8')).toBe('epoch,loss,top5\n1,0.5,1\n2,0.25,\n');
  await log(callbacks.csvLogger(file), []);
  expect(readFileSync(file, 'utf8')).toBe('');
  await log(callbacks.csvLogger(file, { append: true }), [{ epoch: 1, loss: 1 }]);
  expect(readFileSync(file, 'utf8')).toBe('epoch,loss\n1,1\n');
});

test('records as lines of JSON, batches too if wanted', async () => {
  const file = inFolder('log.jsonl');
  const { epochs } = await train(callbacks.jsonLogger(file, { everyBatch: true }));
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, number>); // prettier-ignore
  expect(lines).toHaveLength(2 * 4 + 2);
  expect(lines.filter(({ step }) => step === undefined)).toEqual(epochs);
  expect(lines[0]).toMatchObject({ epoch: 1, batch: 1, step: 1 });
  await log(callbacks.jsonLogger(file), [{ epoch: 1, loss: Infinity, name: 'text' }]);
  await log(callbacks.jsonLogger(file, { append: true }), [{ epoch: 2, loss: 1 }]);
  expect(readFileSync(file, 'utf8')).toBe('{"epoch":1,"loss":"Infinity"}\n{"epoch":2,"loss":1}\n');
});

test('what a killed training wrote behind its checkpoint is cut off when it goes on', async () => {
  const table = inFolder('ahead.csv');
  await log(
    callbacks.csvLogger(table),
    [1, 2, 3].map((epoch) => ({ loss: 0.5, epoch })),
  );
  await log(callbacks.csvLogger(table, { append: true }), [{ epoch: 3, loss: 0.25 }], { epoch: 2, steps: 8 });
  expect(readFileSync(table, 'utf8')).toBe('loss,epoch\n0.5,1\n0.5,2\n0.25,3\n');
  const lines = inFolder('ahead.jsonl');
  const batches = [1, 2, 3, 4].map((step) => ({ epoch: Math.ceil(step / 2), batch: 2 - (step % 2), step }));
  await log(callbacks.jsonLogger(lines), [...batches.slice(0, 2), { epoch: 1, loss: 1 }, ...batches.slice(2), { epoch: 2, loss: 1 }]);
  await log(callbacks.jsonLogger(lines, { append: true }), [{ epoch: 2, batch: 2, step: 4 }], { epoch: 1, steps: 3 });
  const steps = readFileSync(lines, 'utf8').trimEnd().split('\n').map((line) => (JSON.parse(line) as { step?: number }).step); // prettier-ignore
  expect(steps).toEqual([1, 2, undefined, 3, 4]);
});

describe.each(['csvLogger', 'jsonLogger'] as const)('%s', (name) => {
  test('makes its file when training begins, and names one that cannot be written', async () => {
    const file = inFolder(`${name}.begin`);
    const logger = callbacks[name](file);
    expect(existsSync(file)).toBe(false);
    await log(logger, []);
    expect(existsSync(file)).toBe(true);
    await expectRejection('ERR_FILE_ACCESS', train(callbacks[name](inFolder('none/log'))), 'none/log', 'does not exist');
    await expectRejection('ERR_FILE_ACCESS', train(callbacks[name](folder)), folder, 'it is a folder');
    await expectRejection('ERR_FILE_ACCESS', train(callbacks[name](inFolder('none/log'), { append: true })), 'none/log');
  });

  test('refuses what does not fit', () => {
    expectError('ERR_INVALID_ARGUMENT', () => callbacks[name](7 as never), `callbacks.${name}`, '7');
    expectError('ERR_UNKNOWN_OPTION', () => callbacks[name]('log', { apend: true } as object), 'append');
    expectError('ERR_INVALID_ARGUMENT', () => callbacks[name]('log', { append: 1 as never }), 'append');
  });
});

test.each(['', ',,', '.', '"', '\n', 'a', '5', '-'])('the separator %j is refused', (separator) => {
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.csvLogger('log', { separator }), 'separator');
});

test('lambda is a callback of functions and refuses what is no event', async () => {
  const seen: number[] = [];
  await train(callbacks.lambda({ onEpochEnd: ({ epoch }) => seen.push(epoch) }));
  expect(seen).toEqual([1, 2]);
  expectError('ERR_UNKNOWN_OPTION', () => callbacks.lambda({ onEpochEnds: () => undefined } as object), 'callbacks.lambda', 'onEpochEnd');
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.lambda({ onTrainEnd: 3 } as object), 'onTrainEnd', '3');
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.lambda(undefined as never), 'callbacks.lambda');
});

describe('learningRateMonitor', () => {
  const schedule = optim.step({ stepSize: 2, gamma: 0.1 });

  test('notes the rate of every epoch and prints those that are new', async () => {
    const write = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
    const monitor = callbacks.learningRateMonitor();
    await train(monitor, { epochs: 3, schedule });
    const printed = write.mock.calls.map(([text]) => text);
    write.mockRestore();
    expect(monitor.rates.map(({ epoch, step }) => [epoch, step])).toEqual([[1, 4], [2, 8], [3, 12]]); // prettier-ignore
    expect(monitor.rates.map(({ learningRate }) => learningRate)).toEqual([0.5, 0.5, expect.closeTo(0.05, 10)]);
    expect(printed).toEqual(['epoch 1  learning rate 0.5\n', 'epoch 3  learning rate 0.05\n']);
  });

  test('notes the rate of every step, and begins anew with the next fit', async () => {
    const monitor = callbacks.learningRateMonitor({ every: 'batch', print: false });
    await train(monitor, { schedule });
    await train(monitor, { schedule });
    expect(monitor.rates.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('refuses what does not fit', () => {
    expectError('ERR_INVALID_ARGUMENT', () => callbacks.learningRateMonitor({ every: 'step' as never }), "'epoch' or 'batch'", 'step');
    expectError('ERR_UNKNOWN_OPTION', () => callbacks.learningRateMonitor({ prints: true } as object), 'print');
  });
});

const hasFull = existsSync('/dev/full');
describe('a disk that is full while training goes on', () => {
  let warnings: string[];
  beforeEach(() => {
    warnings = [];
    jest.spyOn(process, 'emitWarning').mockImplementation((text) => void warnings.push(String(text)));
  });
  afterEach(() => jest.restoreAllMocks());

  // Writing to this device fails as on a full disk; opening it does not.
  (hasFull ? test : test.skip).each(['csvLogger', 'jsonLogger'] as const)('%s: trained as without it, and told once', async (name) => {
    const lossesOf = ({ epochs }: History): number[] => epochs.map(({ loss }) => loss);
    const seen: number[] = [];
    manualSeed(1);
    const after: Callback = { onEpochEnd: ({ epoch }) => seen.push(epoch) };
    const history = await train({}, { epochs: 3, callbacks: [callbacks[name]('/dev/full'), after] });
    expect(seen).toEqual([1, 2, 3]);
    manualSeed(1);
    expect(lossesOf(history)).toEqual(lossesOf(await train({}, { epochs: 3 })));
    const reason = 'Cannot write "/dev/full": the disk is full (ENOSPC).';
    expect(history.unwritten).toEqual([reason]);
    expect(warnings).toEqual([`${reason} Training goes on, and the file lacks what cannot be written.`]);
  });

  test('every batch, and an event file whose folder is gone', async () => {
    const runs = inFolder('gone');
    const gone = { onEpochBegin: (epoch: number) => (epoch === 2 ? rmSync(runs, { recursive: true }) : undefined) };
    const log = callbacks.tensorBoard(runs, { everyBatch: true });
    const history = await train({}, { epochs: 3, callbacks: [gone, log] });
    expect(history.epochs).toHaveLength(3);
    expect(history.unwritten).toEqual([expect.stringContaining('gone')]);
    expect(warnings).toHaveLength(1);
  });

  test('a report that can be written again in the end lacks nothing', async () => {
    const pages = inFolder('pages');
    mkdirSync(pages);
    const moved: Callback = {
      onEpochBegin: (epoch) => (epoch === 2 ? rmSync(pages, { recursive: true }) : epoch === 3 ? mkdirSync(pages) : undefined),
    };
    const page = path.join(pages, 'report.html');
    const history = await train({}, { epochs: 3, callbacks: [moved], report: page });
    expect(history.unwritten).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('report.html')]);
    expect(readFileSync(page, 'utf8')).toContain('<html');
    const lost: Callback = { onEpochBegin: (epoch) => (epoch === 2 ? rmSync(pages, { recursive: true }) : undefined) };
    const without = await train({}, { callbacks: [lost], report: page });
    expect(without.unwritten).toEqual([expect.stringContaining('report.html')]);
  });

  test('before the first step it is an error, as is a checkpoint that cannot be written', async () => {
    await expectRejection('ERR_FILE_ACCESS', train(callbacks.csvLogger(inFolder('none/log.csv'))), 'log.csv');
    await expectRejection('ERR_FILE_ACCESS', train(callbacks.checkpoint({ path: inFolder('none/last.safetensors') })), 'last.safetensors');
    expect(warnings).toEqual([]);
  });

  test('a table whose first row did not fit has its header with the first that does', async () => {
    const file = inFolder('late.csv');
    const logger = callbacks.csvLogger(file);
    await logger.onTrainBegin?.({} as FitContext);
    rmSync(file);
    mkdirSync(file);
    await expectRejection(
      'ERR_FILE_ACCESS',
      Promise.resolve(logger.onEpochEnd?.({ epoch: 1, loss: 2 } as never, {} as FitContext)),
      'late.csv',
    );
    rmSync(file, { recursive: true });
    await logger.onEpochEnd?.({ epoch: 2, loss: 1 } as never, {} as FitContext);
    expect(readFileSync(file, 'utf8')).toBe('epoch,loss\n2,1\n');
  });
});

// Files of a process and its children may be limited in size; the end of a record that crosses the limit is not written.
(process.platform === 'win32' ? test.skip : test)('a record of which a part alone can be written is left out as a whole', () => {
  const file = inFolder('limited');
  const program = `const { AppendedFile } = require('./lib/io/appendedFile');
    AppendedFile.create(${JSON.stringify(file)}).then(async (file) => {
      await file.append('first\\n');
      await file.append('x'.repeat(1 << 20)).catch(({ message }) => console.log(message));
      await file.append('last\\n');
    });`;
  const script = `trap '' XFSZ; ulimit -f 16; exec "$0" --no-warnings -r ts-node/register/transpile-only -e "$1"`;
  const cwd = path.join(__dirname, '..', '..');
  const child = spawnSync('bash', ['-c', script, process.execPath, program], { cwd, encoding: 'utf8' });
  expect(child.stderr).toBe('');
  expect(child.stdout).toMatch(/^Cannot write ".*limited": the file would be larger than the system allows \(EFBIG\)\.\n$/);
  expect(readFileSync(file, 'utf8')).toBe('first\nlast\n');
});
