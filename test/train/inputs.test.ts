/** What may come as images, labels and data sets: everything that takes them reads the same and says the same of the rest. */

import { runInNewContext } from 'node:vm';
import { compile, data, evaluate, fit, manualSeed, nn, optim, tensor, Trainer, type Images, type Labels } from 'stridenet';
import type { DatasetLike } from '../../lib/data/dataset';
import type { ErrorCode } from '../../lib/errors';
import { expectError, expectRejection } from '../support/expectError';

const shape = [1, 2, 2] as const;
const bytes = Uint8Array.from({ length: 16 }, (_, i) => 16 * i);
const classes = ['a', 'b'];
const build = (): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 2));
const options = { epochs: 1, batchSize: 2, optimizer: optim.sgd({ lr: 0.1 }), progress: false, seed: 1, threads: 1 };

let model: nn.Sequential;
let trainer: Trainer;
beforeEach(() => {
  manualSeed(1);
  model = build();
  trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0 }), input: shape, batchSize: 4, threads: 1 });
});
afterEach(() => trainer.close());

/** Everything that takes a data set, by name. */
function consumers(set: DatasetLike): Record<string, () => Promise<unknown>> {
  return {
    fit: async () => fit(model, set, options),
    'fit validation': async () => fit(model, data.arrays(bytes, [0, 1, 1, 0], { shape, classes }), { ...options, validation: set }),
    evaluate: async () => evaluate(model, set),
    'Trainer.evaluate': async () => trainer.evaluate(set),
    'data.take': async () => data.take(set, 1),
    'data.subset': async () => data.subset(set, [0]),
  };
}

const shared = (): Uint8Array => new Uint8Array(new SharedArrayBuffer(16));
/** Memory that may grow; its type is newer than the library's that tests are checked with. */
const resizable = (): ArrayBuffer & { resize(bytes: number): void } =>
  new (ArrayBuffer as unknown as new (bytes: number, options: object) => never)(8, { maxByteLength: 32 });
const detached = <T extends Uint8Array | Int32Array>(array: T): T => {
  structuredClone(array.buffer, { transfer: [array.buffer as ArrayBuffer] });
  return array;
};
const foreign = <T>(code: string): T => runInNewContext(code) as T;

describe('images', () => {
  const filled = (array: Uint8Array): Uint8Array => (array.set(bytes), array);
  const grown = (): Uint8Array => {
    const memory = resizable();
    const array = new Uint8Array(memory);
    memory.resize(16);
    return filled(array);
  };
  test.each<[string, () => Uint8Array | Uint8ClampedArray]>([
    ['clamped, as of a canvas', () => new Uint8ClampedArray(bytes)],
    ['a Buffer, as of sharp', () => Buffer.from(bytes)],
    ['in shared memory', () => filled(shared())],
    ['in memory that grew', grown],
    ['of another realm', () => foreign<Uint8Array>('Uint8Array.from({ length: 16 }, (_, i) => 16 * i)')],
    ['in the middle of memory', () => Uint8Array.from([9, ...bytes, 9]).subarray(1, 17)],
  ])('%s', async (_, make) => {
    using net = await compile(model, { input: shape, threads: 1 });
    const expected = await net.runSync(bytes).array();
    const labels = [0, 1, 1, 0];
    const step = await trainer.step(bytes, labels);
    const score = await evaluate(model, data.arrays(bytes, labels, { shape, classes }));
    const images = make();
    expect(await net.runSync(images).array()).toEqual(expected);
    expect(await (await net.run(images)).array()).toEqual(expected);
    expect(await trainer.step(images, labels)).toEqual(step);
    const set = { images, labels, shape, classes, length: 4 };
    expect([await evaluate(model, set), await trainer.evaluate(set)]).toEqual([score, score]);
    expect(await evaluate(model, data.arrays(images, labels, { shape, classes }))).toEqual(score);
    expect([...data.subset(set, [3, 1]).images]).toEqual([...bytes.subarray(12), ...bytes.subarray(4, 8)]);
    const warnings = jest.spyOn(process, 'emitWarning');
    await fit(model, set, options);
    expect(warnings).not.toHaveBeenCalled();
    warnings.mockRestore();
  });

  test.each<[string, unknown, ErrorCode, string, string]>([
    ['an array of numbers', [1, 2, 3, 4], 'ERR_INVALID_ARGUMENT', 'got [1, 2, 3, 4]', 'Float32Array.from(images)'],
    ['nested arrays', [[[[1, 2], [3, 4]]]], 'ERR_INVALID_ARGUMENT', 'got [', 'tensor(images)'], // prettier-ignore
    ['an array of images', [new Uint8Array(4)], 'ERR_INVALID_ARGUMENT', 'got [Uint8Array(4)]', 'one after the other'],
    ['double precision', new Float64Array(4), 'ERR_INVALID_ARGUMENT', 'got Float64Array(4)', 'Float32Array.from(images)'],
    ['signed bytes', new Int8Array(4), 'ERR_INVALID_ARGUMENT', 'got Int8Array(4)', 'Float32Array.from(images)'],
    ['big integers', new BigInt64Array(4), 'ERR_INVALID_ARGUMENT', 'got BigInt64Array(4)', 'Float32Array.from(images, Number)'],
    ['memory', new ArrayBuffer(4), 'ERR_INVALID_ARGUMENT', 'got an ArrayBuffer', 'new Uint8Array(images)'],
    ['what sharp resolves with', { data: Buffer.alloc(4), info: {} }, 'ERR_INVALID_ARGUMENT', 'got an object', 'Pass its data.'],
    ['nothing', undefined, 'ERR_INVALID_ARGUMENT', 'got undefined', ''],
    ['an impostor', { [Symbol.toStringTag]: 'Float32Array', length: 4 }, 'ERR_INVALID_ARGUMENT', 'got an object', ''],
    ['memory that was given away', detached(new Uint8Array(4)), 'ERR_INVALID_ARGUMENT', 'Uint8Array(0) is detached', 'transferred'],
  ])('but not %s', async (_, images, code, got, advice) => {
    const bad = images as Images;
    using net = await compile(model, { input: shape, threads: 1 });
    expectError(code, () => net.runSync(bad), 'runSync expects images', got, advice);
    await expectRejection(code, net.run(bad), 'run expects images', got, advice);
    await expectRejection(code, trainer.step(bad, [0]), 'Trainer.step expects images', got, advice);
    expectError(code, () => data.arrays(bad as never, [0], { shape }), 'data.arrays expects images', got, advice);
    if (images === undefined) return;
    for (const [name, consume] of Object.entries(consumers({ images: bad, labels: [0], shape, classes, length: 1 } as never))) {
      await expectRejection(code, consume(), `${name} expects the data set's images`, got, advice);
    }
  });
});

