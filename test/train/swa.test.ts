/** Stochastic weight averaging: the mean of the last epochs' weights, with statistics of normalisation of its own; resumed to the same bits. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { data, fit, manualSeed, nn, ops, optim, tensor, type FitOptions, type Trainer } from 'stridenet';
import { Philox } from '../../lib/random';
import { expectRejection } from '../support/expectError';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-swa-'));
afterAll(() => rmSync(folder, { recursive: true }));

const N = 24;
const IMAGES = new Philox(3).fillNormal(new Float32Array(16 * N));
const SET = data.arrays(
  IMAGES,
  Uint8Array.from({ length: N }, (_, i) => (IMAGES[16 * i]! > 0 ? 1 : 0)),
  { shape: [1, 4, 4] },
);

function network(): nn.Sequential {
  manualSeed(1);
  return new nn.Sequential(new nn.Conv2d(1, 3, 3), new nn.BatchNorm2d(3), new nn.ReLU(), new nn.Flatten(), new nn.Linear(12, 2));
}
const options = (more: Partial<FitOptions> = {}): FitOptions => ({
  epochs: 6,
  batchSize: 8,
  optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
  schedule: optim.cosine(),
  swa: { start: 0.5, lr: 0.05 },
  seed: 7,
  shuffle: false,
  progress: false,
  ...more,
});
const valuesOf = (model: nn.Module): Map<string, number[]> => new Map([...model.stateDict()].map(([name, v]) => [name, [...v.value]]));

test('weights are the mean over the epochs, statistics those of a pass with them', async () => {
  const model = network();
  const seen: Map<string, number[]>[] = [];
  const { epochs } = await fit(model, SET, options({ callbacks: [{ onEpochEnd: () => { seen.push(valuesOf(model)); } }] })); // prettier-ignore
  expect(epochs.map(({ learningRate }) => learningRate).slice(3)).toEqual([0.05, 0.05, 0.05]);
  const found = valuesOf(model);
  for (const { name } of model.parameters()) {
    const mean = found.get(name)!.map((_, i) => (seen[3]!.get(name)![i]! + seen[4]!.get(name)![i]! + seen[5]!.get(name)![i]!) / 3);
    found.get(name)!.forEach((value, i) => expect(value).toBeCloseTo(mean[i]!, 6));
  }
  // The means over the three batches of what the first layer gives.
  const [conv, norm] = [...model] as unknown as [nn.Conv2d, nn.BatchNorm2d];
  const outputs = conv.forward(tensor([...IMAGES], [N, 1, 4, 4]));
  const means = await ops.mean(outputs, { axis: [0, 2, 3] }).data();
  norm.running_mean!.value.forEach((value, c) => expect(value).toBeCloseTo(means[c]!, 5));
  expect(norm.num_batches_tracked!.value[0]).toBe(3);
  expect(norm.momentum).toBe(0.1);
});

test.each([2, 10, 13, 17])('goes on from step %i to the same bits', async (step) => {
  const path = join(folder, `${step}.safetensors`);
  const model = network();
  await fit(model, SET, options());
  const save = {
    onBatchEnd: async (record: { step: number }, { trainer }: { trainer: Trainer }) => {
      if (record.step === step) await trainer.save(path);
    },
  };
  await fit(network(), SET, options({ callbacks: [save] }));
  const resumed = network();
  await fit(resumed, SET, options({ resume: path }));
  expect(valuesOf(resumed)).toEqual(valuesOf(model));
});

test('mistakes are refused', async () => {
  const run = async (swa: object, more: Partial<FitOptions> = {}): Promise<unknown> => fit(network(), SET, options({ swa, ...more }));
  await expectRejection('ERR_UNKNOWN_OPTION', run({ begin: 1 }), 'swa');
  await expectRejection('ERR_INVALID_ARGUMENT', run({ start: 9 }), 'swa.start', '6');
  await expectRejection('ERR_INVALID_ARGUMENT', run({}, { ema: {} }), 'either ema or swa');
});
