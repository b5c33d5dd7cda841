/** Steps that overlap: what a failed one means for those behind it, what a file saved meanwhile holds, and two who train one model. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  compile,
  fit,
  loadSafetensors,
  manualSeed,
  nn,
  ops,
  optim,
  saveSafetensors,
  Trainer,
  zeros,
  type FitOptions,
  type StridenetError,
  type Tensor,
} from 'stridenet';
import type { Dataset } from '../../lib/data/dataset';
import { expectError, expectRejection } from '../support/expectError';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-queue-'));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => manualSeed(1));

const GOOD = Float32Array.of(1, 2, -1, 0.5);
const BAD = Float32Array.of(1, NaN, -1, 0.5);
const LABELS = Uint8Array.of(0, 1);

const network = (): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(2, 3), new nn.Tanh(), new nn.Linear(3, 2));
const trainerOf = (model: nn.Module): Trainer =>
  new Trainer(model, { optimizer: optim.sgd({ lr: 0.5, momentum: 0.9 }), input: [2], batchSize: 2, threads: 1 });
const weightsOf = (model: nn.Module): number[][] => [...model.stateDict().values()].map(({ value }) => [...value]);

describe('a step whose loss is not finite', () => {
  test('leaves the weights of before it, whatever was queued behind it', async () => {
    const model = network();
    using trainer = trainerOf(model);
    await trainer.step(GOOD, LABELS);
    const before = weightsOf(model);
    const [bad, ...behind] = await Promise.allSettled([BAD, GOOD, GOOD, BAD, GOOD].map(async (x) => trainer.step(x, LABELS)));
    const messageOf = (result: PromiseSettledResult<unknown>): string =>
      ((result as PromiseRejectedResult).reason as StridenetError).message;
    expect(messageOf(bad!)).toMatch(/^Training step 2 gave a loss of NaN .*The weights are those of before this step\.$/);
    for (const [i, result] of behind.entries()) {
      expect(messageOf(result)).toContain(`Training step ${i + 3} was not applied, since step 2`);
      expect((result as PromiseRejectedResult).reason).toMatchObject({ code: 'ERR_NOT_FINITE', cause: { code: 'ERR_NOT_FINITE' } });
    }
    expect(weightsOf(model)).toEqual(before);
  });

  test('is the only one that is missing when each step is awaited', async () => {
    const [model, other] = [network(), network()];
    other.loadStateDict(model.stateDict());
    using trainer = trainerOf(model);
    using plain = trainerOf(other);
    for (const x of [GOOD, BAD, GOOD, GOOD]) await trainer.step(x, LABELS).catch(() => undefined);
    for (const x of [GOOD, GOOD, GOOD]) await plain.step(x, LABELS);
    expect(weightsOf(model)).toEqual(weightsOf(other));
  });

  test('does not stop what is asked for after it was seen, although others are queued before that', async () => {
    const [model, other] = [network(), network()];
    other.loadStateDict(model.stateDict());
    using trainer = trainerOf(model);
    using plain = trainerOf(other);
    const later: Promise<unknown>[] = [];
    const failing = trainer.step(BAD, LABELS).catch(() => {
      for (let i = 0; i < 3; i++) later.push(trainer.step(GOOD, LABELS));
    });
    const behind = [trainer.step(GOOD, LABELS), trainer.step(GOOD, LABELS)];
    expect((await Promise.allSettled(behind)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await failing;
    await Promise.all(later);
    for (let i = 0; i < 3; i++) await plain.step(GOOD, LABELS);
    expect(weightsOf(model)).toEqual(weightsOf(other));
  });

  test('ends fit with the weights that the same fit one step at a time ends with', async () => {
    const images = Float32Array.from({ length: 80 }, (_, i) => Math.sin(i));
    images[34] = NaN;
    const data: Dataset = {
      images,
      labels: Uint8Array.from({ length: 40 }, (_, i) => i % 2),
      shape: [2, 1, 1],
      classes: ['a', 'b'],
      length: 40,
    };
    const end = async (more: Partial<FitOptions>): Promise<number[][]> => {
      manualSeed(1);
      const model = network();
      const options: FitOptions = { epochs: 1, batchSize: 4, optimizer: optim.sgd({ lr: 0.1 }), seed: 1, progress: false, ...more };
      await expectRejection('ERR_NOT_FINITE', fit(model, data, options), 'before this step');
      return weightsOf(model);
    };
    const oneByOne = await end({ callbacks: [{ onBatchEnd: () => undefined }] });
    for (let i = 0; i < 20; i++) expect(await end({})).toEqual(oneByOne);
    // A schedule that takes its time: the failed step is over before the next is handed over.
    const slowly = (): number => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      return 1;
    };
    expect(await end({ schedule: slowly })).toEqual(oneByOne);
  });
});

test('steps by the million keep their order', async () => {
  const model = network();
  using trainer = trainerOf(model);
  // Numbers that float32 no longer tells apart, and where the marks of steps begin anew.
  for (const start of [2 ** 20 - 2, 2 ** 24, 2 ** 40]) {
    trainer.startAt(0, start);
    const [, , bad, , ...after] = await Promise.allSettled([GOOD, GOOD, BAD, GOOD].map(async (x) => trainer.step(x, LABELS)));
    expect(bad!.status).toBe('rejected');
    expect(after).toEqual([]);
    const before = weightsOf(model);
    await Promise.all([trainer.step(GOOD, LABELS), trainer.step(GOOD, LABELS)]);
    expect(weightsOf(model)).not.toEqual(before);
  }
});

/** a and b are equal after every step; the filler makes reading one after the other take time. */
class Twin extends nn.Module {
  a = new nn.Parameter(zeros([64]));
  filler = new nn.Parameter(zeros([1e6]));
  b = new nn.Parameter(zeros([64]));
  forward(x: Tensor): Tensor {
    const sum = ops.add(ops.add(ops.mean(this.a), ops.mean(this.b)), ops.mul(ops.mean(this.filler), 1e-9));
    return ops.mul(ops.mean(x, { axis: 1, keepDims: true }), sum);
  }
}

