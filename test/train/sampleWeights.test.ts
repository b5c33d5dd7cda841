/** Weights of examples: what they do to losses and gradients, and what is refused. Golden numbers are computed by hand. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  data,
  evaluate,
  fit,
  lrFinder,
  manualSeed,
  nn,
  ops,
  optim,
  Trainer,
  transforms,
  type FitOptions,
  type History,
  type Tensor,
} from 'stridenet';
import type { Dataset } from '../../lib/data/dataset';
import type { Loss } from '../../lib/nn/loss';
import { Philox } from '../../lib/random';
import { expectError, expectRejection } from '../support/expectError';

const folder = mkdtempSync(path.join(tmpdir(), 'stridenet-weights-'));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => manualSeed(1));

const N = 24;
const IMAGES = new Philox(3).fillNormal(new Float32Array(4 * N));
const LABELS = Uint8Array.from({ length: N }, (_, i) => i % 3);
const shape = [1, 2, 2] as const;
const flat = (outputs: number): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(4, outputs));
const options = { epochs: 3, batchSize: 8, optimizer: optim.sgd({ lr: 0.3 }), seed: 1, progress: false };
const classes = (sampleWeights?: readonly number[]): Dataset => data.arrays(IMAGES, LABELS, { shape, sampleWeights });
const valuesOf = (model: nn.Module): number[] => model.parameters().flatMap((parameter) => [...parameter.value]);

/** What a model of three classes comes to. */
async function trained(set: Dataset, more: Partial<FitOptions> = {}): Promise<{ values: number[]; history: History }> {
  manualSeed(1);
  const model = flat(3);
  const history = await fit(model, set, { ...options, ...more });
  return { values: valuesOf(model), history };
}

function expectClose(actual: readonly number[], expected: readonly number[], digits = 5): void {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, digits);
}

describe('by hand', () => {
  // nn.Flatten alone gives the two pixels of an image as they are.
  test('mean squared errors', async () => {
    // Errors 1, 2 and 3, 4: losses of the examples (1 + 4) / 2 and (9 + 16) / 2; weights 2 and 0.5.
    const loss = Object.assign((y: Tensor, t: Tensor) => ops.mseLoss(y, t, { reduction: 'none' }), { targets: 'values' } as const);
    const set = data.arrays(Float32Array.of(1, 2, 3, 4), new Float32Array(4), {
      shape: [2, 1, 1],
      targetShape: [2],
      sampleWeights: [2, 0.5],
    });
    const model = new nn.Flatten();
    const expected = (2 * 2.5 + 0.5 * 12.5) / 2;
    expect((await evaluate(model, set, { loss: nn.mse() })).loss).toBeCloseTo(expected, 6);
    expect((await evaluate(model, set, { loss })).loss).toBeCloseTo(expected, 6);
    expect((await evaluate(model, set, { loss: nn.mse({ reduction: 'none' }) })).loss).toBeCloseTo(expected, 6);
    expect((await evaluate(model, set, { loss: nn.mse({ reduction: 'sum' }), batchSize: 2 })).loss).toBeCloseTo(4 * expected, 5);
  });

  test('cross entropy with weights of classes: the divisor is that without weights of examples', async () => {
    const set = data.arrays(Float32Array.of(0, Math.log(3), 0, Math.log(3)), [0, 1], { shape: [2, 1, 1], sampleWeights: [3, 0.5] });
    // Probabilities 1/4 and 3/4; weights of classes 2 and 1.
    const weighted = nn.crossEntropy({ weight: [2, 1] });
    const { loss, accuracy } = await evaluate(new nn.Flatten(), set, { loss: weighted });
    expect(loss).toBeCloseTo((3 * 2 * Math.log(4) + 0.5 * Math.log(4 / 3)) / 3, 6);
    expect(accuracy).toBe(0.5); // which knows no weights
    expect((await evaluate(new nn.Flatten(), set)).loss).toBeCloseTo((3 * Math.log(4) + 0.5 * Math.log(4 / 3)) / 2, 6);
    expect((await evaluate(new nn.Flatten(), set, { loss: weighted, batchSize: 1 })).loss).toBeCloseTo(loss, 6);
  });

  test('a step down the gradient', async () => {
    const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(1, 1, { bias: false }));
    const [weight] = model.parameters();
    const before = weight!.value[0]!;
    const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.1 }), loss: nn.mse(), input: [1, 1, 1], batchSize: 2 });
    // loss = (4 (w - 1)^2 + 1 (3 w)^2) / 2, of which the derivative is 4 (w - 1) + 9 w.
    const { loss } = await trainer.step(Float32Array.of(1, 3), [1, 0], { sampleWeights: [4, 1] });
    trainer.close();
    expect(loss).toBeCloseTo((4 * (before - 1) ** 2 + (3 * before) ** 2) / 2, 5);
    expect(weight!.value[0]).toBeCloseTo(before - 0.1 * (4 * (before - 1) + 9 * before), 5);
  });
});

