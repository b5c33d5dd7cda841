import { Readable } from 'node:stream';
import { tensor } from 'stridenet';
import * as data from '../../lib/data';
import { expectError, expectRejection } from '../support/expectError';

const facts = { shape: [1, 1, 2], classes: ['a', 'b', 'c'] } as const;
const examples = (count: number): data.Example[] => Array.from({ length: count }, (_, i) => ({ image: Uint8Array.of(i, 2 * i), label: i % 3 }));
const collect = async (stream: data.DatasetStream, epoch = 1): Promise<data.Example[]> => {
  const all: data.Example[] = [];
  for await (const example of stream.examples(epoch)) all.push(example);
  return all;
};
const numbers = async (stream: data.DatasetStream, epoch = 1): Promise<number[]> => (await collect(stream, epoch)).map(({ image }) => image[0]!);

describe('from', () => {
  it('takes iterables, async ones and functions, records and pairs', async () => {
    const pairs = examples(4).map(({ image, label }) => [image, label] as const);
    const later = async function* (): AsyncGenerator<data.GivenExample> {
      for (const each of pairs) yield await Promise.resolve(each);
    };
    for (const source of [examples(4), pairs, new Set(pairs), () => examples(4), later, () => Promise.resolve(later()), later(), Readable.from(pairs)]) {
      expect(await collect(data.from(source, facts))).toEqual(examples(4));
    }
    const stream = data.from(examples(4), { ...facts, classes: 3, length: 4, mean: [0.5] });
    expect(stream).toMatchObject({ shape: [1, 1, 2], classes: ['0', '1', '2'], length: 4, mean: [0.5], labelType: 'int32', layout: 'nchw' });
    expect(stream.targetShape).toBeUndefined();
  });

  it('tells the function the number of the pass', async () => {
    const stream = data.from((epoch) => examples(epoch), facts);
    expect([await numbers(stream, 1), await numbers(stream, 3)]).toEqual([[0], [0, 1, 2]]);
  });

  it('images as canvas and tensors give them, labels of values and of pixels', async () => {
    const clamped = data.from([[Uint8ClampedArray.of(1, 2), 0]], facts);
    expect((await collect(clamped))[0]!.image).toEqual(Uint8Array.of(1, 2));
    const tensors = data.from([[tensor([1, 2]).mul(2), 0], [tensor([3, 4]), 1]], facts); // prettier-ignore
    expect((await collect(tensors)).map(({ image }) => image)).toEqual([Float32Array.of(2, 4), Float32Array.of(3, 4)]);
    const values = data.from([[Uint8Array.of(1, 2), [0.5, 2]]], { shape: [1, 1, 2], targetShape: [2], labelType: 'float32' });
    expect(await collect(values)).toEqual([{ image: Uint8Array.of(1, 2), label: Float32Array.of(0.5, 2) }]);
    const masks = data.from([[Uint8Array.of(1, 2), Uint8Array.of(0, 2)]], { ...facts, targetShape: [1, 2] });
    expect((await collect(masks))[0]!.label).toEqual(Int32Array.of(0, 2));
    const number = data.from([[Uint8Array.of(1, 2), -1.5]], { shape: [1, 1, 2], labelType: 'float32' });
    expect((await collect(number))[0]!.label).toBe(-1.5);
  });

  it('asks for no more than is taken, and says when a pass ends early', async () => {
    const log: string[] = [];
    const source = function* (): Generator<data.GivenExample> {
      try {
        for (const each of examples(100)) {
          log.push(String(each.image[0]));
          yield each;
        }
      } finally {
        log.push('closed');
      }
    };
    for (const make of [(s: data.DatasetStream) => s, (s: data.DatasetStream) => data.map(s, (e) => e), (s: data.DatasetStream) => data.skip(s, 0)]) {
      log.length = 0;
      const pass = make(data.from(source, facts)).examples(1)[Symbol.asyncIterator as never] as () => AsyncIterator<data.Example>;
      const iterator = pass.call(make(data.from(source, facts)).examples(1));
      await iterator.next();
      await iterator.next();
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(log).toEqual(['0', '1']);
      await iterator.return!();
      expect(log).toEqual(['0', '1', 'closed']);
    }
    log.length = 0;
    expect(await numbers(data.from(source, { ...facts, length: 3 }))).toEqual([0, 1, 2]);
    expect(await numbers(data.take(data.from(source, facts), 2))).toEqual([0, 1]);
    expect(log).toEqual(['0', '1', '2', 'closed', '0', '1', 'closed']);
  });

  it('a generator object gives one pass', async () => {
    const stream = data.from((function* () { yield* examples(2); })(), facts); // prettier-ignore
    expect(await numbers(stream)).toEqual([0, 1]);
    await expectRejection('ERR_INVALID_ARGUMENT', numbers(stream, 2), 'can be walked once', 'Pass the generator function itself');
    const readable = data.from(Readable.from(examples(2)), facts);
    expect(await numbers(readable)).toEqual([0, 1]);
    await expectRejection('ERR_INVALID_ARGUMENT', numbers(readable, 2), 'can be walked once');
    const again = data.from(examples(2), facts);
    expect([await numbers(again), await numbers(again)]).toEqual([[0, 1], [0, 1]]); // prettier-ignore
  });

  it.each<[string, unknown, string, ...string[]]>([
    ['no example', 5, 'ERR_INVALID_ARGUMENT', 'example 1 is 5'],
    ['a triple', [1, 2, 3], 'ERR_INVALID_ARGUMENT', 'example 1 is [1, 2, 3]'],
    ['no label', { image: Uint8Array.of(1, 2) }, 'ERR_INVALID_ARGUMENT', 'example 1 is an object { image }'],
    ['an image of another size', [Uint8Array.of(1), 0], 'ERR_SHAPE_MISMATCH', '[1, 1, 2] (2 values)', 'example 1 has 1'],
    ['an image of another type', [Float32Array.of(1, 2), 0], 'ERR_INVALID_ARGUMENT', 'example 1 is a Float32Array', 'Uint8Array'],
    ['an image that is none', [[1, 2], 0], 'ERR_INVALID_ARGUMENT', 'the image of example 1', 'Float32Array.from'],
    ['a class too many', [Uint8Array.of(1, 2), 3], 'ERR_INVALID_ARGUMENT', 'the label of example 1', '[0, 2]', 'got 3'],
    ['a class that is none', [Uint8Array.of(1, 2), 0.5], 'ERR_INVALID_ARGUMENT', 'the label of example 1', 'got 0.5'],
  ])('refuses %s by its number', async (_, bad, code, ...pieces) => {
    await expectRejection(code as 'ERR_INVALID_ARGUMENT', collect(data.from([examples(1)[0]!, bad] as never, facts)), 'data.from expects', ...pieces);
  });

  it('refuses labels of another shape, and too few examples', async () => {
    const values = { shape: [1, 1, 2], targetShape: [2], labelType: 'float32' } as const;
    for (const label of [1, [1], [1, 2, 3], 'ab']) {
      await expectRejection('ERR_SHAPE_MISMATCH', collect(data.from([[Uint8Array.of(1, 2), label as never]], values)), '[2] (2 values)', 'example 0');
    }
    await expectRejection('ERR_INVALID_ARGUMENT', collect(data.from([[Uint8Array.of(1, 2), ['a', 1] as never]], values)), 'value 0 of the label of example 0', '"a"');
    await expectRejection('ERR_INVALID_ARGUMENT', collect(data.from(examples(2), { ...facts, length: 3 }), 4), 'has 3 examples, but pass 4 ended after 2');
    await expectRejection('ERR_INVALID_ARGUMENT', collect(data.from(() => 5 as never, facts)), 'its function to give an iterable', 'got 5');
    await expect(collect(data.from(() => { throw new RangeError('mine'); }, facts))).rejects.toThrow(new RangeError('mine')); // prettier-ignore
  });

  it('checks its arguments', () => {
    const from = data.from as (...args: unknown[]) => unknown;
    for (const source of [undefined, 5, 'text', {}, new Uint8Array(3)]) expectError('ERR_INVALID_ARGUMENT', () => from(source, facts), 'an iterable of examples');
    expectError('ERR_INVALID_ARGUMENT', () => from([]), 'shape');
    expectError('ERR_INVALID_ARGUMENT', () => from([], { shape: [2] }), '[channels, height, width]');
    expectError('ERR_UNKNOWN_OPTION', () => from([], { ...facts, lenght: 5 }), 'Did you mean "length"');
    for (const [name, value] of [['length', 0], ['classes', 0], ['classes', 1e9], ['labelType', 'uint8'], ['layout', 'hwc'], ['std', [0]]]) {
      expectError('ERR_INVALID_ARGUMENT', () => from([], { ...facts, [name as string]: value }), name as string);
    }
  });
});

