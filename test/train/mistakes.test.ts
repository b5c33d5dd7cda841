/** What would be silently wrong is refused, or does not happen: found by trying fit as one who does not know it. */

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callbacks, data, evaluate, fit, manualSeed, nn, optim, transforms, type Callback, type FitOptions, type History } from 'stridenet';
import { Philox } from '../../lib/random';
import { expectError, expectRejection } from '../support/expectError';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-mistakes-'));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => manualSeed(1));

const N = 24;
const IMAGES = Uint8Array.from(new Philox(5).fillNormal(new Float32Array(N * 16)), (x) => Math.max(0, 100 + 40 * x));
const LABELS = Uint8Array.from({ length: N }, (_, i) => i % 3);
const SET = data.arrays(IMAGES, LABELS, { shape: [1, 4, 4], classes: ['a', 'b', 'c'] });
const MASKS = data.arrays(
  IMAGES,
  Uint8Array.from(IMAGES, (v) => (v > 100 ? 1 : 0)),
  { shape: [1, 4, 4], targetShape: [4, 4] },
);
const network = (): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(16, 3));
const run = async (more: Partial<FitOptions>, set: data.AnyDataset = SET, model: nn.Module = network()): Promise<History> =>
  fit(model, set, { epochs: 2, batchSize: 8, optimizer: optim.sgd({ lr: 0.1 }), seed: 1, progress: false, ...more });

test('pictures do not move without their masks; colours may change', async () => {
  const model = (): nn.Module => new nn.Conv2d(1, 2, 1);
  for (const augment of [[transforms.randomHorizontalFlip()], [transforms.colorJitter({ contrast: 0.1 }), transforms.randomRotation(9)]]) {
    await expectRejection('ERR_INVALID_ARGUMENT', run({ augment }, MASKS, model()), `transforms.${augment.at(-1)!.name}`, '[4, 4]');
  }
  await run({ augment: [transforms.randomInvert(), transforms.colorJitter({ contrast: 0.1 })] }, MASKS, model());
  await expectRejection('ERR_INVALID_ARGUMENT', run({ mix: transforms.mixup() }, MASKS, model()), 'transforms.mixup');
  await expectRejection('ERR_INVALID_ARGUMENT', evaluate(model(), MASKS, { transforms: [transforms.centerCrop(2)] }), 'centerCrop');
});

test('mix is a transform of batches', async () => {
  await expectRejection(
    'ERR_INVALID_ARGUMENT',
    run({ mix: transforms.randomInvert() }),
    'fit expects mix to be transforms.mixup()',
    'in augment',
  );
  await expectRejection(
    'ERR_INVALID_ARGUMENT',
    run({ mix: 0.2 as never }),
    'mix to be transforms.mixup() or transforms.cutmix() but got 0.2.',
  );
  await expectRejection('ERR_INVALID_ARGUMENT', run({ mix: transforms.mixup(), augment: 5 as never }), 'a list of transforms');
});

test('the classes of the validation set are those of the data set', async () => {
  const other = { ...SET, classes: ['a', 'c', 'b'] };
  await expectRejection('ERR_INVALID_ARGUMENT', run({ validation: other }), '["a", "b", "c"]', '["a", "c", "b"]');
  await expectRejection('ERR_INVALID_ARGUMENT', run({ validation: data.arrays(IMAGES, LABELS.map((l) => l % 2), { shape: [1, 4, 4], classes: ['a', 'b'] }) }), 'same order'); // prettier-ignore
});

test('a try-out writes no checkpoint, log or report', async () => {
  const paths = ['c.safetensors', 'l.csv', 'l.jsonl', 'board', 'r.html'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
    string,
  ];
  let called = 0;
  await run({
    fastDevRun: true,
    report: paths[4],
    callbacks: [
      callbacks.checkpoint({ path: paths[0] }),
      callbacks.csvLogger(paths[1]),
      callbacks.jsonLogger(paths[2]),
      callbacks.tensorBoard(paths[3]),
      { onEpochEnd: () => void called++ },
    ],
  });
  expect(paths.filter((path) => existsSync(path))).toEqual([]);
  expect(called).toBe(1);
});

