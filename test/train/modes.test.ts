/** What trains and what rests: layers in eval(), frozen ones, and changes of either between two steps. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, fit, manualSeed, nn, optim, Trainer, type FitOptions, type Tensor } from 'stridenet';
import type { Dataset } from '../../lib/data/dataset';
import { Philox } from '../../lib/random';
import { expectRejection } from '../support/expectError';

beforeEach(() => manualSeed(1));

const COUNT = 24;
const IMAGES = new Philox(3).fillNormal(new Float32Array(16 * COUNT));
const LABELS = Uint8Array.from({ length: COUNT }, (_, i) => i % 2);
const DATA: Dataset = { images: IMAGES, labels: LABELS, shape: [1, 4, 4], classes: ['a', 'b'], length: COUNT };
const OPTIONS: FitOptions = {
  epochs: 2,
  batchSize: 8,
  optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
  seed: 1,
  threads: 1,
  progress: false,
};

class Net extends nn.Module {
  conv = new nn.Conv2d(1, 2, 3);
  bn = new nn.BatchNorm2d(2);
  act = new nn.ReLU();
  drop = new nn.Dropout(0.5);
  head = new nn.Linear(8, 2);
  constructor(statistics?: { momentum?: number | null; affine?: boolean }) {
    super();
    if (statistics) this.bn = new nn.BatchNorm2d(2, statistics);
    // Statistics that are not those of any batch.
    const shifted =
      (values: number[]): ((data: Float32Array) => void) =>
      (data) =>
        data.set(values);
    this.bn.running_mean!.initialize(shifted([0.3, -0.2]));
    this.bn.running_var!.initialize(shifted([0.5, 2]));
  }
  forward(x: Tensor): Tensor {
    return this.head.forward(this.drop.forward(this.act.forward(this.bn.forward(this.conv.forward(x)))).reshape([x.shape[0]!, 8]));
  }
}

const stepsOf = ({ bn }: Net): number => bn.num_batches_tracked!.value[0]!;
const statisticsOf = ({ bn }: Net): number[] => [...bn.running_mean!.value, ...bn.running_var!.value];
const STATISTICS = [0.3, -0.2, 0.5, 2].map(Math.fround);

/** What a step of gradient descent makes of the head when the layers before it are as in evaluation. */
async function headStep(net: Net, lr: number): Promise<number[]> {
  const features = new nn.Sequential(net.conv, net.bn, net.act, new nn.Flatten());
  using compiled = await compile(features, { input: [1, 4, 4], threads: 1 });
  const x = compiled.runSync(IMAGES).value as Float32Array;
  const [w, b] = [net.head.weight.value, net.head.bias!.value];
  const dw = new Float64Array(16);
  for (let n = 0; n < COUNT; n++) {
    const row = x.subarray(8 * n, 8 * n + 8);
    const z = [0, 1].map((o) => row.reduce((sum, v, i) => sum + v * w[8 * o + i]!, b[o]!));
    const total = Math.exp(z[0]!) + Math.exp(z[1]!);
    for (let o = 0; o < 2; o++) {
      const dz = (Math.exp(z[o]!) / total - (o === LABELS[n] ? 1 : 0)) / COUNT;
      for (let i = 0; i < 8; i++) dw[8 * o + i]! += dz * row[i]!;
    }
  }
  return [...w].map((v, i) => v - lr * dw[i]!);
}

async function expectStepAsInEvaluation(net: Net): Promise<void> {
  const expected = await headStep(net, 0.5);
  using trainer = new Trainer(net, { optimizer: optim.sgd({ lr: 0.5 }), input: [1, 4, 4], batchSize: COUNT, threads: 1 });
  await trainer.step(IMAGES, LABELS);
  const found = [...net.head.weight.value];
  expected.forEach((v, i) => expect(found[i]).toBeCloseTo(v, 5));
}

describe('layers in eval()', () => {
  test('keep their statistics, normalise by them and drop nothing, and their weights train', async () => {
    const net = new Net();
    net.bn.eval();
    net.drop.eval();
    const gamma = [...net.bn.weight!.value];
    await expectStepAsInEvaluation(net);
    await fit(net, DATA, OPTIONS);
    expect(stepsOf(net)).toBe(0);
    expect(statisticsOf(net)).toEqual(STATISTICS);
    expect([...net.bn.weight!.value]).not.toEqual(gamma);
    expect(net.bn.training).toBe(false);
    expect(net.training).toBe(true);
  });

  test('a model that is as a whole in eval() trains as a whole, and stays in eval()', async () => {
    const [evaluated, plain] = [new Net(), new Net()];
    evaluated.loadStateDict(plain.stateDict());
    const first = await fit(evaluated.eval(), DATA, OPTIONS);
    const second = await fit(plain, DATA, OPTIONS);
    expect(stepsOf(evaluated)).toBe(6);
    expect(first.epochs.map(({ loss }) => loss)).toEqual(second.epochs.map(({ loss }) => loss));
    expect([evaluated.training, evaluated.bn.training]).toEqual([false, false]);
  });

  test('train() wakes them up', async () => {
    const net = new Net();
    net.bn.eval();
    net.train();
    await fit(net, DATA, OPTIONS);
    expect(stepsOf(net)).toBe(6);
  });
});

