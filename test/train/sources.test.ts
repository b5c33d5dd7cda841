/** fit and evaluate on pictures that are read when they are needed, and on streams. */

import { data, evaluate, fit, manualSeed, nn, optim, type FitOptions, type History } from 'stridenet';
import { Philox } from '../../lib/random';
import { expectRejection } from '../support/expectError';

const N = 20;
const LABELS = Uint8Array.from({ length: N }, (_, i) => i % 2);
const IMAGES = Uint8Array.from(new Philox(5).fillNormal(new Float32Array(N * 4)), (x, i) =>
  Math.max(0, 100 + 20 * x + 90 * LABELS[i >> 2]!),
);
const FACTS = { shape: [1, 2, 2] as const, classes: ['a', 'b'] };
const SET = data.arrays(IMAGES, LABELS, { ...FACTS });
const image = (i: number): Uint8Array => IMAGES.subarray(4 * i, 4 * i + 4);

function network(): nn.Sequential {
  manualSeed(1);
  return new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 2));
}
const options = (more: Partial<FitOptions> = {}): FitOptions => ({
  epochs: 3,
  batchSize: 6,
  optimizer: optim.sgd({ lr: 0.5 }),
  seed: 4,
  progress: false,
  ...more,
});
const stateOf = (model: nn.Module): number[] => [...model.stateDict().values()].flatMap((variable) => [...variable.value]);
const timeless = ({ epochs }: History): object[] => epochs.map((record) => ({ ...record, seconds: 0, imagesPerSecond: 0 }));

function lazy(missing: readonly number[] = []): data.LazyDataset {
  return {
    ...FACTS,
    labels: LABELS,
    length: N,
    read: async (indices, into) => {
      await new Promise((resolve) => setImmediate(resolve));
      for (const [to, from] of indices.entries()) into.set(image(from), 4 * to);
      return [...indices.keys()].filter((i) => missing.includes(indices[i]!));
    },
  };
}

describe('pictures that are read when they are needed', () => {
  test('train and score as those in memory', async () => {
    const [kept, read] = [network(), network()];
    const expected = await fit(kept, SET, options({ validation: SET }));
    expect(timeless(await fit(read, lazy(), options({ validation: lazy() })))).toEqual(timeless(expected));
    expect(stateOf(read)).toEqual(stateOf(kept));
    expect(await evaluate(read, lazy(), { batchSize: 7 })).toEqual(await evaluate(kept, SET, { batchSize: 7 }));
  });

  test('those that cannot be read are left out, also when they are a whole batch', async () => {
    const missing = [0, 1, 2, 3, 4, 5, 9];
    const rest = data.subset(
      SET,
      [...Array(N).keys()].filter((i) => !missing.includes(i)),
    );
    const model = network();
    const score = await evaluate(model, lazy(missing), { batchSize: 6 });
    const expected = await evaluate(model, rest, { batchSize: 6 });
    expect(score.accuracy).toBe(expected.accuracy);
    expect(score.loss).toBeCloseTo(expected.loss, 6);
    const { epochs } = await fit(model, lazy(missing), options({ shuffle: false, epochs: 2 }));
    expect(epochs.length).toBe(2);
    const none = lazy([...Array(N).keys()]);
    await expectRejection('ERR_INVALID_ARGUMENT', fit(network(), none, options()), 'at least one image that can be read');
    await expectRejection('ERR_INVALID_ARGUMENT', evaluate(network(), none), 'at least one image');
  });

  test('what reading throws ends training, with the records so far', async () => {
    let reads = 0;
    const failing = { ...lazy(), read: async (): Promise<number[]> => { if (++reads > 9) throw new Error('the disk is gone'); return []; } }; // prettier-ignore
    const error: unknown = await fit(network(), failing, options()).catch((reason: unknown) => reason);
    expect((error as Error).message).toBe('the disk is gone');
    expect((error as { history: History }).history.epochs.length).toBeGreaterThanOrEqual(1);
  });
});

describe('streams', () => {
  const rows = function* (): Generator<{ image: Uint8Array; label: number }> {
    for (let i = 0; i < N; i++) yield { image: image(i), label: LABELS[i]! };
  };
  const stream = (more: object = {}): data.DatasetStream => data.from(rows, { ...FACTS, ...more });

  test('train as images in memory that are not shuffled, with and without a length', async () => {
    const kept = network();
    const expected = await fit(kept, SET, options({ shuffle: false, validation: SET }));
    for (const length of [undefined, N]) {
      const streamed = network();
      expect(timeless(await fit(streamed, stream({ length }), options({ validation: stream({ length }) })))).toEqual(timeless(expected));
      expect(stateOf(streamed)).toEqual(stateOf(kept));
    }
  });

  test('dropLast, limitBatches and accumulation count batches', async () => {
    const batches = async (more: Partial<FitOptions>): Promise<number> => {
      let count = 0;
      await fit(network(), stream(), options({ epochs: 1, callbacks: [{ onBatchEnd: () => { count++; } }], ...more })); // prettier-ignore
      return count;
    };
    expect(await batches({})).toBe(4);
    expect(await batches({ dropLast: true })).toBe(3);
    expect(await batches({ limitBatches: 2 })).toBe(2);
    expect(await batches({ accumulate: 3 })).toBe(4);
  });

  test('no more examples are asked for than a few batches ahead, and an iterator that is left is closed', async () => {
    let [pulled, closed] = [0, false];
    const endless = async function* (): AsyncGenerator<{ image: Uint8Array; label: number }> {
      try {
        for (;;) yield { image: image(pulled % N), label: LABELS[pulled++ % N]! };
      } finally {
        closed = true;
      }
    };
    await fit(network(), data.from(endless, { ...FACTS }), options({ epochs: 1, limitBatches: 5 }));
    expect(pulled).toBeLessThanOrEqual(6 * (5 + 3));
    expect(closed).toBe(true);
  });

  test('a schedule needs to know how long an epoch is', async () => {
    await expectRejection(
      'ERR_INVALID_ARGUMENT',
      fit(network(), stream(), options({ schedule: optim.cosine() })),
      'how long an epoch is',
      'length',
    );
    await fit(network(), stream({ length: N }), options({ schedule: optim.cosine() }));
    await fit(network(), stream(), options({ schedule: optim.cosine(), limitBatches: 2 }));
    await expectRejection('ERR_INVALID_ARGUMENT', fit(network(), stream(), options({ overfitBatches: 2 })), 'a stream');
  });

  test('an example that does not fit is named by its place', async () => {
    const bad = function* (): Generator<{ image: Uint8Array; label: number }> {
      yield { image: image(0), label: 0 };
      yield { image: image(1), label: 7 };
    };
    await expectRejection('ERR_INVALID_ARGUMENT', fit(network(), data.from(bad, { ...FACTS }), options()), '7');
  });

  test('numbers as targets', async () => {
    const numbers = function* (): Generator<{ image: Uint8Array; label: number }> {
      for (let i = 0; i < N; i++) yield { image: image(i), label: LABELS[i]! - 0.5 };
    };
    const set = data.from(numbers, { shape: FACTS.shape, classes: [], labelType: 'float32' });
    const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 1));
    const { epochs } = await fit(model, set, options({ epochs: 60, loss: nn.mse(), optimizer: optim.sgd({ lr: 0.3 }) }));
    expect(epochs.at(-1)!.loss).toBeLessThan(0.05);
  });
});
