/** What ends a training early, and going on with it: signals, a reader that goes away, a full disk. */

import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jsonOf, stridenet } from './support';
import { TrainingProcesses } from './trainingProcess';

let processes: TrainingProcesses;
let folder: string;
let options: string[];
let undisturbed: Buffer;
beforeAll(async () => {
  processes = await TrainingProcesses.create();
  folder = mkdtempSync(join(tmpdir(), 'stridenet-signals-'));
  options = ['--data', processes.data, '--epochs', '120', '--batch-size', '32', '--label-smoothing', '0.1', '--threads', '1'];
  undisturbed = await processes.undisturbed(folder, options);
});
afterAll(() => {
  processes.remove();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  for (const file of readdirSync(folder)) rmSync(join(folder, file), { recursive: true });
});

const out = (): string => join(folder, 'w.safetensors');
const checkpoint = (): string => join(folder, 'w.checkpoint.safetensors');

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)('%s', (signal, exitCode) => {
  it(`stops after the step, saves, exits with ${exitCode}; --resume goes on to the same bits`, async () => {
    const { child, ended, says } = processes.start(folder, [...options, '--out', out()]);
    await says('epoch 3/');
    child.kill(signal);
    const { code, err } = await ended;
    expect(code).toBe(exitCode);
    expect(err).toContain(
      `stridenet: interrupted; the weights so far are in ${out()}. To go on: stridenet train lenet5 --resume ${checkpoint()}`,
    );
    expect(readdirSync(folder).sort()).toEqual(['w.checkpoint.safetensors', 'w.safetensors']);
    for (const weights of [out(), checkpoint()]) {
      const evaluated = await stridenet('evaluate', 'lenet5', '--weights', weights, '--data', processes.data, '--json');
      expect(jsonOf(evaluated).accuracy).toBeGreaterThan(0.1);
    }
    // From another folder, with nothing but the checkpoint.
    const resumed = await processes.start(tmpdir(), ['--resume', checkpoint(), '--threads', '1']).ended;
    expect([resumed.err, resumed.code]).toEqual(['', 0]);
    expect(resumed.out).not.toContain('epoch 2/');
    expect(readFileSync(out()).equals(undisturbed)).toBe(true);
    expect(readdirSync(folder)).toEqual(['w.safetensors']);
  });
});

it('a reader of standard output that goes away ends training in order', async () => {
  const { child, ended, says } = processes.start(folder, [...options, '--out', out()]);
  await says('epoch 1/');
  child.stdout!.destroy();
  expect((await ended).code).toBe(141);
  await processes.start(folder, ['--resume', checkpoint(), '--threads', '1']).ended;
  expect(readFileSync(out()).equals(undisturbed)).toBe(true);
});

describe('while the result is written', () => {
  /** Flushing a file says so, and takes until the file `flushed` is there. */
  const slowDisk = (): string => {
    const file = join(folder, 'slow.js');
    writeFileSync(
      file,
      `const { existsSync } = require('node:fs'), { open } = require('node:fs/promises');
       open(__filename).then(async (handle) => {
         const prototype = Object.getPrototypeOf(handle), { sync } = prototype;
         await handle.close();
         prototype.sync = async function () {
           process.stderr.write('FLUSHING');
           while (!existsSync(${JSON.stringify(flushed())})) await new Promise((resolve) => setTimeout(resolve, 10));
           return sync.call(this);
         };
       });`,
    );
    return file;
  };
  const flushed = (): string => join(folder, 'flushed');
  const once = (): string[] => [...options, '--epochs', '1', '--out', out()];

  it('a signal waits for it', async () => {
    const { child, ended, says } = processes.start(folder, once(), { preload: slowDisk() });
    await says('FLUSHING');
    child.kill('SIGINT');
    await says('Ctrl-C again');
    writeFileSync(flushed(), '');
    const { code, err } = await ended;
    expect(code).toBe(130);
    expect(err).toContain('stridenet: saving the weights; Ctrl-C again ends at once without saving.');
    expect(err).toContain(`stridenet: interrupted; training was done, and the weights are in ${out()}.`);
    expect(readdirSync(folder).sort()).toEqual(['flushed', 'slow.js', 'w.safetensors']);
    expect((await stridenet('evaluate', 'lenet5', '--weights', out(), '--data', processes.data)).code).toBe(0);
  });

  it('a second one ends at once and leaves the old file as it was', async () => {
    writeFileSync(out(), 'old');
    const { child, ended, says } = processes.start(folder, once(), { preload: slowDisk() });
    await says('FLUSHING');
    child.kill('SIGINT');
    await says('Ctrl-C again');
    child.kill('SIGTERM');
    expect((await ended).code).toBe(130);
    expect(readFileSync(out(), 'utf8')).toBe('old');
    // What was half written is gone with the next save.
    expect((await processes.start(folder, once()).ended).code).toBe(0);
    expect(readdirSync(folder).sort()).toEqual(['slow.js', 'w.safetensors']);
  });
});

