/** How raw images are read: interleaved channels, and what a model remembers of its training. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import {
  compile,
  data,
  evaluate,
  fit,
  loadSafetensors,
  manualSeed,
  models,
  nn,
  optim,
  readSafetensorsMetadata,
  saveSafetensors,
  tensor,
  Trainer,
  type Preprocessing,
} from 'stridenet';
import { expectError, expectRejection } from '../support/expectError';

const [HEIGHT, WIDTH] = [2, 3];
const SIZE = HEIGHT * WIDTH;
/** Channel c of pixel i of image n. */
const value = (n: number, i: number, c: number): number => 40 * n + 3 * i + c;

function pixels(count: number, channels: number): { nchw: Uint8Array; nhwc: Uint8Array } {
  const [nchw, nhwc] = [new Uint8Array(count * channels * SIZE), new Uint8Array(count * channels * SIZE)];
  for (let n = 0; n < count; n++) {
    for (let i = 0; i < SIZE; i++) {
      for (let c = 0; c < channels; c++) {
        nchw[(n * channels + c) * SIZE + i] = nhwc[(n * SIZE + i) * channels + c] = value(n, i, c);
      }
    }
  }
  return { nchw, nhwc };
}

/** A convolution that takes channel `c` out. */
function channel(c: number, channels: number): nn.Conv2d {
  const conv = new nn.Conv2d(channels, 1, 1, { bias: false });
  const weight = Float32Array.from({ length: channels }, (_, i) => (i === c ? 1 : 0));
  conv.loadStateDict(new Map([['weight', tensor(weight, [1, channels, 1, 1])]]));
  return conv;
}

const RAW = { scale: 1 };

describe('interleaved channels', () => {
  test.each([1, 2, 3, 4, 5])('%i of them', async (channels) => {
    const { nchw, nhwc } = pixels(2, channels);
    const options = { input: [channels, HEIGHT, WIDTH], preprocess: RAW, threads: 1 };
    for (let c = 0; c < channels; c++) {
      const expected = Array.from({ length: 2 * SIZE }, (_, i) => value(Math.floor(i / SIZE), i % SIZE, c));
      using planes = await compile(channel(c, channels), options);
      using interleaved = await compile(channel(c, channels), { ...options, layout: 'nhwc', maxBatch: 1 });
      const asked = [
        planes.runSync(nchw),
        interleaved.runSync(nhwc),
        await interleaved.run(Float32Array.from(nhwc)),
        interleaved.runSync(new Uint8ClampedArray(nhwc)),
        interleaved.runSync(Buffer.from(nhwc)),
        // A tensor has its channels first in any case.
        interleaved.runSync(tensor(nchw, [2, channels, HEIGHT, WIDTH])),
        interleaved.runSync(tensor(Float32Array.from(nchw), [2, channels, HEIGHT, WIDTH])),
      ];
      for (const answer of asked) expect([...(await answer.data())]).toEqual(expected);
    }
  });

  test('mean and deviation belong to their channels', async () => {
    const preprocess = { scale: 1, mean: [1, 2, 3], std: [1, 2, 4] };
    for (const c of [0, 1, 2]) {
      using net = await compile(channel(c, 3), { input: [3, HEIGHT, WIDTH], preprocess, layout: 'nhwc' });
      const found = await net.runSync(pixels(1, 3).nhwc).data();
      found.forEach((v, i) => expect(v).toBeCloseTo((value(0, i, c) - preprocess.mean[c]!) / preprocess.std[c]!, 5));
    }
  });

  test('training and evaluation read both orders alike', async () => {
    const { nchw, nhwc } = pixels(5, 3);
    const labels = [0, 1, 1, 0, 1];
    const shape = [3, HEIGHT, WIDTH] as const;
    const planes = data.arrays(nchw, labels, { shape, mean: [0.1, 0.2, 0.3] });
    const interleaved = data.arrays(new Uint8ClampedArray(nhwc), labels, { shape, layout: 'nhwc', mean: [0.1, 0.2, 0.3] });
    const train = async (set: data.Dataset, validation: data.Dataset): Promise<unknown> => {
      manualSeed(3);
      const model = new nn.Sequential(new nn.Conv2d(3, 2, 2), new nn.Flatten(), new nn.Linear(4, 2));
      const { epochs } = await fit(model, set, {
        ...{ epochs: 2, batchSize: 2, optimizer: optim.sgd({ lr: 0.1 }), seed: 1, progress: false, threads: 1 },
        validation,
      });
      const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.1 }), input: shape, batchSize: 5, layout: set.layout });
      const step = await trainer.step(set.images, labels);
      trainer.close();
      return [epochs.map(({ loss, valLoss, accuracy }) => [loss, valLoss, accuracy]), step, await evaluate(model, validation)];
    };
    const expected = await train(planes, planes);
    expect(await train(interleaved, interleaved)).toEqual(expected);
    expect(await train(planes, interleaved)).toEqual(expected);
  });

  test('what cannot be read so is refused', async () => {
    const model = channel(0, 3);
    const options = { input: [3, HEIGHT, WIDTH], layout: 'nhwc' } as const;
    await expectRejection(
      'ERR_INVALID_ARGUMENT',
      compile(model, { ...options, layout: 'hwc' as never }),
      "layout to be 'nchw' or 'nhwc'",
      '"hwc"',
    );
    await expectRejection('ERR_INVALID_ARGUMENT', compile(new nn.Linear(2, 1), { input: [2], layout: 'nhwc' }), 'one image is [2]');
    using net = await compile(model, options);
    expectError('ERR_SHAPE_MISMATCH', () => net.runSync(new Uint8ClampedArray(4 * SIZE)), 'pixels of four values', 'leave alpha out');
    expectError('ERR_SHAPE_MISMATCH', () => net.runSync(tensor(new Uint8Array(18), [1, 2, 3, 3])), 'x.transpose([0, 3, 1, 2])');
    const canvas = { data: new Uint8ClampedArray(4 * SIZE), width: WIDTH, height: HEIGHT };
    expectError('ERR_INVALID_ARGUMENT', () => net.runSync(canvas as never), 'image.data.filter((_, i) => i % 4 < 3)', "layout: 'nhwc'");
    expect(net.runSync(canvas.data.filter((_, i) => i % 4 < 3)).shape).toEqual([1, 1, HEIGHT, WIDTH]);
  });
});