describe('what is saved while steps are queued', () => {
  test('is of one moment: Trainer.save of the steps before it', async () => {
    const path = join(folder, 'twin.safetensors');
    const model = new Twin();
    using trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.01 }), loss: nn.mseLoss(), input: [4], batchSize: 8 });
    const [images, targets] = [new Float32Array(32).fill(1), new Float32Array(8).fill(100)];
    const afterStep: number[] = [];
    for (let i = 0; i < 12; i++) {
      await trainer.step(images, targets);
      afterStep.push(model.a.value[0]!);
    }
    model.loadStateDict(new Twin().stateDict());
    for (const before of [1, 3, 0, 5]) {
      const first = Array.from({ length: before }, async () => trainer.step(images, targets));
      const saved = trainer.save(path);
      const rest = Array.from({ length: 6 }, async () => trainer.step(images, targets));
      await Promise.all([...first, saved, ...rest]);
      const map = await loadSafetensors(path);
      const [a, b] = await Promise.all(['a', 'b'].map(async (name) => (await map.get(name)!.data())[0]!));
      expect(a).toBe(before === 0 ? 0 : afterStep[before - 1]);
      expect(b).toBe(a);
      model.loadStateDict(new Twin().stateDict());
    }
  });
});

describe('what reads a model while steps are queued reads values of one step', () => {
  /** How far a and b are apart, which are equal after every step. */
  class Difference extends nn.Module {
    constructor(private readonly twin: Twin) {
      super();
    }
    forward(x: Tensor): Tensor {
      const difference = ops.add(ops.sub(ops.mean(this.twin.a), ops.mean(this.twin.b)), ops.mul(ops.mean(this.twin.filler), 0));
      return ops.add(ops.mul(x, 0), difference);
    }
  }

  test('saveSafetensors of a state dict, and compiled models', async () => {
    const path = join(folder, 'state.safetensors');
    const model = new Twin();
    using trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.01 }), loss: nn.mseLoss(), input: [4], batchSize: 8 });
    const step = async (): Promise<unknown> => trainer.step(new Float32Array(32).fill(1), new Float32Array(8).fill(100));
    using net = await compile(new Difference(model), { input: [1] });
    await step();
    for (let i = 0; i < 10; i++) {
      const steps = Array.from({ length: 20 }, step);
      const saving = saveSafetensors(path, model.stateDict());
      const difference = net.run(Float32Array.of(1));
      await Promise.all([...steps, saving]);
      const map = await loadSafetensors(path);
      expect((await map.get('a')!.data())[0]).toBe((await map.get('b')!.data())[0]);
      expect((await (await difference).data())[0]).toBe(0);
    }
  });
});

