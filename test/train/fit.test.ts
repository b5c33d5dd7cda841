/** fit and evaluate: history, order of events, validation, stopping early, failing. */

import { evaluate, fit, manualSeed, nn, optim, Trainer, type BatchRecord, type EpochRecord, type FitOptions, type Tensor } from 'stridenet';
import type { Dataset } from '../../lib/data/dataset';
import { Philox } from '../../lib/random';
import { expectRejection } from '../support/expectError';

/** Points left and right of a line: learnable by one linear layer. */
function points(length: number, seed = 1): Dataset {
  const images = new Philox(seed).fillNormal(new Float32Array(2 * length));
  const labels = Uint8Array.from({ length }, (_, i) => (images[2 * i]! + 2 * images[2 * i + 1]! > 0 ? 1 : 0));
  return { images, labels, shape: [2, 1, 1], classes: ['left', 'right'], length };
}

const classifier = (): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(2, 2));
const base = (more: Partial<FitOptions> = {}): FitOptions => ({
  epochs: 2,
  batchSize: 32,
  optimizer: optim.sgd({ lr: 0.5, momentum: 0.5 }),
  threads: 1,
  seed: 1,
  progress: false,
  ...more,
});

beforeEach(() => manualSeed(1));

test('learns, and reports every epoch', async () => {
  const model = classifier();
  const history = await fit(model, points(500), base({ epochs: 5, validation: points(200, 2) }));
  expect(history.epochs.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5]);
  const last = history.epochs.at(-1)!;
  expect(Object.keys(last).sort()).toEqual([
    'accuracy',
    'epoch',
    'imagesPerSecond',
    'learningRate',
    'loss',
    'seconds',
    'valAccuracy',
    'valLoss',
  ]);
  expect(last.accuracy).toBeGreaterThan(0.95);
  expect(last.loss).toBeLessThan(history.epochs[0]!.loss);
  // After fit, the module has the weights that the last validation saw.
  const again = await evaluate(model, points(200, 2), { batchSize: 32 });
  expect(again.accuracy).toBe(last.valAccuracy);
  expect(again.loss).toBeCloseTo(last.valLoss!, 5);
});

test('accuracy is a metric that can be left out', async () => {
  const model = classifier();
  const { epochs } = await fit(model, points(50), base({ metrics: [] }));
  expect('accuracy' in epochs[0]!).toBe(false);
  expect(Object.keys(await evaluate(model, points(50), { metrics: [] }))).toEqual(['loss']);
});

test('evaluate gives the mean over images, whatever the batch size', async () => {
  const model = classifier();
  const data = points(101);
  const scores = await Promise.all([7, 101, 1000].map(async (batchSize) => evaluate(model, data, { batchSize })));
  for (const { loss, accuracy } of scores) {
    expect(accuracy).toBe(scores[0]!.accuracy);
    expect(loss).toBeCloseTo(scores[0]!.loss, 5);
  }
});

test('callbacks are awaited in order', async () => {
  const events: string[] = [];
  const pause = async (): Promise<unknown> => new Promise(setImmediate);
  await fit(
    classifier(),
    points(40),
    base({
      callbacks: [
        {
          onTrainBegin: () => events.push('begin'),
          async onEpochBegin(epoch) {
            await pause();
            events.push(`epoch ${epoch}`);
          },
          async onBatchEnd({ epoch, batch, step }: BatchRecord, { trainer }) {
            expect(trainer.steps).toBe(step);
            await pause();
            events.push(`batch ${epoch}.${batch} step ${step}`);
          },
          onEpochEnd: ({ epoch }: EpochRecord) => events.push(`end ${epoch}`),
          onTrainEnd: ({ epochs }) => events.push(`done ${epochs.length}`),
        },
      ],
    }),
  );
  expect(events).toEqual([
    ...['begin', 'epoch 1', 'batch 1.1 step 1', 'batch 1.2 step 2', 'end 1'],
    ...['epoch 2', 'batch 2.1 step 3', 'batch 2.2 step 4', 'end 2', 'done 2'],
  ]);
});

