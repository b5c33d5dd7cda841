/** Programs that are made while runs wait for them: order, feeds, closing, and who needs one at once. */

import { compile, manualSeed, models, nn, optim, Trainer } from 'stridenet';
import { expectRejection } from '../support/expectError';
import { uniform } from '../support/values';

const SHAPE = [3, 8, 8];
const PIXELS = 3 * 8 * 8;

const imagesOf = (count: number, seed: number): Float32Array => Float32Array.from({ length: count * PIXELS }, uniform(seed));
const labelsOf = (count: number, seed: number): Int32Array => Int32Array.from({ length: count }, (_, i) => (i + seed) % 4);

function network(): nn.Module {
  manualSeed(3);
  return new nn.Sequential(
    new nn.Conv2d(3, 8, 3, { padding: 1 }),
    new nn.BatchNorm2d(8),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Dropout(),
    new nn.Linear(8 * 64, 4),
  );
}

/** Batch sizes that come for the first time between others that are known. */
const COUNTS = [4, 2, 4, 3, 2, 1, 4, 3];

async function train(overlap: boolean): Promise<{ losses: number[]; weights: Float32Array[] }> {
  const model = network();
  using trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }), input: SHAPE, batchSize: 4, seed: 5 });
  const images = new Float32Array(4 * PIXELS);
  const labels = new Int32Array(4);
  const steps: Promise<{ loss: number }>[] = [];
  for (const [i, count] of COUNTS.entries()) {
    images.set(imagesOf(count, i));
    labels.set(labelsOf(count, i));
    trainer.learningRate = 0.1 / (i + 1);
    const step = trainer.step(images.subarray(0, count * PIXELS), labels.subarray(0, count));
    images.fill(NaN);
    labels.fill(0);
    if (!overlap) await step;
    steps.push(step);
  }
  const losses = (await Promise.all(steps)).map(({ loss }) => loss);
  return { losses, weights: await Promise.all(model.parameters().map(async (parameter) => parameter.data())) };
}

test('steps keep their order, feeds, learning rates and masks although their programs are made meanwhile', async () => {
  expect(await train(true)).toEqual(await train(false));
});

test('runs of sizes that come for the first time are right, whoever asks first', async () => {
  using expected = await compile(network(), { input: SHAPE, maxBatch: 8 });
  using net = await compile(network(), { input: SHAPE, maxBatch: 8 });
  const alone = COUNTS.map((count, i) => expected.runSync(imagesOf(count, i)).dataSync());
  const runs = COUNTS.map((count, i) => net.run(imagesOf(count, i)));
  const now = COUNTS.map((count, i) => net.runSync(imagesOf(count, i)).dataSync());
  expect(now).toEqual(alone);
  for (const [i, run] of runs.entries()) expect(await (await run).data()).toEqual(alone[i]);
});

test('a run whose program is being made is rejected by close, with the stack of its caller', async () => {
  const net = await compile(network(), { input: SHAPE });
  const errors = [net.run(imagesOf(5, 1)), net.run(imagesOf(1, 1))].map((run) => run.catch((error: unknown) => error));
  net.close();
  for (const error of await Promise.all(errors)) {
    expect(error).toMatchObject({ code: 'ERR_CLOSED' });
    expect((error as Error).stack).toContain('programs.test.ts');
  }
  await expectRejection('ERR_CLOSED', net.run(imagesOf(6, 1)), 'closed');
});

test('a step that is refused takes no part: those after it draw as if it had not been', async () => {
  const masks = async (mistake: boolean): Promise<number> => {
    using trainer = new Trainer(network(), { optimizer: optim.sgd({ lr: 0.1 }), input: SHAPE, batchSize: 4, seed: 5 });
    const refused = mistake ? trainer.step(imagesOf(2, 1), Int32Array.of(0, 4)) : undefined;
    const step = trainer.step(imagesOf(4, 1), labelsOf(4, 1));
    if (refused) await expectRejection('ERR_INVALID_ARGUMENT', refused, 'label 1 is 4');
    return (await step).loss;
  };
  expect(await masks(true)).toBe(await masks(false));
});

test('the event loop turns while a program is made', async () => {
  const model = models.densenet121();
  using trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.1 }), input: [3, 32, 32], batchSize: 2 });
  const turns: string[] = [];
  const step = trainer.step(new Float32Array(2 * 3 * 1024), Int32Array.of(0, 1)).then(() => turns.push('step'));
  let isDone = false;
  const turn = (): void => {
    if (isDone) return;
    turns.push('turn');
    setImmediate(turn);
  };
  setImmediate(turn);
  await step;
  isDone = true;
  expect(turns.indexOf('step')).toBeGreaterThan(4);
});
