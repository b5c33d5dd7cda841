/** How a model does on a data set, image by image: which classes it takes for which, and where it is most wrong. */

import { types } from 'node:util';
import { readDataset, type Dataset, type DatasetLike, type LazyDataset } from '../data/dataset';
import { isLazy, readLazy } from '../data/kinds';
import { elementCount } from '../graph/types';
import { encodePngSync, type Picture } from '../io/png';
import type { Module } from '../nn/module';
import { nextTurn } from '../runtime/task';
import { readBatches } from '../train/batches';
import { compile } from '../train/compile';
import { datasetReading } from '../train/evaluate';
import type { Judgement, Mistake } from './run';

/** Images at a time. */
const BATCH = 64;
/** More pixels of a side are averaged into fewer. */
const MOST_PIXELS = 128;

interface Verdict {
  readonly index: number;
  readonly label: number;
  readonly predicted: number;
  readonly loss: number;
  readonly probability: number;
}

/** One that is shown. */
interface Shown extends Verdict {
  readonly picture: Picture;
}

/**
 * Runs the model on every image, off the event loop. A mistake is the worse the larger its cross-entropy, -log of the probability of the right
 * class, by the softmax of what the model gives.
 *
 * @param most mistakes
 * @returns undefined for a model that does not give a number for each class of the labels
 * @throws StridenetError ERR_SHAPE_MISMATCH and others, as `compile` does
 */
export async function judge(
  model: Module,
  given: DatasetLike | LazyDataset,
  most: number,
  threads?: number,
): Promise<Judgement | undefined> {
  const dataset = isLazy(given) ? readLazy('report', given) : readDataset('report', given);
  const net = await compile(model, { input: dataset.shape, maxBatch: BATCH, threads, ...datasetReading(dataset) });
  try {
    const [count, ...more] = net.output;
    if (count === undefined || more.length > 0 || !dataset.labels.every((label: number) => label < count)) return undefined;
    const confusion = new Uint32Array(count * count);
    const worst: Shown[] = [];
    for await (const { images, labels, indices, count: read } of readBatches('report', dataset, { batchSize: BATCH, epoch: 1 })) {
      if (read === 0) continue; // none of its pictures can be read
      const outputs = await (await net.run(images)).data();
      for (const [i, label] of labels.entries()) {
        const verdict = verdictOf(outputs.subarray(i * count, (i + 1) * count), label, indices[i]!);
        confusion[label * count + verdict.predicted]!++;
        if (verdict.predicted !== label) keepWorst(worst, verdict, most, () => pictureOf({ ...dataset, images }, i));
      }
      await nextTurn();
    }
    const mistakes: Mistake[] = [];
    for (const { loss, picture, ...verdict } of worst) {
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

function verdictOf(outputs: Float32Array, label: number, index: number): Verdict {
  let predicted = 0;
  for (let i = 1; i < outputs.length; i++) if (outputs[i]! > outputs[predicted]!) predicted = i;
  const largest = outputs[predicted]!;
  let sum = 0;
  for (let i = 0; i < outputs.length; i++) sum += Math.exp(outputs[i]! - largest);
  return { index, label, predicted, loss: Math.log(sum) + largest - outputs[label]!, probability: 1 / sum };
}

/** The `most` worst so far, the worst first. */
function keepWorst(worst: Shown[], verdict: Verdict, most: number, picture: () => Picture): void {
  if (most === 0 || (worst.length === most && !(verdict.loss > worst.at(-1)!.loss))) return;
  const at = worst.findIndex(({ loss }) => loss < verdict.loss);
  worst.splice(at < 0 ? worst.length : at, 0, { ...verdict, picture: picture() });
  if (worst.length > most) worst.pop();
}

/** An image to look at: RGB when it has three channels, else its first one in gray; float values from the least as black to the largest. */
export function pictureOf({ images, shape, layout }: Pick<Dataset, 'images' | 'shape' | 'layout'>, index: number): Picture {
  const [channels, height, width] = shape;
  const values = images.subarray(index * elementCount(shape), (index + 1) * elementCount(shape));
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
