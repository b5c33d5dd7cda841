/** compileStep: the numbers of a Trainer, those of the same maths by hand, several models and inputs, and how mistakes end. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  compileStep,
  loadSafetensors,
  manualSeed,
  nn,
  ones,
  ops,
  optim,
  randn,
  saveSafetensors,
  tensor,
  type Tensor,
  Trainer,
  zeros,
  type StepIO,
} from 'stridenet';
import { Philox } from '../../lib/random';
import { expectError, expectRejection } from '../support/expectError';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-step-'));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => manualSeed(1));

const N = 6;
const images = (seed: number, n = N): Float32Array => new Philox(seed).fillNormal(new Float32Array(n * 36));
const LABELS = Int32Array.of(0, 1, 2, 0, 1, 2);

const network = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(1, 4, 3, { padding: 1 }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.Flatten(),
    new nn.Dropout(0.3),
    new nn.Linear(144, 3),
  );

function copyOf<M extends nn.Module>(make: () => M, original: M): M {
  const copy = make();
  copy.loadStateDict(original.stateDict());
  return copy;
}

const valuesOf = (model: nn.Module): number[][] => [...model.stateDict().values()].map(({ value }) => [...value]);

/** Classification, as a Trainer does it. */
const classify =
  (model: nn.Module) =>
  (io: StepIO): { loss: Tensor; outputs: { correct: Tensor } } => {
    const scores = io.call(model, io.input('images'));
    return { loss: ops.crossEntropy(scores, io.input('labels')), outputs: { correct: ops.countCorrect(scores, io.input('labels')) } };
  };

const optimizers: [string, () => optim.Optimizer][] = [
  ['sgd', () => optim.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 1e-3, nesterov: true })],
  ['adamw', () => optim.adamw({ lr: 0.01, groups: optim.noDecayOnNormAndBias() })],
  ['lamb', () => optim.lamb({ lr: 0.01 })],
];

describe('the steps of a Trainer, to the last bit', () => {
  test.each(optimizers)('%s, with batch normalisation and dropout', async (_, makeOptimizer) => {
    const model = network();
    const twin = copyOf(network, model);
    using trainer = new Trainer(model, { optimizer: makeOptimizer(), input: [1, 6, 6], batchSize: N, seed: 5 });
    using step = compileStep(classify(twin), {
      inputs: { images: [N, 1, 6, 6], labels: { shape: [N], dtype: 'int32' } },
      model: twin,
      optimizer: makeOptimizer(),
      seed: 5,
    });
    for (let i = 0; i < 4; i++) {
      const expected = await trainer.step(images(i), LABELS);
      const { loss, correct } = await step.run({ images: images(i), labels: LABELS });
      expect(loss).toBe(expected.loss);
      expect(correct).toBe(expected.accuracy! * N);
    }
    expect(valuesOf(twin)).toEqual(valuesOf(model));
    expect(step.steps).toBe(4);
  });

  test('of bytes with mean and deviation, clipped, with another learning rate, for any number of rows', async () => {
    const model = network();
    const twin = copyOf(network, model);
    const [sgd, twinSgd] = [optim.sgd({ lr: 0.1 }), optim.sgd({ lr: 0.1 })];
    const reading = { scale: 1 / 128, mean: [0.5], std: [0.25] };
    using trainer = new Trainer(model, {
      optimizer: sgd,
      input: [1, 6, 6],
      batchSize: N,
      seed: 2,
      preprocess: reading,
      gradientClipNorm: 0.5,
    });
    let built = 0;
    using step = compileStep(
      (io) => {
        built++;
        const loss = ops.crossEntropy(io.call(twin, io.input('images')), io.input('labels'));
        return { updates: [io.minimize(loss, twin, twinSgd, { gradientClipNorm: 0.5 })], outputs: { loss } };
      },
      {
        inputs: { images: { shape: ['n', 1, 6, 6], dtype: 'uint8', ...reading }, labels: { shape: ['n'], dtype: 'int32' } },
        batchSize: N,
        seed: 2,
      },
    );
    trainer.learningRate = 0.05;
    step.setLearningRate(twinSgd, 0.05);
    expect(step.learningRate(twinSgd)).toBe(0.05);
    for (const n of [N, 4, N, 4, 1]) {
      const pixels = Uint8Array.from({ length: n * 36 }, (_, i) => (i * 7 + n) % 256);
      const expected = await trainer.step(pixels, LABELS.subarray(0, n));
      expect(await step.run({ images: pixels, labels: LABELS.subarray(0, n) })).toEqual({ loss: expected.loss });
    }
    expect(valuesOf(twin)).toEqual(valuesOf(model));
    expect(built).toBe(3); // once for each number of rows
  });

  test('of a model of which a part is frozen, and then trained', async () => {
    const model = network();
    const twin = copyOf(network, model);
    const parts = [model, twin].map((each) => new nn.Sequential(...each.children().slice(0, 2)).freeze());
    using trainer = new Trainer(model, { optimizer: optim.adam(), input: [1, 6, 6], batchSize: N, seed: 5 });
    using step = compileStep(classify(twin), {
      inputs: { images: [N, 1, 6, 6], labels: { shape: [N], dtype: 'int32' } },
      model: twin,
      optimizer: optim.adam(),
      seed: 5,
    });
    const both = async (): Promise<void> => {
      const { loss } = await trainer.step(images(1), LABELS);
      expect((await step.run({ images: images(1), labels: LABELS })).loss).toBe(loss);
    };
    const before = valuesOf(parts[1]!);
    await both();
    expect(valuesOf(parts[1]!)).toEqual(before);
    for (const part of parts) part.unfreeze();
    await both();
    expect(valuesOf(parts[1]!)).not.toEqual(before);
    expect(valuesOf(twin)).toEqual(valuesOf(model));
  });
});

