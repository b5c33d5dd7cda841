/** Results as text for people: the header that names the machine, and one table for each benchmark. */

import type { Entry, RowResult } from './compare';
import type { FeedingResult, Source, SourceResult } from './feeding';
import type { KernelResult, Peaks } from './kernels';
import { PEERS } from './peerProcess';
import { geometricMean } from './statistics';

/** Units of time by the smallest number of milliseconds that they are used for, digits so that three are significant. */
const UNITS = [
  { from: 1e5, unit: 's', scale: 1e-3, digits: 0 },
  { from: 1e4, unit: 's', scale: 1e-3, digits: 1 },
  { from: 100, unit: 'ms', scale: 1, digits: 0 },
  { from: 10, unit: 'ms', scale: 1, digits: 1 },
  { from: 1, unit: 'ms', scale: 1, digits: 2 },
  { from: 0.1, unit: 'us', scale: 1e3, digits: 0 },
  { from: 0, unit: 'us', scale: 1e3, digits: 1 },
] as const;

/** A duration with about three digits; with a spread, its ends in the same unit. @param ms milliseconds */
export function formatMs(ms: number, spread: readonly number[] = []): string {
  const { unit, scale, digits } = UNITS.find(({ from }) => ms >= from)!;
  const ends = spread.map((end) => (end * scale).toFixed(digits)).join('-');
  return `${(ms * scale).toFixed(digits)} ${unit}${ends && ` (${ends})`}`;
}

/** The fastest entry of each family but ours, in the order of the peers. */
export function bestOfFamilies(entries: readonly Entry[]): Map<string, Entry> {
  const best = new Map<string, Entry>();
  for (const entry of entries) {
    const { family } = PEERS[entry.peer];
    if (family === 'stridenet' || !entry.time) continue;
    const known = best.get(family)?.time;
    if (!known || entry.time.median < known.median) best.set(family, entry);
  }
  return best;
}

/** How many times as long the best of a family takes as we do, by median. */
export function ratiosOf({ entries }: RowResult): Map<string, number> {
  const own = entries.find(({ peer }) => peer === 'stridenet')?.time;
  if (!own) return new Map();
  return new Map([...bestOfFamilies(entries)].map(([family, { time }]) => [family, time!.median / own.median]));
}

/** Median with quartiles by row and peer, then the ratios to the best of each family and their geometric means. */
export function formatComparison(results: readonly RowResult[]): string {
  const peers = [...new Set(results.flatMap(({ entries }) => entries.map(({ peer }) => peer)))];
  const shown = peers.filter((peer) => results.some(({ entries }) => entries.some((entry) => entry.peer === peer && entry.time)));
  const families = [...new Set(shown.map((peer) => PEERS[peer].family))].filter((family) => family !== 'stridenet');
  const header = ['', ...shown.map((peer) => PEERS[peer].label), ...families.map((family) => `${family}/ours`)];
  const rows = results.map((result) => {
    const cells = shown.map((peer) => formatEntry(result.entries.find((entry) => entry.peer === peer)));
    const ratios = ratiosOf(result);
    return [nameOf(result), ...cells, ...families.map((family) => ratios.get(family)?.toFixed(2) ?? '')];
  });
  const means = families.map((family) => {
    const ratios = results.flatMap((result) => ratiosOf(result).get(family) ?? []);
    return ratios.length > 1 ? geometricMean(ratios).toFixed(2) : '';
  });
  if (means.some(Boolean)) rows.push(['geometric mean', ...shown.map(() => ''), ...means]);
  const lines = [alignColumns([header, ...rows])];
  const notes = notesOf(results);
  return notes.length > 0 ? [...lines, '', ...notes].join('\n') : lines.join('\n');
}

/** Time to load, of the first run and of both together, in fresh processes; resident memory; peak memory in training. */
export function formatMemory(results: readonly RowResult[]): string {
  const header = ['', 'peer', 'load', 'first run', 'both', 'resident', 'peak'];
  const rows = results.flatMap((result) =>
    result.entries.flatMap((entry, i) => {
      if (entry.time === undefined) return [];
      const { median, quartiles, count } = entry.start!;
      const times = [formatMs(entry.loadMs!), formatMs(entry.firstMs!), formatMs(median, count > 1 ? quartiles : undefined)];
      const sizes = [entry.residentBytes!, entry.peakBytes!].map((bytes) => (bytes > 0 ? `${Math.round(bytes / 1e6)} MB` : ''));
      return [[i === 0 ? nameOf(result) : '', PEERS[entry.peer].label, ...times, ...sizes]];
    }),
  );
  return alignColumns([header, ...rows]);
}

export function nameOf({ network, batch }: Pick<RowResult, 'network' | 'batch'>): string {
  return `${network} b${batch}`;
}

