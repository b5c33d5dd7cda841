/** What came out of the combinations of a sweep: kept as JSON lines, ranked, and printed as a table. */

import { readFile } from 'node:fs/promises';
import { Monitor } from '../../callbacks/monitor';
import { AppendedFile } from '../../io/appendedFile';
import { parseJson } from '../../io/json';
import type { Outcome } from './children';
import { formatCell, type Combination } from './grid';

/** A combination that was run. */
export type Finished = Combination & Outcome;

/** A combination that was run, and the number that it is ranked by. */
export type Ranked = Finished & { readonly value: number | undefined };

/** The file of results of a sweep. */
export class ResultsFile {
  private constructor(
    private readonly file: AppendedFile,
    private readonly lines: ReadonlyMap<string, Outcome>,
  ) {}

  /** @throws StridenetError ERR_FILE_ACCESS */
  static async open(path: string): Promise<ResultsFile> {
    const { file } = await AppendedFile.continueLines(path);
    const lines = new Map<string, Outcome>();
    for (const line of (await readFile(path, 'utf8')).split('\n')) {
      const { id, result } = (readLine(line) ?? {}) as { id?: unknown; result?: unknown };
      // What failed is tried again.
      if (typeof id === 'string' && typeof result === 'object' && result !== null)
        lines.set(id, { result: result as Record<string, unknown> });
    }
    return new ResultsFile(file, lines);
  }

  /** What a sweep before this one found. */
  found({ id }: Combination): Outcome | undefined {
    return this.lines.get(id);
  }

  async add({ id, values, ...outcome }: Finished): Promise<void> {
    const { settings: _, ...rest } = outcome;
    await this.file.append(`${JSON.stringify({ id, parameters: values, ...rest })}\n`);
  }
}

function readLine(line: string): unknown {
  try {
    return line === '' ? undefined : parseJson(line);
  } catch {
    return undefined;
  }
}

/** The best first, then those that lack the number, then those that failed. */
export function rank(finished: readonly Finished[], metric: string): Ranked[] {
  const monitor = new Monitor('stridenet sweep', metric);
  const ranked = finished.map((each) => ({ ...each, value: 'result' in each ? metricOf(each.result, metric) : undefined }));
  return ranked.sort((a, b) => {
    if (a.value === undefined || b.value === undefined) return place(a) - place(b);
    return monitor.compare(a.value, b.value);
  });
}

function place(ranked: Ranked): number {
  return 'error' in ranked ? 2 : ranked.value === undefined ? 1 : 0;
}

/** 'valAccuracy' is result.validation.accuracy; others stand in the result itself. */
export function metricOf(result: Readonly<Record<string, unknown>>, metric: string): number | undefined {
  const [, first, rest] = /^val([A-Z])(.*)$/.exec(metric) ?? [];
  const holder = first === undefined ? result : (result['validation'] as Record<string, unknown> | undefined);
  const value = holder?.[first === undefined ? metric : first.toLowerCase() + rest!];
  return typeof value === 'number' ? value : undefined;
}

/** Names of the numbers that results of trainings with these metrics have. */
export function knownMetrics(metrics: readonly string[]): string[] {
  const measured = ['loss', ...metrics].map((name) => `val${name[0]!.toUpperCase()}${name.slice(1)}`);
  return [...measured, 'testLoss', 'testAccuracy', 'trainLoss', 'trainAccuracy', 'imagesPerSecond', 'seconds'];
}

/** A row for each combination. */
export function formatTable(ranked: readonly Ranked[], metric: string): string {
  const names = Object.keys(ranked[0]!.values);
  const extra = ['testAccuracy', 'seconds'].filter((name) => name !== metric);
  const rows = ranked.map((each) => {
    const cells = names.map((name) => formatCell(each.values[name]));
    if ('error' in each) return [...cells, `failed: ${firstSentence(each.error)}`];
    return [...cells, formatNumber(each.value), ...extra.map((name) => formatNumber(metricOf(each.result, name)))];
  });
  const header = [...names, metric, ...extra];
  const widths = header.map((title, i) => {
    // What failed may take as much room as it needs.
    const cells = rows.filter((row) => row.length === header.length || i < names.length).map((row) => row[i]!.length);
    return Math.max(title.length, ...cells);
  });
  return [header, ...rows].map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ').trimEnd()).join('\n'); // prettier-ignore
}

/** Of a long message; the results file has all of it. */
function firstSentence(message: string): string {
  return /^.{10,}?[.:](?= [A-Z])/.exec(message.replace(/^(ERR_\w+): /, '$1 '))?.[0] ?? message;
}

function formatNumber(value: number | undefined): string {
  if (value === undefined) return '-';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(4);
}
