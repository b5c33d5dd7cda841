/**
 * A training that is killed at random moments, and resumed: nothing but the last epoch is lost, the weights are those of a training that was
 * never killed, and nothing half-written stays behind. `KILLS=40 npx jest test/cli/kills.test.ts` kills it that often.
 */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { readCheckpoint } from '../../lib/train/checkpoint';
import { TrainingProcesses } from './trainingProcess';

const KILLS = Number(process.env['KILLS'] ?? 5);
const EPOCHS = 60;

let processes: TrainingProcesses;
let folder: string;
beforeAll(async () => {
  processes = await TrainingProcesses.create();
  folder = mkdtempSync(join(tmpdir(), 'stridenet-kills-'));
});
afterAll(() => {
  processes.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Tells a file from the one that takes its place. */
function identity(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats && `${stats.ino} ${stats.mtimeMs}`;
}

/** Names of half-written files that were to become `path`. */
function temporaryFiles(path: string): string[] {
  return readdirSync(dirname(path)).filter((name) => name.endsWith('.tmp') && name.includes(basename(path)));
}

test(
  `${KILLS} kills`,
  async () => {
    const options = ['--data', processes.data, '--epochs', String(EPOCHS), '--batch-size', '32', '--threads', '1'];
    const started = performance.now();
    const undisturbed = await processes.undisturbed(folder, options);
    const duration = performance.now() - started;
    const [out, checkpoint] = [join(folder, 'w.safetensors'), join(folder, 'w.checkpoint.safetensors')];
    const seen = { resumed: 0, temporary: 0, done: 0 };
    const start = (): ReturnType<TrainingProcesses['start']> => {
      if (!existsSync(checkpoint)) return processes.start(folder, [...options, '--out', out]);
      seen.resumed++;
      return processes.start(folder, ['--resume', checkpoint, '--threads', '1']);
    };

    for (let kills = 0; kills < KILLS; kills++) {
      const before = { checkpoint: identity(checkpoint), temporary: temporaryFiles(checkpoint) };
      const { child, ended } = start();
      await wait(Math.random() * duration);
      child.kill('SIGKILL');
      const { signal, out: printed } = await ended;
      const left = temporaryFiles(checkpoint);
      seen.temporary += left.length;
      // What a killed process left is gone with the next save.
      if (identity(checkpoint) !== before.checkpoint) expect(left.filter((name) => before.temporary.includes(name))).toEqual([]);
      if (signal === null) {
        // It was quicker than the kill.
        expect(readFileSync(out).equals(undisturbed)).toBe(true);
        rmSync(out);
        seen.done++;
        continue;
      }
      const epochs = [...printed.matchAll(/^epoch (\d+)\//gm)].map((match) => Number(match[1]));
      const last = Math.max(0, ...epochs);
      // What was said to be done is in the checkpoint, but for the epoch whose checkpoint was being written.
      if (last > 1 && last < EPOCHS) expect((await readCheckpoint(checkpoint)).state.epoch).toBeGreaterThanOrEqual(last - 1);
    }
    const { code, err } = await start().ended;
    expect([code, err]).toEqual([0, '']);
    expect(readFileSync(out).equals(undisturbed)).toBe(true);
    expect(readdirSync(folder)).toEqual(['w.safetensors']);
    process.stderr.write(`${KILLS} kills: ${JSON.stringify(seen)}; the weights are those of a training that was never killed\n`);
  },
  60_000 + 20_000 * KILLS,
);