test('labels to pass over: they may lie outside of the classes, and no mean depends on how they fall into batches', async () => {
  const labels = Int32Array.from({ length: N }, (_, i) => (i < 9 ? 255 : i % 3));
  expectError('ERR_INVALID_ARGUMENT', () => data.arrays(IMAGES, labels, { shape: [1, 4, 4], classes: ['a', 'b', 'c'] }), 'label 0 is 255');
  const set = data.arrays(IMAGES, labels, { shape: [1, 4, 4], classes: ['a', 'b', 'c'], ignoreIndex: 255 });
  const unnamed = data.arrays(IMAGES, labels, { shape: [1, 4, 4], ignoreIndex: 255 });
  expect(unnamed.classes).toEqual(['0', '1', '2']);
  const [model, loss] = [network(), nn.crossEntropy({ ignoreIndex: 255 })];
  const counted = data.skip(SET, 9);
  const expected = await evaluate(model, counted, { metrics: [] });
  for (const batchSize of [24, 10, 8, 5]) {
    const score = await evaluate(model, set, { loss, metrics: [], batchSize });
    expect(score.loss).toBeCloseTo(expected.loss, 5);
  }
});

test.each<[string, unknown]>([
  ['a text', 'much'],
  ['an object', { a: 1 }],
  ['nothing', undefined],
  ['rows of different lengths', [[1], [1, 2]]],
  ['a BigInt', 1n],
])('a metric whose value is %s', async (_, value) => {
  const mine = { name: 'mine', measure: (y: nn.Parameter) => y, value: () => value } as never;
  await expectRejection('ERR_INVALID_ARGUMENT', run({ metrics: [mine] }), '"mine"', 'a number');
});

test('what callbacks keep is plain and found by name', async () => {
  const save = (saveState: () => unknown, name?: string): Callback => ({ saveState, ...(name === undefined ? {} : { name }) });
  await expectRejection('ERR_INVALID_ARGUMENT', run({ callbacks: [save(() => 1)] }), 'callbacks[0]', 'a name of its own');
  await expectRejection('ERR_INVALID_ARGUMENT', run({ callbacks: [save(() => 1, 'x'), save(() => 2, 'x')] }), 'callbacks[1]', '"x"');
  for (const state of [{ best: NaN }, new Map(), { f: new Float32Array(1) }, () => 1]) {
    const saving: Callback = {
      ...save(() => state, 'mine'),
      onEpochEnd: async (_, { trainer }) => trainer.save(join(folder, 's.safetensors')),
    };
    await expectRejection('ERR_INVALID_ARGUMENT', run({ callbacks: [saving] }), '"mine"', 'plain data');
  }
});

test('what is watched must be measured, which is found before training', async () => {
  const begun = async (more: Partial<FitOptions>): Promise<unknown> => {
    let epochs = 0;
    const error: unknown = await run({ ...more, callbacks: [{ onEpochBegin: () => void epochs++ }, ...(more.callbacks ?? [])] }).catch(
      (e: unknown) => e,
    );
    expect(epochs).toBe(0);
    throw error;
  };
  await expectRejection('ERR_INVALID_ARGUMENT', begun({ callbacks: [callbacks.earlyStopping()] }), 'Pass validation');
  await expectRejection(
    'ERR_INVALID_ARGUMENT',
    begun({ validation: SET, callbacks: [callbacks.checkpoint({ path: 'x', keep: 'best', monitor: 'valAcc' })] }),
    'valAccuracy',
  );
  await expectRejection('ERR_INVALID_ARGUMENT', begun({ schedule: optim.reduceOnPlateau() }), '"valLoss"', 'Pass validation');
  // Epochs that do not measure it are no reason to end.
  const path = join(folder, 'm-{epoch}-{valLoss}.safetensors');
  const kept = callbacks.checkpoint({ path, keep: 1 });
  const { epochs } = await run({
    epochs: 4,
    validation: SET,
    validationEvery: 2,
    schedule: optim.reduceOnPlateau({ patience: 0 }),
    callbacks: [kept],
  });
  expect(epochs.length).toBe(4);
});

test('a signal ends a fit whose stream does not go on', async () => {
  const stuck = async function* (): AsyncGenerator<{ image: Uint8Array; label: number }> {
    for (let i = 0; i < 10; i++) yield { image: IMAGES.subarray(0, 16), label: 0 };
    await new Promise(() => undefined);
  };
  const start = performance.now();
  await expect(run({ signal: AbortSignal.timeout(200) }, data.from(stuck, { shape: [1, 4, 4], classes: 3 }))).rejects.toThrow('timeout');
  expect(performance.now() - start).toBeLessThan(5000);
});

test('frozen weights stay as they are, to the bit, whatever is averaged', async () => {
  for (const more of [{ swa: { start: 1 } }, { ema: { decay: 0.7 } }]) {
    const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(16, 8), new nn.Linear(8, 3));
    const frozen = [...model][1] as nn.Linear;
    frozen.freeze();
    const before = [...frozen.weight.value];
    await run({ epochs: 7, ...more }, SET, model);
    expect([...frozen.weight.value]).toEqual(before);
  }
});