describe('every loss', () => {
  const values = Float32Array.from({ length: 3 * N }, (_, i) => i % 2);
  const rows: [string, Loss, Uint8Array | Float32Array][] = [
    ['crossEntropy', nn.crossEntropy({ labelSmoothing: 0.1 }), LABELS],
    ['crossEntropy with class weights', nn.crossEntropy({ weight: [1, 2, 3], labelSmoothing: 0.1 }), LABELS],
    ['nll', nn.nll(), LABELS],
    ['nll with class weights', nn.nll({ weight: [1, 2, 3] }), LABELS],
    ['focal', nn.focal({ alpha: [1, 2, 3] }), LABELS],
    ['focal of values', nn.focal({ targets: 'values' }), values],
    ['dice', nn.dice(), LABELS],
    ['dice of values', nn.dice({ targets: 'values' }), values],
    ['probabilities', nn.crossEntropy({ weight: [1, 2, 3] }), Float32Array.from({ length: 3 * N }, () => 1 / 3)],
    ['mse', nn.mse(), values],
    ['l1', nn.l1(), values],
    ['smoothL1', nn.smoothL1(), values],
    ['huber', nn.huber(), values],
    ['hinge', nn.hinge(), values.map((v) => 2 * v - 1)],
    ['klDiv', nn.klDiv(), values],
    ['klDiv batchmean', nn.klDiv({ reduction: 'batchmean' }), values],
    ['bceWithLogits', nn.bceWithLogits(), values],
  ];

  const setOf = (targets: Uint8Array | Float32Array, sampleWeights?: readonly number[]): Dataset =>
    data.arrays(IMAGES, targets, { shape, sampleWeights, ...(targets instanceof Float32Array && { targetShape: [3] }) });

  test.each(rows)('%s: weights of 1 change nothing, and of 0 leave examples out', async (_, loss, targets) => {
    const model = flat(3);
    const ask = async (set: Dataset, batchSize = N): Promise<number> => (await evaluate(model, set, { loss, batchSize })).loss;
    const plain = await ask(setOf(targets));
    expect(await ask(setOf(targets, Array<number>(N).fill(1)))).toBeCloseTo(plain, 5);
    expect(await ask(setOf(targets, Array<number>(N).fill(2.5)), 7)).toBeCloseTo(2.5 * plain, 5);
    const half = Array.from({ length: N }, (_, i) => (i < N / 2 ? 1 : 0));
    const first = data.take(setOf(targets), N / 2);
    // Both halves have the same classes, so that the divisors are in proportion.
    expect(await ask(setOf(targets, half))).toBeCloseTo((await ask(first)) / 2, 5);
  });

  test('labels that are passed over do not count, whatever their weights', async () => {
    const labels = Int32Array.from(LABELS, (label, i) => (i % 4 === 0 ? -100 : label));
    const weights = labels.map((label) => (label < 0 ? 9 : 2));
    const set = { ...classes(), classes: [] };
    const model = flat(3);
    const plain = await evaluate(model, { ...set, labels }, { metrics: [] });
    const weighted = await evaluate(model, { ...set, labels, sampleWeights: [...weights] }, { metrics: [], batchSize: 5 });
    expect(weighted.loss).toBeCloseTo(2 * plain.loss, 5);
  });

  test('masks: the weight of an image is that of each pixel', async () => {
    const masks = Int32Array.from(IMAGES, (x) => (x > 0 ? 1 : 0));
    const weights = Array.from({ length: N }, (_, i) => (i < N / 2 ? 3 : 0));
    const set = data.arrays(IMAGES, masks, { shape, targetShape: [2, 2] });
    const model = new nn.Conv2d(1, 2, 1);
    const { loss } = await evaluate(model, { ...set, sampleWeights: weights });
    expect(loss).toBeCloseTo((3 / 2) * (await evaluate(model, data.take(set, N / 2))).loss, 5);
  });
});

