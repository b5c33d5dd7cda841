/** A training with many settings that is interrupted: it goes on with all of them, to the same bits. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stridenet } from './support';
import { TrainingProcesses } from './trainingProcess';

const CONFIG = {
  epochs: 40,
  batchSize: 32,
  validation: 0.25,
  optimizer: { name: 'adamw', lr: 2e-3, noDecayOnNormAndBias: true },
  schedule: { name: 'reduceOnPlateau', patience: 2, factor: 0.7, warmupEpochs: 2 },
  augment: [{ name: 'randomCrop', size: 28, padding: 2 }, 'randomHorizontalFlip'],
  mixup: 0.3,
  ema: 0.9,
  accumulate: 2,
  gradientClipNorm: 1,
  earlyStopping: { patience: 30, monitor: 'valAccuracy' },
};

let processes: TrainingProcesses;
let folder: string;
let config: string;
beforeAll(async () => {
  processes = await TrainingProcesses.create();
  folder = mkdtempSync(join(tmpdir(), 'stridenet-resume-'));
  // A module: written where children can import it.
  config = join(folder, 'config.mjs');
  writeFileSync(config, `export default ${JSON.stringify({ ...CONFIG, data: processes.data })};`);
});
afterAll(() => {
  processes.remove();
  rmSync(folder, { recursive: true, force: true });
});

it.each(['SIGINT', 'SIGKILL'] as const)('%s, then --resume', async (signal) => {
  const undisturbed = await processes.undisturbed(folder, ['--config', config, '--threads', '1']);
  const [out, checkpoint] = [join(folder, 'w.safetensors'), join(folder, 'w.checkpoint.safetensors')];
  const { child, ended, says } = processes.start(folder, ['--config', config, '--threads', '1', '--out', out, '--log', 'log.csv']);
  await says('epoch 5/');
  child.kill(signal);
  expect((await ended).signal ?? (await ended).code).toBe(signal === 'SIGINT' ? 130 : signal);

  const other = await stridenet('train', 'lenet5', '--resume', checkpoint, '--ema', '0.8');
  expect([other.code, other.err]).toEqual([2, expect.stringContaining('--ema 0.8 is not the 0.9 that')]);
  const differing = join(folder, 'other.json');
  writeFileSync(differing, JSON.stringify({ optimizer: { lr: 1 } }));
  const file = await stridenet('train', '--resume', checkpoint, '--config', differing);
  expect([file.code, file.err]).toEqual([2, expect.stringMatching(/config\.optimizer\.lr of ".*other\.json" 1 is not the 0\.002 that/)]);
  const added = await stridenet('train', 'lenet5', '--resume', checkpoint, '--nesterov');
  expect([added.code, added.err]).toEqual([2, expect.stringContaining('--nesterov was not given when')]);

  // From another folder, with nothing but the checkpoint; then the config may be named again.
  const again = signal === 'SIGINT' ? [] : ['--config', config];
  const resumed = await processes.start(tmpdir(), ['--resume', checkpoint, '--threads', '1', ...again]).ended;
  expect([resumed.err, resumed.code]).toEqual(['', 0]);
  expect(readFileSync(out).equals(undisturbed)).toBe(true);
  const epochs = readFileSync(join(folder, 'log.csv'), 'utf8').trimEnd().split('\n').slice(1).map((line) => Number(line.split(',')[0])); // prettier-ignore
  expect(epochs).toEqual(Array.from({ length: epochs.length }, (_, i) => i + 1));
  for (const name of ['w.safetensors', 'log.csv', 'other.json']) rmSync(join(folder, name));
  expect(readdirSync(folder)).toEqual(['config.mjs']);
});

it('--resume for other epochs, by which the warm-up of the default schedule becomes another', async () => {
  const out = join(folder, 'longer.safetensors');
  const { child, ended, says } = processes.start(folder, ['--data', processes.data, '--epochs', '3', '--out', out]);
  await says('epoch 1/');
  child.kill('SIGINT');
  await ended;
  const {
    code,
    err,
    out: said,
  } = await processes.start(folder, ['--resume', join(folder, 'longer.checkpoint.safetensors'), '--epochs', '4']).ended;
  expect([err, code]).toEqual(['', 0]);
  expect(said).toContain('epoch 4/4');
  rmSync(out);
});