describe('shuffleBuffer', () => {
  it('gives all, in another order, the same for a seed and a pass', async () => {
    const order = (seed: number, epoch: number, size = 10): Promise<number[]> =>
      numbers(data.shuffleBuffer(data.from(examples(50), facts), size, { seed }), epoch);
    const first = await order(1, 1);
    expect([...first].sort((a, b) => a - b)).toEqual(examples(50).map((_, i) => i));
    expect(await order(1, 1)).toEqual(first);
    expect(await order(2, 1)).not.toEqual(first);
    expect(await order(1, 2)).not.toEqual(first);
    first.forEach((value, place) => expect(value - place).toBeLessThan(10));
    expect(await order(1, 1, 1)).toEqual(examples(50).map((_, i) => i));
    expect((await order(1, 1, 1000)).length).toBe(50);
  });

  it('holds copies: a source may use one array for all', async () => {
    const image = new Uint8Array(2);
    const label = [0, 0];
    const source = function* (): Generator<data.Example> {
      for (let i = 0; i < 20; i++) {
        image.fill(i);
        label.fill(i);
        yield { image, label };
      }
    };
    const stream: data.DatasetStream = { shape: [1, 1, 2], classes: [], targetShape: [2], labelType: 'float32', examples: source };
    const mixed = await collect(data.shuffleBuffer(stream, 5, { seed: 1 }));
    expect(new Set(mixed.map((example) => example.image[0])).size).toBe(20);
    for (const example of mixed) expect((example.label as ArrayLike<number>)[1]).toBe(example.image[0]);
  });

  it('is for streams', () => {
    const memory = data.arrays(new Uint8Array(4), [0, 1], { shape: [1, 1, 2] });
    expectError('ERR_INVALID_ARGUMENT', () => data.shuffleBuffer(memory as never, 5), 'expects a stream', 'fit shuffles');
    const stream = data.from(examples(5), facts);
    expectError('ERR_INVALID_ARGUMENT', () => data.shuffleBuffer(stream, 0), 'size');
    expectError('ERR_INVALID_ARGUMENT', () => data.shuffleBuffer(stream, 5, { seed: 0.5 }), 'seed');
    expectError('ERR_UNKNOWN_OPTION', () => data.shuffleBuffer(stream, 5, { sed: 1 } as never), 'Did you mean "seed"');
  });
});

