/** Trainer: what a step does to the weights, checkpoints, and how mistakes end. */

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  evaluate,
  fit,
  loadSafetensors,
  manualSeed,
  models,
  nn,
  ops,
  optim,
  saveSafetensors,
  tensor,
  Trainer,
  type Tensor,
  type TrainerOptions,
} from 'stridenet';
import { readSafetensorsMetadata } from '../../lib/io/safetensors';
import { randomState } from '../../lib/random';
import { expectError, expectRejection } from '../support/expectError';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-trainer-'));
afterAll(() => rmSync(folder, { recursive: true }));

const options = (more: Partial<TrainerOptions> = {}): TrainerOptions => ({
  optimizer: optim.sgd({ lr: 0.5 }),
  input: [2],
  batchSize: 2,
  threads: 1,
  ...more,
});

/** Two inputs, two classes. */
function twoByTwo(): nn.Linear {
  const model = new nn.Linear(2, 2);
  model.loadStateDict(
    new Map<string, Tensor>([
      ['weight', tensor([[1, -1], [0.5, 2]])], // prettier-ignore
      ['bias', tensor([0, 0.25])],
    ]),
  );
  return model;
}

const IMAGES = Float32Array.of(1, 2, -1, 0.5);
const LABELS = Uint8Array.of(0, 1);

/** The same step written out: softmax cross-entropy of a linear layer. */
function expectedStep(lr: number): { loss: number; correct: number; weight: number[]; bias: number[] } {
  const w = [[1, -1], [0.5, 2]]; // prettier-ignore
  const b = [0, 0.25];
  const dw = [[0, 0], [0, 0]]; // prettier-ignore
  const db = [0, 0];
  let loss = 0;
  let correct = 0;
  for (let n = 0; n < 2; n++) {
    const x = [...IMAGES.subarray(2 * n, 2 * n + 2)];
    const z = w.map((row, o) => row[0]! * x[0]! + row[1]! * x[1]! + b[o]!);
    const total = Math.exp(z[0]!) + Math.exp(z[1]!);
    const label = LABELS[n]!;
    loss -= Math.log(Math.exp(z[label]!) / total) / 2;
    correct += z[label]! >= Math.max(...z) ? 1 : 0;
    for (let o = 0; o < 2; o++) {
      const dz = (Math.exp(z[o]!) / total - (o === label ? 1 : 0)) / 2;
      db[o]! += dz;
      for (let i = 0; i < 2; i++) dw[o]![i]! += dz * x[i]!;
    }
  }
  return { loss, correct, weight: w.flatMap((row, o) => row.map((v, i) => v - lr * dw[o]![i]!)), bias: b.map((v, o) => v - lr * db[o]!) };
}

function expectClose(found: ArrayLike<number>, expected: readonly number[]): void {
  expect(found.length).toBe(expected.length);
  expected.forEach((v, i) => expect(found[i]).toBeCloseTo(v, 5));
}

test('a step reports the loss before the update and moves the weights', async () => {
  const model = twoByTwo();
  using trainer = new Trainer(model, options());
  const expected = expectedStep(0.5);
  const { loss, accuracy } = await trainer.step(IMAGES, LABELS);
  expect(loss).toBeCloseTo(expected.loss, 5);
  expect(accuracy).toBe(expected.correct / 2);
  expectClose(await model.weight.data(), expected.weight);
  expectClose(await model.bias!.data(), expected.bias);
  expect(trainer.steps).toBe(1);
});

test('the learning rate can be changed between steps', async () => {
  const model = twoByTwo();
  using trainer = new Trainer(model, options());
  expect(trainer.learningRate).toBe(0.5);
  trainer.learningRate = 0.125;
  await trainer.step(IMAGES, LABELS);
  expectClose(await model.weight.data(), expectedStep(0.125).weight);
  expectError('ERR_INVALID_ARGUMENT', () => (trainer.learningRate = NaN), 'learningRate', 'NaN');
});

