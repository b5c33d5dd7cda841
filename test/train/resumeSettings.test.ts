/** A training that goes on from a checkpoint has its settings, or says which it changes. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  fit,
  loadSafetensors,
  manualSeed,
  nn,
  optim,
  readSafetensorsMetadata,
  saveSafetensors,
  Trainer,
  transforms,
  type FitOptions,
  type History,
  type TrainerOptions,
} from 'stridenet';
import type { Dataset } from '../../lib/data/dataset';
import { Philox } from '../../lib/random';
import { expectRejection } from '../support/expectError';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-settings-'));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => manualSeed(1));
const at = (name: string): string => join(folder, `${name}.safetensors`);

function pictures(length: number): Dataset {
  const random = new Philox(1);
  const images = Uint8Array.from(random.fillUniform(new Float32Array(48 * length), 0, 256));
  return { images, labels: Uint8Array.from(images.subarray(0, length), (x) => x % 2), shape: [3, 4, 4], classes: ['a', 'b'], length };
}

const DATA = pictures(20);
const network = (): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(48, 3), new nn.Tanh(), new nn.Linear(3, 2));

const options = (more: Partial<FitOptions> = {}): FitOptions => ({
  epochs: 2,
  batchSize: 4,
  accumulate: 2,
  optimizer: optim.sgd({ lr: 0.1, momentum: 0.9, groups: [{ match: /bias/, lr: 0.2 }] }),
  schedule: optim.warmup({ epochs: 1 }, optim.step({ stepSize: 5 })),
  augment: [transforms.randomHorizontalFlip()],
  gradientClipNorm: 5,
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

/** Saves after the first epoch, and after the third batch of the second. */
async function train(more: Partial<FitOptions> = {}): Promise<Record<string, number[]>> {
  const model = network();
  const save: FitOptions['callbacks'] = [
    {
      onEpochEnd: async ({ epoch }, { trainer }) => (epoch === 1 ? trainer.save(at('end')) : undefined),
      onBatchEnd: async ({ epoch, batch }, { trainer }) => (epoch === 2 && batch === 2 ? trainer.save(at('middle')) : undefined),
    },
  ];
  await fit(model, DATA, options({ callbacks: save, ...more }));
  return weightsOf(model);
}

const resume = async (more: Partial<FitOptions>, data = DATA, from = 'end', model = network()): Promise<History> =>
  fit(model, data, options({ resume: at(from), ...more }));

const changes: readonly [name: string, change: Partial<FitOptions>, place: string, saved: string, given: string][] = [
  ['batchSize', { batchSize: 5 }, 'batchSize', '4', '5'],
  ['accumulate', { accumulate: 1 }, 'accumulate', '2', '1'],
  ['loss', { loss: nn.crossEntropy({ labelSmoothing: 0.1 }) }, 'loss.options.labelSmoothing', '0', '0.1'],
  ['loss', { classWeights: [1, 2] }, 'loss.options.weight', 'none', '[1,2]'],
  ['loss', { loss: nn.focal() }, 'loss.name', '"crossEntropy"', '"focal"'],
  ['loss', { loss: (output, labels) => nn.crossEntropy()(output, labels) }, 'loss', '{', 'code of your own'],
  ['optimizer', { optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }) }, 'optimizer.groups', '[{', 'none'],
  [
    'optimizer',
    { optimizer: optim.sgd({ lr: 0.1, momentum: 0.8, groups: [{ match: /bias/, lr: 0.2 }] }) },
    'optimizer.momentum',
    '0.9',
    '0.8',
  ],
  [
    'optimizer',
    { optimizer: optim.sgd({ lr: 0.1, momentum: 0.9, groups: [{ match: /bias/, lr: 0.3 }] }) },
    'optimizer.groups[0].lr',
    '0.2',
    '0.3',
  ],
  [
    'optimizer',
    { optimizer: optim.sgd({ lr: 0.1, momentum: 0.9, groups: [{ match: /1.bias/, lr: 0.2 }] }) },
    'optimizer.groups[0].parameters[1]',
    '"3.bias"',
    'none',
  ],
  ['schedule', { schedule: undefined }, 'schedule.name', '"warmup"', '"constant"'],
  ['schedule', { schedule: optim.warmup({ epochs: 1 }, optim.step({ stepSize: 6 })) }, 'schedule.options.after.options.stepSize', '5', '6'],
  ['schedule', { schedule: () => 1 }, 'schedule', '{', 'code of your own'],
  ['augment', { augment: undefined }, 'augment', '[{', 'none'],
  ['augment', { augment: [transforms.randomHorizontalFlip(0.3)] }, 'augment[0].p', '0.5', '0.3'],
  ['mix', { mix: transforms.mixup({ alpha: 0.2 }) }, 'mix', 'none', '{'],
  ['shuffle', { shuffle: false }, 'shuffle', 'true', 'false'],
  ['dropLast', { dropLast: true }, 'dropLast', 'false', 'true'],
  ['limitBatches', { limitBatches: 3 }, 'limitBatches', 'none', '3'],
  ['ema', { ema: {} }, 'ema', 'none', '{'],
  ['swa', { swa: { start: 2 } }, 'swa', 'none', '{'],
  ['gradientClipNorm', { gradientClipNorm: 1 }, 'gradientClipNorm', '5', '1'],
  ['gradientClipValue', { gradientClipValue: 1 }, 'gradientClipValue', 'none', '1'],
  ['algorithm', { algorithm: 'exact' }, 'algorithm', '"fast"', '"exact"'],
] as const;

