/**
 * Single operations at the shapes of real networks, run as programs of their own, as shares of what the machine can do at most, which is measured
 * in the same run. Only the operation's instructions are counted: feeding, packing of weights and the sum that uses the result are not.
 * The same operands come again and again, so weights under the size of the last-level cache stay there, which they do not in a network.
 *
 * With every algorithm, a convolution is one program for each way to compute it. Its weight is then a feed, which is packed in every run, as a
 * weight in training is: packing is measured beside the convolution, which finds the packed weight where packing left it.
 */

import type { AlgorithmMode } from '../compile/algorithm';
import { compileGraph } from '../compile/compile';
import { decode } from '../compile/disassemble';
import type { Candidate, NativeQueries, Program } from '../compile/ir';
import { ALGORITHM } from '../compile/opcodes';
import type { Graph } from '../graph/graph';
import { sum } from '../ops';
import { binding } from '../runtime/binding';
import { nativeQueries } from '../runtime/queries';
import { Session, type LoadedProgram } from '../runtime/session';
import { State } from '../runtime/state';
import { casesOf, type Case } from './kernelCases';
import { summarize } from './statistics';

/** `all`: convolutions are measured by every algorithm that fits them, in each of its forms, also by those that are never chosen. */
export type KernelAlgorithm = AlgorithmMode | 'all';

export interface KernelOptions {
  /** Among KERNEL_GROUPS. */
  readonly models: readonly string[];
  readonly batches: readonly number[];
  readonly threads: number;
  readonly algorithm: KernelAlgorithm;
  /** Measured seconds of each case, or of each algorithm of a case. */
  readonly seconds: number;
}

export interface Peaks {
  readonly flopsPerSecond: number;
  readonly readBytesPerSecond: number;
  readonly copyBytesPerSecond: number;
}

/**
 * `share`: the least time that the machine's peaks allow, by arithmetic or by memory, over the time taken. What fits the caches can be faster than
 * memory, so shares over 1 occur where memory is the bound. A machine's speed may change within seconds: the peak of arithmetic is the one
 * measured between the runs of the operation.
 */
export interface KernelResult {
  readonly group: string;
  /** `conv2d`, `conv2d gradInput`, `conv2d gradWeight`, ... */
  readonly operation: string;
  readonly shape: string;
  readonly batch: number;
  /** Such as `direct` or `winograd4x4`; '' where there is no choice. */
  readonly algorithm: string;
  /** Adjacent output pixels that are computed as one. Present with every algorithm only, where a packed weight is read. */
  readonly widen?: number;
  /** Median of one run. */
  readonly milliseconds: number;
  /** Median of packing the weight once. Present with every algorithm only, where a packed weight is read. */
  readonly packMilliseconds?: number;
  readonly gflops?: number;
  /** Median of the peaks that were measured in turns with the runs; beside `gflops`. */
  readonly peakGflops?: number;
  readonly gigabytesPerSecond?: number;
  readonly share: number;
}

const WINDOWS = 7;
/** A first run that takes longer than this and than the time asked for is all that is measured of an algorithm among all. */
const LONG_RUN_SECONDS = 1;
/** Packs the weight of a convolution. */
const PACK = 'conv2d_pack';
/** Instructions around the operation that is measured. */
const UNCOUNTED: ReadonlySet<string> = new Set(['feed', 'reduce', PACK, 'matmul_pack']);

export function measurePeaks(threads: number): Peaks {
  const [flopsPerSecond, readBytesPerSecond, copyBytesPerSecond] = binding().probe(threads) as unknown as [number, number, number];
  return { flopsPerSecond, readBytesPerSecond, copyBytesPerSecond };
}

/** @param report told what comes next */
export function measureKernels(options: KernelOptions, peaks: Peaks, report: (what: string) => void = () => undefined): KernelResult[] {
  const weights = options.algorithm === 'all' ? 'fed' : 'at rest';
  return [...casesOf(options.models, options.batches, weights)].flatMap((make) => {
    const one = make();
    report(`${one.group} ${one.operation} ${one.shape}`);
    const programs = programsOf(one, options.algorithm);
    const times = timesOf(one, programs, options);
    return programs.map((program, i) => resultOf(one, program, times[i]!, options, peaks));
  });
}

/** What is measured of a case: the program that the compiler makes of it, or one for each way to compute its convolution. */
function programsOf({ feeds, output }: Case, algorithm: KernelAlgorithm): Program[] {
  const graph: Graph = { feeds, outputs: [sum(output)], updates: [] };
  const queries = nativeQueries();
  if (algorithm !== 'all') return [compileGraph(graph, queries, { algorithm })];
  let candidates: readonly Candidate[] = [];
  const chosen = compileGraph(graph, { ...queries, candidates: (...asked) => (candidates = queries.candidates(...asked)) });
  if (candidates.length === 0) return [chosen];
  return candidates.map((candidate) => compileGraph(graph, offeringOnly(candidate, queries)));
}