test('weights set from outside are taken up, and survive close', async () => {
  const model = twoByTwo();
  const trainer = new Trainer(model, options());
  await trainer.step(IMAGES, LABELS);
  model.loadStateDict(twoByTwo().stateDict());
  await trainer.step(IMAGES, LABELS);
  trainer.close();
  trainer.close();
  expectClose(await model.weight.data(), expectedStep(0.5).weight);
  await expectRejection('ERR_CLOSED', trainer.step(IMAGES, LABELS), 'closed');
});

test('frozen parameters stay, and steps that overlap keep their order', async () => {
  const model = new nn.Sequential(new nn.Linear(2, 3), new nn.Tanh(), new nn.Linear(3, 2));
  model.at(0)!.freeze();
  const frozen = await model.stateDict().get('0.weight')!.data();
  using trainer = new Trainer(model, options());
  const results = await Promise.all(Array.from({ length: 20 }, async () => trainer.step(IMAGES, LABELS)));
  expect(results.map(({ loss }) => loss)).toEqual([...results.map(({ loss }) => loss)].sort((a, b) => b - a));
  expect(await model.stateDict().get('0.weight')!.data()).toEqual(frozen);
  model.freeze();
  expectError('ERR_INVALID_ARGUMENT', () => new Trainer(model, options()), 'at least one parameter', 'model.unfreeze()');
});

test('losses and modules of one’s own', async () => {
  class Scale extends nn.Module {
    factor = new nn.Parameter(tensor([3]));
    forward(x: Tensor): Tensor {
      return ops.mul(x, this.factor);
    }
  }
  const model = new Scale();
  // d/df of mean((f x)^2) = 2 f mean(x^2)
  using trainer = new Trainer(model, options({ metrics: [], loss: (y) => ops.mean(ops.mul(y, y)) }));
  const result = await trainer.step(IMAGES, LABELS);
  const square = (1 + 4 + 1 + 0.25) / 4;
  expect(result.loss).toBeCloseTo(9 * square, 4);
  expect('accuracy' in result).toBe(false);
  expectClose(await model.factor.data(), [3 - 0.5 * 2 * 3 * square]);
});

