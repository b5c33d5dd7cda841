/** Cutting batches, keeping two under way, reading images and labels, the progress line: nothing here runs a program. */

import { readDataset } from '../../lib/data/dataset';
import { tensor, zeros } from '../../lib/graph/leaves';
import { checkPreprocessing } from '../../lib/graph/preprocess';
import { batches, pipeline } from '../../lib/train/batches';
import { checkCallbacks } from '../../lib/train/callbacks';
import { checkInputShape, imageInput, readImages, readLabels } from '../../lib/train/images';
import { expectError } from '../support/expectError';

const dataset = {
  images: Uint8Array.from({ length: 7 * 4 }, (_, i) => i),
  labels: Uint8Array.from([0, 1, 2, 3, 4, 5, 6]),
  shape: [1, 2, 2] as [number, number, number],
  classes: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
  length: 7,
};

const copy = (order?: Int32Array): { images: number[]; labels: number[] }[] =>
  Array.from(batches(dataset, 3, order), ({ images, labels }) => ({ images: [...images], labels: [...labels] }));

test('batches are consecutive and the last one is smaller', () => {
  expect(copy().map((b) => b.labels)).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
  expect(copy()[2]!.images).toEqual([24, 25, 26, 27]);
});

test('with an order, images and labels move together', () => {
  const found = copy(Int32Array.of(6, 0, 3, 2, 1, 5, 4));
  expect(found.map((b) => b.labels)).toEqual([[6, 0, 3], [2, 1, 5], [4]]);
  for (const { images, labels } of found) expect(images).toEqual(labels.flatMap((l) => [4 * l, 4 * l + 1, 4 * l + 2, 4 * l + 3]));
});

test('a data set whose parts do not fit is refused', () => {
  expectError('ERR_INVALID_ARGUMENT', () => readDataset('fit', [1, 2]), 'fit expects a data set', '[1, 2]');
  expectError('ERR_INVALID_ARGUMENT', () => readDataset('fit', undefined), 'undefined');
  expectError(
    'ERR_SHAPE_MISMATCH',
    () => readDataset('fit', { ...dataset, length: 6 }),
    '6 images of shape [1, 2, 2] (24 values)',
    '28 values',
  );
  expectError('ERR_SHAPE_MISMATCH', () => readDataset('fit', { ...dataset, labels: new Uint8Array(3) }), '3 labels');
});

describe('pipeline', () => {
  const later = async <T>(value: T): Promise<T> => new Promise((resolve) => setImmediate(resolve, value));

  test('keeps `depth` under way and hands results over in order', async () => {
    let running = 0;
    let most = 0;
    const done: number[] = [];
    const submit = async (i: number): Promise<number> => {
      most = Math.max(most, ++running);
      await later(0);
      running--;
      return i;
    };
    await pipeline([1, 2, 3, 4, 5], 2, submit, (i) => done.push(i));
    expect([done, most]).toEqual([[1, 2, 3, 4, 5], 2]);
  });

  test('a failing item ends it after all that was submitted', async () => {
    const finished: number[] = [];
    const submit = async (i: number): Promise<number> => {
      await later(0);
      if (i === 2 || i === 3) throw new Error(`item ${i}`);
      await later(0);
      finished.push(i);
      return i;
    };
    await expect(pipeline([1, 2, 3, 4], 3, submit, () => undefined)).rejects.toThrow('item 2');
    expect(finished).toEqual([1, 4]);
  });

  test('a signal stops it at the next item with its reason', async () => {
    const controller = new AbortController();
    const done: number[] = [];
    const running = pipeline(
      [1, 2, 3, 4, 5, 6],
      2,
      later,
      (i) => (done.push(i), i === 2 && controller.abort(new Error('enough'))),
      controller.signal,
    );
    await expect(running).rejects.toThrow('enough');
    expect(done).toEqual([1, 2, 3]);
  });
});