/** Two networks against each other; each step's numbers are those of plain tensors. */
describe('a GAN', () => {
  const makeGenerator = (): nn.Sequential => new nn.Sequential(new nn.Linear(3, 8), new nn.ReLU(), new nn.Linear(8, 4));
  const makeDiscriminator = (): nn.Sequential =>
    new nn.Sequential(new nn.Linear(4, 8), new nn.LeakyReLU({ negativeSlope: 0.2 }), new nn.Linear(8, 1));
  const losses = (real: Tensor, fake: Tensor): { dLoss: Tensor; gLoss: Tensor } => ({
    dLoss: ops.add(ops.bceWithLogits(real, ones([N, 1])), ops.bceWithLogits(fake, zeros([N, 1]))),
    gLoss: ops.bceWithLogits(fake, ones([N, 1])),
  });

  test('takes both steps down the gradients before the step', async () => {
    const [generator, discriminator] = [makeGenerator(), makeDiscriminator()];
    const twins = [copyOf(makeGenerator, generator), copyOf(makeDiscriminator, discriminator)] as const;
    const [gOptimizer, dOptimizer] = [optim.sgd({ lr: 0.2 }), optim.sgd({ lr: 0.1 })];
    using step = compileStep(
      (io) => {
        const fake = io.call(discriminator, io.call(generator, io.input('noise')));
        const { dLoss, gLoss } = losses(io.call(discriminator, io.input('real')), fake);
        return {
          updates: [io.minimize(dLoss, discriminator, dOptimizer), io.minimize(gLoss, generator, gOptimizer)],
          outputs: { dLoss, gLoss, fake },
        };
      },
      { inputs: { real: [N, 4], noise: [N, 3] } },
    );
    for (let i = 0; i < 3; i++) {
      const [real, noise] = [randn([N, 4], { seed: i }), randn([N, 3], { seed: 10 + i })];
      const [g, d] = twins;
      const fake = d.forward(g.forward(noise));
      const { dLoss, gLoss } = losses(d.forward(real), fake);
      const [gParameters, dParameters] = [g.parameters(), d.parameters()];
      const gradients = [...ops.grad(gLoss, gParameters), ...ops.grad(dLoss, dParameters)];
      const expected = await Promise.all([dLoss.item(), gLoss.item(), fake.data()]);
      const moved = await Promise.all(
        [...gParameters, ...dParameters].map((parameter, at) => {
          return parameter.sub(gradients[at]!.mul(at < gParameters.length ? 0.2 : 0.1)).data();
        }),
      );
      const found = await step.run({ real, noise });
      expect(found.dLoss).toBeCloseTo(expected[0], 6);
      expect(found.gLoss).toBeCloseTo(expected[1], 6);
      const scores = found.fake as Tensor;
      expect(scores.shape).toEqual([N, 1]);
      (await scores.data()).forEach((v, k) => expect(v).toBeCloseTo(expected[2][k]!, 5));
      const after = [...generator.parameters(), ...discriminator.parameters()].map(({ value }) => value);
      after.forEach((values, at) => values.forEach((v, k) => expect(v).toBeCloseTo(moved[at]![k]!, 6)));
      g.loadStateDict(generator.stateDict());
      d.loadStateDict(discriminator.stateDict());
    }
  });

  test('takes one step after the other as two steps that take turns', async () => {
    const [generator, discriminator] = [makeGenerator(), makeDiscriminator()];
    const twins = [copyOf(makeGenerator, generator), copyOf(makeDiscriminator, discriminator)] as const;
    const [gOptimizer, dOptimizer] = [optim.sgd({ lr: 0.2 }), optim.sgd({ lr: 0.1 })];
    using dStep = compileStep(
      (io) => {
        const fake = io.call(discriminator, io.call(generator, io.input('noise')));
        const { dLoss } = losses(io.call(discriminator, io.input('real')), fake);
        return { updates: [io.minimize(dLoss, discriminator, dOptimizer)] };
      },
      { inputs: { real: [N, 4], noise: [N, 3] } },
    );
    using gStep = compileStep(
      (io) => {
        const fake = io.call(discriminator, io.call(generator, io.input('noise')));
        return { loss: losses(fake, fake).gLoss };
      },
      { inputs: { noise: [N, 3] }, model: generator, optimizer: gOptimizer },
    );
    const [g, d] = twins;
    const descend = async (model: nn.Module, loss: Tensor, lr: number): Promise<void> => {
      const parameters = model.parameters();
      const gradients = ops.grad(loss, parameters);
      const moved = await Promise.all(parameters.map((parameter, i) => parameter.sub(gradients[i]!.mul(lr)).data()));
      model.loadStateDict(new Map(parameters.map(({ name, shape }, i) => [name, tensor(moved[i]!, shape)])));
    };
    for (let i = 0; i < 2; i++) {
      const [real, noise] = [randn([N, 4], { seed: i }), randn([N, 3], { seed: 10 + i })];
      await descend(d, losses(d.forward(real), d.forward(g.forward(noise))).dLoss, 0.1);
      const fake = d.forward(g.forward(noise));
      const { gLoss } = losses(fake, fake);
      const expected = await gLoss.item();
      await descend(g, gLoss, 0.2);
      await dStep.run({ real, noise });
      expect((await gStep.run({ noise })).loss).toBeCloseTo(expected, 5);
    }
    valuesOf(generator).forEach((values, p) => values.forEach((v, k) => expect(v).toBeCloseTo(valuesOf(g)[p]![k]!, 5)));
    valuesOf(discriminator).forEach((values, p) => values.forEach((v, k) => expect(v).toBeCloseTo(valuesOf(d)[p]![k]!, 5)));
  });

  test('has two learning rates: 0 leaves one of the models as it is', async () => {
    const [generator, discriminator] = [makeGenerator(), makeDiscriminator()];
    const [gOptimizer, dOptimizer] = [optim.adam({ lr: 0.01 }), optim.adam({ lr: 0.02 })];
    using step = compileStep(
      (io) => {
        const fake = io.call(discriminator, io.call(generator, io.input('noise')));
        const { dLoss, gLoss } = losses(io.call(discriminator, io.input('real')), fake);
        return { updates: [io.minimize(gLoss, generator, gOptimizer), io.minimize(dLoss, discriminator, dOptimizer)] };
      },
      { inputs: { real: [N, 4], noise: [N, 3] } },
    );
    expect([step.learningRate(gOptimizer), step.learningRate(dOptimizer)]).toEqual([0.01, 0.02]);
    step.setLearningRate(gOptimizer, 0);
    const before = [valuesOf(generator), valuesOf(discriminator)];
    expect(await step.run({ real: randn([N, 4]), noise: randn([N, 3]) })).toEqual({});
    expect(valuesOf(generator)).toEqual(before[0]);
    expect(valuesOf(discriminator)).not.toEqual(before[1]);
    expectError('ERR_INVALID_ARGUMENT', () => step.learningRate(optim.adam()), 'adam, adam');
    expectError('ERR_INVALID_ARGUMENT', () => step.setLearningRate(gOptimizer, -1), 'value');
  });
});