describe('losses of values', () => {
  const TARGETS = Float32Array.of(1, 0, -0.5, 2);
  const valued = (loss: nn.Loss): TrainerOptions => options({ loss, optimizer: optim.sgd({ lr: 0.05, momentum: 0.9 }) });

  test('mean squared error against targets of the output’s shape', async () => {
    const model = twoByTwo();
    using trainer = new Trainer(model, options({ loss: nn.mseLoss() }));
    // Outputs x w' + b of the two images, their differences to the targets, and the gradient 2/4 of their products with x.
    const outputs = [[-1, 4.75], [-1.5, 0.75]]; // prettier-ignore
    const d = outputs.map((row, n) => row.map((v, o) => v - TARGETS[2 * n + o]!));
    const result = await trainer.step(IMAGES, TARGETS);
    expect(result).toEqual({ loss: expect.closeTo(d.flat().reduce((sum, v) => sum + v * v, 0) / 4, 5) });
    const w = [1, -1, 0.5, 2];
    expectClose(
      await model.weight.data(),
      w.map((v, k) => v - 0.5 * 0.5 * [0, 1].reduce((sum, n) => sum + d[n]![k >> 1]! * IMAGES[2 * n + (k % 2)]!, 0)),
    );
    const tensorResult = await trainer.step(tensor(IMAGES, [2, 2]), tensor(TARGETS, [2, 2]));
    expect(tensorResult.loss).toBeLessThan(result.loss);
  });

  test('binary cross entropy learns several labels at once, also after a checkpoint', async () => {
    const path = join(folder, 'values.safetensors');
    const images = Float32Array.from({ length: 4 }, (_, i) => Math.cos(i));
    const labels = Float32Array.of(1, 1, 0, 1);
    for (const loss of [nn.bceWithLogits(), nn.mseLoss({ reduction: 'sum' })]) {
      using trainer = new Trainer(new nn.Linear(2, 2), valued(loss));
      const first = await trainer.step(images, labels);
      await trainer.save(path);
      using resumed = await Trainer.resume(path);
      const second = await trainer.step(images, labels);
      expect(second.loss).toBeLessThan(first.loss);
      expect(await resumed.step(images, labels)).toEqual(second);
    }
    using weighted = new Trainer(twoByTwo(), valued(nn.bceWithLogits({ posWeight: tensor([2, 1]) })));
    await weighted.save(path);
    await expectRejection('ERR_INVALID_ARGUMENT', Trainer.resume(path), 'Trainer.resume(path, model, options)');
  });

  test('images as targets keep their order', async () => {
    const model = new nn.Conv2d(2, 2, 1, { bias: false });
    model.loadStateDict(new Map([['weight', tensor([1, 0, 0, 1], [2, 2, 1, 1])]]));
    using trainer = new Trainer(model, options({ loss: nn.mseLoss(), input: [2, 2, 3], batchSize: 1 }));
    const image = Float32Array.from({ length: 12 }, (_, i) => i);
    expect((await trainer.step(image, image)).loss).toBe(0);
  });

  test('of one’s own must say so, and the error says how', async () => {
    const own = (y: Tensor, t: Tensor): Tensor => ops.mean(ops.mul(ops.sub(y, t), ops.sub(y, t)));
    const say = "Object.assign(loss, { targets: 'values' })";
    for (const loss of [own, (y: Tensor, t: Tensor) => ops.mseLoss(y, t)]) {
      expectError('ERR_DTYPE_MISMATCH', () => new Trainer(twoByTwo(), options({ loss })), 'class numbers', say);
    }
    using trainer = new Trainer(twoByTwo(), options({ loss: Object.assign(own, { targets: 'values' } as const) }));
    using same = new Trainer(twoByTwo(), options({ loss: nn.mseLoss() }));
    expect((await trainer.step(IMAGES, TARGETS)).loss).toBeCloseTo((await same.step(IMAGES, TARGETS)).loss, 5);
    const misspelled = Object.assign((y: Tensor) => ops.mean(y), { targets: 'value' });
    expectError('ERR_INVALID_ARGUMENT', () => new Trainer(twoByTwo(), options({ loss: misspelled as never })), "'values'", '"value"');
    // Another mistake is what it is.
    const wrong = (y: Tensor, t: Tensor): Tensor => ops.mean(ops.mul(ops.matmul(y, y), t));
    expectError('ERR_SHAPE_MISMATCH', () => new Trainer(new nn.Linear(2, 3), options({ loss: wrong })), 'matmul');
  });

  test('what does not fit is refused', async () => {
    using trainer = new Trainer(twoByTwo(), options({ loss: nn.mseLoss() }));
    await expectRejection('ERR_INVALID_ARGUMENT', trainer.step(IMAGES, LABELS), 'target values as a Float32Array');
    await expectRejection('ERR_SHAPE_MISMATCH', trainer.step(IMAGES, new Float32Array(2)), '[2, 2] (4 values)', 'got 2 values');
    await expectRejection('ERR_SHAPE_MISMATCH', trainer.step(IMAGES, tensor([1, 2, 3, 4])), 'a tensor of shape [4]');
    expectError(
      'ERR_DTYPE_MISMATCH',
      () => new Trainer(twoByTwo(), options({ loss: nn.mseLoss(), metrics: ['accuracy'] })),
      'metrics.accuracy',
    );
    const dataset = { images: IMAGES, labels: LABELS, shape: [2, 1, 1] as const, classes: ['a', 'b'], length: 2 };
    const model = new nn.Sequential(new nn.Flatten(), twoByTwo());
    await expectRejection('ERR_SHAPE_MISMATCH', evaluate(model, dataset, { loss: nn.mseLoss() }), 'nn.crossEntropy()');
    const fitted = fit(model, dataset, { epochs: 1, loss: nn.bceWithLogits(), optimizer: optim.sgd({ lr: 0.1 }), progress: false });
    await expectRejection('ERR_SHAPE_MISMATCH', fitted, 'Numbers of classes are for a loss of classes');
  });
});

