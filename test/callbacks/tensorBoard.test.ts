/** callbacks.tensorBoard: its files as we read them back and, where Python has it, as TensorBoard reads them. */

import { fromBinary } from '@bufbuild/protobuf';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { callbacks, fit, nn, ops, optim, type Callback, type FitContext, type FitOptions, type History } from 'stridenet';
import { HParamsPluginDataSchema, Status } from '../../lib/callbacks/event_pb';
import { histogramOf, type Histogram } from '../../lib/callbacks/histogram';
import { crc32c, frameRecord } from '../../lib/callbacks/tfRecord';
import type { Dataset } from '../../lib/data/dataset';
import { encodePngSync } from '../../lib/io/png';
import { Philox } from '../../lib/random';
import { atOnce } from '../../lib/work';
import { expectError, expectRejection } from '../support/expectError';
import { curve, eventsOf, valuesOf } from './eventFiles';

const folder = mkdtempSync(path.join(tmpdir(), 'stridenet-tensorboard-'));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string): string => path.join(folder, name);

function points(length: number, seed = 1): Dataset {
  const images = new Philox(seed).fillNormal(new Float32Array(2 * length));
  const labels = Uint8Array.from({ length }, (_, i) => (images[2 * i]! > 0 ? 1 : 0));
  return { images, labels, shape: [2, 1, 1], classes: ['left', 'right'], length };
}

const train = async (callback: Callback, more: Partial<FitOptions> = {}): Promise<History> =>
  fit(new nn.Sequential(new nn.Flatten(), new nn.Linear(2, 2)), points(64), {
    epochs: 2,
    batchSize: 16,
    optimizer: optim.sgd({ lr: 0.5 }),
    threads: 1,
    seed: 1,
    progress: false,
    callbacks: [callback],
    ...more,
  });

const picture = { data: Uint8Array.of(0, 100, 200, 255, 1, 2), width: 3, height: 2, channels: 1 };
const hyperparameters = { lr: 0.5, name: 'a|b', nesterov: false };

test('the frame of a record', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283); // the check value of CRC-32C, RFC 3720 B.4
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  // The first record of every file that TensorFlow writes, but for its time.
  const record = Buffer.concat([Buffer.from([9, 0, 0, 128, 94, 254, 121, 215, 65, 26, 13]), Buffer.from('brain.Event:2')]);
  const framed = frameRecord(record);
  expect(framed.subarray(0, 12).toString('hex')).toBe('1800000000000000a37f4b22');
});

test('curves of training and validation, as Keras lays them out', async () => {
  const run = inFolder('curves');
  const { epochs } = await train(callbacks.tensorBoard(run), { validation: points(32, 2) });
  const [trained, validated] = [valuesOf(path.join(run, 'train')), valuesOf(path.join(run, 'validation'))];
  const expected = (of: (record: (typeof epochs)[0]) => number): [number, number][] =>
    epochs.map((record) => [record.epoch, Math.fround(of(record))]);
  expect(curve(trained, 'epoch_loss')).toEqual(expected(({ loss }) => loss));
  expect(curve(trained, 'epoch_accuracy')).toEqual(expected(({ accuracy }) => accuracy!));
  expect(curve(trained, 'epoch_images_per_second')).toEqual(expected(({ imagesPerSecond }) => imagesPerSecond));
  expect(curve(validated, 'epoch_loss')).toEqual(expected(({ valLoss }) => valLoss!));
  expect([...validated.keys()]).toEqual(['epoch_loss', 'epoch_accuracy']);
  expect([...trained.keys()].filter((tag) => tag.startsWith('batch_') || tag === 'epoch_epoch')).toEqual([]);
  expect(readdirSync(run).sort()).toEqual(['train', 'validation']);
});