test('a network that is called twice learns from both inputs, and its statistics move at each call', async () => {
  const make = (): nn.Sequential =>
    new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.BatchNorm2d(2), new nn.Flatten(), new nn.Linear(32, 2));
  const tower = make();
  const twin = copyOf(make, tower);
  using step = compileStep(
    (io) => {
      const [a, b] = [io.call(tower, io.input('left')), io.call(tower, io.input('right'))];
      const difference = ops.sub(a, b);
      return { loss: ops.mean(ops.mul(difference, difference)) };
    },
    { inputs: { left: [N, 1, 6, 6], right: [N, 1, 6, 6] }, model: tower, optimizer: optim.sgd({ lr: 0.1 }) },
  );
  const [left, right] = [tensor(images(1), [N, 1, 6, 6]), tensor(images(2), [N, 1, 6, 6])];
  const difference = ops.sub(twin.forward(left), twin.forward(right));
  const loss = ops.mean(ops.mul(difference, difference));
  const weight = twin.parameters()[0]!;
  const expected = await weight.sub(ops.grad(loss, [weight])[0]!.mul(0.1)).data();
  expect((await step.run({ left, right })).loss).toBeCloseTo(await loss.item(), 5);
  tower.parameters()[0]!.value.forEach((v, i) => expect(v).toBeCloseTo(expected[i]!, 5));

  // As if one batch came after the other.
  const statistics = async (image: Tensor): Promise<Float32Array> =>
    ops.mean(twin.children()[0]!.forward(image), { axis: [0, 2, 3] }).data();
  const [first, second] = [await statistics(left), await statistics(right)];
  const state = tower.stateDict();
  state.get('1.running_mean')!.value.forEach((v, c) => expect(v).toBeCloseTo(0.9 * 0.1 * first[c]! + 0.1 * second[c]!, 5));
  expect([...state.get('1.num_batches_tracked')!.value]).toEqual([2]);
});