test('a callback that throws ends training with its error', async () => {
  const failing = fit(classifier(), points(40), base({ callbacks: [{ onEpochEnd: () => Promise.reject(new Error('disk full')) }] }));
  await expect(failing).rejects.toThrow('disk full');
});

test('the schedule sees every step once', async () => {
  const seen: number[] = [];
  const rates: number[] = [];
  await fit(
    classifier(),
    points(70),
    base({
      schedule({ step, totalSteps, stepsPerEpoch }) {
        expect([totalSteps, stepsPerEpoch]).toEqual([6, 3]);
        seen.push(step);
        return 1 / (step + 1);
      },
      callbacks: [{ onBatchEnd: (_, { trainer }) => rates.push(trainer.learningRate) }],
    }),
  );
  expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
  expect(rates).toEqual(seen.map((step) => 0.5 / (step + 1)));
});

test('the seed decides the order of the images', async () => {
  const weights = async (seed: number): Promise<ArrayLike<number>> => {
    manualSeed(1);
    const model = classifier();
    await fit(model, points(100), base({ seed }));
    return model.stateDict().get('1.weight')!.data();
  };
  expect(await weights(1)).toEqual(await weights(1));
  expect(await weights(1)).not.toEqual(await weights(2));
});

test('a signal stops at the next batch; the model keeps the last completed step', async () => {
  const model = classifier();
  const controller = new AbortController();
  let after: ArrayLike<number> = [];
  const stopped = fit(
    model,
    points(320),
    base({
      signal: controller.signal,
      callbacks: [
        {
          async onBatchEnd({ step }) {
            if (step !== 3) return;
            after = await model.stateDict().get('1.weight')!.data();
            controller.abort(new Error('stopped by the user'));
          },
        },
      ],
    }),
  );
  await expect(stopped).rejects.toThrow('stopped by the user');
  expect(await model.stateDict().get('1.weight')!.data()).toEqual(after);
  await expect(fit(model, points(32), base({ signal: AbortSignal.abort() }))).rejects.toThrow(/aborted/);
});

test('a loss that is not finite stops training', async () => {
  const data = points(320);
  data.images[0] = NaN;
  const model = classifier();
  await expectRejection('ERR_NOT_FINITE', fit(model, data, base()), 'Training step', 'NaN');
  for (const parameter of model.parameters()) expect((await parameter.data()).every(Number.isFinite)).toBe(true);
});

test('uint8 images are scaled by 1/255, and by what the data set says', async () => {
  const raw = new Uint8Array(2 * 64).map((_, i) => (37 * i) % 256);
  const labels = new Uint8Array(64).map((_, i) => i % 2);
  const of = (images: Dataset['images'], more: Partial<Dataset> = {}): Dataset => ({
    ...{ images, labels, shape: [2, 1, 1], classes: ['a', 'b'], length: 64 },
    ...more,
  });
  const model = classifier();
  const loss = async (data: Dataset): Promise<number> => (await evaluate(model, data)).loss;
  expect(await loss(of(raw))).toBeCloseTo(await loss(of(Float32Array.from(raw, (v) => v / 255))), 5);
  const normalised = Float32Array.from(raw, (v, i) => (v / 255 - [0.2, 0.3][i % 2]!) / [0.5, 0.25][i % 2]!);
  expect(await loss(of(raw, { mean: [0.2, 0.3], std: [0.5, 0.25] }))).toBeCloseTo(await loss(of(normalised)), 5);
});