describe('two who train one model', () => {
  test('are refused while they overlap, and take turns otherwise', async () => {
    const [model, other] = [network(), network()];
    other.loadStateDict(model.stateDict());
    using a = trainerOf(model);
    using b = trainerOf(model);
    using plain = new Trainer(other, { optimizer: optim.sgd({ lr: 0.5 }), input: [2], batchSize: 2, threads: 1 });
    a.learningRate = b.learningRate = plain.learningRate = 0.25;
    const first = a.step(GOOD, LABELS);
    await expectRejection('ERR_BUSY', b.step(GOOD, LABELS), 'Trainer.step', '1.weight', 'Await them first');
    await first;
    expect([a.steps, b.steps]).toEqual([1, 0]);
    await b.step(GOOD, LABELS);
    for (let i = 0; i < 2; i++) await plain.step(GOOD, LABELS);
    // Each has a velocity of its own, so that both first steps are plain ones.
    expect(weightsOf(model)).toEqual(weightsOf(other));
  });

  test('may train parts that do not overlap', async () => {
    const backbone = new nn.Linear(2, 3).freeze();
    const heads = [new nn.Linear(3, 2), new nn.Linear(3, 2)];
    const before = heads.map((head) => [...head.weight.value]);
    const trainers = heads.map((head) => trainerOf(new nn.Sequential(backbone, head)));
    await Promise.all(trainers.map(async (trainer) => trainer.step(GOOD, LABELS)));
    for (const [i, head] of heads.entries()) expect([...head.weight.value]).not.toEqual(before[i]);
    for (const trainer of trainers) trainer.close();
  });

  const data: Dataset = {
    images: Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)),
    labels: Uint8Array.from({ length: 32 }, (_, i) => i % 2),
    shape: [2, 1, 1],
    classes: ['a', 'b'],
    length: 32,
  };
  const options: FitOptions = { epochs: 2, batchSize: 8, optimizer: optim.sgd({ lr: 0.1 }), seed: 1, progress: false };

  test('a second fit is refused, and the first is what it would have been', async () => {
    const [model, other] = [network(), network()];
    other.loadStateDict(model.stateDict());
    const [first] = await Promise.all([
      fit(model, data, options),
      expectRejection('ERR_BUSY', fit(model, data, options), 'fit', 'another fit'),
    ]);
    const alone = await fit(other, data, options);
    expect(first.epochs.map(({ loss }) => loss)).toEqual(alone.epochs.map(({ loss }) => loss));
    expect(weightsOf(model)).toEqual(weightsOf(other));
    await fit(model, data, options); // it is free again
  });

  test('a step of another trainer is refused during fit, also in its callbacks; a failed fit sets the model free', async () => {
    const model = network();
    using trainer = trainerOf(model);
    let refused: unknown;
    const callbacks = [{ onEpochEnd: async () => (refused = await trainer.step(GOOD, LABELS).catch((error: unknown) => error)) }];
    await fit(model, data, { ...options, callbacks });
    expectError('ERR_BUSY', () => {
      throw refused;
    });
    await expect(fit(model, data, { ...options, callbacks: [{ onEpochEnd: () => Promise.reject(new Error('no')) }] })).rejects.toThrow(
      'no',
    );
    await trainer.step(GOOD, LABELS);
    const outstanding = trainer.step(GOOD, LABELS);
    await expectRejection('ERR_BUSY', fit(model, data, options), 'steps of another Trainer');
    await outstanding;
  });
});
