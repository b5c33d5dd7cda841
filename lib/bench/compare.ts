/** Rows of networks and batches, each measured with all of its peers in turns. It prints nothing. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { AlgorithmMode } from '../compile/algorithm';
import { rowsOf, type Mode, type Row } from './networks';
import { PeerProcess, PEERS, type PeerName } from './peerProcess';
import { CannotTakePart, type Opened, type Task } from './protocol';
import { summarize, type Summary } from './statistics';
import { TaskFolder } from './taskFiles';

export interface CompareOptions {
  readonly mode: Mode;
  readonly models?: readonly string[];
  readonly batches?: readonly number[];
  /** Default: those of the row. */
  readonly peers?: readonly PeerName[];
  readonly threads: number;
  /** Of our convolutions. */
  readonly algorithm: AlgorithmMode;
  /** Turns of each peer. */
  readonly rounds: number;
  /** Measured seconds of each peer in a row, over all turns. */
  readonly seconds: number;
}

/** One peer on one row. Times are milliseconds of a batch, memory is that of the peer's whole process. */
export interface Entry {
  readonly peer: PeerName;
  readonly time?: Summary;
  /** Of as many fresh processes as `start` counts: medians, and what both take together. */
  readonly loadMs?: number;
  readonly firstMs?: number;
  readonly start?: Summary;
  readonly residentBytes?: number;
  readonly peakBytes?: number;
  /** Largest distance from our result: of logits by the largest logit, of losses relative (see AFTER_STEP). */
  readonly difference?: number;
  /** Why there are no times, or what is special about them. */
  readonly note?: string;
}

export interface RowResult {
  readonly network: string;
  readonly input: readonly number[];
  readonly batch: number;
  readonly entries: readonly Entry[];
}

/** Peers of a row when none are named. Not torch-compile at inference: it compiles for half a minute and more, row after row. */
const NATIVE_PEERS: Readonly<Record<Mode, readonly PeerName[]>> = {
  inference: ['ort', 'torch-eager'],
  training: ['torch-eager', 'torch-channels_last', 'torch-compile'],
};
const JAVASCRIPT_PEERS: readonly PeerName[] = ['js', 'tfjs-cpu', 'tfjs-wasm'];

/** Largest accepted `difference`. With dropout losses differ by their masks. */
const TOLERANCE = 1e-3;
/** Losses after a step count by this factor: in untrained deep networks the step multiplies rounding errors (ResNet-50: up to 6e-3). */
const AFTER_STEP = 0.1;
const DROPOUT_TOLERANCE = 0.1;

/** Fresh processes of each peer at inference: how long they take to start depends on what memory the system has at hand. */
const OPENINGS = 5;
/** A peer that took longer to load and run once is opened no more. */
const LONG_OPENING_MS = 3000;
/** Before a turn: threads of the peer before may still spin. */
const SETTLE_MS = 100;
const WARMUP_SECONDS = 0.03;
/** A peer that has run this many times its share of seconds sits out; one whose first run took as long is not run again. */
const PATIENCE = 5;
/** A first run this short says nothing: it also compiles. */
const LEAST_LIMIT_MS = 2000;
const LEARNING_RATE = 0.01;
const MOMENTUM = 0.9;

/** One contestant of a row. */
interface Side {
  readonly peer: PeerName;
  readonly process: PeerProcess;
  /** What its processes answered; the last is `process`. */
  readonly openings: readonly Opened[];
  readonly difference: number;
  readonly milliseconds: number[];
  peakBytes: number;
}

/**
 * Measures row after row.
 * @param report told what is going on, for people who wait
 * @throws StridenetError ERR_UNKNOWN_MODEL
 */
export async function compare(options: CompareOptions, report: (what: string) => void = () => undefined): Promise<RowResult[]> {
  const rows = rowsOf(options.mode, options.models, options.batches);
  const folder = new TaskFolder();
  try {
    const results: RowResult[] = [];
    for (const row of rows) results.push(await measureRow(row, options, folder, report));
    return results;
  } finally {
    folder.remove();
  }
}

/** What each peer calls itself, or why it cannot take part. */
export async function versionsOf(peers: readonly PeerName[], threads: number): Promise<Partial<Record<PeerName, string>>> {
  const versions: Partial<Record<PeerName, string>> = {};
  for (const peer of peers) {
    const process = new PeerProcess(peer, threads);
    versions[peer] = await process.hello().then(
      ({ version }) => version,
      (error: Error) => error.message,
    );
    await process.close();
  }
  return versions;
}

/** Ours first. */
export function peersOf(mode: Mode, rows: readonly Row[], peers: readonly PeerName[] | undefined): PeerName[] {
  const own = rows.some((row) => row.peers === 'all') ? [...JAVASCRIPT_PEERS, ...NATIVE_PEERS[mode]] : NATIVE_PEERS[mode];
  return ['stridenet', ...(peers ?? own)];
}

