import * as data from '../../lib/data';
import { manualSeed } from 'stridenet';
import { expectError } from '../support/expectError';

/** Images of one value, their number, with labels of so many examples of each class. */
const ofClasses = (...counts: number[]): data.Dataset => {
  const labels = Int32Array.from(counts.flatMap((count, label) => new Array<number>(count).fill(label)));
  const images = Float32Array.from(labels.keys());
  return data.arrays(images, labels, { shape: [1, 1, 1], classes: counts.map((_, i) => `class ${i}`) });
};
const tally = ({ labels, classes }: data.Dataset): number[] => classes.map((_, k) => labels.filter((label) => label === k).length);

describe('split', () => {
  it('keeps the proportions of the classes and loses nothing', () => {
    const whole = ofClasses(50, 30, 20);
    const { train, validation, test } = data.split(whole, { validation: 0.2, test: 10, seed: 3 });
    expect([tally(train), tally(validation), tally(test)]).toEqual([[35, 21, 14], [10, 6, 4], [5, 3, 2]]); // prettier-ignore
    const all = [train, validation, test].flatMap((part) => [...part.images]);
    expect(all.sort((a, b) => a - b)).toEqual([...whole.images]);
    for (const part of [train, validation, test]) {
      expect([...part.images]).toEqual([...part.images].sort((a, b) => a - b));
      expect([...part.labels]).toEqual(Array.from(part.images, (i) => whole.labels[i]));
    }
    expect(validation.images.length).toBe(20);
    // Not the first ones of each class.
    expect([...validation.images.subarray(0, 10)]).not.toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('rounds so that parts have their size and every class is in each', () => {
    const { train, validation } = data.split(ofClasses(100, 3, 2, 7, 1000), { validation: 0.1, seed: 1 });
    expect([validation.length, train.length]).toEqual([111, 1001]);
    expect(Math.min(...tally(train), ...tally(validation))).toBe(1);
    const even = data.split(ofClasses(3, 3, 3, 3), { validation: 6, seed: 1 });
    expect(tally(even.validation)).toEqual([2, 2, 1, 1]);
    const most = data.split(ofClasses(10, 2), { validation: 10, seed: 1 });
    expect([tally(most.validation), tally(most.train)]).toEqual([[9, 1], [1, 1]]); // prettier-ignore
  });

  it('the seed decides, or the global one', () => {
    const whole = ofClasses(20, 20);
    const parts = (options?: data.SplitOptions): number[] => [...data.split(whole, options).validation.images];
    expect(parts({ seed: 5 })).toEqual(parts({ seed: 5 }));
    expect(parts({ seed: 5 })).not.toEqual(parts({ seed: 6 }));
    manualSeed(1);
    const first = parts();
    expect(parts()).not.toEqual(first);
    manualSeed(1);
    expect(parts()).toEqual(first);
  });

  it('without classes it takes any examples', () => {
    const values = data.arrays(new Float32Array(10), Float32Array.from({ length: 20 }), { shape: [1, 1, 1], targetShape: [2] });
    const { train, validation } = data.split(values, { validation: 0.3, seed: 1 });
    expect([train.labels.length, validation.labels.length, validation.targetShape]).toEqual([14, 6, [2]]);
    expect(data.split(ofClasses(9, 1), { validation: 5, stratified: false, seed: 1 }).validation.length).toBe(5);
    expectError('ERR_INVALID_ARGUMENT', () => data.split(values, { stratified: true }), 'stratified: false', 'not the class');
  });

  it('refuses what cannot be done', () => {
    const refuse = (set: data.Dataset, options: data.SplitOptions, ...pieces: string[]): void =>
      expectError('ERR_INVALID_ARGUMENT', () => data.split(set, options), ...pieces);
    for (const validation of [0, 1.5, -1, NaN, '0.2' as never]) refuse(ofClasses(5, 5), { validation }, 'expects validation to be a share in (0, 1)');
    refuse(ofClasses(5, 5), { validation: 10 }, 'left to learn from', 'would take 10');
    refuse(ofClasses(5, 5), { validation: 5, test: 5 }, 'validation and test would take 10');
    refuse(ofClasses(9, 1), { validation: 2 }, 'at least 2 examples of each class', '"class 1"', 'stratified: false');
    refuse(ofClasses(9, 2), { validation: 2, test: 2 }, 'at least 3 examples of each class', '"class 1"');
    refuse(ofClasses(9, 9, 9), { validation: 2 }, 'room for one example of each of the 3 classes');
    refuse(ofClasses(2, 2), { validation: 3 }, 'room for one example');
    refuse(ofClasses(5, 5), { seed: -1 }, 'seed');
    refuse(ofClasses(5, 5), { stratified: 1 as never }, 'stratified');
    expectError('ERR_UNKNOWN_OPTION', () => data.split(ofClasses(5, 5), { validaton: 0.2 } as never), 'Did you mean "validation"');
    const stream: data.DatasetStream = { shape: [1, 1, 1], classes: ['a'], examples: () => [] };
    expectError('ERR_INVALID_ARGUMENT', () => data.split(stream as never), 'got a stream');
    expectError('ERR_INVALID_ARGUMENT', () => data.split(undefined as never), 'data.split expects a data set');
  });
});
