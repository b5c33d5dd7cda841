/** lrFinder: what it suggests trains, the model is as it was, and mistakes end as documented. */

import { inspect } from 'node:util';
import { data, fit, lrFinder, manualSeed, nn, optim, Trainer, type LrFinderOptions, type Tensor } from 'stridenet';
import { randomState } from '../../lib/random';
import { expectRejection } from '../support/expectError';

let train: data.Dataset;
beforeAll(async () => {
  train = data.take((await data.mini()).train, 1000);
});
beforeEach(() => manualSeed(1));

const sgd = (): optim.Optimizer => optim.sgd({ lr: 1, momentum: 0.9 });

/** A network with running statistics and dropout. */
const network = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(1, 4, 3, { stride: 2 }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Dropout(0.2),
    new nn.Linear(676, 10),
  );

test('the rate grows exponentially, and the suggestion is one at which the model learns', async () => {
  const { rates, losses, smoothed, suggestion } = await lrFinder(network(), train, { optimizer: sgd(), batchSize: 50, maxLr: 10, seed: 1 });
  expect(rates[0]).toBe(1e-6);
  for (let i = 1; i < rates.length; i++) expect(rates[i]! / rates[i - 1]!).toBeCloseTo(1e7 ** (1 / 99), 6);
  expect([losses.length, smoothed.length]).toEqual([rates.length, rates.length]);
  expect(smoothed[0]).toBeCloseTo(losses[0]!, 5);
  // The moving average with weights that sum up to 1.
  const expected = losses.map((_, i) => {
    const weights = losses.slice(0, i + 1).map((_, k) => 0.05 * 0.95 ** (i - k));
    return weights.reduce((sum, w, k) => sum + w * losses[k]!, 0) / weights.reduce((sum, w) => sum + w);
  });
  smoothed.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 6));

  const reached = async (lr: number): Promise<number> => {
    manualSeed(1);
    const history = await fit(network(), train, {
      epochs: 4,
      batchSize: 50,
      optimizer: optim.sgd({ lr, momentum: 0.9 }),
      seed: 1,
      progress: false,
    });
    return history.epochs.at(-1)!.accuracy!;
  };
  // Far below it and far above it nothing is learned.
  expect(await reached(suggestion!)).toBeGreaterThan(0.7);
  expect(await reached(suggestion! / 1000)).toBeLessThan(0.3);
  expect(await reached(suggestion! * 100)).toBeLessThan(0.3);
});

test('the steps are those of a Trainer with these rates', async () => {
  const make = (): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 16), new nn.ReLU(), new nn.Linear(16, 10));
  const model = make();
  const twin = make();
  twin.loadStateDict(model.stateDict());
  const { rates, losses } = await lrFinder(model, data.take(train, 8), { optimizer: sgd(), minLr: 0.01, batchSize: 8, steps: 5 });
  using trainer = new Trainer(twin, { optimizer: sgd(), input: [1, 28, 28], batchSize: 8 });
  expect(rates).toHaveLength(5);
  for (const [i, rate] of rates.entries()) {
    trainer.learningRate = rate;
    // A batch of all images: their order makes no difference but for roundings.
    const { loss } = await trainer.step(train.images.subarray(0, 8 * 784), train.labels.subarray(0, 8));
    expect(losses[i]).toBeCloseTo(loss, 4);
  }
});

test('weights, statistics, how images are read and the random state are put back, and the same seed finds the same', async () => {
  const model = network();
  const state = randomState();
  const valuesOf = (): number[][] => [...model.stateDict().values()].map(({ value }) => [...value]);
  const options = { optimizer: sgd(), batchSize: 20, steps: 20, maxLr: 0.1, seed: 4 };
  // The weights are rules that were not drawn yet.
  const first = await lrFinder(model, train, options);
  expect(randomState()).toEqual(state);
  expect(model.preprocess).toBeUndefined();
  const before = valuesOf();
  const second = await lrFinder(model, train, options);
  expect(valuesOf()).toEqual(before);
  expect(second.losses).toEqual(first.losses);

  // Weights that lie with a trainer, which goes on afterwards as if nothing had been.
  const step = { images: train.images.subarray(0, 4 * 784), labels: train.labels.subarray(0, 4) };
  const trainerOf = (of: nn.Module): Trainer => new Trainer(of, { optimizer: sgd(), input: [1, 28, 28], batchSize: 4, seed: 1 });
  const twin = network();
  twin.loadStateDict(model.stateDict());
  using trainer = trainerOf(model);
  using other = trainerOf(twin);
  for (const each of [trainer, other]) await each.step(step.images, step.labels);
  const held = valuesOf();
  await lrFinder(model, train, options);
  expect(valuesOf()).toEqual(held);
  expect(await trainer.step(step.images, step.labels)).toEqual(await other.step(step.images, step.labels));
});

