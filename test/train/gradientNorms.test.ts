/** Norms of gradients, as a step measures them when it is asked to: by hand, and without any effect on what is learned. */

import { manualSeed, models, nn, optim, Trainer } from 'stridenet';

beforeEach(() => manualSeed(1));

test('by hand, before the gradient is clipped, and in the step alone that was asked for', async () => {
  const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(1, 1));
  const [weight, bias] = model.parameters();
  const [w, b] = [weight!.value[0]!, bias!.value[0]!];
  const trainer = new Trainer(model, {
    ...{ optimizer: optim.sgd({ lr: 0.1 }), loss: nn.mse(), input: [1, 1, 1], batchSize: 2, gradientClipNorm: 1e-3 },
  });
  trainer.measureNorms();
  expect(trainer.norms).toBeUndefined();
  await trainer.step(Float32Array.of(1, 3), [5, -5]);
  // loss = ((w + b - 5)^2 + (3 w + b + 5)^2) / 2
  const [first, second] = [w + b - 5, 3 * w + b + 5];
  const [gradient] = trainer.norms!;
  expect(trainer.norms).toHaveLength(1);
  expect(gradient).toMatchObject({ path: '1', kind: 'Linear' });
  expect(gradient!.gradient).toBeCloseTo(Math.hypot(first + 3 * second, first + second), 4);
  expect(gradient!.weights).toBeCloseTo(Math.hypot(w, b), 6);
  const { norms } = trainer;
  await trainer.step(Float32Array.of(1, 3), [5, -5]);
  expect(trainer.norms).toBe(norms);
  trainer.close();
});

test('layers that are frozen have none', async () => {
  const frozen = new nn.Linear(4, 3);
  const model = new nn.Sequential(new nn.Flatten(), frozen, new nn.ReLU(), new nn.Linear(3, 2));
  frozen.freeze();
  const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.1 }), input: [1, 2, 2], batchSize: 2 });
  trainer.measureNorms();
  await trainer.step(
    Float32Array.from({ length: 8 }, (_, i) => i),
    [0, 1],
  );
  expect(trainer.norms!.map(({ path }) => path)).toEqual(['3']);
  trainer.close();
});

test.each([1, 2])('weights come out to the same bits, whether they are measured or not, in groups of %i', async (accumulate) => {
  const learned = async (measures: boolean): Promise<number[][]> => {
    manualSeed(1);
    const model = models.resnetCifar(8);
    const trainer = new Trainer(model, {
      optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
      input: [3, 32, 32],
      batchSize: 4,
      accumulate,
      seed: 1,
    });
    for (let step = 0; step < 4; step++) {
      if (measures) trainer.measureNorms();
      await trainer.step(
        Float32Array.from({ length: 4 * 3072 }, (_, i) => Math.sin(i + step)),
        [0, 1, 2, 3],
      );
      if (measures) expect(trainer.norms!.every(({ gradient, weights }) => gradient > 0 && weights > 0)).toBe(true);
    }
    trainer.close();
    return [...model.stateDict().values()].map((variable) => [...variable.value]);
  };
  expect(await learned(true)).toEqual(await learned(false));
});
