/** The numbers of a record by name, whatever was measured: loggers and reports know no metric. */

import type { BatchRecord, EpochRecord } from '../train/history';

/** Fields that say where a record stands. */
const PLACES = ['epoch', 'batch', 'step'];

/** Every field that is a number, in the record's order. */
export function numbersOf(record: EpochRecord | BatchRecord): [name: string, value: number][] {
  return Object.entries(record).filter((entry): entry is [string, number] => typeof entry[1] === 'number');
}

/** What was measured: the numbers that do not say where the record stands. */
export function measurementsOf(record: EpochRecord | BatchRecord): [name: string, value: number][] {
  return numbersOf(record).filter(([name]) => !PLACES.includes(name));
}

/** 'valTop5' -> 'top5'; undefined for what was measured in training. */
export function validationMetric(name: string): string | undefined {
  const metric = /^val([A-Z0-9].*)$/s.exec(name)?.[1];
  return metric && metric[0]!.toLowerCase() + metric.slice(1);
}
