/** Where a `fit` stands: what it keeps in checkpoints, so that another one goes on from there to the same bits. */

import { parseJson } from '../io/json';
import type { EpochRecord } from './history';
import { isSettings, type SavedSettings } from './savedSettings';

/** Sums over the batches of an epoch so far. */
export interface Totals {
  readonly batches: number;
  readonly images: number;
  /** Of the losses, each times its weight. */
  readonly loss: number;
  /** What the loss is to be divided by; default the images. */
  readonly weight?: number;
  readonly seconds: number;
  /** Of the last step; version 0.1 did not save it. */
  readonly learningRate?: number;
  /** What each metric has summed up, by its name. */
  readonly sums: Readonly<Record<string, readonly (readonly number[])[]>>;
}

export interface FitProgress {
  /** Those that are over. */
  readonly epochs: readonly EpochRecord[];
  /** Of the epoch under way; all 0 between epochs. */
  readonly totals: Totals;
  /** Images of an epoch (0 where that is not known) and of a step: what the batches of the epoch under way depend on. */
  readonly images: number;
  readonly batchSize: number;
  /** What else decides its steps; version 0.1 did not save it. */
  readonly settings?: SavedSettings;
  /** What callbacks keep, by their names. */
  readonly callbacks?: Readonly<Record<string, unknown>>;
}

export const NO_TOTALS: Totals = { batches: 0, images: 0, loss: 0, seconds: 0, sums: {} };

/** As text; JSON alone would lose a validation loss that is not finite. */
export function formatProgress(progress: FitProgress): string {
  return JSON.stringify(progress, (_, value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value));
}

/** Schedules may stand inside each other, and callbacks keep what they like. */
const PROGRESS_DEPTH = 64;

const RECORD_NUMBERS = ['epoch', 'loss', 'imagesPerSecond', 'seconds'] as const;
const TOTAL_NUMBERS = ['batches', 'images', 'loss', 'seconds'] as const;

/** Undefined for what `formatProgress` has not written. @throws JsonFault */
export function parseProgress(text: string): FitProgress | undefined {
  const { epochs, totals, images, batchSize, settings, callbacks } = (parseJson(text, PROGRESS_DEPTH) ?? {}) as Record<string, unknown>;
  if (!isSettings(settings)) return undefined;
  if (!Array.isArray(epochs) || !isCount(images, 0) || !isCount(batchSize, 1)) return undefined;
  const records = epochs.map(parseRecord);
  const parsed = parseTotals(totals);
  if (!parsed || records.includes(undefined)) return undefined;
  if (callbacks !== undefined && (typeof callbacks !== 'object' || callbacks === null || Array.isArray(callbacks))) return undefined;
  const states = callbacks === undefined ? {} : { callbacks: callbacks as Readonly<Record<string, unknown>> };
  return { epochs: records as EpochRecord[], totals: parsed, images, batchSize, ...(settings && { settings }), ...states };
}

/** A record of an epoch: the numbers that all have, and metrics by name. */
function parseRecord(given: unknown): EpochRecord | undefined {
  const record = parseNumbers(given);
  if (!record || RECORD_NUMBERS.some((name) => typeof record[name] !== 'number')) return undefined;
  return record as unknown as EpochRecord;
}

function parseTotals(given: unknown): Totals | undefined {
  const { sums, correct, ...counts } = (given ?? {}) as Record<string, unknown>;
  const numbers = parseNumbers(counts);
  if (!numbers || TOTAL_NUMBERS.some((name) => typeof numbers[name] !== 'number') || !isCount(numbers['batches'], 0)) return undefined;
  // Version 0.1 knew one metric.
  const saved = sums ?? (typeof correct === 'number' ? { accuracy: [[correct, numbers['images']]] } : undefined);
  if (typeof saved !== 'object' || saved === null || !Object.values(saved).every(isSums)) return undefined;
  return { ...numbers, sums: saved } as unknown as Totals;
}

function isSums(given: unknown): boolean {
  if (!Array.isArray(given)) return false;
  return given.every((total: unknown) => Array.isArray(total) && total.every((value) => typeof value === 'number'));
}

/** Numbers, also those that JSON does not know, and arrays of them. Undefined for anything else. */
function parseNumbers(given: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const entries = Object.entries(given).map(([name, value]) => [name, parseNumber(value)] as const);
  return entries.every(([, value]) => value !== undefined) ? Object.fromEntries(entries) : undefined;
}

function parseNumber(value: unknown): unknown {
  if (Array.isArray(value)) {
    const values = value.map(parseNumber);
    return values.includes(undefined) ? undefined : values;
  }
  if (typeof value === 'number') return value;
  return value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? Number(value) : undefined;
}

function isCount(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min;
}
