/** Numbers that are finite but not in float32, in which everything is computed: every option refuses them before anything runs. */

import { fit, manualSeed, nn, ops, optim, randn, Trainer, type FitOptions } from 'stridenet';
import { expectError, expectRejection } from './support/expectError';

beforeEach(() => manualSeed(1));

const LARGEST = Math.fround(3.4028234663852886e38);
/** Rounds to infinity; just below lies what still rounds to the largest. */
const TOO_LARGE = 2 ** 128 - 2 ** 103;

const image = randn([1, 4, 4, 4], { seed: 1 });
const weight = new nn.Parameter([2, 2]);

type Case = [name: string, of: (value: number) => unknown];
const CASES: Case[] = [
  ['optim.sgd lr', (lr) => optim.sgd({ lr })],
  ['optim.sgd momentum', (momentum) => optim.sgd({ momentum })],
  ['optim.sgd weightDecay', (weightDecay) => optim.sgd({ weightDecay })],
  [
    'Trainer learningRate',
    (lr) => (new Trainer(new nn.Linear(2, 2), { optimizer: optim.sgd(), input: [2], batchSize: 1 }).learningRate = lr),
  ],
  ['ops.leakyRelu', (negativeSlope) => ops.leakyRelu(image, { negativeSlope })],
  ['nn.LeakyReLU', (negativeSlope) => new nn.LeakyReLU({ negativeSlope })],
  ['ops.clamp min', (min) => ops.clamp(image, { min: -min })],
  ['ops.clamp max', (max) => ops.clamp(image, { max })],
  ['ops.batchNorm2d eps', (eps) => ops.batchNorm2d(image, { training: true, eps })],
  ['nn.BatchNorm2d eps', (eps) => new nn.BatchNorm2d(2, { eps })],
  ['ops.localResponseNorm alpha', (alpha) => ops.localResponseNorm(image, { size: 3, alpha })],
  ['ops.localResponseNorm k', (k) => ops.localResponseNorm(image, { size: 3, k })],
  ['nn.LocalResponseNorm beta', (beta) => new nn.LocalResponseNorm(3, { beta })],
  ['nn.crossEntropy weight', (w) => nn.crossEntropy({ weight: [1, w] })],
  ['init.uniform a', (a) => nn.init.uniform(weight, { a: -a, b: 0 })],
  ['init.normal mean', (mean) => nn.init.normal(weight, { mean })],
  ['init.normal std', (std) => nn.init.normal(weight, { std })],
  ['init.constant', (value) => nn.init.constant(weight, value)],
  ['init.xavierUniform gain', (gain) => nn.init.xavierUniform(weight, { gain })],
  [
    'preprocess scale',
    (scale) => new Trainer(new nn.Linear(2, 2), { optimizer: optim.sgd(), input: [2], batchSize: 1, preprocess: { scale } }),
  ],
  [
    'preprocess mean',
    (mean) => new Trainer(new nn.Linear(2, 2), { optimizer: optim.sgd(), input: [2], batchSize: 1, preprocess: { mean: [mean] } }),
  ],
];

test.each(CASES)('%s', (_, of) => {
  for (const value of [TOO_LARGE, 1e39, Number.MAX_VALUE]) expectError('ERR_INVALID_ARGUMENT', () => of(value), 'float32');
  of(LARGEST);
  of(1);
});

test('sums and quotients of options that overflow', () => {
  expectError('ERR_INVALID_ARGUMENT', () => nn.init.uniform(weight, { a: -3e38, b: 3e38 }), 'b - a', 'float32');
  const preprocess = { std: [1e-40], mean: [1] };
  expectError(
    'ERR_INVALID_ARGUMENT',
    () => new Trainer(new nn.Linear(2, 2), { optimizer: optim.sgd(), input: [2], batchSize: 1, preprocess }),
    'float32',
  );
});

test('a schedule that makes the learning rate infinite', async () => {
  const data = { images: new Float32Array(4), labels: new Uint8Array(2), shape: [2, 1, 1] as const, classes: ['a', 'b'], length: 2 };
  const options: FitOptions = { epochs: 1, optimizer: optim.sgd({ lr: 10 }), schedule: () => 1e38, progress: false };
  await expectRejection('ERR_INVALID_ARGUMENT', fit(new nn.Sequential(new nn.Flatten(), new nn.Linear(2, 2)), data, options), 'got 1e+38');
});
