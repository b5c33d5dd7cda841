/**
 * The networks of lib/models against PyTorch and torchvision, through the public API on native code: logits in evaluation mode, every gradient of
 * one training step, ten losses of SGD and the running statistics after them.
 */

import { compile, models, nn, ops, optim, tensor, Trainer, type Tensor } from 'stridenet';
import { labels } from './formula';
import { goldenZoo, zooImages, zooValue, type LogitsCase, type TrainingCase, type ZooModel } from './zoo';

// Tens of millions of weights: seconds each, more where other processes want the processor.
jest.setTimeout(300_000);

/**
 * Of a gradient's norm. Inputs and biases keep clear of the kinks of ReLU and maximum pooling (kinks.py), so what is left is rounding: PyTorch's own
 * float32 gradients differ from the float64 ones by up to 7e-5.
 */
const GRADIENT_TOLERANCE = 2e-4;

const golden = goldenZoo();

/** As torchvision builds them by default. */
const LOGITS: Readonly<Record<string, () => nn.Module>> = {
  alexnet: () => models.alexnet(),
  vgg11: () => models.vgg11(),
  vgg11bn: () => models.vgg11bn({ classes: 10 }),
  googlenet: () => models.googlenet(),
  resnet18: () => models.resnet18(),
  resnet50: () => models.resnet50(),
  densenet121: () => models.densenet121(),
  mobilenetV2: () => models.mobilenetV2(),
  nin: () => models.nin({ classes: 10 }),
  resnetCifar: () => models.resnetCifar(20),
};

/** For training: 10 classes, no dropout. */
const TRAINING: Readonly<Record<string, () => nn.Module>> = {
  alexnet: () => models.alexnet({ classes: 10, dropout: 0 }),
  vgg11bn: () => {
    const model = models.vgg11bn({ classes: 10 });
    // One linear layer in place of the 120 million weights of the three.
    model.classifier = new nn.Sequential(new nn.Linear(512 * 7 * 7, 10));
    return model;
  },
  resnet18: () => models.resnet18({ classes: 10, stem: 'cifar' }),
  googlenet: () => models.googlenet({ classes: 10, auxLogits: false, dropout: 0 }),
  googlenetAux: () => models.googlenet({ classes: 10, dropout: 0, dropoutAux: 0 }),
  densenet121: () => models.densenet121({ classes: 10 }),
  mobilenetV2: () => models.mobilenetV2({ classes: 10, dropout: 0 }),
};

/** Cross-entropy; the auxiliary classifiers of GoogLeNet take part with 0.3, as `Trainer` has it. */
function lossOf(model: nn.Module, x: Tensor, target: Tensor): Tensor {
  if (!('forwardAll' in model)) return ops.crossEntropy(model.forward(x), target);
  const [value, ...auxiliary] = (model as models.GoogLeNet).forwardAll(x).map((logits) => ops.crossEntropy(logits, target));
  return auxiliary.reduce((sum, more) => ops.add(sum, ops.mul(more, 0.3)), value!);
}

const rowsOf = <T extends ZooModel>(rows: readonly T[], makers: Readonly<Record<string, () => nn.Module>>): [string, T, () => nn.Module][] =>
  Object.entries(makers).map(([family, make]) => {
    const row = rows.find((candidate) => candidate.family === family);
    if (!row) throw new Error(`zoo.json has no "${family}"`);
    return [family, row, make];
  });

const norm = (values: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
  return Math.sqrt(sum);
};

/** A model with formula-made weights; its parameters must be those of PyTorch. */
function fill(model: nn.Module, { parameters, names, gain, moves = {} }: ZooModel & Partial<Pick<TrainingCase, 'moves'>>): nn.Module {
  expect(model.parameters().length).toBe(names);
  expect(model.parameters().reduce((sum, p) => sum + p.size, 0)).toBe(parameters);
  // One by one: VGG's weights take half a gigabyte, and loading copies.
  for (const [name, { shape }] of model.stateDict()) {
    if (name.endsWith('num_batches_tracked')) continue;
    const value = zooValue(name, shape, gain);
    for (const [i, step] of Object.entries(moves[name] ?? {})) value[Number(i)]! += step;
    const result = model.loadStateDict(new Map([[name, tensor(value, shape)]]), { strict: false });
    expect(result.unexpected).toEqual([]);
  }
  return model;
}

