/** How a model does on a data set, image by image: which classes it takes for which, and where it is most wrong. */

import { types } from 'node:util';
import type { AnyDataset, Dataset } from '../data/dataset';
import { hasValues, readAnyDataset } from '../data/kinds';
import type { ImageLayout } from '../graph/preprocess';
import { elementCount } from '../graph/types';
import { encodePngSync, type Picture } from '../io/png';
import type { Module } from '../nn/module';
import { nextTurn } from '../runtime/task';
import { readBatches } from '../train/batches';
import { compile } from '../train/compile';
import { augmenterOf, datasetReading } from '../train/evaluate';
import type { Transform } from '../transforms/transform';
import type { Judgement, Mistake } from './run';

/** Images at a time. */
const BATCH = 64;
/** More pixels of a side are averaged into fewer. */
const MOST_PIXELS = 128;

interface Verdict {
  readonly index: number;
  /** The values of the image. */
  readonly values: Uint8Array | Float32Array;
  readonly label: number;
  readonly predicted: number;
  readonly loss: number;
  readonly probability: number;
}

/**
 * Runs the model on every image, off the event loop. A mistake is the worse the larger its cross-entropy, -log of the probability of the right
 * class, by the softmax of what the model gives.
 *
 * @param most mistakes @param transforms of the pictures, as `evaluate` takes them
 * @returns undefined for a model that does not give a number for each class of the labels, and for labels that are no classes
 * @throws StridenetError ERR_SHAPE_MISMATCH and others, as `compile` does
 */
export async function judge(
  model: Module,
  given: AnyDataset,
  most: number,
  transforms?: readonly Transform[],
): Promise<Judgement | undefined> {
  const dataset = readAnyDataset('report', given);
  if (hasValues(dataset) || dataset.targetShape !== undefined) return undefined;
  const augmenter = augmenterOf('report', transforms, dataset);
  const shape = (augmenter?.shape ?? dataset.shape) as Dataset['shape'];
  const net = await compile(model, { input: shape, maxBatch: BATCH, ...datasetReading(dataset) });
  try {
    const [count, ...more] = net.output;
    if (count === undefined || more.length > 0) return undefined;
    const size = elementCount(shape);
    const confusion = new Uint32Array(count * count);
    const worst: Verdict[] = [];
    const augmentation = augmenter && { augmenter, seed: 0, classes: 0 };
    for await (const batch of readBatches('report', dataset, { batchSize: BATCH, epoch: 1, augmentation })) {
      if (batch.count === 0) continue;
      if (!batch.labels.every((label: number) => label >= 0 && label < count)) return undefined;
      const outputs = await (await net.run(batch.images)).data();
      for (const [i, label] of batch.labels.entries()) {
        const verdict = verdictOf(outputs.subarray(i * count, (i + 1) * count), label);
        confusion[label * count + verdict.predicted]!++;
        const values = batch.images.subarray(i * size, (i + 1) * size);
        if (verdict.predicted !== label) keepWorst(worst, { ...verdict, label, values, index: batch.indices[i]! }, most);
      }
      await nextTurn();
    }
    const mistakes: Mistake[] = [];
    for (const { loss, values, ...verdict } of worst) {
      const picture = pictureOf(values, shape, dataset.layout);
      const { width, height } = picture;
      mistakes.push({ ...verdict, png: encodePngSync(picture), width, height, labelProbability: Math.exp(-loss) });
      await nextTurn();
    }
    const classes = Array.from({ length: count }, (_, i) => dataset.classes[i] ?? String(i));
    return { classes, confusion, mistakes };
  } finally {
    net.close();
  }
}

function verdictOf(outputs: Float32Array, label: number): Pick<Verdict, 'predicted' | 'loss' | 'probability'> {
  let predicted = 0;
  for (let i = 1; i < outputs.length; i++) if (outputs[i]! > outputs[predicted]!) predicted = i;
  const largest = outputs[predicted]!;
  let sum = 0;
  for (let i = 0; i < outputs.length; i++) sum += Math.exp(outputs[i]! - largest);
  return { predicted, loss: Math.log(sum) + largest - outputs[label]!, probability: 1 / sum };
}

/** The `most` worst so far, the worst first; their values are copied. */
function keepWorst(worst: Verdict[], verdict: Verdict, most: number): void {
  if (worst.length === most && !(verdict.loss > (worst.at(-1)?.loss ?? Infinity))) return;
  const at = worst.findIndex(({ loss }) => loss < verdict.loss);
  worst.splice(at < 0 ? worst.length : at, 0, { ...verdict, values: verdict.values.slice() });
  if (worst.length > most) worst.pop();
}

/** An image to look at: RGB when it has three channels, else its first one in gray; float values from the least as black to the largest. */
export function pictureOf(values: Uint8Array | Float32Array, shape: Dataset['shape'], layout: ImageLayout = 'nchw'): Picture {
  const [channels, height, width] = shape;
  const shown = channels === 3 ? 3 : 1;
  // So many pixels of a side are averaged.
  const side = Math.ceil(Math.max(height, width) / MOST_PIXELS);
  const [rows, columns] = [Math.ceil(height / side), Math.ceil(width / side)];
  const level = levelsOf(values);
  const data = new Uint8Array(rows * columns * shown);
  for (let i = 0; i < data.length; i++) {
    const [c, column, row] = [i % shown, Math.floor(i / shown) % columns, Math.floor(i / (shown * columns))];
    let [sum, count] = [0, 0];
    for (let y = row * side; y < Math.min((row + 1) * side, height); y++) {
      for (let x = column * side; x < Math.min((column + 1) * side, width); x++) {
        sum += values[layout === 'nhwc' ? (y * width + x) * channels + c : (c * height + y) * width + x]!;
        count++;
      }
    }
    data[i] = level(sum / count);
  }
  return { data, width: columns, height: rows, channels: shown };
}

/** How values become bytes. */
function levelsOf(values: Uint8Array | Float32Array): (value: number) => number {
  if (types.isUint8Array(values)) return Math.round;
  let [min, max] = [Infinity, -Infinity];
  for (const value of values) if (Number.isFinite(value)) [min, max] = [Math.min(min, value), Math.max(max, value)];
  const scale = max > min ? 255 / (max - min) : 0;
  return (value) => Math.round((value - min) * scale);
}
