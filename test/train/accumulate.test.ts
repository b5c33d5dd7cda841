/** Gradient accumulation and averages of weights: what they compute, and that a checkpoint holds them. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { data, evaluate, fit, manualSeed, nn, optim, Trainer, type FitOptions } from 'stridenet';
import { Philox } from '../../lib/random';
import { expectError, expectRejection } from '../support/expectError';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-accumulate-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'checkpoint.safetensors');

const N = 40;
const IMAGES = new Philox(3).fillNormal(new Float32Array(4 * N));
const LABELS = Uint8Array.from({ length: N }, (_, i) => (IMAGES[4 * i]! > 0 ? 1 : 0));
const SET = data.arrays(IMAGES, LABELS, { shape: [1, 2, 2] });

function network(): nn.Sequential {
  manualSeed(1);
  return new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 5), new nn.Tanh(), new nn.Linear(5, 2));
}
const weightsOf = (model: nn.Module): number[] => [...model.stateDict().values()].flatMap((variable) => [...variable.value]);
const optimizer = optim.adam({ lr: 0.05 });
const options = (more: Partial<FitOptions> = {}): FitOptions => ({ epochs: 3, batchSize: 8, optimizer, seed: 7, progress: false, ...more });

test('four batches of 2 make the update of one batch of 8', async () => {
  const [one, four] = [network(), network()];
  using whole = new Trainer(one, { optimizer, input: [1, 2, 2], batchSize: 8 });
  using parts = new Trainer(four, { optimizer, input: [1, 2, 2], batchSize: 2, accumulate: 4, gradientClipNorm: 0.05 });
  using clipped = new Trainer(one, { optimizer, input: [1, 2, 2], batchSize: 8, gradientClipNorm: 0.05 });
  for (let step = 0; step < 3; step++) {
    const before = weightsOf(four);
    await clipped.step(IMAGES.subarray(32 * step, 32 * step + 32), LABELS.subarray(8 * step, 8 * step + 8));
    for (let part = 0; part < 4; part++) {
      expect(weightsOf(four)).toEqual(before);
      const at = 8 * step + 2 * part;
      await parts.step(IMAGES.subarray(4 * at, 4 * at + 8), LABELS.subarray(at, at + 2));
    }
    weightsOf(four).forEach((weight, i) => expect(weight).toBeCloseTo(weightsOf(one)[i]!, 5));
  }
  expect(whole.steps + parts.steps).toBe(12);
});

test('the last group of an epoch is of the batches that are left', async () => {
  // 5 batches by 3: updates after batch 3 and 5; the schedule counts updates.
  const steps: number[] = [];
  const schedule: optim.Schedule = ({ step, stepsPerEpoch, totalSteps }) => {
    steps.push(step);
    expect([stepsPerEpoch, totalSteps]).toEqual([2, 6]);
    return 1;
  };
  await fit(network(), SET, options({ accumulate: 3, schedule }));
  expect(steps).toEqual([0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 5, 5]);
});

test('a step that fails in the middle of a group leaves the sum as it was', async () => {
  const model = network();
  using trainer = new Trainer(model, { optimizer, input: [1, 2, 2], batchSize: 2, accumulate: 2 });
  const reference = network();
  using other = new Trainer(reference, { optimizer, input: [1, 2, 2], batchSize: 2, accumulate: 2 });
  const part = (i: number): [Float32Array, Uint8Array] => [IMAGES.subarray(8 * i, 8 * i + 8), LABELS.subarray(2 * i, 2 * i + 2)];
  await trainer.step(...part(0));
  await other.step(...part(0));
  await expectRejection('ERR_NOT_FINITE', trainer.step(new Float32Array(8).fill(NaN), LABELS.subarray(0, 2)), 'NaN');
  await trainer.step(...part(1));
  await other.step(...part(1));
  expect(weightsOf(model)).toEqual(weightsOf(reference));
});

describe('ema', () => {
  const decay = 0.9;

  test('is the average of the weights behind each update; the model ends with it and validation measures it', async () => {
    const plain = network();
    using trainer = new Trainer(plain, { optimizer, input: [1, 2, 2], batchSize: 8, ema: { decay } });
    let average: number[] | undefined;
    for (let step = 0; step < 5; step++) {
      await trainer.step(IMAGES.subarray(32 * step, 32 * step + 32), LABELS.subarray(8 * step, 8 * step + 8));
      const weights = weightsOf(plain);
      average = average ? average.map((a, i) => decay * a + (1 - decay) * weights[i]!) : weights;
    }
    const measured = await trainer.evaluate(SET);
    await trainer.useAverage();
    weightsOf(plain).forEach((weight, i) => expect(weight).toBeCloseTo(average![i]!, 6));
    expect(measured.loss).toBeCloseTo((await evaluate(plain, SET)).loss, 6);
    const fitted = network();
    const { epochs } = await fit(fitted, SET, options({ ema: { decay }, validation: SET }));
    expect(epochs.at(-1)!.valLoss).toBe((await evaluate(fitted, SET, { batchSize: 8 })).loss);
  });

  test('a step that is not applied is not followed', async () => {
    const [model, reference] = [network(), network()];
    using trainer = new Trainer(model, { optimizer, input: [1, 2, 2], batchSize: 8, ema: { decay } });
    using other = new Trainer(reference, { optimizer, input: [1, 2, 2], batchSize: 8, ema: { decay } });
    for (let step = 0; step < 3; step++) {
      const batch = [IMAGES.subarray(32 * step, 32 * step + 32), LABELS.subarray(8 * step, 8 * step + 8)] as const;
      await Promise.all([trainer.step(...batch), other.step(...batch)]);
      await expectRejection('ERR_NOT_FINITE', trainer.step(new Float32Array(32).fill(NaN), batch[1]), 'NaN');
    }
    await trainer.useAverage();
    await other.useAverage();
    expect(weightsOf(model)).toEqual(weightsOf(reference));
  });

  test('its options are checked', () => {
    const make = (ema: object): Trainer => new Trainer(network(), { optimizer, input: [1, 2, 2], batchSize: 8, ema });
    expectError('ERR_UNKNOWN_OPTION', () => make({ deacy: 0.9 }), 'decay');
    expectError('ERR_INVALID_ARGUMENT', () => make({ decay: 2 }), 'ema.decay');
  });
});

test.each([1, 2, 3, 4])('a fit with accumulation and averages goes on from batch %i of an epoch to the same bits', async (batch) => {
  const all = options({ accumulate: 2, ema: { decay: 0.8 }, validation: SET, schedule: optim.cosine() });
  const model = network();
  const history = await fit(model, SET, all);
  const save = { onBatchEnd: async (record: { epoch: number; batch: number }, { trainer }: { trainer: Trainer }) => {
    if (record.epoch === 2 && record.batch === batch) await trainer.save(file);
  } }; // prettier-ignore
  await fit(network(), SET, { ...all, callbacks: [save] });
  const resumed = network();
  const going = await fit(resumed, SET, { ...all, resume: file });
  expect(weightsOf(resumed)).toEqual(weightsOf(model));
  const timeless = ({ epochs }: typeof history): object[] => epochs.map((record) => ({ ...record, seconds: 0, imagesPerSecond: 0 }));
  expect(timeless(going)).toEqual(timeless(history));
  // The trainer is built from the file alone, too.
  using rebuilt = await Trainer.resume(file);
  expect(rebuilt.epoch).toBe(1);
});
