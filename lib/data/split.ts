/** split: training, validation and test examples of one data set. */

import { checkBoolean, checkInteger, checkOptions, formatNames, formatValue, StridenetError } from '../errors';
import { Philox, PURPOSE } from '../random';
import { readDataset, type AnyDataset, type Dataset, type DatasetLike, type LabelArray, type LazyDataset } from './dataset';
import { isLazy, isStream, readLazy } from './kinds';
import type { PictureDataset } from './picture';
import { noPlaces, placesOf } from './select';

/** Options of `data.split`. */
export interface SplitOptions {
  /** How many examples validate: a share in (0, 1), or a number of at least 1. Default 0.2. */
  validation?: number | undefined;
  /** How many examples are kept for the end: a share in (0, 1) of the whole, or a number of at least 1. Default: none, and there is no such part. */
  test?: number | undefined;
  /** Whether every part has each class in the proportion of the whole, and at least once. Default: true for classes, false where labels are anything else. */
  stratified?: boolean | undefined;
  /** Which examples go where: the same seed gives the same parts on every machine. Default: drawn from the global seed (`manualSeed`). */
  seed?: number | undefined;
}

/** What `data.split` gives. */
export interface DatasetParts<D> {
  /** To learn from. */
  readonly train: D;
  /** To watch the training with. */
  readonly validation: D;
}

/** The stream of random numbers that decides; far from those by which `fit` shuffles. */
const STREAM = 2 ** 48;

/**
 * Divides a data set at random into parts that have no example in common. In each part examples stand in the order of the whole. Those of a data set in
 * memory are copied; pictures in files stay there.
 *
 * @throws StridenetError ERR_INVALID_ARGUMENT when a part would be empty, when a class has fewer examples than there are parts (with `stratified`), and for a
 *   stream; ERR_UNKNOWN_OPTION
 * @example const { train, validation, test } = data.split(pictures, { validation: 0.1, test: 0.1, seed: 1 });
 */
export function split(dataset: PictureDataset, options: SplitOptions & { test: number }): DatasetParts<PictureDataset> & { readonly test: PictureDataset };
export function split(dataset: PictureDataset, options?: SplitOptions): DatasetParts<PictureDataset>;
export function split(dataset: LazyDataset, options: SplitOptions & { test: number }): DatasetParts<LazyDataset> & { readonly test: LazyDataset };
export function split(dataset: LazyDataset, options?: SplitOptions): DatasetParts<LazyDataset>;
export function split(dataset: DatasetLike, options: SplitOptions & { test: number }): DatasetParts<Dataset> & { readonly test: Dataset };
export function split(dataset: DatasetLike, options?: SplitOptions): DatasetParts<Dataset>;
export function split(dataset: AnyDataset, options: SplitOptions = {}): DatasetParts<Dataset | LazyDataset> & { test?: Dataset | LazyDataset } {
  const where = 'data.split';
  checkOptions(where, options, ['validation', 'test', 'stratified', 'seed']);
  if (isStream(dataset)) throw noPlaces(where, 'Use data.take and data.skip, or split what the stream is made of.');
  const whole = isLazy(dataset) ? readLazy(where, dataset) : readDataset(where, dataset);
  const { validation = 0.2, test, seed } = options;
  if (seed !== undefined) checkInteger(where, 'seed', seed, 0);
  const sizes = [sizeOf(where, 'validation', validation, whole.length), ...(test === undefined ? [] : [sizeOf(where, 'test', test, whole.length)])];
  const rest = whole.length - sizes.reduce((a, b) => a + b, 0);
  if (rest < 1) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects at least one of the ${whole.length} examples to be left to learn from but validation${test === undefined ? '' : ' and test'} ` +
        `would take ${whole.length - rest}.`,
    );
  }
  const random = new Philox(seed ?? Philox.next().uint32(), STREAM, PURPOSE.shuffle);
  const groups = isStratified(where, whole, options.stratified) ? byClass(whole.labels) : [Array.from({ length: whole.length }, (_, i) => i)];
  const classOf = (group: number): string => formatValue(whole.classes[whole.labels[groups[group]![0]!]!]);
  const counts = shares(where, groups.map((group) => group.length), sizes, classOf); // prettier-ignore
  const parts: number[][] = [...sizes.map(() => []), []];
  groups.forEach((group, k) => {
    const order = random.permutation(group.length);
    let next = 0;
    counts.forEach((ofPart, part) => {
      for (const end = next + ofPart[k]!; next < end; next++) parts[part]!.push(group[order[next]!]!);
    });
    for (; next < group.length; next++) parts.at(-1)!.push(group[order[next]!]!);
  });
  const [validating, testing] = parts.map((part) => placesOf(where, whole, part.sort((a, b) => a - b))); // prettier-ignore
  const train = placesOf(where, whole, parts.at(-1)!);
  return { train, validation: validating!, ...(test !== undefined && { test: testing! }) };
}

/** The number of examples of a part. */
function sizeOf(where: string, name: string, value: unknown, length: number): number {
  if (typeof value === 'number' && value > 0 && value < 1) return Math.max(1, Math.round(value * length));
  if (Number.isSafeInteger(value) && (value as number) >= 1) return value as number;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${name} to be a share in (0, 1) or a number of examples, an integer of at least 1, but got ${formatValue(value)}.`,
  );
}

