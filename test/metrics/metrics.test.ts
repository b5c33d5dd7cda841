/** Metrics: what their options refuse, lists of them, metrics of a user's own, and the values that golden numbers do not hold. */

import { metrics, ops, tensor, type Tensor } from 'stridenet';
import { checkMetricList } from '../../lib/metrics/list';
import { measureBatch } from '../../lib/metrics/metric';
import { expectError } from '../support/expectError';
import { scoreOf } from './score';

const anything = (value: unknown): never => value as never;
const labels = (...values: number[]): Tensor => tensor(Int32Array.from(values), [values.length]);

describe('options', () => {
  test.each(['accuracy', 'precision', 'recall', 'f1', 'iou', 'auc', 'confusionMatrix', 'meanAbsoluteError', 'meanSquaredError'] as const)(
    'metrics.%s',
    (name) => {
      expect(metrics[name]().name).toBe(name);
      expect(metrics[name]({ name: 'mine' }).name).toBe('mine');
      expectError('ERR_UNKNOWN_OPTION', () => metrics[name](anything({ nam: 'mine' })), `metrics.${name}`, 'Did you mean "name"?');
      for (const taken of ['loss', 'valAccuracy', 'two words', '']) {
        expectError('ERR_INVALID_ARGUMENT', () => metrics[name]({ name: taken }), `metrics.${name} expects the name`, `"${taken}"`);
      }
    },
  );

  test('numbers', () => {
    expect(metrics.topK(5).name).toBe('top5');
    expect(metrics.recall({ class: 1 }).name).toBe('recall1');
    expectError('ERR_INVALID_ARGUMENT', () => metrics.topK(0), 'k to be an integer of at least 1', 'got 0');
    expectError('ERR_INVALID_ARGUMENT', () => metrics.accuracy({ threshold: 1 }), 'between 0 and 1', 'got 1');
    expectError('ERR_INVALID_ARGUMENT', () => metrics.f1({ threshold: 0.5, ignoreIndex: 3 }), 'threshold or ignoreIndex');
    expectError('ERR_INVALID_ARGUMENT', () => metrics.iou({ ignoreIndex: 2 ** 31 }), 'int32');
    expectError('ERR_INVALID_ARGUMENT', () => metrics.precision({ class: -1 }), 'class', 'got -1');
    expectError('ERR_INVALID_ARGUMENT', () => metrics.precision({ class: 1, average: 'micro' }), 'average or class');
    expectError('ERR_INVALID_ARGUMENT', () => metrics.precision({ average: anything('mean') }), "'macro'", '"mean"');
    expectError('ERR_INVALID_ARGUMENT', () => metrics.auc({ average: anything('micro') }), "'macro' or 'none'", '"micro"');
  });
});

describe('outputs and targets that do not fit', () => {
  const output = tensor([1, 2, 3, 4, 5, 6], [3, 2]);
  test('classes', () => {
    const { measure } = metrics.accuracy();
    expectError('ERR_DTYPE_MISMATCH', () => measure(output, output), 'class numbers', 'threshold');
    expectError('ERR_SHAPE_MISMATCH', () => measure(output, labels(0, 1)), '[3]', '[2]');
    expectError('ERR_INVALID_ARGUMENT', () => metrics.topK(3).measure(output, labels(0, 1, 0)), 'number of classes, 2', 'got 3');
    expectError('ERR_INVALID_ARGUMENT', () => metrics.recall({ class: 2 }).measure(output, labels(0, 1, 0)), '[0, 1]', 'got 2');
  });
  test('values', () => {
    expectError('ERR_SHAPE_MISMATCH', () => metrics.meanAbsoluteError().measure(output, tensor([1, 2, 3])), '[3, 2]', '[3]');
    expectError('ERR_DTYPE_MISMATCH', () => metrics.accuracy({ threshold: 0.5 }).measure(output, labels(0, 1, 0)), 'int32');
    expectError('ERR_SHAPE_MISMATCH', () => metrics.auc().measure(tensor([1, 2, 3], [3, 1]), labels(0, 1, 0)), 'at least 2 classes');
  });
});