test('any number of a record is a curve', async () => {
  const run = inFolder('any');
  const callback = callbacks.tensorBoard(run, { histogramEvery: 0 });
  await callback.onTrainBegin!({} as FitContext);
  const record = { epoch: 3, loss: NaN, learningRate: 0.5, top5: 1, value: 7, valTop5: 0.25, text: 'x', confusion: [[1]] };
  await callback.onEpochEnd!(record as never, {} as FitContext);
  const trained = valuesOf(path.join(run, 'train'));
  expect([...trained.keys()]).toEqual(['epoch_loss', 'epoch_learning_rate', 'epoch_top5', 'epoch_value']);
  expect(curve(trained, 'epoch_loss')).toEqual([[3, NaN]]);
  expect(curve(valuesOf(path.join(run, 'validation')), 'epoch_top5')).toEqual([[3, 0.25]]);
});

test('batches by step', async () => {
  const run = inFolder('batches');
  const losses: number[] = [];
  const noting: Callback = { onBatchEnd: ({ loss }) => losses.push(Math.fround(loss)) };
  await train(callbacks.tensorBoard(run, { everyBatch: true }), { callbacks: [callbacks.tensorBoard(run, { everyBatch: true }), noting] });
  const values = valuesOf(path.join(run, 'train'));
  expect(curve(values, 'batch_loss')).toEqual(losses.map((loss, i) => [i + 1, loss]));
  expect([...values.keys()].filter((tag) => tag.startsWith('batch_'))).toEqual(['batch_loss', 'batch_learning_rate', 'batch_accuracy']);
});

test('a histogram of each parameter, every so many epochs', async () => {
  const run = inFolder('histograms');
  const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(2, 2));
  const options = { epochs: 4, batchSize: 16, optimizer: optim.sgd({ lr: 0.1 }), threads: 1, progress: false };
  await fit(model, points(64), { ...options, callbacks: [callbacks.tensorBoard(run, { histogramEvery: 2 })] });
  const values = valuesOf(path.join(run, 'train')).get('1/weight')!;
  expect(values.map(([step]) => step)).toEqual([2, 4]);
  const weight = await model.parameters()[0]!.data();
  expect(values[1]![1].value).toMatchObject({ case: 'histo', value: { min: Math.min(...weight), max: Math.max(...weight), num: 4 } });
});

test('pictures by name after every epoch', async () => {
  const run = inFolder('pictures');
  await train(callbacks.tensorBoard(run, { images: async () => Promise.resolve({ digits: picture }) }));
  const values = valuesOf(path.join(run, 'train')).get('digits')!;
  expect(values.map(([step]) => step)).toEqual([1, 2]);
  expect(values[0]![1].value).toMatchObject({
    case: 'image',
    value: { width: 3, height: 2, colorspace: 1, encodedImageString: new Uint8Array(encodePngSync(picture)) },
  });
});

/** How the runs of a folder ended. */
const statusesOf = (run: string): unknown[] =>
  (valuesOf(run).get('_hparams_/session_end_info') ?? []).map(([, { metadata }]) => {
    const { data } = fromBinary(HParamsPluginDataSchema, metadata!.pluginData!.content);
    return data.case === 'sessionEndInfo' ? data.value.status : data.case;
  });

test('hyperparameters tell the run, and its end', async () => {
  const run = inFolder('hyperparameters');
  await train(callbacks.tensorBoard(run, { hyperparameters }));
  const values = valuesOf(run);
  const dataOf = (tag: string): unknown => fromBinary(HParamsPluginDataSchema, values.get(tag)![0]![1].metadata!.pluginData!.content).data;
  expect(dataOf('_hparams_/session_start_info')).toMatchObject({
    value: {
      hparams: {
        lr: { kind: { case: 'numberValue', value: 0.5 } },
        name: { kind: { case: 'stringValue', value: 'a|b' } },
        nesterov: { kind: { case: 'boolValue', value: false } },
      },
    },
  });
  expect(statusesOf(run)).toEqual([Status.SUCCESS]);
});