test('a teacher in eval() stays as it is while a student learns from it', async () => {
  const teacher = network().eval();
  const student = new nn.Sequential(new nn.Flatten(), new nn.Linear(36, 3));
  const before = valuesOf(teacher);
  const expected = await teacher.forward(tensor(images(3), [N, 1, 6, 6])).data();
  using step = compileStep<{ loss: number; taught: Tensor }>(
    (io) => {
      const taught = io.call(teacher, io.input('images'));
      return { loss: ops.mseLoss(io.call(student, io.input('images')), taught), outputs: { taught } };
    },
    { inputs: { images: [N, 1, 6, 6] }, model: student, optimizer: optim.adam({ lr: 0.02 }) },
  );
  const losses: number[] = [];
  for (let i = 0; i < 40; i++) {
    const { loss, taught } = await step.run({ images: images(3) });
    losses.push(loss);
    if (i === 0) taught.dataSync().forEach((v, k) => expect(v).toBeCloseTo(expected[k]!, 5));
  }
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 10);
  expect(valuesOf(teacher)).toEqual(before);
});

test('io.assign keeps a moving average of what the weights were before each step', async () => {
  const [model, average] = [new nn.Linear(36, 3), new nn.Linear(36, 3).freeze()];
  average.loadStateDict(model.stateDict());
  const pairs = model.parameters().map((parameter, i) => [average.parameters()[i]!, parameter] as const);
  using step = compileStep(
    (io) => ({
      loss: ops.crossEntropy(io.call(model, io.input('x')), io.input('labels')),
      updates: pairs.map(([slow, fast]) => io.assign(slow, ops.add(ops.mul(slow, 0.5), ops.mul(fast, 0.5)))),
    }),
    { inputs: { x: [N, 36], labels: { shape: [N], dtype: 'int32' } }, model, optimizer: optim.sgd({ lr: 1 }) },
  );
  const expected = model.parameters().map(({ value }) => Float32Array.from(value));
  for (let i = 0; i < 3; i++) {
    const before = model.parameters().map(({ value }) => value);
    await step.run({ x: images(i), labels: LABELS });
    expected.forEach((values, p) => values.forEach((v, k) => (values[k] = v * 0.5 + before[p]![k]! * 0.5)));
  }
  average.parameters().forEach(({ value }, p) => value.forEach((v, k) => expect(v).toBeCloseTo(expected[p]![k]!, 6)));
});

test('gradients with respect to inputs are outputs like any other, with nothing to train', async () => {
  const model = network().eval();
  using step = compileStep<{ slope: Tensor }>(
    (io) => {
      const loss = ops.crossEntropy(io.call(model, io.input('images')), io.input('labels'));
      return { outputs: { slope: ops.grad(loss, [io.input('images')])[0]! } };
    },
    { inputs: { images: [N, 1, 6, 6], labels: { shape: [N], dtype: 'int32' } } },
  );
  const { slope } = await step.run({ images: images(1), labels: LABELS });
  const x = tensor(images(1), [N, 1, 6, 6]);
  const [expected] = ops.grad(ops.crossEntropy(model.forward(x), tensor(LABELS)), [x]);
  expect(slope.shape).toEqual([N, 1, 6, 6]);
  const wanted = await expected!.data();
  slope.dataSync().forEach((v, i) => expect(v).toBeCloseTo(wanted[i]!, 6));
});

