/** fit changes pictures as they come: the same for any number of threads, whatever way they are kept, and after an interruption. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { data, evaluate, fit, manualSeed, metrics, nn, optim, transforms, type FitOptions, type Trainer } from 'stridenet';
import { Philox } from '../../lib/random';
import { expectRejection } from '../support/expectError';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-augment-'));
afterAll(() => rmSync(folder, { recursive: true }));

const N = 36;
const noise = new Philox(5).fillNormal(new Float32Array(N * 64));
const LABELS = Uint8Array.from({ length: N }, (_, i) => i % 3);
const IMAGES = Uint8Array.from(noise, (x, i) => Math.max(0, Math.min(255, 80 + 40 * x + 40 * LABELS[Math.floor(i / 64)]!)));
const SET = data.arrays(IMAGES, LABELS, { shape: [1, 8, 8], classes: ['a', 'b', 'c'] });
const AUGMENT = [transforms.randomCrop(8, { padding: 2 }), transforms.randomHorizontalFlip(), transforms.randomRotation(10)];

function network(size = 8): nn.Sequential {
  manualSeed(1);
  return new nn.Sequential(
    new nn.Conv2d(1, 4, 3),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Linear(4 * (size - 2) ** 2, 3),
  );
}
const options = (more: Partial<FitOptions> = {}): FitOptions => ({
  epochs: 3,
  batchSize: 8,
  optimizer: optim.sgd({ lr: 0.05, momentum: 0.9 }),
  augment: AUGMENT,
  seed: 4,
  progress: false,
  ...more,
});
const stateOf = (model: nn.Module): number[] => [...model.stateDict().values()].flatMap((variable) => [...variable.value]);
async function train(more: Partial<FitOptions> = {}, set: data.AnyDataset = SET): Promise<number[]> {
  const model = network();
  await fit(model, set, options(more));
  return stateOf(model);
}

/** The same pictures, read when they are needed, later and in another order than they were asked for. */
const LAZY: data.LazyDataset = {
  ...{ labels: LABELS, shape: SET.shape, classes: SET.classes, length: N },
  read: async (indices, into) => {
    await new Promise((resolve) => setTimeout(resolve, indices[0]! % 3));
    for (const [to, from] of indices.entries()) into.set(IMAGES.subarray(64 * from, 64 * from + 64), 64 * to);
    return [];
  },
};

test('weights do not depend on threads, on repeats, nor on where pictures are kept', async () => {
  const weights = await train({ threads: 1 });
  expect(await train({ threads: 2 })).toEqual(weights);
  expect(await train({}, LAZY)).toEqual(weights);
  expect(await train({ augment: undefined })).not.toEqual(weights);
  expect(await train({ seed: 5 })).not.toEqual(weights);
});

test.each([1, 3, 4, 5, 7])('a fit goes on from step %i to the same bits, augmented and mixed', async (step) => {
  const path = join(folder, `${step}.safetensors`);
  const more = { mix: transforms.cutmix({ alpha: 1 }), ema: { decay: 0.9 }, schedule: optim.oneCycle() };
  const weights = await train(more);
  const save = {
    onBatchEnd: async (record: { step: number }, { trainer }: { trainer: Trainer }) => {
      if (record.step === step) await trainer.save(path);
    },
  };
  await train({ ...more, callbacks: [save] });
  expect(await train({ ...more, resume: path })).toEqual(weights);
});

test('crops change the size that the model sees; the validation set has transforms of its own', async () => {
  const model = network(6);
  const validationTransforms = [transforms.centerCrop(6)];
  const { epochs } = await fit(
    model,
    SET,
    options({ epochs: 12, augment: [transforms.randomCrop(6)], validation: SET, validationTransforms }),
  );
  expect(epochs.at(-1)!.valAccuracy).toBeGreaterThan(0.6);
  const score = await evaluate(model, SET, { transforms: validationTransforms, batchSize: 8 });
  expect(score).toEqual({ loss: epochs.at(-1)!.valLoss, accuracy: epochs.at(-1)!.valAccuracy });
  const unfit = fit(network(6), SET, options({ augment: [transforms.randomCrop(6)], validation: SET }));
  await expectRejection('ERR_SHAPE_MISMATCH', unfit, 'fit validation expects images of shape [1, 6, 6]');
});

test('mixed pictures have probabilities for labels; metrics are those of the validation set', async () => {
  const { epochs } = await fit(
    network(),
    SET,
    options({ epochs: 8, mix: transforms.mixup({ alpha: 0.2 }), validation: SET, metrics: ['accuracy', metrics.topK(2)] }),
  );
  expect(Object.keys(epochs[0]!)).toEqual([
    'epoch',
    'loss',
    'valLoss',
    'valAccuracy',
    'valTop2',
    'learningRate',
    'imagesPerSecond',
    'seconds',
  ]);
  expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss);
});

test('what cannot be transformed is refused before training', async () => {
  const floats = data.arrays(Float32Array.from(IMAGES), LABELS, { shape: [1, 8, 8], classes: ['a', 'b', 'c'] });
  await expectRejection('ERR_INVALID_ARGUMENT', fit(network(), floats, options()), 'images of uint8 levels');
  await expectRejection('ERR_SHAPE_MISMATCH', fit(network(), SET, options({ augment: [transforms.randomCrop(30)] })), 'randomCrop');
  await expectRejection('ERR_INVALID_ARGUMENT', fit(network(), SET, options({ augment: [transforms.randomCrop as never] })), 'Call it');
  const mixing = fit(network(), SET, options({ validation: SET, validationTransforms: [transforms.mixup()] }));
  await expectRejection('ERR_INVALID_ARGUMENT', mixing, 'mixup and cutmix');
  const values = data.arrays(IMAGES, new Float32Array(N), { shape: [1, 8, 8] });
  await expectRejection(
    'ERR_INVALID_ARGUMENT',
    fit(network(), values, options({ mix: transforms.mixup(), loss: nn.mse() })),
    'class numbers to mix',
  );
});