test('a training that ends early has failed, and what it wrote is there', async () => {
  const run = inFolder('early');
  const stopping: Callback = { onEpochEnd: () => Promise.reject(new Error('enough')) };
  await expect(train(stopping, { callbacks: [callbacks.tensorBoard(run, { hyperparameters }), stopping] })).rejects.toThrow('enough');
  expect(curve(valuesOf(path.join(run, 'train')), 'epoch_loss')).toHaveLength(1);
  expect([...valuesOf(run).keys()]).toEqual(['_hparams_/session_start_info', 'hyperparameters', '_hparams_/session_end_info']);
  expect(statusesOf(run)).toEqual([Status.FAILURE]);
});

test('the status of a run: failure for an error, a signal or a loss that is not finite, success when it was stopped', async () => {
  const controller = new AbortController();
  const aborting: Callback = { onEpochEnd: () => controller.abort() };
  const ended = async (name: string, more: Partial<FitOptions> = {}, others: Callback[] = []): Promise<unknown[]> => {
    const run = inFolder(name);
    const callback = callbacks.tensorBoard(run, { hyperparameters });
    await train(callback, { callbacks: [callback, ...others], ...more }).catch(() => undefined);
    return statusesOf(run);
  };
  expect(await ended('aborted', { signal: controller.signal }, [aborting])).toEqual([Status.FAILURE]);
  expect(await ended('infinite', { loss: (output) => ops.mean(ops.log(ops.mul(output, 0))) })).toEqual([Status.FAILURE]);
  expect(await ended('stopped', {}, [{ onEpochEnd: (_, { trainer }) => trainer.stop() }])).toEqual([Status.SUCCESS]);
  // Another fit with the same callback has an end of its own.
  const run = inFolder('ends');
  const callback = callbacks.tensorBoard(run, { hyperparameters });
  await train(callback);
  const failing: Callback = { onEpochBegin: () => Promise.reject(new Error('enough')) };
  await expect(train(callback, { callbacks: [callback, failing] })).rejects.toThrow('enough');
  expect(statusesOf(run)).toEqual([Status.SUCCESS, Status.FAILURE]);
  // One that ends before it began writes nothing.
  const early: Callback = { onTrainBegin: () => Promise.reject(new Error('early')) };
  await expect(train(callback, { callbacks: [early, callback] })).rejects.toThrow('early');
  expect(statusesOf(run)).toHaveLength(2);
  // Without hyperparameters there is no such file.
  await train(callbacks.tensorBoard(inFolder('plain')));
  expect(readdirSync(inFolder('plain'))).toEqual(['train']);
});

test('a second training adds files', async () => {
  const run = inFolder('twice');
  const callback = callbacks.tensorBoard(run, { histogramEvery: 0 });
  expect(existsSync(run)).toBe(false);
  await train(callback, { epochs: 1 });
  await train(callback, { epochs: 2, initialEpoch: 1 });
  expect(readdirSync(path.join(run, 'train'))).toHaveLength(2);
  expect(eventsOf(path.join(run, 'train')).map(({ step }) => Number(step))).toEqual([1, 2]);
});

test('errors name the file', async () => {
  writeFileSync(inFolder('file'), '');
  await expectRejection('ERR_FILE_ACCESS', train(callbacks.tensorBoard(inFolder('file/run'))), 'file/run', 'not a folder');
  const callback = callbacks.tensorBoard(inFolder('full'));
  await callback.onTrainBegin!({} as FitContext);
  if (!existsSync('/dev/full')) return;
  const train0 = path.join(inFolder('full'), 'train');
  const file = path.join(train0, readdirSync(train0)[0]!);
  rmSync(file);
  symlinkSync('/dev/full', file);
  const ending = Promise.resolve(callback.onEpochEnd!({ epoch: 1, loss: 1 } as never, {} as FitContext));
  await expectRejection('ERR_FILE_ACCESS', ending, 'tfevents', 'the disk is full');
});