test('labels are checked by the head that the model has when a step is taken', async () => {
  const model = new nn.Sequential(new nn.Linear(2, 2), new nn.Linear(2, 3));
  using trainer = new Trainer(model, options());
  await trainer.step(IMAGES, [0, 2]);
  model[1] = new nn.Linear(2, 2);
  await expectRejection('ERR_INVALID_ARGUMENT', trainer.step(IMAGES, [0, 2]), 'labels in [0, 1]', 'label 1 is 2');
  expect(trainer.classes).toBe(2);
  model[1] = new nn.Linear(2, 5);
  expect(trainer.classes).toBe(5);
  expect((await trainer.step(IMAGES, [0, 4])).loss).toBeGreaterThan(0);
  await expectRejection('ERR_INVALID_ARGUMENT', trainer.step(IMAGES, [0, 5]), 'labels in [0, 4]');
});

test('labels are checked without the accuracy too, and with auxiliary classifiers', async () => {
  const model = models.googlenet({ classes: 3 });
  using trainer = new Trainer(model, options({ input: [3, 15, 15], metrics: [] }));
  expect(trainer.classes).toBe(3);
  const images = new Float32Array(2 * 3 * 15 * 15).map((_, i) => Math.sin(i));
  await expectRejection('ERR_INVALID_ARGUMENT', trainer.step(images, Uint8Array.of(0, 3)), 'label 1 is 3');
  const { loss, ...rest } = await trainer.step(images, Uint8Array.of(0, 2));
  // Three classifiers that know nothing: ln 3 each, two of them weighted by 0.3.
  expect(loss).toBeCloseTo(1.6 * Math.log(3), 0);
  expect(rest).toEqual({});
});

describe('mistakes', () => {
  test('of options are found at once', () => {
    const model = twoByTwo();
    expectError('ERR_UNKNOWN_OPTION', () => new Trainer(model, { ...options(), batchsize: 1 } as never), 'Did you mean "batchSize"');
    expectError('ERR_INVALID_ARGUMENT', () => new Trainer(model, options({ optimizer: undefined as never })), 'optim.sgd', 'undefined');
    expectError('ERR_INVALID_ARGUMENT', () => new Trainer(model, options({ loss: 'mse' as never })), 'nn.crossEntropy()', '"mse"');
    expectError('ERR_INVALID_ARGUMENT', () => new Trainer(model, options({ metrics: ['f2'] as never })), 'Did you mean "f1"', '"f2"');
    expectError('ERR_INVALID_ARGUMENT', () => new Trainer(model, options({ threads: 0 })), 'threads', 'got 0');
    expectError('ERR_INVALID_ARGUMENT', () => new Trainer({} as never, options()), 'expects an nn.Module');
    expectError('ERR_SHAPE_MISMATCH', () => new Trainer(model, options({ input: [3] })), 'linear', '[2, 3]');
    expectError('ERR_INVALID_ARGUMENT', () => new Trainer(model, options({ metrics: [], loss: (y) => y })), 'one element', '[2, 2]');
  });

  test('of a step leave the model alone', async () => {
    const model = twoByTwo();
    using trainer = new Trainer(model, options());
    await expectRejection('ERR_SHAPE_MISMATCH', trainer.step(new Float32Array(3), LABELS), 'a multiple of 2', 'got 3');
    await expectRejection('ERR_SHAPE_MISMATCH', trainer.step(new Float32Array(6), LABELS), 'at most batchSize = 2');
    await expectRejection('ERR_INVALID_ARGUMENT', trainer.step(IMAGES, Uint8Array.of(0, 2)), 'label 1 is 2');
    expectClose(await model.weight.data(), [1, -1, 0.5, 2]);
    expect(trainer.steps).toBe(0);
  });

  test('a loss that is not finite says so, with the step', async () => {
    using trainer = new Trainer(twoByTwo(), options({ optimizer: optim.sgd({ lr: 1e38 }) }));
    await trainer.step(IMAGES, LABELS);
    const large = IMAGES.map((v) => 1000 * v); // overflows with weights of 1e38
    const before = await trainer.model.parameters()[0]!.data();
    await expectRejection('ERR_NOT_FINITE', trainer.step(large, LABELS), 'step 2', 'Lower the learning rate');
    expect(await trainer.model.parameters()[0]!.data()).toEqual(before);
  });
});