function offeringOnly(candidate: Candidate, queries: NativeQueries): NativeQueries {
  return { ...queries, candidates: () => [{ ...candidate, isOffered: true }] };
}

function resultOf(one: Case, program: Program, { times, packTimes, probes }: Times, options: KernelOptions, peaks: Peaks): KernelResult {
  const time = summarize(times).median;
  const { group, operation, shape, batch, flops, bytes } = one;
  const { algorithm, widen } = algorithmOf(program.words);
  const form = options.algorithm === 'all' && widen !== undefined && { widen, packMilliseconds: 1e3 * summarize(packTimes).median };
  const result = { group, operation, shape, batch, algorithm, ...form, milliseconds: 1e3 * time };
  // Products mostly read, the others write as much as they read.
  if (flops === undefined) return { ...result, gigabytesPerSecond: bytes / time / 1e9, share: bytes / time / peaks.copyBytesPerSecond };
  const peak = summarize(probes).median;
  const least = Math.max(flops / peak, bytes / peaks.readBytesPerSecond);
  return { ...result, gflops: flops / time / 1e9, peakGflops: peak / 1e9, share: least / time };
}

/** Seconds of the operation and of packing its weight. */
interface Run {
  readonly time: number;
  readonly packTime: number;
}

/** Of each window; and operations a second at the peak of arithmetic, in turns with them. */
interface Times {
  readonly times: number[];
  readonly packTimes: number[];
  readonly probes: number[];
}

/** Programs of one case take turns, so that all have their part of what else happens on the machine. */
function timesOf({ feeds, flops }: Case, programs: readonly Program[], options: KernelOptions): Times[] {
  const values = feeds.map(({ size }) => noise(size));
  const timed: TimedProgram[] = [];
  try {
    for (const program of programs) timed.push(new TimedProgram(program, values, options));
    for (let i = 0; i < WINDOWS; ++i) {
      for (const one of timed.filter(({ windows }) => i < windows)) {
        one.measure();
        if (flops !== undefined) one.probes.push(binding().probeFlops(options.threads));
      }
    }
  } finally {
    for (const one of timed) one.close();
  }
  return timed;
}

/** A program that was run until it is warm, with how often it is to be measured. */
class TimedProgram implements Times {
  readonly times: number[] = [];
  readonly packTimes: number[] = [];
  readonly probes: number[] = [];
  readonly windows: number;
  private readonly steps: number;
  private readonly session: Session;
  private readonly loaded: LoadedProgram;

  constructor(
    program: Program,
    private readonly feeds: readonly Float32Array[],
    { threads, algorithm, seconds }: KernelOptions,
  ) {
    this.session = new Session({ state: new State(), threads, profile: true });
    this.loaded = this.session.load(program);
    const first = this.run(1);
    const isLong = algorithm === 'all' && first.time + first.packTime > Math.max(LONG_RUN_SECONDS, seconds);
    const { time, packTime } = isLong ? first : this.run(2);
    this.windows = isLong ? 1 : WINDOWS;
    this.steps = Math.max(1, Math.min(100_000, Math.floor(seconds / WINDOWS / Math.max(1e-7, time + packTime))));
  }

  measure(): void {
    const { time, packTime } = this.run(this.steps);
    this.times.push(time);
    this.packTimes.push(packTime);
  }

  close(): void {
    this.session.close();
  }

  private run(steps: number): Run {
    this.session.runSync(this.loaded, this.feeds, { steps });
    const rows = this.session.profile(this.loaded).filter(({ list }) => list === 'step');
    const total = (counts: (opcode: string) => boolean): number =>
      rows.reduce((sum, row) => sum + (counts(row.opcode) ? row.seconds : 0), 0) / steps;
    return { time: total((opcode) => !UNCOUNTED.has(opcode)), packTime: total((opcode) => opcode === PACK) };
  }
}

/** What the program's convolution is computed by. */
function algorithmOf(words: Int32Array): { algorithm: string; widen: number | undefined } {
  const attrs = decode(words).step.find((instruction) => instruction.attrs['algorithm'] !== undefined)?.attrs;
  if (!attrs) return { algorithm: '', widen: undefined };
  return { algorithm: Object.keys(ALGORITHM)[attrs['algorithm']!]!, widen: attrs['widen'] };
}

/** Small numbers of both signs, none denormal. */
function noise(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => ((i * 37) % 101) / 50 - 1.005);
}