describe('training', () => {
  const whole = { batchSize: 2 * N, shuffle: false };

  test('weights of 0 and 1 are training with those of weight 1, at a rate in proportion', async () => {
    const kept = [...Array(N).keys()].filter((i) => i % 4 !== 1);
    const weights = Array.from({ length: N }, (_, i) => (i % 4 !== 1 ? 1 : 0));
    const { values } = await trained(classes(weights), whole);
    const lr = (0.3 * kept.length) / N;
    expectClose(values, (await trained(data.subset(classes(), kept), { ...whole, optimizer: optim.sgd({ lr }) })).values);
  });

  test('whole weights are training with copies, at a rate in proportion', async () => {
    const weights = Array.from({ length: N }, (_, i) => (i % 3) + 1);
    const copies = weights.flatMap((weight, i) => Array<number>(weight).fill(i));
    const { values } = await trained(classes(weights), whole);
    const lr = (0.3 * copies.length) / N;
    expectClose(values, (await trained(data.subset(classes(), copies), { ...whole, optimizer: optim.sgd({ lr }) })).values);
  });

  test('the same in memory, from a stream, from files and behind transforms', async () => {
    const images = Uint8Array.from(IMAGES, (x) => 128 + Math.trunc(20 * x));
    const sampleWeights = Array.from({ length: N }, (_, i) => i / N);
    const set = data.arrays(images, LABELS, { shape, sampleWeights });
    const ordered = { shuffle: false } as const;
    const { values, history } = await trained(set, { ...ordered, validation: set });
    expect(values).not.toEqual((await trained({ ...set, sampleWeights: undefined }, ordered)).values);
    function* rows(): Generator<{ image: Uint8Array; label: number; weight: number }> {
      for (let i = 0; i < N; i++) yield { image: images.subarray(4 * i, 4 * i + 4), label: LABELS[i]!, weight: sampleWeights[i]! };
    }
    const stream = data.from(rows, { shape, classes: 3, length: N, sampleWeights: true });
    const lazy = {
      ...set,
      images: undefined,
      read: async (indices: Int32Array, into: Uint8Array) => {
        indices.forEach((index, i) => into.set(images.subarray(4 * index, 4 * index + 4), 4 * i));
        return Promise.resolve([]);
      },
    };
    for (const other of [stream, lazy]) {
      const result = await trained(other as never, { ...ordered, validation: other as never });
      expect(result.values).toEqual(values);
      expect(result.history.epochs.map(({ loss, valLoss }) => [loss, valLoss])).toEqual(
        history.epochs.map(({ loss, valLoss }) => [loss, valLoss]),
      );
    }
    const augment = [transforms.randomHorizontalFlip(0)];
    expect((await trained(set, { ...ordered, augment })).values).toEqual(values);
  });

  test('what a checkpoint goes on to, in the middle of an epoch, is the same to the last bit', async () => {
    const weights = Array.from({ length: N }, (_, i) => (i % 5) / 2);
    const file = path.join(folder, 'checkpoint.safetensors');
    const through = await trained(classes(weights), { loss: nn.crossEntropy({ weight: [1, 2, 3] }) });
    const saving = {
      onBatchEnd: async ({ step }: { step: number }, { trainer }: { trainer: Trainer }) => (step === 4 ? trainer.save(file) : undefined),
    };
    const loss = nn.crossEntropy({ weight: [1, 2, 3] });
    await trained(classes(weights), { loss, callbacks: [saving] });
    const resumed = await trained(classes(weights), { loss, resume: file });
    expect(resumed.values).toEqual(through.values);
    expect(resumed.history.epochs.map((record) => record.loss)).toEqual(through.history.epochs.map((record) => record.loss));
  });

  test('accumulated gradients, and the search for a learning rate', async () => {
    const weights = Array.from({ length: N }, (_, i) => i % 3);
    const more = { shuffle: false, epochs: 1 };
    const joined = await trained(classes(weights), { ...more, batchSize: N });
    expectClose((await trained(classes(weights), { ...more, accumulate: 3 })).values, joined.values);
    const model = flat(3);
    const first = async (set: Dataset): Promise<number> =>
      (await lrFinder(model, set, { optimizer: optim.sgd(), steps: 2, batchSize: N, seed: 1 })).losses[0]!;
    expect(await first(classes(weights))).toBeCloseTo((await evaluate(model, classes(weights))).loss, 5);
    expect(await first(classes(weights))).not.toBeCloseTo(await first(classes()), 3);
  });
});