test('a parameter of its own is trained: an image that a model takes for a class', async () => {
  const model = network().eval().freeze();
  const image = new nn.Parameter([1, 1, 6, 6]);
  const adam = optim.adam({ lr: 0.1 });
  using step = compileStep(
    (io) => {
      const loss = ops.crossEntropy(io.call(model, image), io.input('label'));
      return { updates: [io.minimize(loss, image, adam)], outputs: { loss } };
    },
    { inputs: { label: { shape: [1], dtype: 'int32' } } },
  );
  let last = Infinity;
  for (let i = 0; i < 60; i++) last = (await step.run({ label: [2] })).loss as number;
  expect(last).toBeLessThan(0.2);
  expect([...step.stateDict().keys()]).toContain('optimizer/exp_avg/0.0/parameter');
});

describe('what is random', () => {
  const noisy = (seed: number): { model: nn.Module; run: () => Promise<number>; close: () => void } => {
    const model = new nn.Dropout(0.5);
    const scale = new nn.Parameter(ones([1]));
    const sgd = optim.sgd({ lr: 0 });
    const step = compileStep(
      (io) => {
        const loss = ops.mean(ops.mul(io.call(model, io.input('x')), scale));
        return { updates: [io.minimize(loss, scale, sgd)], outputs: { loss } };
      },
      { inputs: { x: [100] }, seed },
    );
    return { model, run: async () => (await step.run({ x: ones([100]) })).loss as number, close: () => step.close() };
  };

  test('is drawn anew in every step, from the seed', async () => {
    const draw = async (seed: number): Promise<number[]> => {
      const { run, close } = noisy(seed);
      const losses = [await run(), await run(), await run()];
      close();
      return losses;
    };
    const [a, again, other] = [await draw(1), await draw(1), await draw(2)];
    expect(new Set(a).size).toBeGreaterThan(1);
    expect(again).toEqual(a);
    expect(other).not.toEqual(a);
  });
});

test('goes on from its stateDict, through a file, as if it had not stopped', async () => {
  const adam = (): optim.Optimizer => optim.adam({ lr: 0.01 });
  const options = { inputs: { images: [N, 1, 6, 6], labels: { shape: [N], dtype: 'int32' } } } as const;
  const model = network();
  using step = compileStep(classify(model), { ...options, model, optimizer: adam(), seed: 2 ** 40 + 3 });
  await step.run({ images: images(0), labels: LABELS });
  const [weights, rest] = [join(folder, 'weights.safetensors'), join(folder, 'step.safetensors')];
  await Promise.all([saveSafetensors(weights, model.stateDict()), saveSafetensors(rest, step.stateDict())]);
  const twin = network();
  twin.loadStateDict(await loadSafetensors(weights));
  using next = compileStep(classify(twin), { ...options, model: twin, optimizer: adam(), seed: 1 });
  next.loadStateDict(await loadSafetensors(rest));
  expect([next.steps, next.seed]).toEqual([1, 2 ** 40 + 3]);
  for (const i of [1, 2]) {
    const expected = await step.run({ images: images(i), labels: LABELS });
    expect(await next.run({ images: images(i), labels: LABELS })).toEqual(expected);
  }
  expect(valuesOf(twin)).toEqual(valuesOf(model));

  const before = next.stateDict();
  const damaged = new Map<string, Tensor>([...before, ['learningRate/0', tensor([1])], ['more', tensor([1])]]);
  damaged.delete('random');
  expectError('ERR_STATE_DICT_MISMATCH', () => next.loadStateDict(damaged), 'missing: random', 'unexpected: more', 'learningRate/0');
  const hostile = new Map<string, Tensor>([...before, ['learningRate/0', tensor(Float32Array.of(NaN), [])]]);
  expectError('ERR_INVALID_ARGUMENT', () => next.loadStateDict(hostile), 'learningRate/0');
  expect(next.steps).toBe(3);
});

