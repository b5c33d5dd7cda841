/** Where a `fit` stands: what it keeps in checkpoints, so that another one goes on from there to the same bits. */

import { parseJson } from '../io/json';
import type { EpochRecord } from './history';

/** Sums over the batches of an epoch so far. */
export interface Totals {
  batches: number;
  images: number;
  /** Of the images' losses. */
  loss: number;
  correct: number;
  seconds: number;
}

export interface FitProgress {
  /** Those that are over. */
  readonly epochs: readonly EpochRecord[];
  /** Of the epoch under way; all 0 between epochs. */
  readonly totals: Readonly<Totals>;
  /** Images of an epoch and of a step: what the batches of the epoch under way depend on. */
  readonly images: number;
  readonly batchSize: number;
}

export const NO_TOTALS: Readonly<Totals> = { batches: 0, images: 0, loss: 0, correct: 0, seconds: 0 };

/** As text; JSON alone would lose a validation loss that is not finite. */
export function formatProgress(progress: FitProgress): string {
  return JSON.stringify(progress, (_, value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value));
}

const REQUIRED = ['epoch', 'loss', 'imagesPerSecond', 'seconds'] as const;
const OPTIONAL = ['accuracy', 'valLoss', 'valAccuracy'] as const;

/** Undefined for what `formatProgress` has not written. @throws JsonFault */
export function parseProgress(text: string): FitProgress | undefined {
  const { epochs, totals, images, batchSize } = (parseJson(text) ?? {}) as Record<string, unknown>;
  if (!Array.isArray(epochs) || !isCount(images, 1) || !isCount(batchSize, 1)) return undefined;
  const records = epochs.map((record) => numbersOf(record, REQUIRED, OPTIONAL));
  const sums = numbersOf(totals, Object.keys(NO_TOTALS));
  if (!sums || !isCount(sums['batches'], 0) || records.includes(undefined)) return undefined;
  return { epochs: records as unknown as EpochRecord[], totals: sums as unknown as Totals, images, batchSize };
}

function numbersOf(
  value: unknown,
  required: readonly string[],
  optional: readonly string[] = [],
): Readonly<Record<string, number>> | undefined {
  const given = (value ?? {}) as Record<string, unknown>;
  const names = [...required, ...optional.filter((name) => given[name] !== undefined)];
  const numbers = names.map((name): [string, number] => {
    const number = given[name];
    return [name, typeof number === 'string' ? Number(number) : (number as number)];
  });
  return numbers.every(([, number]) => typeof number === 'number') ? Object.fromEntries(numbers) : undefined;
}

function isCount(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min;
}
