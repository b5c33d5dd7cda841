/** map: every example of a data set passed through a function. */

import { checkFunction, checkOptions, formatValue, StridenetError } from '../errors';
import type { ImageLayout } from '../graph/preprocess';
import { Tensor } from '../graph/tensor';
import { elementCount, type Shape } from '../graph/types';
import {
  labelSize,
  printedDataset,
  readDataset,
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
import { ExampleChecker } from './examples';
import { isLazy, isStream, readFacts, readLazy, readStream } from './kinds';
import type { PictureDataset } from './picture';
import { Slices } from './slices';
import type { Pixels } from './values';

/** What a function of `data.map` gives: another image, or another label, or both; what it leaves out stays. */
export interface MappedExample {
  /** As many values as the shape has, of the same element type for all examples. */
  readonly image?: Pixels | undefined;
  /** The number of a class, or values. */
  readonly label?: Example['label'] | undefined;
  /** How much its loss counts, where examples have weights. */
  readonly weight?: number | undefined;
}

/** Options of `data.map`: what the function changes. */
export interface MapOptions {
  /** [channels, height, width] of its images. Default: as before. */
  shape?: readonly [number, number, number] | undefined;
  /** Order of the values of its images. Default: as before. */
  layout?: ImageLayout | undefined;
  /** Names of the classes of its labels; [] where they are no classes any more. Default: as before. */
  classes?: readonly string[] | undefined;
  /** Shape of its labels. Default: as before. */
  targetShape?: Shape | undefined;
  /** Element type of its labels: 'int32' for classes, 'float32' for values. Default: as before. */
  labelType?: 'int32' | 'float32' | undefined;
}

/** Makes one example of another. @param index its place, or in a stream its number in the pass */
export type ExampleFunction<R> = (example: Example, index: number) => R;

const WHERE = 'data.map';

/**
 * A data set whose examples went through a function. Of a data set in memory all do at once, and the result is in memory; the function must give its
 * result at once. Pictures in files and examples of streams go through it each time they are read, and it may be asynchronous. It can change only the
 * images (uint8) of pictures in files, since their labels are known before any of them is read.
 *
 * @param fn gets `{ image, label }`, whose image it may keep and change, except that of a data set in memory
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH with the number of an example that does not fit; ERR_UNKNOWN_OPTION; what `fn` throws
 * @example const inverted = data.map(pictures, ({ image }) => ({ image: image.map((v) => 255 - v) }));
 */
export function map(dataset: PictureDataset, fn: ExampleFunction<MappedExample | Promise<MappedExample>>, options?: MapOptions): PictureDataset;
export function map(dataset: LazyDataset, fn: ExampleFunction<MappedExample | Promise<MappedExample>>, options?: MapOptions): LazyDataset;
export function map(dataset: DatasetStream, fn: ExampleFunction<MappedExample | Promise<MappedExample>>, options?: MapOptions): DatasetStream;
export function map(dataset: DatasetLike, fn: ExampleFunction<MappedExample>, options?: MapOptions): Dataset;
export function map(
  dataset: AnyDataset,
  fn: ExampleFunction<MappedExample | Promise<MappedExample>>,
  options: MapOptions = {},
): Dataset | LazyDataset | DatasetStream {
  checkOptions(WHERE, options, ['shape', 'layout', 'classes', 'targetShape', 'labelType']);
  checkFunction(WHERE, 'fn', fn);
  if (isStream(dataset)) return mapStream(dataset, fn, options);
  return isLazy(dataset) ? mapLazy(dataset, fn, options) : mapMemory(dataset, fn, options);
}

function mapStream(dataset: DatasetStream, fn: ExampleFunction<unknown>, options: MapOptions): DatasetStream {
  const whole = readStream(WHERE, dataset);
  const examples = async function* (epoch: number): AsyncGenerator<Example> {
    const checker = new ExampleChecker(WHERE, mapped);
    let i = 0;
    for await (const example of whole.examples(epoch)) yield checkMapped(checker, await fn(example, i), example, i++);
  };
  const mapped = readStream(WHERE, { ...whole, ...given(options), examples });
  return mapped;
}

function mapLazy(dataset: LazyDataset, fn: ExampleFunction<unknown>, options: MapOptions): LazyDataset {
  for (const name of ['classes', 'targetShape', 'labelType'] as const) {
    if (options[name] === undefined) continue;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${WHERE} expects no ${name} for a data set of files, whose labels are known before any picture is read: fn changes its images only.`,
    );
  }
  const whole = readLazy(WHERE, dataset);
  const from = elementCount(whole.shape);
  const read: LazyDataset['read'] = async (indices, into) => {
    const pictures = new Uint8Array(indices.length * from);
    const left = new Set(await whole.read(indices, pictures));
    const checker = new ExampleChecker(WHERE, { ...mapped, labelType: whole.labels instanceof Float32Array ? 'float32' : 'int32', sampleWeights: whole.sampleWeights !== undefined });
    const slices = new Slices();
    for (const [i, index] of indices.entries()) {
      if (left.has(i)) continue;
      await slices.pause();
      const example = { image: pictures.subarray(i * from, (i + 1) * from), label: labelOf(whole.labels, whole, index), ...weightOf(whole, index) };
      const { image, label, weight } = checkMapped(checker, await fn(example, index), example, index);
      if (!sameLabel(label, example.label)) throw invalid(`fn to leave labels of files as they are, but it changed that of example ${index} to ${formatValue(label)}`);
      if (weight !== example.weight) throw invalid(`fn to leave weights of files as they are, but it changed that of example ${index} to ${weight}`);
      if (!(image instanceof Uint8Array)) {
        throw invalid(`fn to give uint8 images of files, but that of example ${index} is a ${image.constructor.name}. Options scale, mean and std say how they are read`);
      }
      into.set(image, i * size);
    }
    return [...left];
  };
  const mapped = readLazy(WHERE, { ...whole, ...given(options), read });
  const size = elementCount(mapped.shape);
  return mapped;
}

function mapMemory(dataset: DatasetLike, fn: ExampleFunction<unknown>, options: MapOptions): Dataset {
  const whole = readDataset(WHERE, dataset);
  const { images, labels, sampleWeights, length, ...rest } = whole;
  const labelType = options.labelType ?? (labels instanceof Float32Array ? 'float32' : 'int32');
  const facts = readFacts(WHERE, { ...rest, ...given(options) });
  const [from, size, perLabel] = [elementCount(whole.shape), elementCount(facts.shape), labelSize(facts)];
  const checker = new ExampleChecker(WHERE, { ...facts, labelType, sampleWeights: sampleWeights !== undefined });
  let pixels: Uint8Array | Float32Array | undefined;
  const targets = labelType === 'float32' ? new Float32Array(length * perLabel) : new Int32Array(length * perLabel);
  const weights = sampleWeights && new Float32Array(length);
  for (let i = 0; i < length; i++) {
    const example = { image: images.subarray(i * from, (i + 1) * from), label: labelOf(labels, whole, i), ...weightOf(whole, i) };
    const result = fn(example, i);
    if (result instanceof Promise) {
      result.catch(() => undefined);
      throw invalid('fn to give its result at once for a data set in memory, but it gave a Promise. Make a stream of asynchronous work with data.from');
    }
    const { image, label, weight } = checkMapped(checker, result, example, i);
    pixels ??= sameKind(image as Uint8Array, length * size);
    pixels.set(image, i * size);
    targets.set(typeof label === 'number' ? [label] : label, i * perLabel);
    if (weights) weights[i] = weight!;
  }
  return printedDataset({ ...facts, images: pixels!, labels: targets, ...(weights && { sampleWeights: weights }), length });
}

/** What the function gave, with what it left out. */
function checkMapped(checker: ExampleChecker, result: unknown, example: Example, i: number): Example {
  if (typeof result !== 'object' || result === null || Array.isArray(result) || ArrayBuffer.isView(result) || Tensor.is(result)) {
    throw invalid(`fn to give { image, label } or one of them, but for example ${i} it gave ${formatValue(result)}`);
  }
  const { image = example.image, label = example.label, weight = example.weight } = result as MappedExample;
  return checker.checked(image, label, weight, i);
}

/** The label of one example: a number, or an array where labels have axes. */
function labelOf(labels: LabelArray, { targetShape = [] }: DatasetFacts, i: number): Example['label'] {
  const size = elementCount(targetShape);
  return targetShape.length === 0 ? labels[i]! : labels.subarray(i * size, (i + 1) * size);
}

/** The field of the weight of one example, if it has one. */
function weightOf({ sampleWeights }: Pick<Dataset, 'sampleWeights'>, i: number): Pick<Example, 'weight'> {
  return sampleWeights ? { weight: sampleWeights[i]! } : {};
}

function sameLabel(a: Example['label'], b: Example['label']): boolean {
  if (typeof a === 'number' || typeof b === 'number') return a === b;
  return Array.from(a).every((value, i) => Object.is(value, b[i]));
}

/** The options that were given. */
function given(options: MapOptions): Partial<DatasetFacts> {
  const { shape, layout, classes, targetShape, labelType } = options;
  return {
    ...(shape && { shape }),
    ...(layout && { layout }),
    ...(classes && { classes }),
    ...(targetShape && { targetShape }),
    ...(labelType && { labelType }),
  };
}

function invalid(expected: string): StridenetError {
  return new StridenetError('ERR_INVALID_ARGUMENT', `${WHERE} expects ${expected}.`);
}