describe('a step whose loss is not finite', () => {
  test('changes nothing, and nor do those that were queued behind it', async () => {
    const model = network();
    const adam = optim.adam();
    using step = compileStep(classify(model), {
      inputs: { images: [N, 1, 6, 6], labels: { shape: [N], dtype: 'int32' } },
      model,
      optimizer: adam,
      seed: 1,
    });
    await step.run({ images: images(0), labels: LABELS });
    const before = valuesOf(model);
    const slots = [...step.stateDict()].filter(([name]) => name !== 'random').map(([, each]) => [...each.dataSync()]);
    const bad = images(1);
    bad[7] = NaN;
    const [first, second] = [step.run({ images: bad, labels: LABELS }), step.run({ images: images(2), labels: LABELS })];
    await expectRejection('ERR_NOT_FINITE', first, 'Step 2 gave a loss of NaN');
    await expectRejection('ERR_NOT_FINITE', second, 'Step 3 was not applied, since step 2');
    expect(valuesOf(model)).toEqual(before);
    expect([...step.stateDict()].filter(([name]) => name !== 'random').map(([, each]) => [...each.dataSync()])).toEqual(slots);
    await step.run({ images: images(2), labels: LABELS });
    expect(valuesOf(model)).not.toEqual(before);
  });

  test('leaves both models of two as they are when only one loss is not finite', async () => {
    const [a, b] = [new nn.Linear(2, 1), new nn.Linear(2, 1)];
    const [first, second] = [optim.sgd(), optim.sgd()];
    using step = compileStep(
      (io) => {
        const [aLoss, bLoss] = [ops.mean(io.call(a, io.input('x'))), ops.log(ops.mean(ops.relu(ops.mul(io.call(b, io.input('x')), 0))))];
        return { updates: [io.minimize(aLoss, a, first), io.minimize(bLoss, b, second)], outputs: { aLoss, bLoss } };
      },
      { inputs: { x: [3, 2] } },
    );
    const before = [valuesOf(a), valuesOf(b)];
    await expectRejection('ERR_NOT_FINITE', step.run({ x: ones([3, 2]) }), 'loss "bLoss" of -Infinity');
    expect([valuesOf(a), valuesOf(b)]).toEqual(before);
  });
});

describe('mistakes of a run are found before anything runs', () => {
  const model = new nn.Linear(4, 3);
  const step = compileStep(
    (io) => ({ loss: ops.crossEntropy(io.call(model, io.input('x')), io.input('labels')), outputs: { bytes: ops.sum(io.input('bytes')) } }),
    {
      inputs: { x: ['n', 4], labels: { shape: ['n'], dtype: 'int32' }, bytes: { shape: [2], dtype: 'uint8' } },
      batchSize: 3,
      model,
      optimizer: optim.sgd(),
    },
  );
  afterAll(() => step.close());
  const good = { x: new Float32Array(8), labels: [0, 1], bytes: Uint8Array.of(255, 255) };

  test.each<[string, unknown, Parameters<typeof expectRejection>[0], string]>([
    ['nothing', undefined, 'ERR_INVALID_ARGUMENT', 'x, labels, bytes'],
    ['a tensor', ones([2, 4]), 'ERR_INVALID_ARGUMENT', 'by name'],
    ['a missing input', { x: good.x, labels: good.labels }, 'ERR_INVALID_ARGUMENT', 'bytes'],
    ['an unknown input', { ...good, label: [0] }, 'ERR_UNKNOWN_OPTION', 'Did you mean "labels"?'],
    ['a wrong length', { ...good, bytes: new Uint8Array(3) }, 'ERR_SHAPE_MISMATCH', '[2] (2 values) but got 3 values'],
    ['no whole rows', { ...good, x: new Float32Array(9) }, 'ERR_SHAPE_MISMATCH', 'rows of shape [4]'],
    ['no rows', { ...good, x: new Float32Array(0) }, 'ERR_SHAPE_MISMATCH', 'got 0 values'],
    ['different numbers of rows', { ...good, labels: [0] }, 'ERR_SHAPE_MISMATCH', 'x has 2 and labels 1'],
    ['too many rows', { ...good, x: new Float32Array(16), labels: [0, 0, 0, 0] }, 'ERR_SHAPE_MISMATCH', 'batchSize = 3'],
    ['a tensor of another shape', { ...good, x: ones([4, 2]) }, 'ERR_SHAPE_MISMATCH', '[4, 2]'],
    ['another element type', { ...good, x: new Uint8Array(8) }, 'ERR_DTYPE_MISMATCH', 'float32'],
    ['floats for bytes', { ...good, bytes: new Float32Array(2) }, 'ERR_DTYPE_MISMATCH', 'uint8'],
    ['floats for integers', { ...good, labels: new Float32Array(2) }, 'ERR_DTYPE_MISMATCH', 'int32'],
    ['a tensor of floats for integers', { ...good, labels: ones([2]) }, 'ERR_DTYPE_MISMATCH', 'int32'],
    ['fractions for integers', { ...good, labels: [0.5, 1] }, 'ERR_INVALID_ARGUMENT', 'labels to be integers'],
    ['a text', { ...good, x: 'abc' }, 'ERR_INVALID_ARGUMENT', '"abc"'],
    ['an array of texts', { ...good, x: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] }, 'ERR_INVALID_ARGUMENT', 'x'],
  ])('%s', async (_, inputs, code, piece) => {
    await expectRejection(code, step.run(inputs as never), piece);
    expect(step.steps).toBe(0);
  });

  test('and what is right after them runs', async () => {
    const { bytes } = await step.run(good);
    expect(bytes).toBe(2);
    expect(step.steps).toBe(1);
    await expectRejection('ERR_NOT_FINITE', step.run({ ...good, labels: [0, 3] }), 'labels that are no class');
  });
});

