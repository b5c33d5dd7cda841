/**
 * What a user's tests do, where none of Node's globals is there (Jest with jsdom).
 * @jest-environment ./test/support/bareEnvironment.ts
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compile, data, evaluate, fit, loadSafetensors, models, nn, optim, saveSafetensors, tensor, Trainer } from '../../lib';
import { exportOnnx } from '../../lib/onnx';

const folder = mkdtempSync(path.join(tmpdir(), 'stridenet-bare-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('the environment is poor', () => {
  const names = ['setImmediate', 'TextDecoder', 'TextEncoder', 'structuredClone', 'performance', 'AbortController', 'AbortSignal', 'fetch'];
  expect(names.filter((name) => name in globalThis)).toEqual([]);
});

test('tensors, layers, compiled models', async () => {
  expect(await tensor([1, 2]).add(1).array()).toEqual([2, 3]);
  const net = await compile(new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 2)), { input: [1, 2, 2], maxBatch: 2 });
  expect((await net.run(new Float32Array(8))).shape).toEqual([2, 2]);
  expect(net.runSync(new Float32Array(4)).shape).toEqual([1, 2]);
  net.close();
});

test('training and files', async () => {
  const { train } = await data.mini();
  const few = { ...train, images: train.images.subarray(0, 64 * 784), labels: train.labels.subarray(0, 64), length: 64 };
  const model = models.lenet5({ classes: 10 });
  const options = { epochs: 1, batchSize: 32, optimizer: optim.sgd({ lr: 0.05 }), validation: few };
  expect((await fit(model, few, options)).epochs[0]!.seconds).toBeGreaterThan(0);
  expect((await evaluate(model, few)).loss).toBeGreaterThan(0);

  const weights = path.join(folder, 'weights.safetensors');
  await saveSafetensors(weights, model.stateDict());
  model.loadStateDict(await loadSafetensors(weights));
  const checkpoint = path.join(folder, 'checkpoint.safetensors');
  const trainer = new Trainer(model, { optimizer: options.optimizer, input: [1, 28, 28], batchSize: 32 });
  await trainer.step(few.images.subarray(0, 784), few.labels.subarray(0, 1));
  await trainer.save(checkpoint);
  trainer.close();
  const resumed = await Trainer.resume(checkpoint);
  expect(resumed.steps).toBe(1);
  resumed.close();
  await exportOnnx(model, { input: [1, 28, 28], path: path.join(folder, 'lenet5.onnx') });
});
