/** What console.log prints of what training takes and gives: numbers of interest, a line or a table, not the insides. */
import { inspect } from 'node:util';
import { compile, data, fit, nn, optim, Trainer } from 'stridenet';
import type { EpochRecord } from '../../lib/train/history';
import { printedHistory } from '../../lib/train/formatHistory';

const model = (): nn.Module => new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 3));
const images = (length: number) =>
  data.arrays(new Uint8Array(4 * length), new Uint8Array(length), { shape: [1, 2, 2], classes: ['a', 'b', 'c'] });

test('a history is a table, a row for each epoch, with the columns that the records have', () => {
  const history = printedHistory([
    { epoch: 1, loss: 2.30259, accuracy: 0.1, learningRate: 0.1, imagesPerSecond: 12345.6, seconds: 1.25 },
    { epoch: 2, loss: NaN, accuracy: 0.925, valLoss: 0.5, learningRate: 0.05, imagesPerSecond: 99, seconds: 10 },
  ]);
  expect(inspect(history)).toBe(
    [
      'History(2 epochs)',
      'epoch    loss  accuracy  learningRate  imagesPerSecond  seconds  valLoss',
      '    1  2.3026    0.1000           0.1            12346      1.3         ',
      '    2     NaN    0.9250          0.05               99     10.0   0.5000',
    ].join('\n'),
  );
  expect(inspect({ history })).toContain('history: History(2 epochs)');
});

test('of a long history both ends are printed, of an empty one nothing', () => {
  const epochs = Array.from({ length: 100 }, (_, i) => ({ epoch: i + 1, loss: 1 }) as EpochRecord);
  const rows = inspect(printedHistory(epochs)).split('\n');
  expect(rows).toHaveLength(23);
  expect(rows.slice(11, 14).map((row) => row.trim().split(/ +/))).toEqual([['10', '1'], ['...'], ['91', '1']]); // prettier-ignore
  expect(inspect(printedHistory([]))).toBe('History(0 epochs)');
});

test('fit returns one, which is otherwise a plain object', async () => {
  const history = await fit(model(), images(8), { epochs: 1, optimizer: optim.sgd(), progress: false, seed: 1 });
  expect(inspect(history)).toMatch(/^History\(1 epoch\)\nepoch +loss +accuracy +learningRate +imagesPerSecond +seconds\n +1 /);
  expect(history).toStrictEqual({ epochs: [expect.any(Object)] });
  expect(Object.keys(history)).toEqual(['epochs']);
});

test('a data set prints its numbers, not its pixels', async () => {
  expect(inspect(images(8))).toBe("Dataset(length: 8, shape: [1, 2, 2], images: Uint8Array, labels: Uint8Array, classes: ['a', 'b', 'c'])");
  expect(inspect(data.take(images(8), 2))).toContain('Dataset(length: 2,');
  expect(inspect(data.subset(images(8), [1, 2, 3]))).toContain('Dataset(length: 3,');
  const many = data.arrays(new Float32Array(8), [0, 19], { shape: [1, 2, 2], mean: [0.5], std: [0.25] });
  expect(inspect(many)).toBe(
    "Dataset(length: 2, shape: [1, 2, 2], images: Float32Array, labels: Int32Array, classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', " +
      '... 10 more], mean: [0.5], std: [0.25])',
  );
  const mini = inspect(await data.mini());
  expect(mini.split('\n').length).toBeLessThan(8);
  expect(mini).toContain('train: Dataset(length: 6000, shape: [1, 28, 28]');
});

test('a compiled model and a trainer are lines', async () => {
  const net = await compile(model(), { input: [1, 2, 2], maxBatch: 8 });
  expect(inspect(net)).toBe('CompiledModel(Sequential, input: [1, 2, 2], output: [3], maxBatch: 8)');
  net.close();
  expect(inspect(net)).toContain('CompiledModel(');
  const trainer = new Trainer(model(), { optimizer: optim.sgd({ lr: 0.5 }), input: [1, 2, 2], batchSize: 8 });
  expect(inspect(trainer)).toBe(
    "Trainer(Sequential, input: [1, 2, 2], batchSize: 8, optimizer: 'sgd', epoch: 0, steps: 0, learningRate: 0.5)",
  );
  await trainer.step(new Uint8Array(4), Uint8Array.of(1));
  expect(inspect({ trainer })).toContain('steps: 1');
  trainer.close();
});
