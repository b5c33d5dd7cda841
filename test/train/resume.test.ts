/** A fit that ends early keeps its history, and one that goes on from a checkpoint ends as if nothing had happened. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  fit,
  loadSafetensors,
  manualSeed,
  nn,
  optim,
  Trainer,
  type Callback,
  type FitOptions,
  type History,
  type StridenetError,
} from 'stridenet';
import type { Dataset } from '../../lib/data/dataset';
import { Philox, randomState } from '../../lib/random';
import { expectRejection } from '../support/expectError';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-resume-'));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => manualSeed(1));

function pictures(length: number, seed = 1): Dataset {
  const images = new Philox(seed).fillNormal(new Float32Array(32 * length));
  const labels = Uint8Array.from({ length }, (_, i) => (images[32 * i]! + images[32 * i + 17]! > 0 ? 1 : 0));
  return { images, labels, shape: [2, 4, 4], classes: ['a', 'b'], length };
}

const DATA = pictures(50);

/** Everything that lives from step to step: running statistics, dropout, momentum. */
function network(): nn.Sequential {
  return new nn.Sequential(
    new nn.Conv2d(2, 4, 3, { padding: 1 }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.Dropout(0.3),
    new nn.Flatten(),
    new nn.Linear(64, 2),
  );
}

const options = (more: Partial<FitOptions> = {}): FitOptions => ({
  epochs: 3,
  batchSize: 16,
  optimizer: optim.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 1e-3 }),
  schedule: optim.cosine({ warmupEpochs: 0.5 }),
  validation: pictures(20, 2),
  threads: 1,
  seed: 7,
  progress: false,
  ...more,
});

async function weightsOf(model: nn.Module): Promise<Record<string, number[]>> {
  const values: Record<string, number[]> = {};
  for (const [name, variable] of model.stateDict()) values[name] = [...(await variable.data())];
  return values;
}

/** All but the times. */
const recordsOf = ({ epochs }: History): unknown[] => epochs.map(({ imagesPerSecond: _speed, seconds: _time, ...record }) => record);
const historyOf = (error: unknown): History => (error as { history: History }).history;
const at = (name: string): string => join(folder, `${name}.safetensors`);

