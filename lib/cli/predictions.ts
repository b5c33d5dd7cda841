/** Predicted classes of a data set, and how they compare with the labels. */

import type { Module } from '../nn';
import { printableName } from '../printable';
import { compile } from '../train';
import { readBatches } from '../train/batches';
import { augmenterOf, datasetReading } from '../train/evaluate';
import type { Transform } from '../transforms';
import type { AnyLoaded } from './datasets';

const BATCH = 256;

/** The class of highest score for each image that can be read, beside its label. @param transforms done to the pictures first */
export async function predictClasses(
  model: Module,
  dataset: AnyLoaded,
  transforms: readonly Transform[] | undefined,
  threads: number | undefined,
): Promise<{ labels: Int32Array; predicted: Int32Array }> {
  const { length } = dataset;
  const augmenter = augmenterOf('stridenet', transforms, dataset);
  const augmentation = augmenter && { augmenter, seed: 0, classes: 0 };
  const net = await compile(model, {
    input: [...(augmenter ?? dataset).shape],
    maxBatch: Math.min(BATCH, length),
    threads,
    ...datasetReading(dataset),
  });
  try {
    const [labels, predicted] = [new Int32Array(length), new Int32Array(length)];
    let done = 0;
    for await (const batch of readBatches('stridenet', dataset, { batchSize: Math.min(BATCH, length), epoch: 1, augmentation })) {
      if (batch.count === 0) continue;
      const values = await (await net.run(batch.images)).data();
      const classes = values.length / batch.count;
      labels.set(batch.labels, done);
      for (let i = 0; i < batch.count; i++) predicted[done++] = argmax(values.subarray(i * classes, (i + 1) * classes));
    }
    return { labels: labels.subarray(0, done), predicted: predicted.subarray(0, done) };
  } finally {
    net.close();
  }
}

/** counts[label][predicted] */
export function confusion(labels: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number[][] {
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < labels.length; i++) counts[labels[i]!]![predicted[i]!]!++;
  return counts;
}

/** A table with a row for each class and a column for each prediction; the share of the class that was found ends the row. */
export function formatConfusion(counts: readonly (readonly number[])[], names: readonly string[]): string {
  const titles = names.map((name, i) => `${printableName(name)} ${i}`);
  const titleWidth = Math.max(...titles.map((title) => title.length));
  const cellWidth = Math.max(2, ...counts.flat().map((count) => String(count).length)) + 1;
  const row = (title: string, cells: readonly string[], found: string): string =>
    `${title.padStart(titleWidth)} ${cells.map((cell) => cell.padStart(cellWidth)).join('')} ${found.padStart(8)}`;
  const lines = counts.map((cells, i) => {
    const all = cells.reduce((a, b) => a + b, 0);
    const found = all === 0 ? '-' : `${((100 * cells[i]!) / all).toFixed(1)} %`;
    return row(titles[i]!, cells.map((count) => (count === 0 ? '.' : String(count))), found); // prettier-ignore
  });
  return ['Confusion matrix: true classes down, predicted classes across', row('', [...names.keys()].map(String), 'found'), ...lines].join(
    '\n',
  );
}

/** Probabilities from scores, and the `k` greatest with their classes. */
export function topClasses(scores: ArrayLike<number>, k: number): { label: number; probability: number }[] {
  const values = Array.from(scores);
  const greatest = Math.max(...values);
  const powers = values.map((v) => Math.exp(v - greatest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers
    .map((p, label) => ({ label, probability: p / sum }))
    .sort((a, b) => b.probability - a.probability || a.label - b.label)
    .slice(0, k);
}

function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