describe('mistakes of the function are found when it is compiled', () => {
  const model = new nn.Linear(4, 3);
  const other = optim.sgd();
  const inputs = { x: [2, 4] };
  const lossOf = (io: StepIO): Tensor => ops.mean(io.call(model, io.input('x')));
  const hidden = new nn.Linear(4, 4);
  const frozen = new nn.Linear(4, 3).freeze();
  let late: StepIO | undefined;

  test.each<[string, (io: StepIO) => unknown, object, string[]]>([
    ['nothing is returned', (io) => void io.input('x'), {}, ['{ loss, updates, outputs }']],
    ['a promise is returned', (io) => Promise.resolve(lossOf(io)), {}, ['awaits nothing']],
    ['it asks for nothing', (io) => (lossOf(io), {}), {}, ['none of them']],
    ['an update is forgotten', (io) => (io.minimize(lossOf(io), model, other), { outputs: {} }), {}, ['1 of 1']],
    ['an update is none', (io) => ({ updates: [lossOf(io)] }), {}, ['io.minimize']],
    ['an update comes twice', (io) => ((u) => ({ updates: [u, u] }))(io.minimize(lossOf(io), model, other)), {}, ['each once']],
    [
      'two updates set one variable',
      (io) => ({ updates: [io.minimize(lossOf(io), model, other), io.minimize(lossOf(io), model, optim.sgd())] }),
      {},
      ['weight', 'set by two'],
    ],
    ['an input is not used', () => ({ outputs: { x: ones([1]) } }), {}, ['io.input("x")']],
    ['an input is not known', (io) => ({ outputs: { x: io.input('y') } }), {}, ['no input "y"', 'x']],
    ['a loss has no optimizer', (io) => ({ loss: lossOf(io) }), {}, ['model and optimizer']],
    ['an optimizer has no loss', (io) => ({ outputs: { x: io.input('x') } }), { model, optimizer: other }, ['return a loss']],
    ['an optimizer has no model', (io) => ({ loss: lossOf(io) }), { optimizer: other }, ['no model']],
    [
      'two results have one name',
      (io) => ({ loss: lossOf(io), outputs: { loss: lossOf(io) } }),
      { model, optimizer: other },
      ['another name'],
    ],
    ['an output is none', (io) => ({ outputs: { x: [io.input('x')] } }), {}, ['outputs.x']],
    ['outputs are none', (io) => ({ outputs: lossOf(io) }), {}, ['by name']],
    ['what is trained is nothing', (io) => ({ updates: [io.minimize(lossOf(io), [], other)] }), {}, ['nn.Module']],
    [
      'what is trained is frozen',
      (io) => ({ updates: [io.minimize(ops.mean(io.call(frozen, io.input('x'))), frozen, other)] }),
      {},
      ['unfreeze'],
    ],
    [
      'the loss depends on nothing',
      (io) => ({ updates: [io.minimize(lossOf(io), hidden, other)] }),
      {},
      ['none that this loss depends on'],
    ],
    [
      'a layer is hidden',
      (io) => ({ loss: ops.mean(io.call(model, hidden.forward(io.input('x')))) }),
      { model, optimizer: other },
      ['reads a parameter of shape [4, 4]', 'io.call'],
    ],
    ['a value has no variable', (io) => ({ updates: [io.assign(io.input('x') as never, ones([2, 4]))] }), {}, ['nn.Parameter']],
    ['something else than a module is called', (io) => ({ outputs: { x: io.call({} as nn.Module, io.input('x')) } }), {}, ['io.call']],
    [
      'an optimizer is none',
      (io) => ({ updates: [io.minimize(lossOf(io), model, {} as never)] }),
      {},
      ['io.minimize expects an optimizer'],
    ],
  ])('%s', (_, build, options, pieces) => {
    const make = (): unknown => compileStep(build as never, { inputs, ...options });
    expectError('ERR_INVALID_ARGUMENT', make, ...pieces);
  });

  test('shapes, and what else has a code of its own', () => {
    expectError('ERR_UNKNOWN_OPTION', () => compileStep(() => ({ output: {} }) as never, { inputs: {} }), 'Did you mean "outputs"?');
    expectError(
      'ERR_SHAPE_MISMATCH',
      () => compileStep((io) => ({ loss: io.input('x') }), { inputs, model, optimizer: other }),
      'one element',
    );
    const assign = (io: StepIO): object => ({ updates: [io.assign(model.parameters()[0]!, io.input('x'))] });
    expectError('ERR_SHAPE_MISMATCH', () => compileStep(assign as never, { inputs }), '[3, 4]');
    const clip = (io: StepIO): object => ({ updates: [io.minimize(lossOf(io), model, other, { clip: 1 } as never)] });
    expectError('ERR_UNKNOWN_OPTION', () => compileStep(clip as never, { inputs }), 'io.minimize');
  });

  test('io is of no use afterwards', () => {
    compileStep(
      (io) => {
        late = io;
        return { outputs: { loss: lossOf(io) } };
      },
      { inputs },
    ).close();
    expectError('ERR_INVALID_ARGUMENT', () => late!.call(model, ones([2, 4])), 'has returned');
  });

  test('modules and optimizers must not be made anew for every shape', async () => {
    using step = compileStep(
      (io) => {
        const loss = ops.mean(io.call(model, io.input('x')));
        return { updates: [io.minimize(loss, model, optim.sgd())] };
      },
      { inputs: { x: ['n', 4] }, batchSize: 3 },
    );
    await step.run({ x: ones([3, 4]) });
    await expectRejection('ERR_INVALID_ARGUMENT', step.run({ x: ones([2, 4]) }), 'same optimizers', 'outside');
  });
});