describe('resume', () => {
  test('from any step, with any number of interruptions, gives the weights and the history of a fit without one', async () => {
    const model = network();
    const random: unknown[] = [];
    const callbacks: Callback[] = [
      {
        async onBatchEnd({ step }, { trainer }) {
          await trainer.save(at(`step${step}`));
          random[step] = randomState();
        },
        onEpochEnd: ({ epoch }, { trainer }) => trainer.save(at(`epoch${epoch}`)),
      },
    ];
    const history = await fit(model, DATA, options({ callbacks }));
    const expected = await weightsOf(model);
    for (const name of ['step1', 'step3', 'step4', 'step5', 'step11', 'step12', 'epoch1', 'epoch2', 'epoch3']) {
      manualSeed(99);
      const other = network();
      const resumed = await fit(other, DATA, options({ resume: at(name), seed: undefined }));
      expect({ name, records: recordsOf(resumed) }).toEqual({ name, records: recordsOf(history) });
      expect(await weightsOf(other)).toEqual(expected);
      expect(randomState()).toEqual(random.at(-1));
    }
  });

  test('after an abort, and after that one again', async () => {
    const whole = network();
    const history = await fit(whole, DATA, options());
    let seen = 0;
    manualSeed(1);
    const interrupted = async (steps: number, resume?: string): Promise<unknown> => {
      const controller = new AbortController();
      let trainer: Trainer | undefined;
      const callback: Callback = {
        onTrainBegin: (context) => void (trainer = context.trainer),
        onBatchEnd: ({ step }) => void (step === steps && controller.abort()),
      };
      const error = await fit(network(), DATA, options({ signal: controller.signal, callbacks: [callback], resume })).catch(
        (e: unknown) => e,
      );
      // The trainer is closed by now; what it learned can still be saved.
      await trainer!.save(at('aborted'));
      seen += historyOf(error).epochs.length;
      return error;
    };
    expect((await interrupted(3)) as Error).toMatchObject({ name: 'AbortError' });
    await interrupted(6, at('aborted'));
    await interrupted(10, at('aborted'));
    expect(seen).toBe(0 + 1 + 2);
    const model = network();
    expect(recordsOf(await fit(model, DATA, options({ resume: at('aborted') })))).toEqual(recordsOf(history));
    expect(await weightsOf(model)).toEqual(await weightsOf(whole));
  });

  test('from a save that nobody waited for, while steps are under way', async () => {
    const whole = network();
    const history = await fit(whole, DATA, options());
    const saves: Promise<void>[] = [];
    let trainer: Trainer | undefined;
    const callback: Callback = { onTrainBegin: (context) => void (trainer = context.trainer) };
    const timer = setInterval(() => trainer && saves.length < 5 && saves.push(trainer.save(at(`timer${saves.length}`))), 1);
    manualSeed(1);
    await fit(network(), DATA, options({ callbacks: [callback] }));
    clearInterval(timer);
    await Promise.all(saves);
    expect(saves.length).toBeGreaterThan(0);
    for (const i of saves.keys()) {
      const model = network();
      expect(recordsOf(await fit(model, DATA, options({ resume: at(`timer${i}`) })))).toEqual(recordsOf(history));
      expect(await weightsOf(model)).toEqual(await weightsOf(whole));
    }
  });

  test('from a checkpoint of a loop of one’s own begins at its epoch', async () => {
    using trainer = new Trainer(network(), { optimizer: options().optimizer, input: [2, 4, 4], batchSize: 16 });
    trainer.epoch = 2;
    await trainer.save(at('loop'));
    const { epochs } = await fit(network(), DATA, options({ resume: at('loop'), seed: undefined }));
    expect(epochs.map(({ epoch }) => epoch)).toEqual([3]);
  });

  test('what does not fit is refused and changes nothing', async () => {
    const stopped = fit(
      network(),
      DATA,
      options({ callbacks: [{ onBatchEnd: (_, { trainer }) => trainer.save(at('middle')).then(() => trainer.stop()) }] }),
    );
    await stopped;
    const model = network();
    const before = await weightsOf(model);
    const resume = async (more: Partial<FitOptions>, data = DATA): Promise<History> =>
      fit(model, data, options({ resume: at('middle'), ...more }));
    await expectRejection('ERR_INVALID_ARGUMENT', resume({ batchSize: 8 }), 'batchSize', 'saved with, 16, but got 8');
    await expectRejection('ERR_INVALID_ARGUMENT', resume({}, pictures(60)), 'the images that', '50', '60');
    await expectRejection('ERR_INVALID_ARGUMENT', resume({ seed: 8 }), 'seed', 'saved with, 7, but got 8');
    await expectRejection('ERR_INVALID_ARGUMENT', resume({ initialEpoch: 1 }), 'either resume or initialEpoch');
    await expectRejection('ERR_INVALID_ARGUMENT', resume({ resume: 3 as never }), 'path of a checkpoint', 'got 3');
    await expectRejection('ERR_STATE_DICT_MISMATCH', resume({ optimizer: optim.sgd({ lr: 0.1 }) }), 'optimizer/velocity');
    await expectRejection('ERR_FILE_ACCESS', resume({ resume: at('absent') }));
    await expectRejection('ERR_INVALID_ARGUMENT', fit(model, DATA, options({ initialEpoch: -1 })), 'initialEpoch', 'got -1');
    expect(await weightsOf(model)).toEqual(before);
  });
});

test('initialEpoch continues order, schedule and numbers', async () => {
  const seen: unknown[] = [];
  const schedule: FitOptions['schedule'] = ({ step, totalSteps }) => {
    seen.push([step, totalSteps]);
    return 1;
  };
  const steps: number[] = [];
  const { epochs } = await fit(
    network(),
    DATA,
    options({ initialEpoch: 2, schedule, callbacks: [{ onBatchEnd: ({ step }) => steps.push(step) }] }),
  );
  expect(epochs.map(({ epoch }) => epoch)).toEqual([3]);
  expect(seen).toEqual([8, 9, 10, 11].map((step) => [step, 12]));
  expect(steps).toEqual([9, 10, 11, 12]);
  expect((await fit(network(), DATA, options({ initialEpoch: 3 }))).epochs).toEqual([]); // nothing is left to do
});