function formatEntry(entry: Entry | undefined): string {
  if (!entry) return '';
  if (!entry.time) return '-';
  const { median, quartiles, count } = entry.time;
  if (count === 1) return `${formatMs(median)} (once)`;
  return formatMs(median, quartiles);
}

/** Why cells are empty: one line for each peer and reason. */
function notesOf(results: readonly RowResult[]): string[] {
  const rowsOf = new Map<string, string[]>();
  for (const result of results) {
    for (const { peer, note } of result.entries) {
      if (note === undefined) continue;
      const key = `${PEERS[peer].label}: ${note}`;
      rowsOf.set(key, [...(rowsOf.get(key) ?? []), nameOf(result)]);
    }
  }
  return [...rowsOf].map(([note, names]) => (names.length === results.length ? note : `${note} (${names.join(', ')})`));
}

/** First column to the left, the others to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[i]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/**
 * Speed of each operation and its share of the peak that bounds it, that of arithmetic as it was in turns with the operation. With every
 * algorithm there is a column for the time of packing the weight.
 */
export function formatKernels({ flopsPerSecond, readBytesPerSecond, copyBytesPerSecond }: Peaks, results: readonly KernelResult[]): string {
  const [gflops, read, copy] = [flopsPerSecond, readBytesPerSecond, copyBytesPerSecond].map((rate) => (rate / 1e9).toFixed(1));
  const packs = results.some(({ packMilliseconds }) => packMilliseconds !== undefined);
  const header = ['', 'algorithm', 'time', ...(packs ? ['packing'] : []), 'rate', 'peak', 'share'];
  return [
    `peak: ${gflops} GFLOP/s multiplying and adding in registers, ${read} GB/s reading memory, ${copy} GB/s copying it`,
    '',
    alignColumns([header, ...results.map((result) => kernelRow(result, packs))]),
  ].join('\n');
}

function kernelRow(result: KernelResult, packs: boolean): string[] {
  const { group, operation, shape, batch, algorithm, widen, milliseconds, packMilliseconds } = result;
  const { gflops, gigabytesPerSecond, peakGflops, share } = result;
  const packing = packMilliseconds === undefined ? '' : formatMs(packMilliseconds);
  return [
    `${group} ${operation} ${shape} b${batch}`,
    widen !== undefined && widen > 1 ? `${algorithm} x${widen}` : algorithm,
    formatMs(milliseconds),
    ...(packs ? [packing] : []),
    gflops === undefined ? `${gigabytesPerSecond!.toFixed(1)} GB/s` : `${gflops.toFixed(1)} GFLOP/s`,
    peakGflops?.toFixed(1) ?? '',
    `${(100 * share).toFixed(0)} %`,
  ];
}

const SOURCES: Readonly<Record<Source, string>> = {
  steps: 'steps alone',
  memory: 'pictures in memory',
  cache: 'cache of decoded pictures',
  files: 'JPEG files',
};

/** Speed of a training by where its pictures come from, by step the wait for them and the processor time, and the share of the speed of steps alone. */
export function formatFeeding(results: readonly FeedingResult[]): string {
  const header = ['', 'pictures from', 'images/s', 'wait for data', 'processor time', 'of steps alone'];
  const rows = results.flatMap((result) => {
    const alone = result.sources.find(({ source }) => source === 'steps')!.imagesPerSecond!.median;
    return result.sources.map((each, i) => [i === 0 ? nameOf(result) : '', SOURCES[each.source], ...speedCells(each, alone, result.batch)]);
  });
  return [alignColumns([header, ...rows]), '', ...results.flatMap(picturesOf)].join('\n');
}

function speedCells(result: SourceResult, alone: number, batch: number): string[] {
  const { imagesPerSecond: speed, waitMilliseconds: wait, processorMilliseconds: used } = result;
  if (!speed || !wait || !used) return ['-', '', '', ''];
  const digits = speed.median < 100 ? 1 : 0;
  const images = `${speed.median.toFixed(digits)} (${speed.quartiles.map((end) => end.toFixed(digits)).join('-')})`;
  if (result.source === 'steps') return [images, '', formatMs(used.median), ''];
  const share = wait.median / ((1e3 * batch) / speed.median);
  return [images, `${formatMs(wait.median)} (${(100 * share).toFixed(1)} %)`, formatMs(used.median), (speed.median / alone).toFixed(2)];
}

/** What the pictures are, and why rows are empty. */
function picturesOf(result: FeedingResult): string[] {
  const { count, stored, files } = result.pictures;
  const ofFiles = files ? `; JPEG files of ${files.size.join('x')}, ${(files.bytes / 1e3).toPrecision(2)} kB on average` : '';
  const transforms = result.transforms.map(({ name }) => name).join(', ');
  const notes = result.sources.flatMap(({ source, note }) => (note === undefined ? [] : [`${SOURCES[source]}: ${note}`]));
  return [`${nameOf(result)}: ${count} pictures of ${stored.join('x')}, then ${transforms}${ofFiles}`, ...notes];
}
