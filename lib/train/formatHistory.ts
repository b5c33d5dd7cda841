/** What `fit` returns, as a table: a row for each epoch. */

import { printedAs, type Style } from '../graph/inspect';
import type { EpochRecord, History } from './history';

/** Rows that are printed at each end of a long history. */
const EDGE = 10;
/** Digits of a learning rate, which may be small. */
const RATE_DIGITS = 4;
/** Decimals by column; other columns get four where a number is no integer. */
const DECIMALS: Readonly<Record<string, number>> = { epoch: 0, imagesPerSecond: 0, seconds: 1 };

/** A history while it is made. */
export interface GrowingHistory extends History {
  epochs: EpochRecord[];
  unwritten?: readonly string[];
}

/** A history of records, which `console.log` prints as a table. */
export function printedHistory(epochs: EpochRecord[]): GrowingHistory {
  const history: GrowingHistory = { epochs };
  return printedAs(history, 'History', (style) => formatHistory(history, style));
}

function formatHistory({ epochs }: History, style: Style): string {
  const name = style.stylize('History', 'special');
  const count = `${epochs.length} ${epochs.length === 1 ? 'epoch' : 'epochs'}`;
  if (epochs.length === 0 || style.nested) return `${name}(${count})`;
  const columns = [...new Set(epochs.flatMap((record) => Object.keys(record)))];
  const cut = epochs.length > 2 * EDGE;
  const shown = cut ? [...epochs.slice(0, EDGE), ...epochs.slice(-EDGE)] : epochs;
  const rows = shown.map((record) => columns.map((column) => formatNumber(column, (record as unknown as Record<string, unknown>)[column])));
  const widths = columns.map((column, i) => Math.max(column.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string => cells.map((cell, i) => cell.padStart(widths[i]!)).join('  ');
  const numbers = rows.map((row) => style.stylize(line(row), 'number'));
  if (cut) numbers.splice(EDGE, 0, '...');
  return [`${name}(${count})`, line(columns), ...numbers].join('\n');
}

function formatNumber(column: string, value: unknown): string {
  if (typeof value !== 'number') return value === undefined ? '' : String(value);
  if (column === 'learningRate') return String(Number(value.toPrecision(RATE_DIGITS)));
  const decimals = DECIMALS[column] ?? (Number.isInteger(value) ? 0 : 4);
  return Number.isFinite(value) ? value.toFixed(decimals) : String(value);
}