describe('checkpoints', () => {
  const momentum = (): TrainerOptions => options({ optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }), seed: 5 });

  test('a model of the package is built again from its checkpoint', async () => {
    const path = join(folder, 'whole.safetensors');
    const model = models.lenet5({ classes: 3, activation: 'tanh', pooling: 'avg' });
    model.parameters()[0]!.requiresGrad = false;
    const optimizer = optim.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 1e-3, nesterov: true });
    const loss = nn.crossEntropy({ labelSmoothing: 0.1 });
    using trainer = new Trainer(model, { optimizer, loss, input: [1, 28, 28], batchSize: 3, seed: 5 });
    const images = Float32Array.from({ length: 3 * 784 }, (_, i) => Math.sin(i));
    await trainer.step(images, Uint8Array.of(0, 2, 1));
    await trainer.save(path);
    using resumed = await Trainer.resume(path);
    expect([resumed.input, resumed.batchSize, resumed.seed]).toEqual([[1, 28, 28], 3, 5]);
    for (let i = 0; i < 2; i++) {
      expect(await resumed.step(images, Uint8Array.of(0, 2, 1))).toEqual(await trainer.step(images, Uint8Array.of(0, 2, 1)));
    }
    expect(await resumed.model.parameters()[0]!.data()).toEqual(await model.parameters()[0]!.data());
  });

  test('a model of the zoo goes on from its checkpoint to the last bit, with the layers that replaced others', async () => {
    const path = join(folder, 'zoo.safetensors');
    manualSeed(4);
    const model = models.mobilenetV2({ width: 0.25 });
    model.features.freeze();
    model.classifier[1] = new nn.Linear(1280, 3);
    model.classifier[0] = new nn.Dropout(0.4);
    using trainer = new Trainer(model, { ...momentum(), input: [3, 32, 32] });
    const images = Float32Array.from({ length: 2 * 3 * 32 * 32 }, (_, i) => Math.sin(i * i));
    for (let i = 0; i < 2; i++) await trainer.step(images, LABELS);
    await trainer.save(path);
    const random = randomState();
    using resumed = await Trainer.resume(path);
    expect(randomState()).toEqual(random);
    for (let i = 0; i < 2; i++) expect(await resumed.step(images, LABELS)).toEqual(await trainer.step(images, LABELS));
    for (const [name, variable] of model.stateDict())
      expect(await resumed.model.stateDict().get(name)!.data()).toEqual(await variable.data());
  });

  test('a model with code of its own must be given', async () => {
    const path = join(folder, 'own.safetensors');
    using trainer = new Trainer(twoByTwo(), options({ loss: (output) => ops.mean(ops.mul(output, output)) }));
    await trainer.save(path);
    await expectRejection('ERR_INVALID_ARGUMENT', Trainer.resume(path), 'Trainer.resume(path, model, options)');
  });

  test('class weights and smoothing are in the checkpoint, and labels are checked with them too', async () => {
    const path = join(folder, 'weights.safetensors');
    const model = new nn.Sequential(new nn.Linear(2, 3), new nn.GELU({ approximate: 'tanh' }), new nn.Linear(3, 2), new nn.LeakyReLU());
    const loss = nn.crossEntropy({ weight: tensor([1, 3]), labelSmoothing: 0.1 });
    using trainer = new Trainer(model, options({ loss }));
    await trainer.save(path);
    using resumed = await Trainer.resume(path);
    const images = Float32Array.of(1, 2, -3, 0.5);
    expect(await resumed.step(images, Uint8Array.of(0, 1))).toEqual(await trainer.step(images, Uint8Array.of(0, 1)));
    await expectRejection('ERR_INVALID_ARGUMENT', trainer.step(images, Uint8Array.of(0, 2)), '[0, 1]', '2');
  });

  test('a resumed trainer goes on to the last bit', async () => {
    const path = join(folder, 'checkpoint.safetensors');
    manualSeed(3);
    const model = twoByTwo();
    using trainer = new Trainer(model, momentum());
    for (let i = 0; i < 3; i++) await trainer.step(IMAGES, LABELS);
    trainer.epoch = 1;
    trainer.learningRate = 0.05;
    await trainer.save(path);
    const random = randomState();
    const losses = [await trainer.step(IMAGES, LABELS), await trainer.step(IMAGES, LABELS)];

    const other = new nn.Linear(2, 2);
    manualSeed(99);
    using resumed = await Trainer.resume(path, other, momentum());
    expect([resumed.epoch, resumed.steps, resumed.learningRate, resumed.seed]).toEqual([1, 3, 0.05, 5]);
    expect(randomState()).toEqual(random);
    expect([await resumed.step(IMAGES, LABELS), await resumed.step(IMAGES, LABELS)]).toEqual(losses);
    expect(await other.weight.data()).toEqual(await model.weight.data());
  });

  test('metadata of the caller goes along, under names of its own', async () => {
    using trainer = new Trainer(twoByTwo(), options());
    const path = join(folder, 'metadata.safetensors');
    await trainer.save(path, { metadata: { run: 'seven' } });
    expect(await readSafetensorsMetadata(path)).toMatchObject({ run: 'seven', format: 'stridenet checkpoint 1' });
    await expectRejection('ERR_INVALID_ARGUMENT', trainer.save(path, { metadata: { recipe: '' } }), 'such as recipe');
    await expectRejection('ERR_INVALID_ARGUMENT', trainer.save(path, { metadata: { run: 7 } as never }), 'an object of strings');
    await expectRejection('ERR_UNKNOWN_OPTION', trainer.save(path, { meta: {} } as never), 'metadata');
    expect(await readSafetensorsMetadata(path)).toMatchObject({ run: 'seven' });
  });

  test('its weights load into a model', async () => {
    const path = join(folder, 'weights.safetensors');
    const model = twoByTwo();
    using trainer = new Trainer(model, momentum());
    await trainer.step(IMAGES, LABELS);
    await trainer.save(path);
    const map = await loadSafetensors(path);
    expect([...map.keys()].sort()).toEqual(['bias', 'optimizer/velocity/bias', 'optimizer/velocity/weight', 'weight']);
    const other = new nn.Linear(2, 2);
    other.loadStateDict(map, { strict: false });
    expect(await other.weight.data()).toEqual(await model.weight.data());
  });

  test('what does not fit is refused and changes nothing', async () => {
    const path = join(folder, 'plain.safetensors');
    using trainer = new Trainer(twoByTwo(), options());
    await trainer.save(path);
    const other = twoByTwo();
    const resume = async (file: string, model: nn.Module = other, o = momentum()): Promise<Trainer> => Trainer.resume(file, model, o);
    await expectRejection('ERR_STATE_DICT_MISMATCH', resume(path), 'missing: optimizer/velocity/weight, optimizer/velocity/bias');
    const larger = new nn.Sequential(new nn.Linear(2, 2));
    await expectRejection('ERR_STATE_DICT_MISMATCH', resume(path, larger, options()), 'missing: 0.weight, 0.bias; unexpected: ');
    const weights = join(folder, 'only-weights.safetensors');
    await saveSafetensors(weights, other.stateDict());
    await expectRejection('ERR_BAD_FILE', resume(weights), 'not a checkpoint of trainer.save');
    const truncated = join(folder, 'truncated.safetensors');
    writeFileSync(truncated, new Uint8Array(10));
    await expectRejection('ERR_BAD_FILE', resume(truncated));
    await expectRejection('ERR_FILE_ACCESS', resume(join(folder, 'absent')));
    await expectRejection('ERR_FILE_ACCESS', trainer.save(join(folder, 'no', 'such', 'folder')));
    expect(statSync(path).size).toBeGreaterThan(0);
    expectClose(await other.weight.data(), [1, -1, 0.5, 2]);
  });
});