test('a checkpoint with as many epochs as asked for leaves nothing to do, and one that went further is refused', async () => {
  const path = join(folder, 'whole.safetensors');
  const callback: Callback = { onEpochEnd: async (_, { trainer }) => trainer.save(path) };
  const whole = network();
  const { epochs } = await fit(whole, DATA, options({ callbacks: [callback] }));
  const model = network();
  expect((await fit(model, DATA, options({ resume: path }))).epochs).toEqual(epochs);
  expect(await weightsOf(model)).toEqual(await weightsOf(whole));
  const other = network();
  const before = await weightsOf(other);
  await expectRejection('ERR_INVALID_ARGUMENT', fit(other, DATA, options({ epochs: 2, resume: path })), 'epochs to be at least 3', 'got 2');
  expect(await weightsOf(other)).toEqual(before);
});

test('functions that make losses and schedules are not taken for what they make', async () => {
  for (const loss of [nn.crossEntropy, nn.mseLoss, nn.bceWithLogits, nn.focal, nn.huber]) {
    const fitted = fit(network(), DATA, options({ loss: loss as never }));
    await expectRejection('ERR_INVALID_ARGUMENT', fitted, 'expects loss', `Call it: nn.${loss.name}()`);
  }
  for (const schedule of [optim.constant, optim.cosine]) {
    const fitted = fit(network(), DATA, options({ schedule: schedule as never }));
    await expectRejection('ERR_INVALID_ARGUMENT', fitted, 'expects schedule', `Call it: optim.${schedule.name}()`);
  }
});

test.each(['images', 'labels'] as const)('%s whose memory is transferred during a fit end it', async (what) => {
  const data = pictures(50);
  const transfer = (): void => void structuredClone(0, { transfer: [data[what].buffer as ArrayBuffer] });
  const fitted = fit(network(), data, options({ callbacks: [{ onEpochEnd: transfer }] }));
  await expectRejection('ERR_INVALID_ARGUMENT', fitted, `its ${what} are detached`);
});