describe('a last batch that the model does not take', () => {
  class Pixels extends nn.Module {
    forward(x: Tensor): Tensor {
      return x.reshape([x.shape[0]!, 4, 1, 1]);
    }
  }

  test('is found before the first step', async () => {
    const model = new nn.Sequential(
      new nn.Flatten(),
      new nn.Linear(2, 4),
      new Pixels(),
      new nn.BatchNorm2d(4),
      new nn.Flatten(),
      new nn.Linear(4, 2),
    );
    const batches: number[] = [];
    const options = base({ batchSize: 4, callbacks: [{ onBatchEnd: ({ batch }) => batches.push(batch) }] });
    await expectRejection(
      'ERR_SHAPE_MISMATCH',
      fit(model, points(9), options),
      'last batch of an epoch has 1 of 9 images',
      'more than 1 value per channel',
      'dropLast: true, or another batchSize than 4',
    );
    expect(batches).toEqual([]);
    expect(model.stateDict().get('3.num_batches_tracked')!.value[0]).toBe(0);
    await fit(model, points(9), { ...options, dropLast: true });
    expect(batches).toEqual([1, 2, 1, 2]);
    await fit(model, points(9), base({ batchSize: 5 }));
    // In evaluation one image is enough.
    await fit(model, points(8), base({ batchSize: 4, validation: points(9) }));
  });
});

test('mistakes are refused before anything runs', async () => {
  const model = classifier();
  const data = points(10);
  await expectRejection('ERR_UNKNOWN_OPTION', fit(model, data, { ...base(), batchsize: 2 } as never), 'Did you mean "batchSize"');
  await expectRejection('ERR_INVALID_ARGUMENT', fit(model, data, base({ epochs: 0 })), 'epochs', 'got 0');
  await expectRejection('ERR_INVALID_ARGUMENT', fit(model, data, undefined as never), 'epochs');
  await expectRejection('ERR_INVALID_ARGUMENT', fit(model, data, base({ optimizer: undefined as never })), 'expects an optimizer');
  await expectRejection('ERR_INVALID_ARGUMENT', fit(model, data, base({ schedule: 'cosine' as never })), 'optim.cosine');
  await expectRejection('ERR_INVALID_ARGUMENT', fit(model, {} as never, base()), 'expects a data set');
  using trainer = new Trainer(model, { optimizer: optim.sgd(), input: [2, 1, 1], batchSize: 2 });
  await expectRejection('ERR_INVALID_ARGUMENT', fit(trainer as never, data, base()), 'got a Trainer', 'Pass its model');
  for (const more of [{ optimizer: 3 }, { loss: 3 }, { metrics: 3 }, { threads: 0 }, { seed: -1 }]) {
    const refused = fit(model, data, base(more as never));
    await expectRejection('ERR_INVALID_ARGUMENT', refused, 'fit expects');
  }
  await expectRejection('ERR_SHAPE_MISMATCH', fit(new nn.Linear(3, 2), data, base()), 'linear');
  const weight = await model.stateDict().get('1.weight')!.data();
  const labels = Uint8Array.from({ length: 10 }, (_, i) => (i === 9 ? 2 : 1));
  await expectRejection('ERR_INVALID_ARGUMENT', fit(model, { ...data, labels }, base({ batchSize: 2 })), 'in [0, 1]', 'label 9 is 2');
  await expectRejection(
    'ERR_INVALID_ARGUMENT',
    fit(model, data, base({ validation: { ...data, labels } })),
    'fit validation',
    'label 9 is 2',
  );
  const wide = { ...data, images: new Float32Array(30), shape: [3, 1, 1] as [number, number, number] };
  await expectRejection('ERR_SHAPE_MISMATCH', fit(model, data, base({ validation: wide })), 'fit validation', '[2, 1, 1]', '[3, 1, 1]');
  expect(await model.stateDict().get('1.weight')!.data()).toEqual(weight);
  await expectRejection('ERR_SHAPE_MISMATCH', evaluate(new nn.Linear(3, 2), data), 'linear');
  await expectRejection('ERR_UNKNOWN_OPTION', evaluate(model, data, { batch: 3 } as never), 'no option "batch"');
});
