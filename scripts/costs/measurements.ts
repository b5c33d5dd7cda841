/** What `stridenet bench kernels --algorithm all` measured of convolutions, one file in bench/costs for each instruction set. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import type { KernelResult } from '../../lib/bench/kernels';
import type { Report } from '../../lib/bench/report';
import { summarize } from '../../lib/bench/statistics';
import { ISAS, type Isa } from './header';

/** A convolution by one algorithm. */
export interface Measurement {
  /** What was computed: `conv2d 3x32x32 to 16 3x3 p1 b8`. */
  readonly what: string;
  readonly algorithm: string;
  readonly widen: number;
  readonly milliseconds: number;
  /** Of packing its weight; 0 where none is packed. */
  readonly packMilliseconds: number;
}

export interface Measurements {
  readonly machine: string;
  /** As `bench --models` and `--batch` name them: where the operations come from. */
  readonly models: readonly string[];
  readonly batches: readonly number[];
  readonly rows: readonly Measurement[];
}

const FOLDER = path.join(__dirname, '..', '..', 'bench', 'costs');

function fileOf(isa: Isa): string {
  return path.join(FOLDER, `${isa}.json.br`);
}

/** What is known of an instruction set; undefined where nothing was measured. */
export function readMeasurements(isa: Isa): Measurements | undefined {
  const file = fileOf(isa);
  return existsSync(file) ? (JSON.parse(brotliDecompressSync(readFileSync(file)).toString()) as Measurements) : undefined;
}

/**
 * Keeps the convolutions of reports of one instruction set in bench/costs, instead of what was there for it. Reports may be of different networks; of
 * what several of them measured, and what several networks have, the least time counts: whatever else a machine does makes times longer.
 * @param reports as `bench --json` prints them on their last line
 */
export function keepMeasurements(reports: readonly Report[]): Isa {
  const isa = ISAS.find((known) => known === reports[0]?.machine.isa);
  const fits = ({ machine, threads, kernels, algorithm }: Report): boolean =>
    machine.isa === isa && machine.cpu === reports[0]!.machine.cpu && kernels !== undefined && threads === 1 && algorithm === 'all';
  if (!isa || !reports.every(fits)) {
    throw new Error(
      'Expected reports of `stridenet bench kernels --algorithm all --threads 1 --json`, all of one machine and instruction set.',
    );
  }
  const measured = reports.flatMap(({ kernels }) =>
    kernels!.results.filter(({ algorithm: name, operation }) => name !== '' && operation.startsWith('conv2d')),
  );
  const unique = <T>(of: (result: KernelResult) => T): T[] => [...new Set(measured.map(of))];
  const usual = summarize(measured.map(({ peakGflops }) => peakGflops!)).median;
  // A machine's speed changes within seconds: times are those that its usual speed would have given.
  const usually = ({ peakGflops }: KernelResult, milliseconds: number): number => significant((milliseconds * peakGflops!) / usual);
  const rows = new Map<string, Measurement>();
  for (const result of measured) {
    const row = {
      what: whatOf(result),
      algorithm: result.algorithm,
      widen: result.widen ?? 1,
      milliseconds: usually(result, result.milliseconds),
      packMilliseconds: usually(result, result.packMilliseconds ?? 0),
    };
    const key = `${row.what} by ${row.algorithm} x${row.widen}`;
    const known = rows.get(key);
    if (!known || row.milliseconds < known.milliseconds) rows.set(key, row);
  }
  const kept: Measurements = {
    machine: reports[0]!.machine.cpu,
    models: unique(({ group }) => group),
    batches: unique(({ batch }) => batch),
    rows: [...rows.values()],
  };
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(fileOf(isa), brotliCompressSync(JSON.stringify(kept)));
  return isa;
}

/** A name of an operation that is the same in all networks that have it. */
export function whatOf({ operation, shape, batch }: { operation: string; shape: string; batch: number }): string {
  return `${operation} ${shape} b${batch}`;
}

function significant(x: number): number {
  return Number(x.toPrecision(4));
}