describe('frozen layers', () => {
  test.each<[string, { momentum?: number | null; affine?: boolean }]>([
    ['with a weight', {}],
    ['without one', { affine: false }],
    ['with plain means', { momentum: null }],
  ])('of normalisation %s keep their statistics and normalise by them', async (_, statistics) => {
    const net = new Net(statistics);
    net.conv.freeze();
    net.bn.freeze();
    net.drop.eval();
    await expectStepAsInEvaluation(net);
    await fit(net, DATA, OPTIONS);
    expect(stepsOf(net)).toBe(0);
    expect(statisticsOf(net)).toEqual(STATISTICS);
    net.unfreeze();
    await fit(net, DATA, OPTIONS);
    expect(stepsOf(net)).toBe(6);
    expect(statisticsOf(net)).not.toEqual(STATISTICS);
  });

  test('also when requiresGrad was cleared by hand; one parameter that trains moves them', async () => {
    const net = new Net();
    net.bn.weight!.requiresGrad = false;
    await fit(net, DATA, OPTIONS);
    expect(stepsOf(net)).toBe(6);
    net.bn.bias!.requiresGrad = false;
    await fit(net, DATA, OPTIONS);
    expect(stepsOf(net)).toBe(6);
  });

  test('drop as before: dropout has no parameters', async () => {
    const net = new Net();
    net.drop.freeze();
    using trainer = new Trainer(net, { optimizer: optim.sgd({ lr: 0 }), input: [1, 4, 4], batchSize: COUNT, threads: 1 });
    const losses = [await trainer.step(IMAGES, LABELS), await trainer.step(IMAGES, LABELS)].map(({ loss }) => loss);
    expect(losses[0]).not.toBe(losses[1]);
  });
});

describe('between two steps', () => {
  const trainer = (net: nn.Module): Trainer =>
    new Trainer(net, { optimizer: optim.sgd({ lr: 0.5, momentum: 0.9 }), input: [1, 4, 4], batchSize: COUNT, threads: 1 });

  test('freeze and unfreeze hold from the next step on, for every number of images', async () => {
    const net = new Net();
    using t = trainer(net);
    const steps = async (): Promise<void> => {
      await t.step(IMAGES, LABELS);
      await t.step(IMAGES.subarray(0, 16 * 4), LABELS.subarray(0, 4));
    };
    await steps();
    net.conv.freeze();
    const [conv, head] = [[...net.conv.weight.value], [...net.head.weight.value]];
    await steps();
    expect([...net.conv.weight.value]).toEqual(conv);
    expect([...net.head.weight.value]).not.toEqual(head);
    net.conv.unfreeze();
    await steps();
    expect([...net.conv.weight.value]).not.toEqual(conv);
    net.freeze();
    await expectRejection('ERR_INVALID_ARGUMENT', t.step(IMAGES, LABELS), 'model.unfreeze()');
  });

  test('so do eval() and train() of a layer', async () => {
    const net = new Net();
    using t = trainer(net);
    await t.step(IMAGES, LABELS);
    net.bn.eval();
    const statistics = statisticsOf(net);
    await t.step(IMAGES, LABELS);
    expect(statisticsOf(net)).toEqual(statistics);
    net.bn.train();
    await t.step(IMAGES, LABELS);
    expect(stepsOf(net)).toBe(2);
  });

  test('a layer that takes the place of another trains, with slots of its own, and is measured', async () => {
    const net = new Net();
    using t = trainer(net);
    await t.step(IMAGES, LABELS);
    await t.evaluate(DATA);
    const head = new nn.Linear(8, 2);
    const before = [...head.weight.value];
    net.head = head;
    await t.step(IMAGES, LABELS);
    expect([...head.weight.value]).not.toEqual(before);
    const { loss } = await t.evaluate(DATA);
    expect(loss).toBe((await trainer(net).evaluate(DATA)).loss);
  });
});

test('a checkpoint builds modes and frozen layers again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stridenet-modes-'));
  try {
    const net = new nn.Sequential(
      new nn.Conv2d(1, 2, 3),
      new nn.BatchNorm2d(2),
      new nn.BatchNorm2d(2, { affine: false }),
      new nn.Dropout(0.5),
      new nn.Flatten(),
      new nn.Linear(8, 2),
    );
    net[1]!.eval();
    net[2]!.freeze();
    net[3]!.eval();
    using t = new Trainer(net, { optimizer: optim.sgd({ lr: 0.5 }), input: [1, 4, 4], batchSize: COUNT });
    await t.step(IMAGES, LABELS);
    await t.save(join(folder, 'modes.safetensors'));
    using resumed = await Trainer.resume(join(folder, 'modes.safetensors'));
    expect(await resumed.step(IMAGES, LABELS)).toEqual(await t.step(IMAGES, LABELS));
    for (const [name, variable] of net.stateDict()) expect(resumed.model.stateDict().get(name)!.value).toEqual(variable.value);
    expect(net.stateDict().get('2.num_batches_tracked')!.value[0]).toBe(0);
    resumed.model.unfreeze();
    await resumed.step(IMAGES, LABELS);
    expect(resumed.model.stateDict().get('2.num_batches_tracked')!.value[0]).toBe(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