describe('ending early', () => {
  test('stop within an epoch measures what there is, and gives the history', async () => {
    const events: string[] = [];
    const callback: Callback = {
      onBatchEnd: ({ step }, { trainer }) => void (step === 6 && trainer.stop()),
      onEpochEnd: ({ epoch }, { trainer }) => events.push(`end ${epoch}, ${trainer.epoch} whole`),
      onTrainEnd: ({ epochs }) => events.push(`done ${epochs.length}`),
    };
    const { epochs } = await fit(network(), DATA, options({ callbacks: [callback] }));
    expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
    expect(epochs[1]!.valLoss).toBeGreaterThan(0);
    expect(events).toEqual(['end 1, 1 whole', 'end 2, 1 whole', 'done 2']);
  });

  test('stop between epochs, and before the first', async () => {
    const after = await fit(network(), DATA, options({ callbacks: [{ onEpochEnd: (_, { trainer }) => trainer.stop() }] }));
    expect(after.epochs).toHaveLength(1);
    const none = await fit(network(), DATA, options({ callbacks: [{ onTrainBegin: ({ trainer }) => trainer.stop() }] }));
    expect(none.epochs).toEqual([]);
    const begun = await fit(network(), DATA, options({ callbacks: [{ onEpochBegin: (_, { trainer }) => trainer.stop() }] }));
    expect(begun.epochs).toEqual([]);
  });

  test.each(['a signal', 'a callback that throws'])('by %s keeps the history', async (name) => {
    const controller = new AbortController();
    const callback: Callback = {
      onEpochEnd({ epoch }) {
        if (epoch !== 2) return;
        if (name !== 'a signal') throw new Error('gave up');
        controller.abort(new Error('gave up'));
      },
    };
    const error: unknown = await fit(network(), DATA, options({ callbacks: [callback], signal: controller.signal })).catch(
      (e: unknown) => e,
    );
    expect((error as Error).message).toBe('gave up');
    expect(historyOf(error).epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
    expect(Object.keys(error as object)).not.toContain('history');
  });

  test('by a loss that is not finite keeps the history too; a reason that is no object is given as it is', async () => {
    const rising = options({ schedule: ({ step }) => (step < 4 ? 1 : 1e37), optimizer: optim.sgd({ lr: 1 }) });
    const linear = new nn.Sequential(new nn.Flatten(), new nn.Linear(32, 8), new nn.Linear(8, 2));
    const error: unknown = await fit(linear, DATA, rising).catch((e: unknown) => e);
    expect((error as StridenetError).code).toBe('ERR_NOT_FINITE');
    expect(historyOf(error).epochs).toHaveLength(1);
    const controller = new AbortController();
    const aborting: Callback = { onBatchEnd: () => controller.abort('enough') };
    await expect(fit(network(), DATA, options({ signal: controller.signal, callbacks: [aborting] }))).rejects.toBe('enough');
  });
});

describe('dropLast', () => {
  test('leaves the images out that do not fill a batch', async () => {
    const counts: number[] = [];
    const schedule: FitOptions['schedule'] = ({ stepsPerEpoch }) => {
      counts.push(stepsPerEpoch);
      return 1;
    };
    const model = network();
    await fit(model, DATA, options({ dropLast: true, epochs: 2, schedule }));
    expect(counts).toEqual([3, 3, 3, 3, 3, 3]);
    expect((await model.stateDict().get('1.num_batches_tracked')!.data())[0]).toBe(6);
  });

  test('needs one whole batch', async () => {
    await expectRejection('ERR_INVALID_ARGUMENT', fit(network(), DATA, options({ dropLast: true, batchSize: 64 })), '50 images', '64');
    await expectRejection('ERR_INVALID_ARGUMENT', fit(network(), DATA, options({ dropLast: 1 as never })), 'dropLast', 'got 1');
  });
});

test('Trainer.resume after a fit with a schedule starts with the rate that the schedule multiplied', async () => {
  await fit(network(), DATA, options({ callbacks: [{ onEpochEnd: (_, { trainer }) => trainer.save(at('scheduled')) }] }));
  using trainer = await Trainer.resume(at('scheduled'));
  expect(trainer.learningRate).toBe(0.1);
  expect((await loadSafetensors(at('scheduled'))).size).toBeGreaterThan(0);
});

describe('trainer.learningRate set in a callback of fit', () => {
  const rates = async (more: Partial<FitOptions>, value: (trainer: Trainer) => number): Promise<number[]> => {
    const seen: number[] = [];
    const callback: Callback = {
      onBatchEnd(_, { trainer }) {
        seen.push(trainer.learningRate);
      },
      onEpochEnd({ epoch }, { trainer }) {
        if (epoch !== 1) return;
        trainer.learningRate = value(trainer);
        expect(trainer.learningRate).toBe(value(trainer) || 0);
      },
    };
    await fit(network(), pictures(32), options({ epochs: 3, callbacks: [callback], optimizer: optim.sgd({ lr: 0.5 }), ...more }));
    return seen;
  };

  test('holds for the steps to come', async () => {
    expect(await rates({ schedule: undefined }, () => 0)).toEqual([0.5, 0.5, 0, 0, 0, 0]);
    expect(await rates({ schedule: undefined }, () => 0.25)).toEqual([0.5, 0.5, 0.25, 0.25, 0.25, 0.25]);
  });

  test('is what a schedule goes on from', async () => {
    const schedule: FitOptions['schedule'] = ({ step }) => 1 / 2 ** step;
    expect(await rates({ schedule }, () => 8)).toEqual([0.5, 0.25, 4, 2, 1, 0.5]);
    expect(await rates({ schedule }, () => 0)).toEqual([0.5, 0.25, 0, 0, 0, 0]);
  });

  test('a schedule that gives no factor is refused by name', async () => {
    for (const factor of [NaN, -1, Infinity, 1e41]) {
      await expectRejection(
        'ERR_INVALID_ARGUMENT',
        fit(network(), DATA, options({ schedule: () => factor })),
        'fit expects schedule',
        `got ${factor}`,
      );
    }
  });
});
