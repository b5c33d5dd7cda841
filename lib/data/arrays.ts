/** arrays: a data set of pixels and labels that are in memory, checked where it is made. */

import { checkInteger, checkOptions, formatShape, formatValue, StridenetError } from '../errors';
import type { Preprocessing } from '../graph/preprocess';
import { Tensor } from '../graph/tensor';
import { elementCount, type Shape } from '../graph/types';
import {
  alphaAdvice,
  checkClassNames,
  checkImageShapeOf,
  checkTargetShape,
  readDataset,
  readLabels,
  type Dataset,
  type LabelArray,
} from './dataset';
import { readPixels, type ClassNumbers, type Pixels, type SampleWeights } from './values';

/** Options of `data.arrays`. */
export interface ArraysOptions extends Preprocessing {
  /** [channels, height, width] of one image, whatever the layout. Default: a Tensor's. */
  shape?: readonly [number, number, number] | undefined;
  /** Names of the classes, in label order. Default: the labels '0', '1', ... up to the greatest. */
  classes?: readonly string[] | undefined;
  /** A label that belongs to no class, such as that of pixels nobody labelled; losses pass over it (`ignoreIndex`). Default none. */
  ignoreIndex?: number | undefined;
  /** Shape of what the model should give for one image; default [], or a Tensor's without its first axis. [H, W] for masks, [k] for k values. */
  targetShape?: Shape | undefined;
  /** How much the loss of each image counts, from 0 on. Default: all the same. */
  sampleWeights?: SampleWeights | undefined;
}

/** A greater label without names of classes is no class number but something else. */
const MOST_CLASSES = 1_000_000;

/**
 * A data set of images and labels in memory, which it shares where it can.
 *
 * @param images one image after the other in the order that `layout` says, or a Tensor [n, channels, height, width]
 * @param targets the class of each image; with `targetShape` classes of each pixel; as a Float32Array or float32 Tensor, values: several labels of 0 and
 *   1, probabilities, numbers, images
 * @param options `layout: 'nhwc'` for pixels whose channels lie side by side; `scale`, `mean` and `std` as in `Dataset`
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_SHAPE_MISMATCH for values that are no number of images
 * @example
 * const { data: pixels } = await sharp('cat.jpg').resize(64, 64).removeAlpha().raw().toBuffer({ resolveWithObject: true });
 * const set = data.arrays(pixels, [0], { shape: [3, 64, 64], layout: 'nhwc', classes: ['cat', 'dog'] });
 */
export function arrays(images: Tensor | Pixels, targets: Tensor | ClassNumbers | Float32Array, options: ArraysOptions = {}): Dataset {
  const where = 'data.arrays';
  checkOptions(where, options, ['shape', 'classes', 'ignoreIndex', 'targetShape', 'sampleWeights', 'scale', 'mean', 'std', 'layout']);
  const { classes, layout = 'nchw', scale, mean, std, ignoreIndex, sampleWeights } = options;
  if (ignoreIndex !== undefined) checkInteger(where, 'ignoreIndex', ignoreIndex, -(2 ** 31));
  const ofTensor = Tensor.is(images);
  const shape = ofTensor ? tensorShape(images, options) : checkImageShapeOf(where, 'shape', options.shape);
  const pixels = readPixels(where, 'images', ofTensor ? (images.value ?? images.dataSync()) : images);
  const size = elementCount(shape);
  const length = pixels.length / size;
  if (!Number.isInteger(length) || length === 0) {
    throw new StridenetError(
      'ERR_SHAPE_MISMATCH',
      `${where} expects a multiple of ${size} values (one image is ${formatShape(shape)}) but got ${pixels.length}.${alphaAdvice(pixels.length, shape)}`,
    );
  }
  const targetShape = checkTargetShape(where, 'targetShape', options.targetShape ?? (Tensor.is(targets) ? targets.shape.slice(1) : undefined));
  const values = Tensor.is(targets) ? (targets.value ?? targets.dataSync()) : targets;
  const labels = readLabels(where, 'targets', values, length, targetShape, classes);
  const names = classNames(classes, labels, ignoreIndex);
  return readDataset(where, { scale, mean, std, images: pixels, labels, shape, targetShape, classes: names, sampleWeights, length, layout });
}

/** The shape of one image of a batch; a Tensor has its channels first, whatever lies elsewhere. */
function tensorShape({ shape: batch }: Tensor, { shape, layout }: ArraysOptions): Shape {
  const image = batch.slice(1);
  if (layout !== undefined && layout !== 'nchw') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `data.arrays expects no layout ${formatValue(layout)} with a Tensor, which is [n, channels, height, width]. Use x.transpose([0, 3, 1, 2]) if it is not.`,
    );
  }
  if (batch.length > 1 && (shape === undefined || formatShape(checkImageShapeOf('data.arrays', 'shape', shape)) === formatShape(image))) return image;
  throw new StridenetError(
    'ERR_SHAPE_MISMATCH',
    `data.arrays expects images of shape [n, ${(shape ?? ['channels', 'height', 'width']).join(', ')}] but got a tensor of shape ${formatShape(batch)}.`,
  );
}

/** Names of classes that the labels are in; of values there need be none. @throws StridenetError ERR_INVALID_ARGUMENT */
function classNames(classes: unknown, labels: LabelArray, ignoreIndex: number | undefined): readonly string[] {
  if (labels instanceof Float32Array) return classes === undefined ? [] : checkClassNames('data.arrays', 'classes', classes);
  const names = classes === undefined ? numberedClasses(labels, ignoreIndex) : checkClassNames('data.arrays', 'classes', classes);
  const bad = labels.findIndex((label) => label !== ignoreIndex && (label < 0 || label >= names.length));
  if (bad < 0) return names;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `data.arrays expects targets in [0, ${names.length - 1}] (there are ${names.length} classes) but label ${bad} is ${labels[bad]}.`,
  );
}

function numberedClasses(labels: Int32Array | Uint8Array, ignoreIndex: number | undefined): string[] {
  let greatest = 0;
  for (const label of labels) if (label !== ignoreIndex) greatest = Math.max(greatest, label);
  if (greatest >= MOST_CLASSES) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `data.arrays expects targets to be class numbers below ${MOST_CLASSES} but label ${labels.indexOf(greatest)} is ${greatest}. Pass classes if there are that many.`,
    );
  }
  return Array.from({ length: greatest + 1 }, (_, label) => String(label));
}