describe('a model remembers', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stridenet-preprocess-'));
    manualSeed(1);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const shape = [1, 1, 2] as const;
  const normal: Preprocessing = { scale: 1 / 100, mean: [2], std: [0.5] };
  // Light or dark: without the mean, all of it looks the same to a model that was trained with it.
  const images = Uint8Array.from({ length: 80 }, (_, i) => (i % 4 < 2 ? 190 : 210));
  const labels = Uint8Array.from({ length: 40 }, (_, i) => i % 2);
  const train = data.arrays(images, labels, { shape, ...normal });
  const unstated = data.arrays(images, labels, { shape });
  const build = (): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(2, 2));
  const options = { epochs: 20, batchSize: 8, optimizer: optim.sgd({ lr: 1 }), progress: false, seed: 1, threads: 1 };
  async function trained(): Promise<nn.Sequential> {
    const model = build();
    await fit(model, train, options);
    return model;
  }

  async function accuracy(model: nn.Module, preprocess?: Preprocessing): Promise<number> {
    using net = await compile(model, { input: shape, threads: 1, preprocess });
    const scores = await (await net.run(images)).data();
    return labels.filter((label, i) => (scores[2 * i + 1]! > scores[2 * i]! ? 1 : 0) === label).length / labels.length;
  }

  test('what fit normalised with, in compile, evaluate, further training and Trainer', async () => {
    const model = await trained();
    expect(model.preprocess).toEqual(normal);
    expect(await accuracy(model)).toBe(1);
    expect((await evaluate(model, unstated)).accuracy).toBe(1);
    const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.1 }), input: shape, batchSize: 40 });
    expect((await trainer.step(images, labels)).accuracy).toBe(1);
    expect((await trainer.evaluate(unstated)).accuracy).toBe(1);
    trainer.close();
    const { epochs } = await fit(model, unstated, { ...options, epochs: 1, validation: unstated });
    expect([epochs[0]!.accuracy, epochs[0]!.valAccuracy, model.preprocess]).toEqual([1, 1, normal]);
  });

  test('and what is said where it is used counts more', async () => {
    const model = await trained();
    expect(await accuracy(model, {})).toBe(0.5);
    expect(await accuracy(model, { mean: [2] })).toBe(0.5);
    expect((await evaluate(model, data.arrays(images, labels, { shape, scale: 1 / 255 }))).accuracy).toBe(0.5);
    expect((await evaluate(model, train)).accuracy).toBe(1);
    // Other values of another form: the data set knows.
    const floats = data.arrays(
      Float32Array.from(images, (v) => (v / 100 - 2) / 0.5),
      labels,
      { shape, scale: 1 },
    );
    expect((await evaluate(model, floats)).accuracy).toBe(1);
    await fit(model, floats, { ...options, epochs: 1 });
    expect(model.preprocess).toEqual({ scale: 1 });
  });

  test('in files of weights, other models and checkpoints', async () => {
    const model = await trained();
    const path = join(folder, 'weights.safetensors');
    await saveSafetensors(path, model.stateDict(), { note: 'mine' });
    expect(await readSafetensorsMetadata(path)).toEqual({ note: 'mine', 'stridenet.preprocess': JSON.stringify(normal) });
    const [loaded, copy] = [build(), build()];
    loaded.loadStateDict(await loadSafetensors(path));
    copy.loadStateDict(model.stateDict());
    for (const other of [loaded, copy, new nn.Sequential(model, new nn.Softmax())]) {
      expect(other.preprocess).toEqual(normal);
      expect(await accuracy(other)).toBe(1);
    }
    // Weights that say nothing leave it alone.
    copy.loadStateDict(new Map(model.stateDict()));
    expect(copy.preprocess).toEqual(normal);
    expect(build().freeze().preprocess).toBeUndefined();
  });

  test.each([
    ['a model of layers', build],
    ['a class of the user', () => new (class extends nn.Module { body = build(); forward: nn.Module['forward'] = (x) => this.body.forward(x); })()], // prettier-ignore
  ])('and goes on from a checkpoint: %s', async (_, make) => {
    const model = make();
    const path = join(folder, 'checkpoint.safetensors');
    const first = new Trainer(model, { optimizer: optim.sgd({ lr: 1 }), input: shape, batchSize: 40, preprocess: normal });
    for (let i = 0; i < 20; i++) await first.step(images, labels);
    await first.save(path);
    const next = await first.step(images, labels);
    first.close();
    const again = make();
    const resumed = await Trainer.resume(path, again, { optimizer: optim.sgd({ lr: 1 }), input: shape, batchSize: 40 });
    expect(again.preprocess).toEqual(normal);
    expect(await resumed.step(images, labels)).toEqual(next);
    resumed.close();
    const loaded = make();
    loaded.loadStateDict(await loadSafetensors(path), { strict: false });
    expect(await accuracy(loaded)).toBe(1);
  });

  test('and a fit that goes on reads a data set that says nothing as before', async () => {
    const path = join(folder, 'fit.safetensors');
    await fit(build(), train, { ...options, callbacks: [{ onEpochEnd: async (_, { trainer }) => trainer.save(path) }] });
    const model = build();
    const { epochs } = await fit(model, unstated, { ...options, epochs: 21, resume: path, validation: unstated });
    expect([epochs.at(-1)!.accuracy, epochs.at(-1)!.valAccuracy, model.preprocess]).toEqual([1, 1, normal]);
    // What the data set says counts more.
    const other = build();
    await fit(other, data.arrays(images, labels, { shape, scale: 0.5 }), { ...options, epochs: 21, resume: path });
    expect(other.preprocess).toEqual({ scale: 0.5 });
  });

  test('nothing that a failed call said', async () => {
    const model = build();
    const bad = { ...train, labels: Uint8Array.from({ length: 40 }, () => 7) };
    await expectRejection('ERR_INVALID_ARGUMENT', fit(model, bad, options), 'label 0 is 7');
    expect(model.preprocess).toBeUndefined();
  });

  test('the order of channels, too', async () => {
    const model = new nn.Sequential(channel(0, 3), new nn.Flatten(), new nn.Linear(SIZE, 2));
    const { nhwc, nchw } = pixels(2, 3);
    await fit(model, data.arrays(nhwc, [0, 1], { shape: [3, HEIGHT, WIDTH], layout: 'nhwc' }), { ...options, epochs: 1 });
    expect(model.preprocess).toEqual({ layout: 'nhwc' });
    using asTrained = await compile(model, { input: [3, HEIGHT, WIDTH] });
    using planes = await compile(model, { input: [3, HEIGHT, WIDTH], layout: 'nchw' });
    expect(await asTrained.runSync(nhwc).array()).toEqual(await planes.runSync(nchw).array());
  });

  test('what is set is checked, copied and frozen', () => {
    const model = models.lenet5();
    const mean = [0.5];
    model.preprocess = { mean };
    mean[0] = 7;
    expect(model.preprocess).toEqual({ mean: [0.5] });
    expect(Object.isFrozen(model.preprocess) && Object.isFrozen(model.preprocess?.mean)).toBe(true);
    expectError('ERR_INVALID_ARGUMENT', () => (model.preprocess = { std: [0] }), 'preprocess.std to be numbers above 0', '[0]');
    expectError('ERR_INVALID_ARGUMENT', () => (model.preprocess = { std: [1e-60] }), 'fit float32');
    expectError('ERR_INVALID_ARGUMENT', () => (model.preprocess = { mean: new Array<number>(2) }), 'preprocess.mean');
    expectError('ERR_UNKNOWN_OPTION', () => (model.preprocess = { means: [1] } as never), 'Did you mean "mean"');
    model.preprocess = undefined;
    expect(model.preprocess).toBeUndefined();
    expect(model.stateDict().size).toBe(10);
  });

  test('a model of other channels says so', async () => {
    const model = channel(0, 2);
    model.preprocess = { mean: [1, 2, 3] };
    await expectRejection(
      'ERR_INVALID_ARGUMENT',
      compile(model, { input: [2, 2, 2] }),
      'model.preprocess.mean to be 1 or 2 numbers',
      'One image is [2, 2, 2]',
    );
  });

  test('a layer or a method of that name is left alone', async () => {
    class Prepared extends nn.Module {
      body = build();
      forward: nn.Module['forward'] = (x) => this.body.forward(x);
    }
    const layer = new nn.Identity();
    const model = Object.defineProperty(new Prepared(), 'preprocess', { value: layer, writable: true, enumerable: true });
    await fit(model, train, options);
    expect(model.preprocess).toBe(layer);
    expect((await evaluate(model, train)).accuracy).toBe(1);
    await saveSafetensors(join(folder, 'own.safetensors'), model.stateDict());
    expect(await readSafetensorsMetadata(join(folder, 'own.safetensors'))).toEqual({});
  });

  test('damaged metadata are refused', async () => {
    const path = join(folder, 'damaged.safetensors');
    for (const text of ['{', '[]', '{"mean":"a"}', '{"other":1}']) {
      await saveSafetensors(path, new Map([['weight', tensor([1])]]), { 'stridenet.preprocess': text });
      await expectRejection('ERR_BAD_FILE', loadSafetensors(path), 'damaged stridenet.preprocess');
    }
  });
});

test('arrays of another realm are read', async () => {
  const model = channel(0, 3);
  using net = await compile(model, { input: [3, HEIGHT, WIDTH], preprocess: RAW });
  const foreign = runInNewContext('Uint8ClampedArray.from({ length: 18 }, (_, i) => i)') as Uint8ClampedArray;
  expect([...(await net.runSync(foreign).data())]).toEqual([0, 1, 2, 3, 4, 5]);
});