describe('parts and sums of streams', () => {
  const stream = data.from(() => examples(6), { ...facts, length: 6 });
  it('take, skip and concat know their lengths', async () => {
    expect([await numbers(data.take(stream, 2)), data.take(stream, 2).length, data.take(stream, 9).length]).toEqual([[0, 1], 2, 6]);
    expect([await numbers(data.skip(stream, 4)), data.skip(stream, 4).length]).toEqual([[4, 5], 2]);
    const both = data.concat(data.take(stream, 1), data.skip(stream, 5));
    expect([await numbers(both), both.length]).toEqual([[0, 5], 2]);
    const endless = data.from(() => examples(3), facts);
    expect([data.concat(stream, endless).length, data.take(endless, 2).length]).toEqual([undefined, undefined]);
  });

  it('have no places', () => {
    expectError('ERR_INVALID_ARGUMENT', () => data.subset(stream as never, [0]), 'data.subset expects a data set whose examples have places', 'data.take');
    expectError('ERR_INVALID_ARGUMENT', () => data.take(stream, 0), 'n');
    expectError('ERR_INVALID_ARGUMENT', () => data.skip(stream, 6), 'below 6');
    expectError('ERR_INVALID_ARGUMENT', () => data.balance(stream as never), 'stream');
    expectError('ERR_INVALID_ARGUMENT', () => data.classWeights(stream as never), 'stream');
  });

  it('map passes each through a function, which may be asynchronous', async () => {
    const doubled = data.map(stream, async ({ image }, i) => Promise.resolve({ image: Float32Array.from(image), label: (i + 1) % 3 }));
    expect((await collect(doubled))[1]).toEqual({ image: Float32Array.of(1, 2), label: 2 });
    expect(doubled.length).toBe(6);
    const sums = data.map(stream, ({ image }) => ({ image: image.slice(0, 1), label: [image[0]! + image[1]!] }), {
      shape: [1, 1, 1], classes: [], targetShape: [1], labelType: 'float32',
    }); // prettier-ignore
    expect(sums).toMatchObject({ shape: [1, 1, 1], classes: [], targetShape: [1], labelType: 'float32' });
    expect((await collect(sums))[2]).toEqual({ image: Uint8Array.of(2), label: Float32Array.of(6) });
    await expectRejection('ERR_INVALID_ARGUMENT', collect(data.map(stream, () => 5 as never)), 'for example 0 it gave 5');
    await expectRejection('ERR_SHAPE_MISMATCH', collect(data.map(stream, () => ({ image: new Uint8Array(3) }))), 'data.map expects', 'example 0 has 3');
  });
});