describe('lists', () => {
  test('names, metrics and functions', () => {
    const mine = (output: Tensor): Tensor => ops.mean(output);
    const list = checkMetricList('fit', ['accuracy', 'top3', metrics.iou(), mine]);
    expect(list.map(({ name }) => name)).toEqual(['accuracy', 'top3', 'iou', 'mine']);
    expect(checkMetricList('fit', [])).toEqual([]);
  });
  test('what is refused', () => {
    const list =
      (...entries: unknown[]) =>
      () =>
        checkMetricList('fit', entries);
    expectError('ERR_INVALID_ARGUMENT', () => checkMetricList('fit', 'accuracy'), 'fit expects metrics to be an array', '"accuracy"');
    expectError('ERR_INVALID_ARGUMENT', list('acuracy'), 'fit knows no metric "acuracy"', 'Did you mean "accuracy"?');
    expectError('ERR_INVALID_ARGUMENT', list('perplexity'), 'Known ones: accuracy');
    expectError('ERR_INVALID_ARGUMENT', list('toString'), 'knows no metric');
    expectError('ERR_INVALID_ARGUMENT', list('accuracy', metrics.accuracy()), 'different names', '"accuracy"');
    expectError('ERR_INVALID_ARGUMENT', list(metrics.accuracy), 'Call it: metrics.accuracy()');
    expectError('ERR_INVALID_ARGUMENT', list(metrics.topK), 'Call it: metrics.topK(5)');
    expectError('ERR_INVALID_ARGUMENT', list(null), 'name, measure and value', 'null');
    expectError('ERR_INVALID_ARGUMENT', list({ ...metrics.iou(), name: 'my iou' }), 'camelCase', '"my iou"');
    expectError('ERR_INVALID_ARGUMENT', list({ ...metrics.iou(), gather: 'mean' }), "'sum' or 'concat'", '"mean"');
    expectError(
      'ERR_INVALID_ARGUMENT',
      list((output: Tensor) => output),
      'name of a metric',
    );
  });
  test('a function is the mean over the examples', async () => {
    const meanOutput = (output: Tensor): Tensor => ops.mean(output);
    const [metric] = checkMetricList('fit', [meanOutput]);
    expect(await scoreOf(metric!, tensor([1, 2, 3, 4, 5], [5, 1]), labels(0, 0, 0, 0, 0))).toBeCloseTo(3, 6);
    const [whole] = checkMetricList('fit', [function rows(output: Tensor) { return output; }]); // prettier-ignore
    expectError('ERR_INVALID_ARGUMENT', () => whole!.measure(tensor([1, 2]), labels(0, 0)), 'one number', 'float32 [2]');
  });
});

test('what a batch contributes is checked', () => {
  const metric = (measure: unknown, gather?: 'concat'): metrics.Metric => ({
    name: 'mine',
    measure: anything(measure),
    gather,
    value: () => 0,
  });
  const [output, target] = [tensor([1, 2, 3], [3, 1]), labels(0, 0, 0)];
  const batch = (m: metrics.Metric) => () => measureBatch(m, output, target);
  expect(batch(metric(() => output))()).toEqual([output]);
  expect(batch(metric(() => [output, target], 'concat'))()).toEqual([output, target]);
  expectError('ERR_INVALID_ARGUMENT', batch(metric(() => 3)), '"mine"', 'returned 3');
  expectError('ERR_INVALID_ARGUMENT', batch(metric(() => [])), 'returned []');
  expectError('ERR_DTYPE_MISMATCH', batch(metric(() => target)), 'float32', 'int32');
  expectError('ERR_SHAPE_MISMATCH', batch(metric(() => ops.sum(output), 'concat')), '3 examples', '[]');
});

describe('borders', () => {
  test('labels that are no class are not counted', async () => {
    const output = tensor([9, 0, 9, 0, 0, 9], [3, 2]);
    expect(await scoreOf(metrics.accuracy(), output, labels(0, 7, -100))).toBe(1);
    expect(await scoreOf(metrics.confusionMatrix(), output, labels(0, 7, 1))).toEqual([[1, 0], [0, 1]]); // prettier-ignore
    expect(await scoreOf(metrics.accuracy(), output, labels(-100, -100, -100))).toBeNaN();
  });
  test('of equal outputs the lower class counts, and NaN is the largest', async () => {
    const output = tensor([1, 1, 0, NaN, 5, NaN], [2, 3]);
    expect(await scoreOf(metrics.confusionMatrix(), output, labels(1, 1))).toEqual([[0, 0, 0], [2, 0, 0], [0, 0, 0]]); // prettier-ignore
    expect(await scoreOf(metrics.topK(2), output, labels(1, 2))).toBe(1);
    expect(await scoreOf(metrics.topK(2), output, labels(2, 1))).toBe(0);
  });
  test('a class that never occurs is not in the mean and scores 0', async () => {
    const output = tensor([9, 0, 0, 0, 9, 0, 9, 0, 0], [3, 3]);
    expect(await scoreOf(metrics.recall(), output, labels(0, 1, 1))).toBe(0.75);
    expect(await scoreOf(metrics.recall({ average: 'none' }), output, labels(0, 1, 1))).toEqual([1, 0.5, 0]);
  });
  test('the area of a class that is always true is not known, and of many outputs is sorted in runs', async () => {
    const one = tensor([1, 2, 3], [3, 1]);
    expect(await scoreOf(metrics.auc(), one, tensor([1, 1, 1], [3, 1]))).toBeNaN();
    const count = 50_000;
    // Every number once, in an order that mixes them; the upper half is true but for one pair in each ten that is swapped.
    const numbers = Float32Array.from({ length: count }, (_, i) => (i * 7919) % count);
    const truth = numbers.map((v) => Number((v >= count / 2) !== (v % 10 === 0)));
    const ranks = numbers.reduce((sum, v, i) => sum + (truth[i] ? v + 1 : 0), 0);
    const yes = truth.reduce((a, b) => a + b, 0);
    const expected = (ranks - (yes * (yes + 1)) / 2) / (yes * (count - yes));
    expect(await metrics.auc().value([numbers, truth], count)).toBeCloseTo(expected, 10);
  });
}); // prettier-ignore