describe('the loss of an epoch', () => {
  const labels = Uint8Array.from({ length: N }, (_, i) => (i < 9 ? 0 : i < 20 ? 1 : 2));
  const set = data.arrays(IMAGES, labels, { shape });
  const frozen = { ...options, epochs: 1, optimizer: optim.sgd({ lr: 0 }), shuffle: false } as const;

  test.each([5, 8, N])('with weights of classes is that of one batch, in batches of %i', async (batchSize) => {
    const loss = nn.crossEntropy({ weight: [0.1, 1, 7] });
    const model = flat(3);
    const whole = (await evaluate(model, set, { loss, batchSize: N })).loss;
    const { epochs } = await fit(model, set, { ...frozen, loss, batchSize, validation: set });
    expect(epochs[0]!.loss).toBeCloseTo(whole, 5);
    expect(epochs[0]!.valLoss).toBeCloseTo(whole, 5);
    expect((await evaluate(model, set, { loss, batchSize })).loss).toBeCloseTo(whole, 5);
  });

  test('with weights of classes of which a batch has none counts the others', async () => {
    const loss = nn.nll({ weight: [0, 1, 1] });
    const model = flat(3);
    const expected = (await evaluate(model, data.skip(set, 9), { loss: nn.nll() })).loss;
    expect((await evaluate(model, set, { loss, batchSize: 9 })).loss).toBeCloseTo(expected, 5);
  });
});