test('what does not fit is refused before anything is written', async () => {
  const where = 'callbacks.tensorBoard';
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.tensorBoard(undefined as never), where);
  expectError('ERR_UNKNOWN_OPTION', () => callbacks.tensorBoard('run', { histogramsEvery: 1 } as object), 'histogramEvery');
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.tensorBoard('run', { histogramEvery: -1 }), 'histogramEvery', '-1');
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.tensorBoard('run', { images: {} as never }), 'images');
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.tensorBoard('run', { hyperparameters: { lr: [1] as never } }), 'lr', '[1]');
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.tensorBoard('run', { hyperparameters: 'lr' as never }), 'hyperparameters');
  const wrong = (images: () => unknown): Callback => callbacks.tensorBoard(inFolder('wrong'), { images: images as never });
  await expectRejection('ERR_INVALID_ARGUMENT', train(wrong(() => 'picture')), 'images', 'picture');
  await expectRejection('ERR_INVALID_ARGUMENT', train(wrong(() => ({ a: { ...picture, width: 4 } }))), 'images', 'picture {');
});

describe('histograms', () => {
  const of = (values: readonly number[]): Histogram | undefined => atOnce(histogramOf(Float32Array.from(values)));

  test('count every finite number once', () => {
    expect(of([0, 1, 2, 3, NaN, Infinity])).toMatchObject({ min: 0, max: 3, count: 4, sum: 6, sumOfSquares: 14 });
    const { limits, counts } = of([0, 1, 2, 3])!;
    expect(limits.at(-1)).toBe(3);
    expect(limits[0]).toBeCloseTo(0.1);
    expect(counts.flatMap((n, i) => (n > 0 ? [[i, n]] : []))).toEqual([[0, 1], [10, 1], [20, 1], [29, 1]]); // prettier-ignore
    expect(of([5, 5])).toMatchObject({ limits: [5], counts: [2] });
    expect(of([NaN])).toBeUndefined();
    expect(of([])).toBeUndefined();
  });

  test('of many numbers are made in pieces', () => {
    const values = new Philox(1).fillNormal(new Float32Array(1_000_000));
    const work = histogramOf(values);
    let pieces = 0;
    let next = work.next();
    for (; !next.done; next = work.next()) pieces++;
    expect(pieces).toBeGreaterThan(6);
    expect(next.value!.counts.reduce((sum, n) => sum + n)).toBe(1_000_000);
  });
});

const python = process.env['PYTHON'] ?? 'python3';
const hasTensorBoard = spawnSync(python, ['-c', 'import tensorboard']).status === 0;

(hasTensorBoard ? test : test.skip)('TensorBoard reads what was written (PYTHON names a Python that has it)', async () => {
  const run = inFolder('python');
  mkdirSync(run);
  const callback = callbacks.tensorBoard(run, { everyBatch: true, hyperparameters, images: () => ({ digits: picture }) });
  const { epochs } = await train(callback, { validation: points(32, 2) });
  const script = path.join(__dirname, '../golden/tensorBoard.py');
  const found = JSON.parse(execFileSync(python, [script, run], { encoding: 'utf8' })) as Record<string, Record<string, object>>;
  expect(found['train']!['scalars']).toMatchObject({ epoch_loss: epochs.map(({ epoch, loss }) => [epoch, Math.fround(loss)]) });
  expect(Object.entries(found['train']!['scalars']!).find(([tag]) => tag === 'batch_loss')![1]).toHaveLength(8);
  expect(found['validation']!['scalars']).toEqual({
    epoch_loss: epochs.map(({ epoch, valLoss }) => [epoch, Math.fround(valLoss!)]),
    epoch_accuracy: epochs.map(({ epoch, valAccuracy }) => [epoch, Math.fround(valAccuracy!)]),
  });
  expect(found['train']!['histograms']).toEqual({
    '1/weight': [1, 2].map((epoch) => [epoch, 4, expect.any(Number), expect.any(Number), 30]),
    '1/bias': [1, 2].map((epoch) => [epoch, 2, expect.any(Number), expect.any(Number), 30]),
  });
  expect(found['train']!['images']).toEqual({
    digits: [1, 2].map((epoch) => [epoch, 3, 2, Buffer.from(encodePngSync(picture)).toString('base64')]),
  });
  expect(found['.']!['session']).toEqual({ hparams: hyperparameters, status: 1 });
  expect(found['.']!['texts']).toEqual({ hyperparameters: expect.stringContaining('| name | a\\|b |') });
});