function expectNear(what: string, actual: number, expected: number, tolerance: number): void {
  if (!(Math.abs(actual - expected) <= tolerance)) throw new Error(`${what} is ${actual}, expected ${expected} within ${tolerance}`);
}

describe.each(rowsOf<LogitsCase>(golden.logits, LOGITS))('%s', (family, row, make) => {
  test(`logits at ${row.extent} x ${row.extent}`, async () => {
    const { batch, extent, classes } = row;
    const model = fill(make(), row);
    const net = await compile(model, { input: [3, extent, extent], maxBatch: batch });
    try {
      const output = await net.run(zooImages(batch, extent));
      expect(output.shape).toEqual([batch, classes]);
      const values = await output.data();
      for (const [n, expected] of row.logits.entries()) {
        const logits = values.subarray(n * classes, (n + 1) * classes);
        const largest = Math.max(...expected.map(Math.abs));
        expectNear(`${family}: norm of the logits of image ${n}`, norm(logits), row.norms[n]!, 1e-4 * row.norms[n]!);
        for (const [k, e] of expected.entries()) expectNear(`${family}: logit ${k} of image ${n}`, logits[k]!, e, 1e-4 * largest);
      }
    } finally {
      net.close();
    }
  });
});

describe.each(rowsOf<TrainingCase>(golden.training, TRAINING))('%s', (family, row, make) => {
  const { batch } = golden;
  const { extent, lr, images } = row;
  const labelsOf = (step: number): Int32Array => labels(batch, 10, step % 2);

  test('every gradient of the first step', async () => {
    const model = fill(make(), row);
    const loss = lossOf(model.train(), tensor(zooImages(batch, extent, 0, images), [batch, 3, extent, extent]), tensor(labelsOf(0)));
    const parameters = model.parameters();
    // One program for all.
    const flat = [loss, ...ops.grad(loss, parameters)].map((value) => value.reshape([value.size]));
    const all = (await ops.concat(flat, { axis: 0 }).data()) as Float32Array;
    expectNear(`${family}: loss`, all[0]!, row.losses[0]!, 1e-4 * row.losses[0]!);
    expect(parameters.map(({ name }) => name).sort()).toEqual(Object.keys(row.gradients).sort());
    // What follows is normalised cancels in some gradients, exactly or nearly: they are zero beside the others.
    const largest = Math.max(...Object.values(row.gradients).map(([n]) => n));
    let start = 1;
    for (const { name, size } of parameters) {
      const [expectedNorm, ...expected] = row.gradients[name]!;
      const values = all.subarray(start, (start += size));
      const tolerance = GRADIENT_TOLERANCE * expectedNorm + 1e-6 * largest;
      expectNear(`${family}: norm of the gradient of ${name}`, norm(values), expectedNorm, tolerance);
      for (const [i, at] of [0, Math.floor(size / 2), size - 1].entries()) {
        expectNear(`${family}: gradient ${at} of ${name}`, values[at]!, expected[i]!, tolerance);
      }
    }
  });

  test('ten losses of SGD, then the running statistics', async () => {
    const model = fill(make(), row);
    const trainer = new Trainer(model, {
      optimizer: optim.sgd({ lr }),
      loss: nn.crossEntropy(),
      input: [3, extent, extent],
      batchSize: batch,
    });
    try {
      for (const [step, expected] of row.losses.entries()) {
        const { loss } = await trainer.step(zooImages(batch, extent, step, images), labelsOf(step));
        expectNear(`${family}: loss of step ${step}`, loss, expected, 1e-3 * expected);
      }
      const state = model.stateDict();
      for (const [name, expected] of Object.entries(row.statistics)) {
        expectNear(`${family}: norm of ${name}`, norm(await state.get(name)!.data()), expected, 1e-3 * expected);
      }
    } finally {
      trainer.close();
    }
  });
});