describe('fit', () => {
  test('refuses each setting that is another, between epochs too, with both values, and takes it when it is named', async () => {
    await train();
    for (const [name, change, place, saved, given] of changes) {
      const model = network();
      const before = await weightsOf(model);
      const message = `fit expects the ${place} that ${at('end')} was saved with, ${saved}`;
      await expectRejection(
        'ERR_INVALID_ARGUMENT',
        resume(change, DATA, 'end', model),
        message,
        `but got ${given}`,
        `resumeChanges: ['${name}']`,
      );
      expect(await weightsOf(model)).toEqual(before);
      const { epochs } = await resume({ ...change, resumeChanges: [name as never] });
      expect(epochs.map(({ epoch }) => epoch)).toEqual([1, 2]);
    }
  });

  test('the number of images belongs to them', async () => {
    await train();
    await expectRejection('ERR_INVALID_ARGUMENT', resume({}, pictures(24)), 'the images that', 'saved with, 20, but got 24');
    expect((await resume({ resumeChanges: ['images'] }, pictures(24))).epochs).toHaveLength(2);
  });

  test('what only measures may be another, and goes on to the same bits, as do groups that say the same in another way', async () => {
    const expected = await train();
    const named = (parameter: { readonly name: string }): boolean => ['1.bias', '3.bias'].includes(parameter.name);
    const optimizer = optim.sgd({ lr: 0.1, momentum: 0.9, groups: [{ match: named, lr: 0.2 }] });
    for (const from of ['end', 'middle']) {
      const model = network();
      await resume({ optimizer, validation: DATA, validationEvery: 2, threads: 2 }, DATA, from, model);
      expect(await weightsOf(model)).toEqual(expected);
    }
  });

  test('in the middle of an epoch what decides its images cannot be changed', async () => {
    await train();
    const refused = resume({ batchSize: 5, resumeChanges: ['batchSize'] }, DATA, 'middle');
    await expectRejection('ERR_INVALID_ARGUMENT', refused, 'batchSize', 'in the middle of an epoch, which ends as it began');
    const optimizer = optim.sgd({ lr: 0.1, momentum: 0.5, groups: [{ match: /bias/, lr: 0.2 }] });
    expect((await resume({ optimizer, resumeChanges: ['optimizer'] }, DATA, 'middle')).epochs).toHaveLength(2);
  });

  test('an optimizer that is changed on purpose trains at its own learning rate, else at that of the checkpoint', async () => {
    await train({
      schedule: undefined,
      callbacks: [{ onEpochEnd: async (_, { trainer }) => ((trainer.learningRate = 0.05), trainer.save(at('rate'))) }],
      epochs: 1,
    });
    const rateOf = async (optimizer: optim.Optimizer): Promise<number> => {
      const { epochs } = await resume({ optimizer, schedule: undefined, resumeChanges: ['optimizer'] }, DATA, 'rate');
      return epochs.at(-1)!.learningRate;
    };
    expect(await rateOf(optim.sgd({ lr: 0.1, momentum: 0.5 }))).toBe(0.05);
    expect(await rateOf(optim.sgd({ lr: 0.01, momentum: 0.5 }))).toBe(0.01);
  });

  test('averages may end, and accumulation may begin', async () => {
    await train({ ema: { decay: 0.9 }, accumulate: 1 });
    await expectRejection('ERR_INVALID_ARGUMENT', resume({ accumulate: 1 }), 'ema that', 'but got none');
    expect((await resume({ accumulate: 1, resumeChanges: ['ema'] })).epochs).toHaveLength(2);
    const both = await resume({ accumulate: 4, ema: { decay: 0.9 }, resumeChanges: ['accumulate'] });
    expect(both.epochs).toHaveLength(2);
  });

  test('code of one’s own is not compared', async () => {
    const own = (): Partial<FitOptions> => ({ loss: (output, labels) => nn.crossEntropy()(output, labels), schedule: () => 0.5 });
    const expected = await train(own());
    const model = network();
    await resume(own(), DATA, 'end', model);
    expect(await weightsOf(model)).toEqual(expected);
  });

  test('resumeChanges of what there is not, or without resume', async () => {
    await train();
    await expectRejection(
      'ERR_INVALID_ARGUMENT',
      resume({ resumeChanges: ['batchsize' as never] }),
      'resumeChanges',
      'Did you mean "batchSize"?',
    );
    await expectRejection(
      'ERR_INVALID_ARGUMENT',
      resume({ resumeChanges: 'loss' as never }),
      'array of names of settings',
      'There are optimizer, loss',
    );
    const fresh = fit(network(), DATA, options({ resumeChanges: ['loss'] }));
    await expectRejection('ERR_INVALID_ARGUMENT', fresh, 'resumeChanges with resume');
  });

  test('a checkpoint of version 0.1, which has no settings, is gone on with; its batchSize and number of images count', async () => {
    const expected = await train();
    const { state, fit: progress, ...metadata } = await readSafetensorsMetadata(at('end'));
    const without = (text: string): string => {
      const { settings, ...rest } = JSON.parse(text) as Record<string, unknown>;
      expect(settings).toBeDefined();
      return JSON.stringify(rest);
    };
    await saveSafetensors(at('old'), await loadSafetensors(at('end')), { ...metadata, state: without(state!), fit: without(progress!) });
    const model = network();
    await resume({}, DATA, 'old', model);
    expect(await weightsOf(model)).toEqual(expected);
    expect((await resume({ accumulate: 4 }, DATA, 'old')).epochs).toHaveLength(2);
    await expectRejection('ERR_INVALID_ARGUMENT', resume({ batchSize: 5 }, DATA, 'old'), 'batchSize', '4', '5');
    for (const broken of [{ state: '{"settings":3}' }, { fit: without(progress!).replace('{', '{"settings":[],') }]) {
      await saveSafetensors(at('broken'), await loadSafetensors(at('end')), { ...metadata, state: state!, fit: progress!, ...broken });
      await expectRejection('ERR_BAD_FILE', resume({}, DATA, 'broken'));
    }
  });
});