function isStratified(where: string, { labels, targetShape = [] }: Dataset | LazyDataset, stratified: unknown): boolean {
  const areClasses = targetShape.length === 0 && !(labels instanceof Float32Array);
  if (stratified === undefined) return areClasses;
  if (!checkBoolean(where, 'stratified', stratified) || areClasses) return stratified as boolean;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects stratified: false for labels that are not the class of each example: there are no classes to keep the proportions of.`,
  );
}

/** The places of the examples of each class that has some. */
function byClass(labels: LabelArray): number[][] {
  const groups = new Map<number, number[]>();
  labels.forEach((label, i) => {
    const group = groups.get(label);
    if (group) group.push(i);
    else groups.set(label, [i]);
  });
  return [...groups].sort(([a], [b]) => a - b).map(([, group]) => group);
}

/**
 * How many examples of each group go to each part: in proportion, at least one, and in all as many as the part has.
 * @param groups their sizes @param sizes those of the parts but for the last, which gets the rest
 */
function shares(where: string, groups: readonly number[], sizes: readonly number[], classOf: (group: number) => string): number[][] {
  if (groups.length === 1) return sizes.map((size) => [size]);
  const few = [...groups.keys()].filter((k) => groups[k]! < sizes.length + 1);
  if (few.length > 0) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects at least ${sizes.length + 1} examples of each class, one for each part, but there are fewer of ${formatNames(few, classOf)}. ` +
        'Pass stratified: false, or leave such classes out.',
    );
  }
  const left = [...groups];
  return sizes.map((size, part) => {
    const total = left.reduce((a, b) => a + b, 0);
    // One of each class is kept back for every part that comes later.
    const most = left.map((count) => count - (sizes.length - part));
    if (size < groups.length || size > most.reduce((a, b) => a + b, 0)) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects parts that have room for one example of each of the ${groups.length} classes but one of ${size} of ${total} examples leaves none. ` +
          'Choose other sizes, or pass stratified: false.',
      );
    }
    const given = apportion(left, most, size);
    given.forEach((count, k) => (left[k]! -= count));
    return given;
  });
}

/** `size` as a sum of a count for each group, in proportion to `groups` (by the largest remainders), each of at least 1 and at most `most`. */
function apportion(groups: readonly number[], most: readonly number[], size: number): number[] {
  const total = groups.reduce((a, b) => a + b, 0);
  const quotas = groups.map((count) => (count * size) / total);
  const given = quotas.map((quota, k) => Math.min(most[k]!, Math.max(1, Math.floor(quota))));
  const lack = (k: number): number => quotas[k]! - given[k]!;
  let missing = size - given.reduce((a, b) => a + b, 0);
  while (missing !== 0) {
    const step = Math.sign(missing);
    const order = [...groups.keys()].sort((a, b) => step * (lack(b) - lack(a)) || a - b);
    for (const k of order) {
      const next = given[k]! + step;
      if (missing === 0 || next < 1 || next > most[k]!) continue;
      given[k] = next;
      missing -= step;
    }
  }
  return given;
}