async function measureRow(row: Row, options: CompareOptions, folder: TaskFolder, report: (what: string) => void): Promise<RowResult> {
  const { network, batch } = row;
  const { mode, threads, algorithm } = options;
  const title = `${network.name} b${batch}`;
  const peers = peersOf(mode, [row], options.peers);
  const { files, hasDropout } = await folder.prepare(network, mode, batch, peers);
  const task: Task = { mode, network, batch, threads, algorithm, learningRate: LEARNING_RATE, momentum: MOMENTUM, files };
  const sides: Side[] = [];
  let entries: Map<PeerName, Entry>;
  try {
    const allowed = hasDropout ? DROPOUT_TOLERANCE : TOLERANCE;
    entries = await openPeers(peers, task, allowed, sides, (peer) => report(`${title}: loading ${peer}`));
    sides.sort((a, b) => peers.indexOf(a.peer) - peers.indexOf(b.peer));
    await takeTurns(sides, options, (round) => report(`${title}: round ${round} of ${options.rounds}`));
  } finally {
    for (const { process } of sides) await process.close();
  }
  for (const side of sides) entries.set(side.peer, entryOf(side));
  return { network: network.name, input: network.input, batch, entries: peers.map((peer) => entries.get(peer)!) };
}

/** Opens every peer, in turns; adds what stays open to `sides`. Returns why the others do not take part. */
async function openPeers(
  peers: readonly PeerName[],
  task: Task,
  allowed: number,
  sides: Side[],
  report: (peer: PeerName) => void,
): Promise<Map<PeerName, Entry>> {
  const absent = new Map<PeerName, Entry>();
  const openings = new Map<PeerName, Opened[]>(peers.map((peer) => [peer, []]));
  const rounds = task.mode === 'inference' ? OPENINGS : 1;
  for (let round = 1; round <= rounds; round++) {
    for (const peer of peers) {
      if (absent.has(peer) || sides.some((side) => side.peer === peer)) continue;
      report(peer);
      const process = new PeerProcess(peer, task.threads);
      try {
        const opened = await process.open(task);
        openings.get(peer)!.push(opened);
        const difference = peer === 'stridenet' ? 0 : differenceOf(opened, openings.get('stridenet')![0]!);
        // Also refuses NaN.
        if (!(difference <= allowed)) throw new Error(`its result differs from ours by ${difference.toExponential(1)}`);
        const isLast = round === rounds || opened.loadMs + opened.firstMs > LONG_OPENING_MS;
        if (isLast) sides.push({ peer, process, openings: openings.get(peer)!, difference, milliseconds: [], peakBytes: 0 });
        else await process.close();
      } catch (error) {
        await process.close();
        if (peer === 'stridenet') throw error;
        const message = (error as Error).message.split('\n', 1)[0]!;
        absent.set(peer, { peer, note: error instanceof CannotTakePart ? message : `failed: ${message}` });
      }
    }
  }
  return absent;
}

/** A B C A B C ...: what happens to the machine meanwhile happens to all of them. */
async function takeTurns(sides: readonly Side[], { rounds, seconds }: CompareOptions, report: (round: number) => void): Promise<void> {
  const limitMs = Math.max(LEAST_LIMIT_MS, 1e3 * seconds * PATIENCE);
  for (const { peer, openings, milliseconds } of sides) {
    const { firstMs } = openings.at(-1)!;
    if (firstMs > limitMs && !PEERS[peer].compiles) milliseconds.push(firstMs);
  }
  for (let round = 1; round <= rounds; round++) {
    report(round);
    for (const side of sides) {
      const spent = side.milliseconds.reduce((sum, ms) => sum + ms, 0);
      if (spent > limitMs) continue;
      await sleep(SETTLE_MS);
      const { milliseconds, peakBytes } = await side.process.measure(seconds / rounds, WARMUP_SECONDS);
      side.milliseconds.push(...milliseconds);
      side.peakBytes = peakBytes;
    }
  }
}

function entryOf({ peer, openings, difference, milliseconds, peakBytes }: Side): Entry {
  const medianOf = (number: (opened: Opened) => number): number => summarize(openings.map(number)).median;
  return {
    peer,
    time: summarize(milliseconds),
    loadMs: medianOf(({ loadMs }) => loadMs),
    firstMs: medianOf(({ firstMs }) => firstMs),
    start: summarize(openings.map(({ loadMs, firstMs }) => loadMs + firstMs)),
    residentBytes: medianOf(({ residentBytes }) => residentBytes),
    peakBytes,
    difference,
  };
}

/** How far a peer's result is from ours. */
function differenceOf(theirs: Opened, ours: Opened): number {
  if (theirs.logits !== undefined && ours.logits !== undefined) {
    const [a, b] = [fromBase64(theirs.logits), fromBase64(ours.logits)];
    if (a.length !== b.length) return Infinity;
    let [distance, largest] = [0, 0];
    for (let i = 0; i < b.length; i++) {
      // NaN stays.
      const d = Math.abs(a[i]! - b[i]!);
      if (!(d <= distance)) distance = d;
      largest = Math.max(largest, Math.abs(b[i]!));
    }
    return distance / largest;
  }
  const losses = ours.losses!;
  // A slow peer makes only one step.
  return Math.max(...theirs.losses!.map((loss, i) => (Math.abs(loss - losses[i]!) / Math.abs(losses[i]!)) * (i === 0 ? 1 : AFTER_STEP)));
}

function fromBase64(text: string): Float32Array {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, 'base64');
  return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
}
