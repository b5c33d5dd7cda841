/** The three kinds of data sets: which one a value is, and whether it is a valid one. In memory: dataset.ts. */

import { checkBoolean, checkInteger, formatShape, formatValue, readArray, StridenetError } from '../errors';
import { formatFields, printedAs, type Style } from '../graph/inspect';
import { checkPreprocessing } from '../graph/preprocess';
import { elementCount } from '../graph/types';
import {
  checkClassNames,
  checkImageShapeOf,
  checkTargetShape,
  formatRest,
  printedDataset,
  readDataset,
  readLabels,
  weightsOf,
  type Dataset,
  type DatasetFacts,
  type DatasetStream,
  type Example,
  type LabelArray,
  type LazyDataset,
} from './dataset';
import type { PictureDataset } from './picture';

/** Whether pictures are read when they are needed. */
export function isLazy(dataset: unknown): dataset is LazyDataset {
  return typeof (Object(dataset) as Partial<LazyDataset>).read === 'function';
}

/** Whether examples come one after the other. */
export function isStream(dataset: unknown): dataset is DatasetStream {
  return typeof (Object(dataset) as Partial<DatasetStream>).examples === 'function';
}

/** A data set whose parts are checked. */
export type ReadyDataset = Dataset | LazyDataset | DatasetStream;

/** Labels if they are known before the images are read. */
export function knownLabels(dataset: ReadyDataset): LabelArray | undefined {
  return isStream(dataset) ? undefined : dataset.labels;
}

/** Whether what the model should give are numbers and no classes. */
export function hasValues(dataset: ReadyDataset): boolean {
  return isStream(dataset) ? dataset.labelType === 'float32' : dataset.labels instanceof Float32Array;
}

/** Whether the losses of examples have weights. */
export function hasWeights({ sampleWeights = false }: ReadyDataset): boolean {
  return sampleWeights !== false;
}

/** @throws StridenetError ERR_INVALID_ARGUMENT for weights that are all 0, of which nothing can be learned or measured */
export function refuseZeroWeights(where: string, dataset: ReadyDataset): void {
  if (isStream(dataset) || !dataset.sampleWeights?.every((weight) => weight === 0)) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects the data set's sampleWeights to have one above 0 but all ${dataset.length} are 0.`,
  );
}

/** The element type of images, if it is known before they are read. */
export function imageTypeOf(dataset: ReadyDataset): 'uint8' | 'float32' | undefined {
  if (isStream(dataset)) return undefined;
  return isLazy(dataset) || !(dataset.images instanceof Float32Array) ? 'uint8' : 'float32';
}

/** A data set of any kind, checked. @throws StridenetError ERR_INVALID_ARGUMENT, ERR_SHAPE_MISMATCH */
export function readAnyDataset(where: string, dataset: unknown): ReadyDataset {
  if (isStream(dataset)) return readStream(where, dataset);
  return isLazy(dataset) ? readLazy(where, dataset) : readDataset(where, dataset);
}

/**
 * A lazy data set whose every field was checked, and whose `read` checks what it is asked for.
 * @throws StridenetError ERR_INVALID_ARGUMENT naming the field, ERR_SHAPE_MISMATCH for another number of labels
 */
export function readLazy(where: string, dataset: LazyDataset): LazyDataset {
  if (checkedLazy.has(dataset)) return dataset;
  const facts = readFacts(where, dataset);
  const length = checkInteger(where, "the data set's length", dataset.length, 1);
  const labels = readLabels(where, "the data set's labels", dataset.labels, length, facts.targetShape ?? [], facts.classes);
  const size = elementCount(facts.shape);
  const { paths, skipped } = dataset as Partial<PictureDataset>;
  const checked: LazyDataset = {
    ...facts,
    labels,
    ...weightsOf(where, dataset.sampleWeights, length),
    length,
    ...(paths && skipped && { paths, skipped }),
    read: async (indices, into) => {
      checkReading(indices, into, length, size);
      return dataset.read(indices, into);
    },
  };
  checkedLazy.add(checked);
  return printedAs(checked, 'LazyDataset', (style) => formatFacts('LazyDataset', checked, length, style));
}

/** Those that `readLazy` made: data sets of data sets are checked once. */
const checkedLazy = new WeakSet<LazyDataset>();

/** @throws StridenetError ERR_INVALID_ARGUMENT naming the field */
export function readStream(where: string, dataset: DatasetStream): DatasetStream {
  const facts = readFacts(where, dataset);
  const { labelType = 'int32', sampleWeights, length } = dataset;
  if ((labelType as unknown) !== 'int32' && (labelType as unknown) !== 'float32') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects labelType to be 'int32' or 'float32' but got ${formatValue(labelType)}.`);
  }
  if (length !== undefined) checkInteger(where, "the data set's length", length, 1);
  const checked: DatasetStream = {
    ...facts,
    labelType,
    ...(sampleWeights !== undefined && { sampleWeights: checkBoolean(where, "the data set's sampleWeights", sampleWeights) }),
    ...(length !== undefined && { length }),
    examples: (epoch) => dataset.examples(epoch),
  };
  return printedAs(checked, 'DatasetStream', (style) => formatFacts('DatasetStream', checked, length, style));
}

/** What a data set says of its examples, checked and without what is undefined. */
export function readFacts(where: string, dataset: DatasetFacts): DatasetFacts {
  const { shape: extents, targetShape, classes, scale, mean, std, layout } = dataset;
  const shape = checkImageShapeOf(where, "the data set's shape", extents);
  if (shape.length !== 3) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects the data set's shape to be [channels, height, width] but got ${formatShape(shape)}.`,
    );
  }
  const target = checkTargetShape(where, "the data set's targetShape", targetShape);
  return {
    shape: shape as unknown as DatasetFacts['shape'],
    ...(target.length > 0 && { targetShape: target }),
    classes: readArray(classes ?? [], 0) ? [] : checkClassNames(where, "the data set's classes", classes),
    ...checkPreprocessing(where, { scale, mean, std, layout }, shape, "the data set's "),
  };
}

/** What is read must be there, and there must be room for it. */
function checkReading(indices: Int32Array, into: Uint8Array, length: number, size: number): void {
  const isRoom = into instanceof Uint8Array && into.length >= indices.length * size;
  if (!isRoom) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `read expects a Uint8Array of at least ${indices.length * size} values (${indices.length} images of ${size}) but got ${formatValue(into)}.`,
    );
  }
  const bad = indices.findIndex((index) => index < 0 || index >= length);
  if (bad < 0) return;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `read expects indices in [0, ${length}) but indices[${bad}] is ${indices[bad]}.`);
}

/** A data set whose examples have weights: its own, or 1. */
export function withWeights(where: string, dataset: ReadyDataset): ReadyDataset {
  if (hasWeights(dataset)) return dataset;
  if (isStream(dataset)) return readStream(where, { ...dataset, sampleWeights: true, examples: (epoch) => weighing(dataset.examples(epoch)) });
  const sampleWeights = new Float32Array(dataset.length).fill(1);
  return isLazy(dataset) ? readLazy(where, { ...dataset, sampleWeights }) : printedDataset({ ...dataset, sampleWeights });
}

async function* weighing(examples: AsyncIterable<Example> | Iterable<Example>): AsyncGenerator<Example> {
  for await (const example of examples) yield { ...example, weight: 1 };
}

function formatFacts(name: string, facts: DatasetFacts, length: number | undefined, style: Style): string {
  const { shape, targetShape } = facts;
  return `${style.stylize(name, 'special')}(${formatFields({ length, shape, targetShape }, style)}, ${formatRest(facts, style)})`;
}