describe('Trainer.resume', () => {
  const groups = [{ match: /^1\./, lr: 0.01 }, ...optim.noDecayOnNormAndBias()];
  const given = (more: Partial<TrainerOptions> = {}): TrainerOptions => ({
    optimizer: optim.adamw({ lr: 0.1, weightDecay: 0.5, groups }),
    input: [3, 4, 4],
    batchSize: 20,
    threads: 1,
    seed: 3,
    ...more,
  });
  const steps = async (trainer: Trainer, count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await trainer.step(DATA.images, DATA.labels);
  };

  test('makes groups again from the file alone, to the same bits', async () => {
    const model = network();
    using whole = new Trainer(model, given());
    await steps(whole, 2);
    await whole.save(at('loop'));
    await steps(whole, 2);
    const recipe = JSON.parse((await readSafetensorsMetadata(at('loop')))['recipe']!) as { optimizer: { groups: unknown } };
    expect(recipe.optimizer.groups).toMatchObject([
      { parameters: ['1.weight', '1.bias'], lr: 0.01, weightDecay: 0.5 },
      { parameters: ['3.bias'], lr: 0.1, weightDecay: 0 },
    ]);
    using resumed = await Trainer.resume(at('loop'));
    await steps(resumed, 2);
    expect(await weightsOf(resumed.model)).toEqual(await weightsOf(model));
    // And once more, from a file of what was made again.
    await resumed.save(at('again'));
    using again = await Trainer.resume(at('again'), network(), given());
    await steps(again, 1);
    await steps(whole, 1);
    expect(await weightsOf(again.model)).toEqual(await weightsOf(model));
  });

  test('refuses another setting unless it is named; the batch size is the caller’s', async () => {
    using trainer = new Trainer(network(), given());
    await trainer.save(at('loop'));
    const loss = nn.crossEntropy({ labelSmoothing: 0.1 });
    const resumed = Trainer.resume(at('loop'), network(), given({ loss }));
    await expectRejection(
      'ERR_INVALID_ARGUMENT',
      resumed,
      'Trainer.resume expects the loss.options.labelSmoothing',
      '0, but got 0.1',
      "changes: ['loss']",
    );
    await expectRejection('ERR_INVALID_ARGUMENT', Trainer.resume(at('loop'), network(), given({ seed: 4 })), 'seed', '3, but got 4');
    (await Trainer.resume(at('loop'), network(), given({ loss, batchSize: 4 }), { changes: ['loss'] })).close();
    const unknown = Trainer.resume(at('loop'), network(), given(), { changes: ['batchSize' as never] });
    await expectRejection('ERR_INVALID_ARGUMENT', unknown, 'Trainer.resume expects changes');
    await expectRejection('ERR_UNKNOWN_OPTION', Trainer.resume(at('loop'), network(), given(), { change: [] } as never), 'changes');
  });

  test.each([3, [3], [{}], [{ parameters: [1] }], [{ parameters: ['1.bias'], lr: -1 }], [{ parameters: ['gone'] }]].map((each) => [each]))(
    'groups that are none are damage: %j',
    async (broken) => {
      using trainer = new Trainer(network(), given());
      await trainer.save(at('loop'));
      const metadata = await readSafetensorsMetadata(at('loop'));
      const recipe = JSON.parse(metadata['recipe']!) as { optimizer: object };
      const changed = JSON.stringify({ ...recipe, optimizer: { ...recipe.optimizer, groups: broken } });
      await saveSafetensors(at('broken'), await loadSafetensors(at('loop')), { ...metadata, recipe: changed });
      await expectRejection('ERR_BAD_FILE', Trainer.resume(at('broken')), 'does not say how its');
    },
  );
});