describe('labels', () => {
  const numbers = [0, 1, 1, 0];
  test.each<[string, Labels]>([
    ['an array', numbers],
    ['an array of another realm', foreign<number[]>('[0, 1, 1, 0]')],
    ['signed bytes', Int8Array.from(numbers)],
    ['16 bits', Uint16Array.from(numbers)],
    ['32 unsigned bits', Uint32Array.from(numbers)],
    ['clamped bytes', Uint8ClampedArray.from(numbers)],
    ['a Buffer', Buffer.from(numbers)],
    ['in shared memory', Int32Array.from(numbers)],
    ['a Tensor', tensor(Int32Array.from(numbers))],
  ])('%s', async (kind, labels) => {
    const expected = await trainer.step(bytes, Int32Array.from(numbers));
    expect(await trainer.step(bytes, labels)).toEqual(expected);
    const score = await evaluate(model, data.arrays(bytes, Uint8Array.from(numbers), { shape, classes }));
    expect(await evaluate(model, data.arrays(bytes, labels, { shape, classes }))).toEqual(score);
    if (kind === 'a Tensor') return;
    const set = { images: bytes, labels: labels as number[], shape, classes, length: 4 };
    for (const consume of Object.values(consumers(set))) await consume();
    expect([...data.subset(set, [1, 0]).labels]).toEqual([1, 0]);
  });

  test.each<[string, unknown, ErrorCode, string]>([
    ['fractions', [0, 0.5], 'ERR_INVALID_ARGUMENT', 'label 1 is 0.5'],
    ['no numbers', [0, NaN], 'ERR_INVALID_ARGUMENT', 'label 1 is NaN'],
    ['holes', Object.assign(new Array<number>(2), { 0: 1 }), 'ERR_INVALID_ARGUMENT', 'label 1 is undefined'],
    ['digits', ['0', '1'], 'ERR_INVALID_ARGUMENT', 'label 0 is "0"'],
    ['one-hot rows', [[0, 1], [1, 0]], 'ERR_INVALID_ARGUMENT', 'names its class by its position'], // prettier-ignore
    ['more than 32 bits', [0, 2 ** 32], 'ERR_INVALID_ARGUMENT', 'label 1 is 4294967296'],
    ['floats', Float32Array.of(0, 1), 'ERR_INVALID_ARGUMENT', 'got Float32Array(2). Class numbers are integers: Int32Array.from(labels).'],
    ['big integers', BigInt64Array.of(0n, 1n), 'ERR_INVALID_ARGUMENT', 'Int32Array.from(labels, Number)'],
    ['a Set', new Set([0, 1]), 'ERR_INVALID_ARGUMENT', 'got a Set. Pass [...labels].'],
    ['nothing', null, 'ERR_INVALID_ARGUMENT', 'got null'],
    ['an impostor', Object.create(Uint8Array.prototype), 'ERR_INVALID_ARGUMENT', 'got a'],
    ['memory that was given away', detached(new Int32Array(2)), 'ERR_INVALID_ARGUMENT', 'is detached'],
    ['too few', [0], 'ERR_SHAPE_MISMATCH', '1'],
    ['without end', new Array<number>(2 ** 32 - 1), 'ERR_SHAPE_MISMATCH', '4294967295'],
    ['of a class that the model has not', [0, 7], 'ERR_INVALID_ARGUMENT', 'in [0, 1]'],
    ['below zero', Int8Array.of(0, -1), 'ERR_INVALID_ARGUMENT', 'label 1 is -1'],
  ])('but not %s', async (kind, labels, code, text) => {
    const images = bytes.subarray(0, 8);
    await expectRejection(code, trainer.step(images, labels as Labels), text);
    expectError(code, () => data.arrays(images, labels as Labels, { shape, classes }), text);
    const set = { images, labels: labels as number[], shape, classes, length: 2 };
    const bounds = kind.startsWith('of a class') || kind === 'below zero';
    if (kind === 'memory that was given away') return; // its length comes first
    for (const [name, consume] of Object.entries(consumers(set))) {
      if (!(bounds && name.startsWith('data.'))) await expectRejection(code, consume(), text);
    }
  });

  test('of a data set are counted through its batches, and checked before anything runs', async () => {
    const set = { images: bytes, labels: [0, 1, 1, 2], shape, classes: ['a', 'b', 'c'], length: 4 };
    await expectRejection(
      'ERR_INVALID_ARGUMENT',
      evaluate(model, set, { batchSize: 1 }),
      'in [0, 1] (the model has 2 outputs) but label 3 is 2',
    );
    await expectRejection('ERR_INVALID_ARGUMENT', fit(model, set, options), 'label 3 is 2');
  });

  test('target values may be an array of numbers', async () => {
    const values = new Trainer(model, { optimizer: optim.sgd({ lr: 0 }), loss: nn.mseLoss(), input: shape, batchSize: 1 });
    const image = bytes.subarray(0, 4);
    expect(await values.step(image, [0.5, 1])).toEqual(await values.step(image, Float32Array.of(0.5, 1)));
    await expectRejection('ERR_INVALID_ARGUMENT', values.step(image, ['0.5', 1] as never), 'an array of numbers');
    await expectRejection('ERR_INVALID_ARGUMENT', values.step(image, new Array<number>(2)), 'an array of numbers');
    for (const bad of [[1], new Array<number>(2 ** 32 - 1)]) {
      await expectRejection('ERR_SHAPE_MISMATCH', values.step(image, bad), '[1, 2] (2 values)', `${bad.length} values`);
    }
    values.close();
  });
});

