/** Whatever `fit` and `evaluate` take for a data set, checked. */

import { checkFunction, formatValue, StridenetError } from '../errors';
import { checkPreprocessing } from '../graph/preprocess';
import {
  checkClassNames,
  checkImageShapeOf,
  checkLength,
  checkTargetShape,
  readDataset,
  readLabels,
  type Dataset,
  type DatasetFacts,
  type DatasetStream,
  type LazyDataset,
} from './dataset';

/** A data set whose parts are checked, as `fit` reads it. */
export type ReadyDataset = Dataset | LazyDataset | DatasetStream;

/** @throws StridenetError ERR_INVALID_ARGUMENT naming the field, ERR_SHAPE_MISMATCH unless the parts fit each other */
export function readAnyDataset(where: string, given: unknown): ReadyDataset {
  const { read, examples } = (given ?? {}) as Partial<LazyDataset & DatasetStream>;
  if (read !== undefined) return checkLazy(where, given as LazyDataset);
  if (examples !== undefined) return checkStream(where, given as DatasetStream);
  return readDataset(where, given);
}

export function isStream(dataset: ReadyDataset): dataset is DatasetStream {
  return 'examples' in dataset;
}

export function isLazy(dataset: ReadyDataset): dataset is LazyDataset {
  return 'read' in dataset;
}

/** Labels if they are known before the images are read. */
export function knownLabels(dataset: ReadyDataset): Dataset['labels'] | undefined {
  return isStream(dataset) ? undefined : dataset.labels;
}

/** Whether what the model should give are numbers and no classes. */
export function hasValues(dataset: ReadyDataset): boolean {
  return isStream(dataset) ? dataset.labelType === 'float32' : dataset.labels instanceof Float32Array;
}

/** The element type of images, if it is known before they are read. */
export function imageTypeOf(dataset: ReadyDataset): 'uint8' | 'float32' | undefined {
  if (isStream(dataset)) return undefined;
  return isLazy(dataset) || !(dataset.images instanceof Float32Array) ? 'uint8' : 'float32';
}

function checkLazy(where: string, dataset: LazyDataset): LazyDataset {
  checkFunction(where, "the data set's read", dataset.read);
  const facts = checkFacts(where, dataset);
  const length = checkLength(where, dataset.length, NaN);
  const labels = readLabels(where, "the data set's labels", dataset.labels, length, facts.targetShape ?? [], facts.classes);
  return { ...facts, length, labels, read: async (indices, into) => dataset.read(indices, into) };
}

function checkStream(where: string, stream: DatasetStream): DatasetStream {
  checkFunction(where, "the data set's examples", stream.examples);
  const facts = checkFacts(where, stream);
  const { length, labelType = 'int32' } = stream;
  if (labelType !== 'int32' && labelType !== 'float32') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects the data set's labelType to be 'int32' or 'float32' but got ${formatValue(labelType)}.`,
    );
  }
  return {
    ...facts,
    labelType,
    ...(length !== undefined && { length: checkLength(where, length, NaN) }),
    examples: (epoch) => stream.examples(epoch),
  };
}

function checkFacts(where: string, { shape: extents, targetShape, classes, layout, scale, mean, std }: DatasetFacts): DatasetFacts {
  const shape = checkImageShapeOf(where, "the data set's shape", extents) as DatasetFacts['shape'];
  const target = checkTargetShape(where, "the data set's targetShape", targetShape);
  return {
    shape,
    ...(target.length > 0 && { targetShape: target }),
    classes: classes.length === 0 ? [] : checkClassNames(where, "the data set's classes", classes),
    ...checkPreprocessing(where, { scale, mean, std, layout }, shape, "the data set's "),
  };
}
