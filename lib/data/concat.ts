/** concat: data sets one after the other. */

import { formatShape, formatValue, StridenetError } from '../errors';
import { elementCount } from '../graph/types';
import {
  printedDataset,
  sameKind,
  type AnyDataset,
  type Dataset,
  type DatasetFacts,
  type DatasetLike,
  type DatasetStream,
  type Example,
  type LabelArray,
  type LazyDataset,
} from './dataset';
import { hasWeights, isLazy, isStream, readAnyDataset, readLazy, readStream, withWeights } from './kinds';

const WHERE = 'data.concat';

/**
 * The examples of several data sets, one set after the other. All in memory: they are copied into one. Some of them in files: a lazy one, for which those in memory must be
 * uint8. Streams follow each other in every pass; they go with nothing else. Where some have weights of examples (`sampleWeights`) and others none, those of the others are 1.
 *
 * @throws StridenetError ERR_SHAPE_MISMATCH for images or labels of other shapes, ERR_INVALID_ARGUMENT for other classes, element types, layouts or
 *   preprocessing; ERR_OUT_OF_MEMORY
 * @example const all = data.concat(await data.imageFolder('2024', { size: 64 }), await data.imageFolder('2025', { size: 64 }));
 */
export function concat(...datasets: DatasetLike[]): Dataset;
export function concat(...datasets: DatasetStream[]): DatasetStream;
export function concat(...datasets: (DatasetLike | LazyDataset)[]): LazyDataset;
export function concat(...datasets: AnyDataset[]): Dataset | LazyDataset | DatasetStream {
  if (datasets.length === 0) throw new StridenetError('ERR_INVALID_ARGUMENT', `${WHERE} expects at least one data set but got none.`);
  const given = datasets.map((dataset) => readAnyDataset(WHERE, dataset));
  const sets = given.some(hasWeights) ? given.map((set) => withWeights(WHERE, set)) : given;
  sets.forEach((set, i) => checkAlike(sets[0]!, set, i));
  if (sets.every(isStream)) return joinStreams(sets);
  if (sets.some(isStream)) throw invalid('streams alone or none of them', 'both. Make a stream of the others with data.from');
  const placed = sets as (Dataset | LazyDataset)[];
  return placed.some(isLazy) ? joinLazy(placed) : joinMemory(placed as Dataset[]);
}

function joinStreams(sets: readonly DatasetStream[]): DatasetStream {
  const types = new Set(sets.map(({ labelType }) => labelType));
  if (types.size > 1) throw invalid('labels of one type', [...types].join(' and '));
  const length = sets.reduce<number | undefined>((sum, set) => (sum === undefined || set.length === undefined ? undefined : sum + set.length), 0);
  const { length: _, ...first } = sets[0]!;
  const examples = async function* (epoch: number): AsyncGenerator<Example> {
    for (const set of sets) yield* set.examples(epoch);
  };
  return readStream(WHERE, { ...first, ...(length !== undefined && { length }), examples });
}

function joinMemory(sets: readonly Dataset[]): Dataset {
  const size = elementCount(sets[0]!.shape);
  const length = sets.reduce((sum, set) => sum + set.length, 0);
  const kinds = new Set(sets.map(({ images }) => images.constructor.name));
  if (kinds.size > 1) throw invalid('images of one element type', [...kinds].join(' and '));
  const images = sameKind(sets[0]!.images, length * size);
  let at = 0;
  for (const set of sets) {
    images.set(set.images, at);
    at += set.images.length;
  }
  return printedDataset({ ...sets[0]!, images, labels: joinLabels(sets), ...joinWeights(sets), length });
}

function joinLazy(sets: readonly (Dataset | LazyDataset)[]): LazyDataset {
  const { shape, targetShape, classes, layout, scale, mean, std } = sets[0]!;
  const size = elementCount(shape);
  const parts = sets.map((set) => (isLazy(set) ? set : lazyOf(set, size)));
  const starts = [0];
  for (const { length } of parts) starts.push(starts.at(-1)! + length);
  const read: LazyDataset['read'] = async (indices, into) => {
    const left: number[] = [];
    for (const [k, part] of parts.entries()) {
      const own = [...indices.keys()].filter((i) => indices[i]! >= starts[k]! && indices[i]! < starts[k + 1]!);
      if (own.length === 0) continue;
      // A batch of one part alone goes where it belongs at once.
      const target = own.length === indices.length ? into : new Uint8Array(own.length * size);
      const unread = await part.read(Int32Array.from(own, (i) => indices[i]! - starts[k]!), target); // prettier-ignore
      for (const i of unread) left.push(own[i]!);
      if (target !== into) own.forEach((i, j) => into.set(target.subarray(j * size, (j + 1) * size), i * size));
    }
    return left.sort((a, b) => a - b);
  };
  const facts = { shape, targetShape, classes, layout, scale, mean, std } as DatasetFacts;
  return readLazy(WHERE, { ...facts, labels: joinLabels(parts), ...joinWeights(parts), length: starts.at(-1)!, read });
}

function lazyOf(dataset: Dataset, size: number): LazyDataset {
  const { images, ...rest } = dataset;
  if (images instanceof Float32Array) throw invalid('uint8 images in memory beside pictures in files', 'a Float32Array');
  const read: LazyDataset['read'] = (indices, into) => {
    indices.forEach((index, i) => into.set(images.subarray(index * size, (index + 1) * size), i * size));
    return Promise.resolve([]);
  };
  return { ...rest, read };
}

function joinLabels(sets: readonly { readonly labels: LabelArray }[]): LabelArray {
  const values = sets.filter(({ labels }) => labels instanceof Float32Array).length;
  if (values > 0 && values < sets.length) throw invalid('labels that are all classes or all values', 'both');
  const length = sets.reduce((sum, { labels }) => sum + labels.length, 0);
  const joined = values > 0 ? new Float32Array(length) : new Int32Array(length);
  let at = 0;
  for (const { labels } of sets) {
    joined.set(labels, at);
    at += labels.length;
  }
  return joined;
}

/** The field of the weights: all sets have some, or none. */
function joinWeights(sets: readonly (Dataset | LazyDataset)[]): Pick<Dataset, 'sampleWeights'> {
  if (!sets.every(hasWeights)) return {};
  const joined = new Float32Array(sets.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const { sampleWeights, length } of sets) {
    joined.set(sampleWeights!, at);
    at += length;
  }
  return { sampleWeights: joined };
}

function checkAlike(first: DatasetFacts, { shape, targetShape = [], ...facts }: DatasetFacts, i: number): void {
  const shapes = [['images', first.shape, shape], ['labels', first.targetShape ?? [], targetShape]] as const; // prettier-ignore
  for (const [what, expected, found] of shapes) {
    if (formatShape(expected) === formatShape(found)) continue;
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${WHERE} expects ${what} of one shape but those of data set 0 are ${formatShape(expected)} and those of data set ${i} ${formatShape(found)}.`,
    );
  }
  for (const field of ['classes', 'layout', 'scale', 'mean', 'std'] as const) {
    const [expected, found] = [first, facts].map(({ [field]: value }) => value ?? (field === 'layout' ? 'nchw' : undefined)) as [unknown, unknown];
    if (JSON.stringify(expected) === JSON.stringify(found)) continue;
    throw invalid(`data sets of the same ${field}`, `${formatValue(expected)} in data set 0 and ${formatValue(found)} in data set ${i}`);
  }
}

function invalid(expected: string, got: string): StridenetError {
  return new StridenetError('ERR_INVALID_ARGUMENT', `${WHERE} expects ${expected} but got ${got}.`);
}
