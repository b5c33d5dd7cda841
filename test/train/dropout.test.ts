/** Dropout in training: masks follow (seed, step, node) alone, so threads, batches queued ahead and checkpoints change nothing. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, manualSeed, nn, ops, optim, tensor, Trainer } from 'stridenet';
import { dropout, dropout2d, randomStepValue } from '../../lib/ops/dropout';
import { ones } from '../../lib/graph/leaves';
import { Philox, philox4x32, PURPOSE } from '../../lib/random';
import { uniform } from '../support/values';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-dropout-'));
afterAll(() => rmSync(folder, { recursive: true }));

const random = uniform(3);
const images = Float32Array.from({ length: 8 * 64 }, random);
const labels = Int32Array.from({ length: 8 }, (_, i) => i % 4);

function makeTrainer(seed: number, threads = 1): Trainer {
  manualSeed(1);
  const model = new nn.Sequential(
    new nn.Conv2d(1, 6, 3), new nn.Dropout2d(0.3), new nn.ReLU(), new nn.Flatten(),
    new nn.Linear(216, 300), new nn.ReLU(), new nn.Dropout(0.4), new nn.Linear(300, 4)); // prettier-ignore
  return new Trainer(model, { optimizer: optim.sgd({ lr: 0.05, momentum: 0.9 }), input: [1, 8, 8], batchSize: 8, seed, threads });
}

async function steps(trainer: Trainer, count: number): Promise<number[]> {
  const losses = await Promise.all(Array.from({ length: count }, () => trainer.step(images, labels)));
  return losses.map(({ loss }) => loss);
}

test('the same seed gives the same losses with any number of threads, another seed others', async () => {
  const runs = [];
  for (const [seed, threads] of [
    [5, 1],
    [5, 2],
    [6, 1],
    [5 + 2 ** 32, 1],
  ] as const) {
    // prettier-ignore
    const trainer = makeTrainer(seed, threads);
    runs.push(await steps(trainer, 6));
    trainer.close();
  }
  expect(runs[1]).toEqual(runs[0]);
  expect(runs[2]).not.toEqual(runs[0]);
  expect(runs[3]).not.toEqual(runs[0]);
});

test.each([false, true])('a resumed training goes on as an uninterrupted one; model from the file: %p', async (rebuilt) => {
  const whole = makeTrainer(9, 2);
  const expected = await steps(whole, 8);
  whole.close();
  const first = makeTrainer(9);
  const begin = await steps(first, 3);
  const path = join(folder, `half${rebuilt ? 1 : 0}.safetensors`);
  await first.save(path);
  const { model, optimizer, input, batchSize } = first;
  first.close();
  const second = rebuilt ? await Trainer.resume(path) : await Trainer.resume(path, model, { optimizer, input, batchSize });
  expect([...begin, ...(await steps(second, 5))]).toEqual(expected);
  second.close();
});

test('each step has a mask of its own', async () => {
  const trainer = makeTrainer(2);
  trainer.learningRate = 0;
  const losses = await steps(trainer, 5);
  trainer.close();
  expect(new Set(losses).size).toBe(5);
});

test('inference and evaluation drop nothing', async () => {
  manualSeed(0);
  const model = new nn.Sequential(new nn.Dropout(0.9), new nn.Dropout2d(0.9));
  const net = await compile(model, { input: [1, 8, 8], maxBatch: 8 });
  expect((await net.run(images)).dataSync()).toEqual(images);
  net.close();
  model.eval();
  const x = tensor([[[[1, 2]]]]);
  expect(model.forward(x)).toBe(x);
});

test('the native generator is Philox4x32-10 as lib/random.ts has it', () => {
  const [n, seed] = [4096, 2 ** 40 + 12345];
  const [low, high] = randomStepValue(seed, 0);
  const words = new Uint32Array(4);
  for (const p of [0.5, 0.25, 0.125, 0.7, 0.9]) {
    const mask = dropout(ones([n]), p, { seed }).dataSync();
    const expected = Float32Array.from({ length: n }, (_, e) => {
      philox4x32([16 * Math.floor(e / 64) + (e % 16), 0, 0, PURPOSE.dropout], [low! >>> 0, high! >>> 0], words);
      return (words[Math.floor((e % 64) / 16)]! >>> 8) * 2 ** -24 >= Math.fround(p) ? 1 : 0;
    });
    expect(mask.map(Math.sign)).toEqual(expected);
  }
  // The first block of a stream is what the stream's first words are.
  const stream = new Philox(seed, 0, PURPOSE.dropout);
  philox4x32([0, 0, 0, PURPOSE.dropout], [low! >>> 0, high! >>> 0], words);
  expect([...words]).toEqual([stream.uint32(), stream.uint32(), stream.uint32(), stream.uint32()]);
});

test('about p of the numbers are dropped and the mean stays', () => {
  const values = dropout(ones([200, 500]), 0.3, { seed: 1 }).dataSync();
  const dropped = values.filter((v) => v === 0).length / values.length;
  // Five standard deviations of 100,000 draws.
  expect(Math.abs(dropped - 0.3)).toBeLessThan(5 * Math.sqrt((0.3 * 0.7) / values.length));
  expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / (1 - Math.fround(0.3)))]));
});

test('whole channels', async () => {
  const y = (await dropout2d(ones([3, 40, 2, 2]), 0.5, { seed: 8 })
    .reshape([120, 4])
    .array()) as number[][];
  expect(y.every((channel) => new Set(channel).size === 1)).toBe(true);
  expect(new Set(y.flat())).toEqual(new Set([0, 2]));
});

test('without a seed, masks follow manualSeed and differ from call to call', () => {
  const draw = (): number[] => [...ops.dropout(ones([64])).dataSync()];
  manualSeed(3);
  const [a, b] = [draw(), draw()];
  manualSeed(3);
  expect(draw()).toEqual(a);
  expect(b).not.toEqual(a);
});

test('the gradient passes where the mask is', () => {
  const x = ones([50]);
  const y = ops.dropout(x, 0.5, { seed: 7 });
  const [g] = ops.grad(ops.sum(y), [x]);
  expect(g!.dataSync()).toEqual(y.dataSync());
});
