/** Checkpoints that somebody else made: they ask for no more than they can fill. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadSafetensors, models, nn, ones, optim, readSafetensorsMetadata, saveSafetensors, Trainer } from '../../lib';
import { randomState } from '../../lib/random';
import { expectRejection } from '../support/expectError';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'stridenet-hostile-'));
  file = path.join(folder, 'checkpoint.safetensors');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A checkpoint with one number in it whose metadata are changed. */
async function craft(changes: Record<string, string>): Promise<void> {
  const trainer = new Trainer(new nn.Sequential(new nn.Linear(4, 2)), { optimizer: optim.sgd({ lr: 0.1 }), input: [4], batchSize: 1 });
  await trainer.save(file);
  trainer.close();
  await saveSafetensors(file, new Map([['a', ones([1])]]), { ...(await readSafetensorsMetadata(file)), ...changes });
}

const recipe = (model: object): string =>
  JSON.stringify({
    model,
    frozen: [],
    optimizer: {},
    loss: { name: 'crossEntropy', options: {} },
    options: { input: [3, 32, 32], batchSize: 1 },
  });

test.each([
  ['millions of layers', { kind: 'resnetCifar', args: [60000002] }],
  ['thousands of layers', { kind: 'resnetCifar', args: [9998] }],
  ['many models', { kind: 'Sequential', args: Array.from({ length: 5000 }, () => ({ kind: 'resnet152', args: [{}] })) }],
  ['a model inside itself', JSON.parse(`${'{"kind":"Sequential","args":['.repeat(400)}${']}'.repeat(400)}`) as object],
  ['numbers of 2^40 rows', { kind: 'Linear', args: [2 ** 40, 2 ** 40] }],
])('a recipe of %s', async (_, model) => {
  await craft({ recipe: recipe(model) });
  const [state, before] = [randomState(), process.memoryUsage().heapUsed];
  await expectRejection('ERR_BAD_FILE', Trainer.resume(file), file, 'does not say how its model is built');
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(100e6);
  expect(randomState()).toEqual(state);
});

test.each([
  ['an option that there is not', { batchSise: 1 }],
  ['batches of no image', { batchSize: 0 }],
  ['images that the model does not take', { input: [1, 32, 32] }],
])('a trainer with %s', async (_, changed) => {
  const made = JSON.parse(recipe({ kind: 'resnetCifar', args: [20] })) as { options: object };
  await craft({ recipe: JSON.stringify({ ...made, options: { ...made.options, ...changed } }) });
  await expectRejection('ERR_BAD_FILE', Trainer.resume(file), file, 'does not say how its trainer is built');
});

test.each(['recipe', 'state', 'random', 'fit', 'stridenet.preprocess'])('brackets in %s', async (key) => {
  await craft({ [key]: '['.repeat(5e6) });
  const before = process.memoryUsage().rss;
  await expectRejection('ERR_BAD_FILE', Trainer.resume(file), file);
  expect(process.memoryUsage().rss - before).toBeLessThan(150e6);
});

test('a replaced head and a deep network come back all the same', async () => {
  const model = models.resnetCifar(56);
  model.linear = new nn.Linear(64, 3);
  const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.1 }), input: [3, 32, 32], batchSize: 1 });
  await trainer.save(file);
  trainer.close();
  const resumed = await Trainer.resume(file);
  expect([...resumed.model.stateDict().keys()]).toEqual([...model.stateDict().keys()]);
  expect(resumed.model.stateDict().get('linear.weight')!.dataSync()).toEqual(
    (await loadSafetensors(file)).get('linear.weight')!.dataSync(),
  );
  resumed.close();
});