describe('a data set', () => {
  const good = { images: bytes, labels: [0, 1, 1, 0], shape, classes, length: 4 };
  test.each<[string, unknown, ErrorCode, ...string[]]>([
    [
      'a Tensor of images',
      { ...good, images: tensor(bytes, [4, 1, 2, 2]) },
      'ERR_INVALID_ARGUMENT',
      "data set's images",
      'a Tensor',
      'data.arrays',
    ],
    ['no length', { ...good, length: undefined }, 'ERR_INVALID_ARGUMENT', "data set's length", 'undefined', '4 of its shape'],
    ['a length that is none', { ...good, length: 2.5 }, 'ERR_INVALID_ARGUMENT', "data set's length", '2.5'],
    ['nothing in it', { ...good, images: new Uint8Array(0), labels: [], length: 0 }, 'ERR_INVALID_ARGUMENT', 'is empty'],
    ['a negative shape', { ...good, shape: [1, -2, -2] }, 'ERR_INVALID_ARGUMENT', "data set's shape", '[1, -2, -2]'],
    ['a fractional shape', { ...good, shape: [0.5, 4, 2] }, 'ERR_INVALID_ARGUMENT', "data set's shape", '[0.5, 4, 2]'],
    ['holes in its shape', { ...good, shape: new Array<number>(3) }, 'ERR_INVALID_ARGUMENT', "data set's shape"],
    ['no shape', { ...good, shape: undefined }, 'ERR_INVALID_ARGUMENT', "data set's shape", 'undefined'],
    ['another length', { ...good, length: 3 }, 'ERR_SHAPE_MISMATCH', '3 images of shape [1, 2, 2] (12 values)', '16 values and 4 labels'],
    ['a number of classes', { ...good, classes: 2 }, 'ERR_INVALID_ARGUMENT', "data set's classes", "['cat', 'dog']", 'got 2'],
    ['another order', { ...good, layout: 'hwc' }, 'ERR_INVALID_ARGUMENT', "data set's layout to be 'nchw' or 'nhwc'", '"hwc"'],
    ['a mean of two channels', { ...good, mean: [1, 2] }, 'ERR_INVALID_ARGUMENT', "data set's mean to be 1 number", '[1, 2]'],
    ['no deviation', { ...good, std: [0] }, 'ERR_INVALID_ARGUMENT', "data set's std to be 1 number above 0", '[0]'],
    ['a scale that is none', { ...good, scale: NaN }, 'ERR_INVALID_ARGUMENT', "data set's scale", 'NaN'],
    ['both parts of it', { train: good, test: good }, 'ERR_INVALID_ARGUMENT', 'Pass one of its parts: train, test.'],
    ['no object', 7, 'ERR_INVALID_ARGUMENT', 'expects a data set { images, labels, shape, classes, length }', 'got 7'],
    ['nothing', undefined, 'ERR_INVALID_ARGUMENT', 'expects a data set', 'got undefined'],
  ])('with %s is refused', async (kind, set, code, ...texts) => {
    for (const [name, consume] of Object.entries(consumers(set as DatasetLike))) {
      if (kind !== 'nothing' || name !== 'fit validation') await expectRejection(code, consume(), name, ...texts);
    }
    // Nothing was trained on the way.
    expect(trainer.steps).toBe(0);
  });

  test('need not name its classes', async () => {
    for (const unnamed of [
      { ...good, classes: undefined as never },
      { ...good, classes: [] },
    ]) {
      for (const consume of Object.values(consumers(unnamed))) await consume();
      for (const consume of Object.values(consumers(data.take(unnamed, 2)))) await consume();
    }
  });

  test('with alpha says so', async () => {
    const pixels = new Uint8ClampedArray(32);
    const colour = { shape: [3, 2, 2] as const, classes, layout: 'nhwc' as const };
    const set = { ...colour, images: pixels, labels: [0, 1], length: 2 };
    await expectRejection('ERR_SHAPE_MISMATCH', evaluate(build(), set), '24 values', '32 values', 'leave alpha out');
    expectError('ERR_SHAPE_MISMATCH', () => data.arrays(pixels, [0, 1], colour), 'a multiple of 12 values', 'leave alpha out');
    expect(data.arrays(pixels.filter((_, i) => i % 4 < 3), [0, 1], colour).length).toBe(2); // prettier-ignore
  });
});

