/**
 * Single operations at the shapes of real networks, run as programs of their own, as shares of what the machine can do at most, which is measured
 * in the same run. Only the operation's instructions are counted: feeding, packing of weights and the sum that uses the result are not.
 * The same operands come again and again, so weights under the size of the last-level cache stay there, which they do not in a network.
 */

import type { AlgorithmMode } from '../compile/algorithm';
import { compileGraph } from '../compile/compile';
import { decode } from '../compile/disassemble';
import { ALGORITHM } from '../compile/opcodes';
import type { Graph } from '../graph/graph';
import { sum } from '../ops';
import { binding } from '../runtime/binding';
import { nativeQueries } from '../runtime/queries';
import { Session } from '../runtime/session';
import { State } from '../runtime/state';
import { casesOf, type Case } from './kernelCases';
import { summarize } from './statistics';

export interface KernelOptions {
  /** Among KERNEL_GROUPS. */
  readonly models: readonly string[];
  readonly batches: readonly number[];
  readonly threads: number;
  readonly algorithm: AlgorithmMode;
  /** Measured seconds of each case. */
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
  /** Median of one run. */
  readonly milliseconds: number;
  readonly gflops?: number;
  /** Median of the peaks that were measured in turns with the runs; beside `gflops`. */
  readonly peakGflops?: number;
  readonly gigabytesPerSecond?: number;
  readonly share: number;
}

const WINDOWS = 7;
/** Instructions around the operation that is measured. */
const UNCOUNTED: ReadonlySet<string> = new Set(['feed', 'reduce', 'conv2d_pack', 'matmul_pack']);

export function measurePeaks(threads: number): Peaks {
  const [flopsPerSecond, readBytesPerSecond, copyBytesPerSecond] = binding().probe(threads) as unknown as [number, number, number];
  return { flopsPerSecond, readBytesPerSecond, copyBytesPerSecond };
}

/** @param report told what comes next */
export function measureKernels(options: KernelOptions, peaks: Peaks, report: (what: string) => void = () => undefined): KernelResult[] {
  return [...casesOf(options.models, options.batches)].map((make) => {
    const one = make();
    report(`${one.group} ${one.operation} ${one.shape}`);
    return measureCase(one, options, peaks);
  });
}

function measureCase(one: Case, { threads, algorithm, seconds }: KernelOptions, peaks: Peaks): KernelResult {
  const state = new State();
  using session = new Session({ state, threads, profile: true });
  const graph: Graph = { feeds: one.feeds, outputs: [sum(one.output)], updates: [] };
  const program = session.load(compileGraph(graph, nativeQueries(), { algorithm }));
  const feeds = one.feeds.map(({ size }) => noise(size));
  const run = (steps: number): number => {
    session.runSync(program, feeds, { steps });
    const rows = session.profile(program).filter(({ list, opcode }) => list === 'step' && !UNCOUNTED.has(opcode));
    return rows.reduce((total, row) => total + row.seconds, 0) / steps;
  };
  run(1);
  const steps = Math.max(1, Math.min(100_000, Math.floor(seconds / WINDOWS / Math.max(1e-7, run(2)))));
  const times: number[] = [];
  const probes: number[] = [];
  for (let i = 0; i < WINDOWS; ++i) {
    if (one.flops !== undefined) probes.push(binding().probeFlops(threads));
    times.push(run(steps));
  }
  const time = summarize(times).median;
  const { group, operation, shape, batch, flops, bytes } = one;
  const result = { group, operation, shape, batch, algorithm: algorithmOf(program.words), milliseconds: 1e3 * time };
  // Products mostly read, the others write as much as they read.
  if (flops === undefined) return { ...result, gigabytesPerSecond: bytes / time / 1e9, share: bytes / time / peaks.copyBytesPerSecond };
  const peak = summarize(probes).median;
  const least = Math.max(flops / peak, bytes / peaks.readBytesPerSecond);
  return { ...result, gflops: flops / time / 1e9, peakGflops: peak / 1e9, share: least / time };
}

/** What the compiler chose. */
function algorithmOf(words: Int32Array): string {
  const chosen = decode(words).step.find(({ attrs }) => attrs['algorithm'] !== undefined)?.attrs['algorithm'];
  return chosen === undefined ? '' : Object.keys(ALGORITHM)[chosen]!;
}

/** Small numbers of both signs, none denormal. */
function noise(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => ((i * 37) % 101) / 50 - 1.005);
}