test('it stops when the loss rises or is not finite', async () => {
  const model = network();
  const rising = await lrFinder(model, train, { optimizer: sgd(), steps: 200, maxLr: 1e6, seed: 1 });
  expect(rising.rates.length).toBeLessThan(200);
  expect(rising.losses.every(Number.isFinite)).toBe(true);
  const wild = await lrFinder(model, train, { optimizer: sgd(), steps: 20, maxLr: 1e30, stopFactor: 1e30, seed: 1 });
  expect(wild.rates.length).toBeLessThan(20);
  expect(wild.losses.every(Number.isFinite)).toBe(true);
  expect(model.stateDict().get('5.bias')!.value.every(Number.isFinite)).toBe(true);
});

test('nothing is suggested where the loss does not fall', async () => {
  class Constant extends nn.Module {
    readonly bias = new nn.Parameter([10]);
    forward(x: Tensor): Tensor {
      return x.flatten().mul(0).sum({ axis: 1, keepDims: true }).add(this.bias);
    }
  }
  const found = await lrFinder(new Constant(), train, { optimizer: optim.sgd(), maxLr: 1e-5, steps: 3, smoothing: 1e-9 });
  const { suggestion } = await lrFinder(new Constant(), train, {
    optimizer: optim.sgd(),
    maxLr: 1.1e-6,
    steps: 2,
    loss: (output) => output.mul(0).sum(),
  });
  expect(suggestion).toBeUndefined();
  expect(found.plot()).toContain('<svg');
});

test('it draws its curve, and prints in a line', async () => {
  const found = await lrFinder(network(), train, { optimizer: sgd(), steps: 40, seed: 1 });
  const svg = found.plot();
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg" [^]*<\/svg>$/);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  const points = [...svg.matchAll(/<polyline[^>]* points="([^"]*)"/g)].map((match) => match[1]!.split(' ').length);
  expect(points).toEqual([found.rates.length, found.rates.length]);
  expect(svg).toContain('steepest at');
  expect(inspect(found)).toMatch(
    /^LrFinderResult\(suggestion: [\d.e-]+, steps: \d+, rates: \[0.000001, [\d.]+\], leastLoss: [\d.]+, at: [\d.e-]+\)$/,
  );
  expect(Object.keys(found)).toEqual(['rates', 'losses', 'smoothed', 'suggestion', 'plot']);
});

describe('mistakes', () => {
  test.each<[string, Partial<Record<keyof LrFinderOptions | 'lr', unknown>>, Parameters<typeof expectRejection>[0], string]>([
    ['a range without width', { minLr: 1, maxLr: 1 }, 'ERR_INVALID_ARGUMENT', 'maxLr'],
    ['a rate of 0', { minLr: 0 }, 'ERR_INVALID_ARGUMENT', 'minLr'],
    ['one step', { steps: 1 }, 'ERR_INVALID_ARGUMENT', 'steps'],
    ['no smoothing at all', { smoothing: 0 }, 'ERR_INVALID_ARGUMENT', 'smoothing'],
    ['more than all', { smoothing: 1.5 }, 'ERR_INVALID_ARGUMENT', 'smoothing'],
    ['stopping at once', { stopFactor: 0.5 }, 'ERR_INVALID_ARGUMENT', 'stopFactor'],
    ['no batch', { batchSize: 0 }, 'ERR_INVALID_ARGUMENT', 'batchSize'],
    ['no optimizer', { optimizer: undefined }, 'ERR_INVALID_ARGUMENT', 'lrFinder expects an optimizer'],
    ['an unknown option', { lr: 1 }, 'ERR_UNKNOWN_OPTION', 'lrFinder'],
  ])('%s', async (_, options, code, piece) => {
    await expectRejection(code, lrFinder(network(), train, { optimizer: sgd(), ...options } as never), piece);
  });

  test('no options, no data set, labels that are no class, images that are not finite', async () => {
    await expectRejection('ERR_INVALID_ARGUMENT', lrFinder(network(), train, undefined as never), 'options object');
    await expectRejection('ERR_INVALID_ARGUMENT', lrFinder(network(), {} as never, { optimizer: sgd() }), 'lrFinder expects a data set');
    const wrong = { ...train, labels: train.labels.map(() => 12) };
    await expectRejection('ERR_INVALID_ARGUMENT', lrFinder(network(), wrong, { optimizer: sgd() }), 'labels in [0, 9]');
    const dark = { ...train, images: new Float32Array(train.images.length).fill(NaN) };
    await expectRejection('ERR_NOT_FINITE', lrFinder(network(), dark, { optimizer: sgd() }), 'NaN');
  });

  test('a signal stops it, and the model is as it was', async () => {
    const model = network();
    const before = [...model.stateDict().values()].map(({ value }) => [...value]);
    const controller = new AbortController();
    const running = lrFinder(model, train, { optimizer: sgd(), signal: controller.signal, steps: 1000, maxLr: 1e-3 });
    setTimeout(() => controller.abort(new Error('enough')), 50);
    await expect(running).rejects.toThrow('enough');
    expect([...model.stateDict().values()].map(({ value }) => [...value])).toEqual(before);
  });

  test('a model that is being trained is busy', async () => {
    const model = network();
    const fitting = fit(model, train, { epochs: 1, optimizer: sgd(), progress: false });
    await expectRejection('ERR_BUSY', lrFinder(model, train, { optimizer: sgd() }), 'lrFinder');
    await fitting;
  });
});