describe('channels last in the shape', () => {
  const conv = (): nn.Module => new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.Flatten(), new nn.Linear(2 * 6 * 6, 2));
  const texts = [
    'expects the shape of an image as [channels, height, width]',
    '[8, 8, 1] has its channels last',
    'Pass [1, 8, 8]',
    "layout: 'nhwc'",
  ];

  test('is recognised by everything that takes one', async () => {
    const set = { images: new Uint8Array(128), labels: [0, 1], shape: [8, 8, 1] as [number, number, number], classes, length: 2 };
    await expectRejection('ERR_SHAPE_MISMATCH', fit(conv(), set, options), ...texts);
    await expectRejection('ERR_SHAPE_MISMATCH', fit(conv(), { ...set, layout: 'nhwc' }, options), ...texts);
    await expectRejection('ERR_SHAPE_MISMATCH', evaluate(conv(), set), ...texts);
    await expectRejection('ERR_SHAPE_MISMATCH', compile(conv(), { input: [8, 8, 1] }), ...texts);
    expectError(
      'ERR_SHAPE_MISMATCH',
      () => new Trainer(conv(), { optimizer: optim.sgd({ lr: 0 }), input: [8, 8, 1], batchSize: 2 }),
      ...texts,
    );
  });

  test('unless the model takes it or nothing helps', async () => {
    using net = await compile(new nn.Conv2d(8, 1, 1), { input: [8, 8, 1] });
    expect(net.output).toEqual([1, 8, 1]);
    await expectRejection('ERR_SHAPE_MISMATCH', compile(conv(), { input: [8, 8, 3] }), 'conv2d');
  });
});
