/** balance and classWeights: two ways of giving rare classes the weight of frequent ones. */

import { checkBoolean, checkInteger, checkOptions, formatNames, formatValue, StridenetError } from '../errors';
import { Philox, PURPOSE } from '../random';
import { readDataset, type AnyDataset, type Dataset, type DatasetLike, type LazyDataset } from './dataset';
import { isLazy, isStream, readLazy } from './kinds';
import type { PictureDataset } from './picture';
import { noPlaces, placesOf } from './select';

/** Options of `data.balance`. */
export interface BalanceOptions {
  /** Which examples come more often. Default: drawn from the global seed (`manualSeed`). */
  seed?: number | undefined;
  /**
   * false (default): every example comes, and the numbers of times that two of a class come differ by 1 at most. true: each is drawn from all of its class, so that
   * some come often and others not at all.
   */
  replacement?: boolean | undefined;
}

/** The stream of random numbers that decides; far from those by which others shuffle. */
const STREAM = 2 ** 50;

/**
 * A data set in which every class that occurs has as many examples as the largest one: examples of rare classes come more often. Those of a data set in memory
 * are copied; pictures in files stay there. Balance what the model learns from, not what it is measured with.
 *
 * @throws StridenetError ERR_INVALID_ARGUMENT for a stream and where labels are no classes; ERR_UNKNOWN_OPTION; ERR_OUT_OF_MEMORY
 * @example const even = data.balance(train, { seed: 1 });
 */
export function balance(dataset: PictureDataset, options?: BalanceOptions): PictureDataset;
export function balance(dataset: LazyDataset, options?: BalanceOptions): LazyDataset;
export function balance(dataset: DatasetLike, options?: BalanceOptions): Dataset;
export function balance(dataset: AnyDataset, options: BalanceOptions = {}): Dataset | LazyDataset {
  const where = 'data.balance';
  checkOptions(where, options, ['seed', 'replacement']);
  const { whole, places } = classesOf(where, dataset);
  const { seed, replacement = false } = options;
  if (seed !== undefined) checkInteger(where, 'seed', seed, 0);
  checkBoolean(where, 'replacement', replacement);
  const random = new Philox(seed ?? Philox.next().uint32(), STREAM, PURPOSE.shuffle);
  const most = places.reduce((n, { length }) => Math.max(n, length), 0);
  const indices: number[] = [];
  for (const group of places) {
    if (group.length === 0) continue;
    const drawn = replacement
      ? Array.from({ length: most }, () => group[random.below(group.length)]!)
      : Array.from({ length: most - (most % group.length) }, (_, i) => group[i % group.length]!);
    const rest = random.permutation(group.length).subarray(0, most - drawn.length);
    for (const index of drawn) indices.push(index);
    for (const i of rest) indices.push(group[i]!);
  }
  return placesOf(where, whole, indices.sort((a, b) => a - b)); // prettier-ignore
}

/**
 * A weight for each class, the larger the rarer it is: the number of examples / (the number of classes x that of the examples of the class), so that all
 * classes weigh the same and an example weighs 1 in the mean. For the `weight` of `nn.crossEntropy`.
 *
 * @throws StridenetError ERR_INVALID_ARGUMENT when a class has no example, for a stream, and where labels are no classes
 * @example const loss = nn.crossEntropy({ weight: data.classWeights(train) });
 */
export function classWeights(dataset: DatasetLike | LazyDataset): Float32Array {
  const where = 'data.classWeights';
  const { whole, places } = classesOf(where, dataset);
  const absent = whole.classes.filter((_, label) => places[label]!.length === 0);
  if (absent.length > 0) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects at least one example of each class but there is none of ${formatNames(absent, formatValue)}, whose weight would be infinite.`,
    );
  }
  return Float32Array.from(places, ({ length }) => whole.length / (places.length * length));
}

/** The places of the examples of each class. */
function classesOf(where: string, dataset: AnyDataset): { whole: Dataset | LazyDataset; places: number[][] } {
  if (isStream(dataset)) throw noPlaces(where, 'Count its classes where its examples are made.');
  const whole = isLazy(dataset) ? readLazy(where, dataset) : readDataset(where, dataset);
  const { labels, classes, targetShape = [] } = whole;
  if (targetShape.length > 0 || labels instanceof Float32Array || classes.length === 0) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects labels that are the class of each example, with the names of the classes.`);
  }
  const places = classes.map((): number[] => []);
  labels.forEach((label, i) => {
    const group = places[label];
    if (group) return group.push(i);
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects labels in [0, ${classes.length - 1}] but label ${i} is ${label}.`);
  });
  return { whole, places };
}