test.each<[string, unknown, Parameters<typeof expectError>[0], string]>([
  ['no options', undefined, 'ERR_INVALID_ARGUMENT', 'options object'],
  ['an unknown option', { inputs: {}, shapes: {} }, 'ERR_UNKNOWN_OPTION', 'shapes'],
  ['no inputs', {}, 'ERR_INVALID_ARGUMENT', 'shapes by name'],
  ['a shape that is none', { inputs: { x: [0] } }, 'ERR_INVALID_ARGUMENT', 'inputs.x'],
  ['an n that is not the first', { inputs: { x: [2, 'n'] } }, 'ERR_INVALID_ARGUMENT', 'inputs.x'],
  ['n without batchSize', { inputs: { x: ['n'] } }, 'ERR_INVALID_ARGUMENT', 'batchSize'],
  ['batchSize without n', { inputs: { x: [2] }, batchSize: 2 }, 'ERR_INVALID_ARGUMENT', "'n'"],
  ['a name that is no word', { inputs: { 'x y': [2] } }, 'ERR_INVALID_ARGUMENT', '"x y"'],
  ['an unknown field', { inputs: { x: { shape: [2], type: 'int32' } } }, 'ERR_UNKNOWN_OPTION', 'inputs.x'],
  ['an unknown element type', { inputs: { x: { shape: [2], dtype: 'float64' } } }, 'ERR_INVALID_ARGUMENT', 'float64'],
  ['scaled integers', { inputs: { x: { shape: [2], dtype: 'int32', scale: 2 } } }, 'ERR_INVALID_ARGUMENT', 'no scale'],
  ['means that fit no channels', { inputs: { x: { shape: [2, 3, 4, 4], mean: [1, 2] } } }, 'ERR_INVALID_ARGUMENT', '3 numbers'],
  ['a seed that is none', { inputs: { x: [2] }, seed: -1 }, 'ERR_INVALID_ARGUMENT', 'seed'],
])('options: %s', (_, options, code, piece) => {
  expectError(code, () => compileStep((io) => ({ outputs: { x: io.input('x') } }), options as never), piece);
});

test('what trains a model at the same time is refused', async () => {
  const model = network();
  using trainer = new Trainer(model, { optimizer: optim.sgd(), input: [1, 6, 6], batchSize: N });
  using step = compileStep(classify(model), {
    inputs: { images: [N, 1, 6, 6], labels: { shape: [N], dtype: 'int32' } },
    model,
    optimizer: optim.sgd(),
  });
  const running = trainer.step(images(1), LABELS);
  await expectRejection('ERR_BUSY', step.run({ images: images(1), labels: LABELS }), 'CompiledStep.run');
  await running;
  await step.run({ images: images(1), labels: LABELS });
});

test('a step that is closed says so, and prints in a line', async () => {
  const model = new nn.Linear(2, 1);
  const step = compileStep((io) => ({ loss: ops.mean(io.call(model, io.input('x'))) }), {
    inputs: { x: [1, 2] },
    model,
    optimizer: optim.sgd({ lr: 0.5 }),
  });
  await step.run({ x: ones([1, 2]) });
  expect(inspect(step)).toBe("CompiledStep(Linear, inputs: ['x'], optimizers: ['sgd 0.5'], steps: 1)");
  step.close();
  step.close();
  await expectRejection('ERR_CLOSED', step.run({ x: ones([1, 2]) }));
});