describe('images', () => {
  test('tensors and typed arrays of whole images are read', () => {
    expect(readImages('run', new Uint8Array(8), [1, 2, 2])).toMatchObject({ dtype: 'uint8', count: 2 });
    expect(readImages('run', new Float32Array(4), [1, 2, 2])).toMatchObject({ dtype: 'float32', count: 1 });
    expect(readImages('run', zeros([3, 1, 2, 2]), [1, 2, 2]).count).toBe(3);
    expect(readImages('run', zeros([1, 2, 2]), [1, 2, 2]).count).toBe(1);
    expect(readImages('run', Buffer.alloc(4), [1, 2, 2]).dtype).toBe('uint8');
  });

  test('others are refused', () => {
    expectError(
      'ERR_SHAPE_MISMATCH',
      () => readImages('run', new Float32Array(5), [1, 2, 2]),
      'a multiple of 4 values',
      '[1, 2, 2]',
      'got 5',
    );
    expectError('ERR_SHAPE_MISMATCH', () => readImages('run', new Float32Array(0), [1, 2, 2]), 'got 0');
    expectError('ERR_SHAPE_MISMATCH', () => readImages('run', zeros([2, 4]), [1, 2, 2]), '[n, 1, 2, 2]', '[2, 4]');
    expectError(
      'ERR_INVALID_ARGUMENT',
      () => readImages('run', [0, 0, 0, 0] as never, [1, 2, 2]),
      'Float32Array, Uint8Array or Uint8ClampedArray',
    );
    expectError('ERR_INVALID_ARGUMENT', () => checkInputShape('compile', 28), 'such as [1, 28, 28]', 'got 28');
  });

  test('labels must be classes, one for each image', () => {
    expect(readLabels('step', Uint8Array.of(1, 2), 2, { count: 3 })).toEqual(Int32Array.of(1, 2));
    expect(readLabels('step', tensor([1, 2], [2], { dtype: 'int32' }), 2, { count: 3 })).toEqual(Int32Array.of(1, 2));
    expectError('ERR_SHAPE_MISMATCH', () => readLabels('step', Uint8Array.of(1), 2, { count: 3 }), 'each of the 2 images but got 1');
    expectError('ERR_INVALID_ARGUMENT', () => readLabels('step', Uint8Array.of(1, 3), 2, { count: 3 }), 'in [0, 2]', 'label 1 is 3');
  });

  test('scale, mean and deviation become one multiplication and one addition', () => {
    const spec = (...of: Parameters<typeof imageInput>): unknown => imageInput(...of).leaf;
    expect(spec(2, [1, 2, 2], 'float32', {})).toEqual({ kind: 'input', input: { name: 'images', feedDType: 'float32', layout: 'nchw' } });
    expect(spec(2, [1, 2, 2], 'uint8', {})).toMatchObject({ input: { feedDType: 'uint8', scale: [1 / 255], shift: [-0] } });
    expect(spec(2, [3, 2, 2], 'uint8', { scale: 2, mean: [1, 2, 3], std: [4] })).toMatchObject({
      input: { scale: [0.5, 0.5, 0.5], shift: [-0.25, -0.5, -0.75] },
    });
    expectError(
      'ERR_INVALID_ARGUMENT',
      () => checkPreprocessing('compile', { std: [0] }, [3, 2, 2]),
      'preprocess.std to be 1 or 3 numbers above 0',
    );
    expectError('ERR_INVALID_ARGUMENT', () => checkPreprocessing('compile', { mean: [1, 2] }, [3, 2, 2]), 'preprocess.mean', '[1, 2]');
    expectError('ERR_UNKNOWN_OPTION', () => checkPreprocessing('compile', { sdt: [1] }, [3, 2, 2]), 'no option "sdt"');
  });
});

test('callbacks are checked; instances of classes may have fields', () => {
  class Counter {
    count = 0;
    onBatchEnd(): void {
      this.count++;
    }
  }
  expect(checkCallbacks('fit', [new Counter(), { onEpochEnd: () => undefined }]).length).toBe(2);
  expectError('ERR_UNKNOWN_OPTION', () => checkCallbacks('fit', [{ onEpochEnds: () => undefined }]), 'Did you mean "onEpochEnd"');
  expectError('ERR_INVALID_ARGUMENT', () => checkCallbacks('fit', {}), 'callbacks to be an array');
  expectError('ERR_INVALID_ARGUMENT', () => checkCallbacks('fit', [() => undefined]), 'callbacks[0] to be an object');
});

test('results that are there at once leave the event loop its turns', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const end = performance.now() + 10_000; // when it is clear that there will be none
  function* untilEnd(): Generator<number> {
    while (turns < 4 && performance.now() < end) yield 1;
  }
  await pipeline(
    untilEnd(),
    2,
    async (item) => item,
    () => undefined,
  );
  clearInterval(timer);
  expect(turns).toBeGreaterThanOrEqual(4);
});