describe('refused', () => {
  const bad: [string, unknown, string][] = [
    ['NaN', Array.from({ length: N }, (_, i) => (i === 3 ? NaN : 1)), 'weight 3 is NaN'],
    ['negative', Float32Array.from({ length: N }, (_, i) => (i === 5 ? -1 : 1)), 'weight 5 is -1'],
    ['infinite', Array.from({ length: N }, () => Infinity), 'weight 0 is Infinity'],
    ['too large for float32', Array.from({ length: N }, () => 1e39), 'weight 0 is 1e+39'],
    ['a text', '1'.repeat(N), 'array of numbers'],
    ['texts', Array.from({ length: N }, () => '1'), 'weight 0 is "1"'],
    ['all 0', new Float32Array(N), 'all 24 are 0'],
  ];

  test.each(bad)('%s', async (_, sampleWeights, message) => {
    const set = { ...classes(), sampleWeights } as Dataset;
    const model = flat(3);
    const before = valuesOf(model);
    await expectRejection('ERR_INVALID_ARGUMENT', fit(model, set, options), 'fit', 'sampleWeights', message);
    await expectRejection(
      'ERR_INVALID_ARGUMENT',
      fit(model, classes(), { ...options, validation: set }),
      'fit validation',
      'sampleWeights',
      message,
    );
    await expectRejection('ERR_INVALID_ARGUMENT', evaluate(model, set), 'evaluate', 'sampleWeights', message);
    await expectRejection(
      'ERR_INVALID_ARGUMENT',
      lrFinder(model, set, { optimizer: options.optimizer }),
      'lrFinder',
      'sampleWeights',
      message,
    );
    expect(valuesOf(model)).toEqual(before);
  });

  test('another number of them', async () => {
    const set = { ...classes(), sampleWeights: [1, 2] };
    await expectRejection('ERR_SHAPE_MISMATCH', fit(flat(3), set, options), 'sampleWeights', '24', '2');
    expectError('ERR_SHAPE_MISMATCH', () => data.arrays(IMAGES, LABELS, { shape, sampleWeights: [1] }), 'sampleWeights', '24', '1');
    const trainer = new Trainer(flat(3), { ...{ optimizer: options.optimizer, input: shape, batchSize: 2 } });
    const step = async (sampleWeights: never): Promise<unknown> => trainer.step(IMAGES.subarray(0, 8), [0, 1], { sampleWeights });
    await expectRejection('ERR_SHAPE_MISMATCH', step([1] as never), 'Trainer.step', 'sampleWeights', '2 examples', '1');
    await expectRejection('ERR_INVALID_ARGUMENT', step([1, -1] as never), 'Trainer.step', 'weight 1 is -1');
    await expectRejection('ERR_UNKNOWN_OPTION', trainer.step(IMAGES.subarray(0, 8), [0, 1], { weights: [1, 1] } as never), 'weights');
    expect(trainer.steps).toBe(0);
    trainer.close();
  });

  test('a loss of one’s own that gives one number', async () => {
    const loss: Loss = (output, labels) => ops.crossEntropy(output, labels);
    const weights = Array<number>(N).fill(2);
    const model = flat(3);
    const before = valuesOf(model);
    const message = ['sampleWeights', '[8]', 'shape []', "reduction: 'none'"];
    await expectRejection('ERR_INVALID_ARGUMENT', fit(model, classes(weights), { ...options, loss }), ...message);
    await expectRejection('ERR_INVALID_ARGUMENT', fit(model, classes(), { ...options, loss, validation: classes(weights) }), ...message);
    expect(valuesOf(model)).toEqual(before);
    // One that gives the losses of the examples does for the set without weights, too.
    const each: Loss = (output, labels) => ops.crossEntropy(output, labels, { reduction: 'none' });
    const { epochs } = await fit(model, classes(weights), { ...options, loss: each, validation: classes() });
    expect((await evaluate(model, classes())).loss).toBeCloseTo(epochs.at(-1)!.valLoss!, 5);
    await expectRejection('ERR_INVALID_ARGUMENT', fit(model, classes(), { ...options, loss: each }), 'one element');
  });

  test('mixed pictures', async () => {
    const images = new Uint8Array(4 * N);
    const set = data.arrays(images, LABELS, { shape, sampleWeights: Array<number>(N).fill(1) });
    for (const more of [{ mix: transforms.mixup() }, { augment: [transforms.cutmix()] }])
      await expectRejection('ERR_INVALID_ARGUMENT', fit(flat(3), set, { ...options, ...more }), 'mixup or cutmix', 'sampleWeights');
  });
});
