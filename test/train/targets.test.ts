/** fit and evaluate take classes, several labels, numbers, probabilities and masks as targets, and metrics of any kind. */

import { data, evaluate, fit, manualSeed, nn, ops, optim, tensor, Trainer, type Tensor } from 'stridenet';
import { Philox } from '../../lib/random';
import { expectRejection } from '../support/expectError';

beforeEach(() => manualSeed(1));

const N = 64;
const IMAGES = new Philox(3).fillNormal(new Float32Array(4 * N));
const flat = (outputs: number): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(4, outputs));
const shape = [1, 2, 2] as const;
const options = { epochs: 20, batchSize: 16, optimizer: optim.sgd({ lr: 0.3 }), seed: 1, progress: false };

test('numbers: a linear model finds the sum of the pixels', async () => {
  const sums = Float32Array.from({ length: N }, (_, i) => IMAGES.subarray(4 * i, 4 * i + 4).reduce((a, b) => a + b));
  const set = data.arrays(IMAGES, sums, { shape });
  const model = flat(1);
  const { epochs } = await fit(model, set, { ...options, loss: nn.mseLoss(), validation: set });
  expect(epochs.at(-1)!.loss).toBeLessThan(1e-3);
  expect(Object.keys(epochs[0]!)).toEqual(['epoch', 'loss', 'valLoss', 'learningRate', 'imagesPerSecond', 'seconds']);
  expect((await evaluate(model, set, { loss: nn.mseLoss() })).loss).toBeCloseTo(epochs.at(-1)!.valLoss!, 6);
});

test('several labels of an image, given as integers or as numbers', async () => {
  const signs = Uint8Array.from({ length: 2 * N }, (_, i) => (IMAGES[4 * Math.floor(i / 2) + (i % 2)]! > 0 ? 1 : 0));
  const weights = async (labels: Uint8Array | Float32Array): Promise<number[]> => {
    manualSeed(1);
    const model = flat(2);
    await fit(model, data.arrays(IMAGES, labels, { shape, targetShape: [2] }), { ...options, loss: nn.bceWithLogits() });
    return model.parameters().flatMap((parameter) => [...parameter.value]);
  };
  expect(await weights(signs)).toEqual(await weights(Float32Array.from(signs)));
});

test('probabilities of classes', async () => {
  const labels = Uint8Array.from({ length: N }, (_, i) => (IMAGES[4 * i]! > 0 ? 1 : 0));
  const oneHot = Float32Array.from({ length: 2 * N }, (_, i) => (labels[i >> 1] === i % 2 ? 1 : 0));
  const loss = async (targets: Uint8Array | Float32Array, more: object): Promise<number> => {
    manualSeed(1);
    return (await fit(flat(2), data.arrays(IMAGES, targets, { shape, ...more }), options)).epochs.at(-1)!.loss;
  };
  expect(await loss(oneHot, { targetShape: [2] })).toBeCloseTo(await loss(labels, {}), 5);
});

test('a class for each pixel, by a loss that puts the pixels one after the other', async () => {
  const masks = Int32Array.from(IMAGES, (x) => (x > 0 ? 1 : 0));
  const perPixel = (output: Tensor, target: Tensor): Tensor =>
    nn.crossEntropy()(output.transpose([0, 2, 3, 1]).reshape([-1, 2]), target.reshape([-1]));
  const set = data.arrays(IMAGES, masks, { shape, targetShape: [2, 2] });
  const { epochs } = await fit(new nn.Conv2d(1, 2, 1), set, { ...options, epochs: 40, loss: perPixel });
  expect(epochs.at(-1)!.loss).toBeLessThan(0.15);
  expect(epochs.at(-1)!.accuracy).toBeGreaterThan(0.95);
});

test('metrics of one’s own: a function is a mean, an object says what it sums up', async () => {
  const labels = Uint8Array.from({ length: N - 1 }, (_, i) => (IMAGES[4 * i]! > 0 ? 1 : 0));
  const set = data.arrays(IMAGES.subarray(4), labels, { shape });
  const meanOutput = (output: Tensor): Tensor => ops.mean(output);
  const sums = {
    name: 'sums',
    measure: (output: Tensor) => [ops.sum(output, { axis: 0 })],
    value: ([total]: readonly ArrayLike<number>[], examples: number) => Array.from(total!, (x) => x / examples),
  };
  const model = flat(2);
  const score = await evaluate(model, set, { metrics: ['accuracy', meanOutput, sums], batchSize: 10 });
  const outputs = (await model.forward(tensor([...IMAGES.subarray(4)], [N - 1, 1, 2, 2])).array()) as unknown as number[][];
  const mean = (j: number): number => outputs.reduce((sum, row) => sum + row[j]!, 0) / (N - 1);
  expect(score['meanOutput']).toBeCloseTo((mean(0) + mean(1)) / 2, 5);
  expect((score['sums'] as number[])[1]).toBeCloseTo(mean(1), 5);
  const { epochs } = await fit(model, set, { ...options, epochs: 1, metrics: [meanOutput], validation: set });
  expect(Object.keys(epochs[0]!)).toContain('valMeanOutput');
  await expectRejection('ERR_INVALID_ARGUMENT', evaluate(model, set, { metrics: ['accuracy', 'accuracy'] }), 'different names');
  await expectRejection(
    'ERR_INVALID_ARGUMENT',
    evaluate(model, set, {
      metrics: [
        function whole(y: Tensor) {
          return y;
        },
      ],
    }),
    'one number',
  );
});

test('a metric that needs all outputs at once is measured of the validation set alone', async () => {
  const labels = Uint8Array.from({ length: N }, (_, i) => i % 2);
  const set = data.arrays(IMAGES, labels, { shape });
  const largest = {
    name: 'largest',
    gather: 'concat' as const,
    measure: (output: Tensor) => output,
    value: ([all]: readonly ArrayLike<number>[]) => {
      expect(all!.length).toBe(2 * N);
      return Math.max(...Array.from(all!));
    },
  };
  const { epochs } = await fit(flat(2), set, { ...options, epochs: 1, metrics: [largest], validation: set });
  expect(epochs[0]).toHaveProperty('valLargest');
  expect(epochs[0]).not.toHaveProperty('largest');
});

test('class weights stand in the default loss', async () => {
  const labels = Uint8Array.from({ length: N }, (_, i) => (i % 4 === 0 ? 1 : 0));
  const set = data.arrays(IMAGES, labels, { shape });
  const run = async (more: object): Promise<number> => {
    manualSeed(1);
    return (await fit(flat(2), set, { ...options, epochs: 2, ...more })).epochs.at(-1)!.loss;
  };
  const balanced = await run({ classWeights: 'balanced' });
  expect(balanced).toBe(await run({ classWeights: [64 / (2 * 48), 64 / (2 * 16)] }));
  expect(balanced).not.toBe(await run({}));
  await expectRejection('ERR_INVALID_ARGUMENT', run({ classWeights: 'balanced', loss: nn.crossEntropy() }), 'either loss or classWeights');
});

test('Trainer.step takes class maps and probabilities when it is told of them', async () => {
  using trainer = new Trainer(flat(2), { optimizer: optim.sgd({ lr: 0.1 }), input: [...shape], batchSize: 2, targets: 'values' });
  const { loss } = await trainer.step(IMAGES.subarray(0, 8), Float32Array.of(0.5, 0.5, 1, 0));
  expect(loss).toBeGreaterThan(0);
  await expectRejection('ERR_INVALID_ARGUMENT', trainer.step(IMAGES.subarray(0, 8), Uint8Array.of(0, 1)), 'Float32Array');
});
