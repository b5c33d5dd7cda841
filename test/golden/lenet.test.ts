/**
 * LeNet against PyTorch: logits, loss and every gradient of one step, and the losses of ten steps of SGD, through the public API on native
 * code; and the same step through the float64 reference, which checks the gradient rules as a whole.
 */

import { models, nn, ops, optim, tensor, Trainer, type Tensor } from 'stridenet';
import { interpret } from '../reference/interpret';
import { formula, goldenLenet, labels, type LenetVariant, type Sample } from './formula';

const golden = goldenLenet();
const { batch } = golden;

function makeModel({ course, scales }: LenetVariant): nn.Sequential {
  const model = models.lenet5({ activation: course ? 'sigmoid' : 'relu', pooling: course ? 'avg' : 'max' });
  const values = Object.values(scales);
  const names = [...model.stateDict()];
  expect(names.length).toBe(values.length);
  model.loadStateDict(new Map(names.map(([name, p], k): [string, Tensor] => [name, tensor(formula(p.size, k + 1, values[k]), p.shape)])));
  return model;
}

const imagesOf = (step: number): Float32Array => formula(batch * 28 * 28, 100 + (step % 2));
const labelsOf = (step: number): Int32Array => labels(batch, 10, step % 2);

function stepOf(model: nn.Sequential): { logits: Tensor; loss: Tensor; gradients: Tensor[] } {
  const logits = model.forward(tensor(imagesOf(0), [batch, 1, 28, 28]));
  const loss = ops.crossEntropy(logits, tensor(labelsOf(0)));
  return { logits, loss, gradients: ops.grad(loss, model.parameters()) };
}

function expectClose(actual: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  const largest = Math.max(...expected.map(Math.abs));
  expected.forEach((e, i) => {
    if (!(Math.abs(actual[i]! - e) <= tolerance * largest)) throw new Error(`value ${i} is ${actual[i]}, expected ${e} (largest ${largest})`);
  });
}

function expectSample(actual: ArrayLike<number>, sample: Sample, tolerance: number): void {
  const values = Array.from(actual);
  expectClose(
    values.filter((_, i) => i % sample.stride === 0),
    sample.values,
    tolerance,
  );
  const norm = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));
  const sum = values.reduce((a, b) => a + b, 0);
  expect(Math.abs(norm - sample.norm)).toBeLessThanOrEqual(tolerance * sample.norm);
  // A sum may cancel: relative to what it could be at most.
  expect(Math.abs(sum - sample.sum)).toBeLessThanOrEqual(tolerance * sample.norm * Math.sqrt(values.length));
}

describe.each(golden.variants.map((v) => [v.course ? 'sigmoid and average pooling' : 'relu and max pooling', v] as const))('%s', (_, variant) => {
  test('logits, loss and every gradient', async () => {
    const { logits, loss, gradients } = stepOf(makeModel(variant));
    expectClose(await logits.data(), variant.logits, 1e-5);
    expect(Math.abs((await loss.item()) - variant.loss)).toBeLessThanOrEqual(1e-6 * variant.loss);
    for (const [k, sample] of Object.values(variant.gradients).entries()) {
      expect(gradients[k]!.shape).toEqual(sample.shape);
      expectSample(await gradients[k]!.data(), sample, 1e-4);
    }
  });

  test('the same in the reference', () => {
    const { logits, loss, gradients } = stepOf(makeModel(variant));
    const values = interpret([logits, loss, ...gradients]);
    expectClose(values.get(logits)!.data, variant.logits, 1e-8);
    expect(Math.abs(values.get(loss)!.data[0]! - variant.loss)).toBeLessThanOrEqual(1e-10);
    for (const [k, sample] of Object.values(variant.gradients).entries()) expectSample(values.get(gradients[k]!)!.data, sample, 1e-7);
  });

  test.each(variant.runs.map((run) => [run.name, run] as const))('ten losses, SGD %s', async (_name, run) => {
    const model = makeModel(variant);
    const { lr, momentum, weightDecay, nesterov } = run;
    const trainer = new Trainer(model, {
      optimizer: optim.sgd({ lr, momentum, weightDecay, nesterov }),
      loss: nn.crossEntropy(),
      input: [1, 28, 28],
      batchSize: batch,
    });
    for (const [step, expected] of run.losses.entries()) {
      const { loss } = await trainer.step(imagesOf(step), labelsOf(step));
      // PyTorch's own float32 losses are within 3e-7 of its float64 ones.
      if (!(Math.abs(loss - expected) <= 1e-5 * expected)) throw new Error(`loss of step ${step} is ${loss}, expected ${expected}`);
    }
    for (const [k, parameter] of model.parameters().entries()) {
      const norm = Math.sqrt(Array.from(await parameter.data()).reduce((sum, v) => sum + v * v, 0));
      expect(Math.abs(norm - run.finalNorms[k]!)).toBeLessThanOrEqual(1e-5 * run.finalNorms[k]!);
    }
  });
});