describe('on a full disk', () => {
  it('training goes on without checkpoints, and says so', async () => {
    // Checkpoints have the momentum too and are twice as large as the weights.
    const { code, err } = await processes.start(folder, [...options, '--epochs', '3', '--out', out()], {
      fileBytes: 1.5 * undisturbed.length,
    }).ended;
    expect(code).toBe(0);
    expect(err.match(/stridenet: warning: no checkpoint was written\. Cannot write/g)).toHaveLength(2);
    expect(readdirSync(folder)).toEqual(['w.safetensors']);
  });

  it('the last checkpoint stays, and goes on to the same bits when there is room again', async () => {
    const { child, ended, says } = processes.start(folder, [...options, '--out', out()]);
    await says('epoch 3/');
    child.kill('SIGKILL');
    await ended;
    expect(existsSync(out())).toBe(false);
    const before = readFileSync(checkpoint());
    const full = await processes.start(folder, ['--resume', checkpoint(), '--threads', '1'], { fileBytes: undisturbed.length / 2 }).ended;
    expect([full.code, full.err]).toEqual([1, expect.stringContaining('stridenet: ERR_FILE_ACCESS: Cannot write')]);
    expect(readFileSync(checkpoint()).equals(before)).toBe(true);
    expect((await processes.start(folder, ['--resume', checkpoint(), '--threads', '1']).ended).code).toBe(0);
    expect(readFileSync(out()).equals(undisturbed)).toBe(true);
    expect(readdirSync(folder)).toEqual(['w.safetensors']);
  });
});

describe('--resume', () => {
  it('takes the options from the checkpoint and refuses others', async () => {
    const { child, ended, says } = processes.start(folder, [...options, '--out', out()]);
    await says('epoch 2/');
    child.kill('SIGINT');
    await ended;
    const resume = (...args: string[]): ReturnType<typeof stridenet> =>
      stridenet('train', 'lenet5', '--threads', '1', '--resume', checkpoint(), ...args);
    expect(await resume('--lr', '0.2')).toMatchObject({ code: 2, err: expect.stringContaining('--lr 0.2 is not the 0.05 that') });
    expect(await resume('--warmup-epochs', '2')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--warmup-epochs was not given when'),
    });
    expect(await stridenet('train', 'resnetCifar20', '--resume', checkpoint())).toMatchObject({
      code: 2,
      err: expect.stringContaining('is from a training of "lenet5", not of "resnetCifar20"'),
    });
    expect(await stridenet('train', 'lenet5', '--resume', out())).toMatchObject({ code: 1, err: expect.stringContaining('ERR_BAD_FILE') });
    // The same value in other words is the same; weights may go elsewhere.
    const elsewhere = join(folder, 'elsewhere.safetensors');
    expect(await resume('--lr', '5e-2', '--out', elsewhere, '--json')).toMatchObject({ code: 0, err: '' });
    expect(readFileSync(elsewhere).equals(undisturbed)).toBe(true);
    expect(readdirSync(folder).sort()).toEqual(['elsewhere.safetensors', 'w.checkpoint.safetensors', 'w.safetensors']);
  });

  it('a checkpoint that somebody left behind is not replaced without a word', async () => {
    const short = [...options, '--epochs', '2', '--out', out()];
    const { child, ended, says } = processes.start(folder, [...options, '--out', out()]);
    await says('epoch 2/');
    child.kill('SIGKILL');
    await ended;
    copyFileSync(checkpoint(), join(folder, 'copy.safetensors'));
    const { code, err } = await processes.start(folder, short).ended;
    expect(code).toBe(0);
    expect(err).toContain(`stridenet: ${checkpoint()} is from a training that did not end`);
    const { code: resumed, err: silent } = await processes.start(folder, ['--resume', join(folder, 'copy.safetensors'), '--threads', '1'])
      .ended;
    expect([resumed, silent]).toEqual([0, '']);
    expect(readFileSync(out()).equals(undisturbed)).toBe(true);
  });
});
