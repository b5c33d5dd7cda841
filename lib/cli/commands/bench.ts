/** stridenet bench: how fast this package is on this machine, beside its peers, and whether data keeps up with it. */

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { chartOf } from '../../bench/chart';
import { compare, peersOf, versionsOf, type CompareOptions } from '../../bench/compare';
import { measureFeeding } from '../../bench/feeding';
import { KERNEL_GROUPS } from '../../bench/kernelCases';
import { measureKernels, measurePeaks, type KernelAlgorithm } from '../../bench/kernels';
import { NETWORK_NAMES, rowsOf } from '../../bench/networks';
import { PEERS, type PeerName } from '../../bench/peerProcess';
import { formatReport, slugOf, startReport, toMarkdown, type Report } from '../../bench/report';
import { formatValue, nearest } from '../../errors';
import { fileError } from '../../io/file';
import { writeFileAtomic } from '../../io/replaceFile';
import { nativeInfo } from '../../runtime/binding';
import { UsageError, type Arguments, type Command, type Terminal } from '../arguments';

const PARTS = ['inference', 'training', 'data', 'kernels'] as const;
type Part = (typeof PARTS)[number];
/** What `bench data` measures by default: a step of many pixels, beside which reading its pictures is little. */
const FED = { models: ['resnet18'], batches: [16] };

export const bench: Command = {
  name: 'bench',
  operands: 'inference|training|data|kernels|all',
  operandCount: [1, 1],
  purpose:
    'Measures networks beside other libraries, training on pictures beside steps alone (data), or single operations beside what the machine can do at most. ' +
    'Peers take turns, each in a process of its own; medians are compared.',
  options: {
    models: { value: 'A,B', help: 'networks to measure (default: the usual ones; data: resnet18); kernels: also gemm' },
    batch: { value: 'N,M', help: 'images at a time (default: by network; data: 16; kernels: 8)' },
    peers: { value: 'A,B', help: 'js, tfjs, ort, torch, one of their variants such as torch-eager, or none (default: by network)' },
    threads: { value: 'N', help: 'threads of every peer (default: those this process may use)' },
    algorithm: {
      value: 'NAME',
      default: 'fast',
      help: "of our convolutions: fast, or exact without Winograd's; kernels: also all, which measures each by every one that fits, and packing",
    },
    rounds: { value: 'N', default: '7', help: 'turns of each peer, or of each source of pictures' },
    seconds: {
      value: 'N',
      help: 'measured time of a peer in a row of the table (default 2), of a source of pictures (default 30), of an operation by an algorithm (default 0.1)',
    },
    chart: { value: 'FILE.svg', help: 'draw inference and training as a picture' },
    save: { value: 'DIR', help: 'write DATE-MACHINE.json, .md and .svg into this folder' },
    json: { help: 'print the result as one JSON object, last line of standard output' },
  },
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const parts = partsOf(args.operands[0]!);
  const only = parts.length === 1 ? parts[0] : undefined;
  const models = listOf(args, 'models')?.map((name) => checkName('models', name, only === 'kernels' ? KERNEL_GROUPS : NETWORK_NAMES));
  const batches = listOf(args, 'batch')?.map(checkBatch);
  if (only === 'kernels' || only === 'data')
    refuse(args, ['peers', 'chart'], 'only stridenet bench inference and training have peers to compare with.');
  const peers = checkPeers(listOf(args, 'peers'));
  const threads = args.integer('threads', 1) ?? nativeInfo().threads;
  const algorithm = args.choice('algorithm', ['fast', 'exact', 'all'])!;
  const ofNetworks = only === 'kernels' ? undefined : checkOfNetworks(algorithm);
  const rounds = args.integer('rounds', 1)!;
  const seconds = args.number('seconds', 0);
  const tell = (what: string): void => {
    if (terminal.interactive) terminal.err(what);
  };

  let report: Report = { ...startReport(threads, algorithm), versions: {} };
  for (const mode of parts) {
    if (mode === 'kernels') {
      const names = models?.filter((name) => KERNEL_GROUPS.includes(name)) ?? KERNEL_GROUPS;
      const peaks = measurePeaks(threads);
      const results = measureKernels({ models: names, batches: batches ?? [8], threads, algorithm, seconds: seconds ?? 0.1 }, peaks, tell);
      report = { ...report, kernels: { peaks, results } };
    } else if (mode === 'data') {
      const options = { models: models ?? FED.models, batches: batches ?? FED.batches, threads, algorithm: ofNetworks!, rounds };
      report = { ...report, data: await measureFeeding({ ...options, seconds: seconds ?? 30 }, tell) };
    } else {
      const options: CompareOptions = { mode, models, batches, peers, threads, algorithm: ofNetworks!, rounds, seconds: seconds ?? 2 };
      const versions = await versionsOf(peersOf(mode, rowsOf(mode, models, batches), peers), threads);
      report = { ...report, versions: { ...report.versions, ...versions }, [mode]: await compare(options, tell) };
    }
  }
  terminal.out(formatReport(report));
  await writeFiles(args, report);
  if (args.flag('json')) terminal.out(JSON.stringify(report));
  return 0;
}

async function writeFiles(args: Arguments, report: Report): Promise<void> {
  const chart = args.text('chart');
  if (chart !== undefined) await writeText(chart, chartOf(report));
  const folder = args.text('save');
  if (folder === undefined) return;
  const name = slugOf(report);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw fileError('write', folder, error);
  }
  await writeText(path.join(folder, `${name}.json`), `${JSON.stringify(report, undefined, 1)}\n`);
  await writeText(path.join(folder, `${name}.svg`), chartOf(report));
  await writeText(path.join(folder, `${name}.md`), toMarkdown(report, `${name}.svg`));
}

async function writeText(file: string, text: string): Promise<void> {
  await writeFileAtomic(file, [Buffer.from(text)]);
}

function partsOf(name: string): readonly Part[] {
  if (name === 'all') return PARTS;
  const part = PARTS.find((known) => known === name);
  if (part) return [part];
  throw new UsageError(`stridenet bench expects ${PARTS.join(', ')} or all but got ${formatValue(name)}.`);
}

function listOf(args: Arguments, name: string): string[] | undefined {
  return args
    .text(name)
    ?.split(',')
    .map((item) => item.trim());
}

/** @throws UsageError for an option that what is measured has no use for */
function refuse(args: Arguments, options: readonly string[], reason: string): void {
  const given = options.find((name) => args.text(name) !== undefined);
  if (given) throw new UsageError(`--${given}: ${reason}`);
}

/** Networks are measured as they are compiled: by one algorithm for each convolution. */
function checkOfNetworks(algorithm: KernelAlgorithm): CompareOptions['algorithm'] {
  if (algorithm !== 'all') return algorithm;
  throw new UsageError('--algorithm all: only stridenet bench kernels can measure every algorithm.');
}

function checkName(option: string, name: string, known: readonly string[]): string {
  if (known.includes(name)) return name;
  const near = nearest(name, known);
  throw new UsageError(
    `--${option} does not know ${formatValue(name)}. ${near ? `Did you mean "${near}"?` : `Known: ${known.join(', ')}.`}`,
  );
}

function checkBatch(text: string): number {
  if (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 65_536) return Number(text);
  throw new UsageError(`--batch expects integers from 1 to 65536, such as 1,8, but got ${formatValue(text)}.`);
}

/** Families stand for their members. */
function checkPeers(names: readonly string[] | undefined): PeerName[] | undefined {
  if (!names) return undefined;
  if (names.length === 1 && names[0] === 'none') return [];
  const peers = (Object.keys(PEERS) as PeerName[]).filter((peer) => peer !== 'stridenet');
  const families = [...new Set(peers.map((peer) => PEERS[peer].family))];
  const known = [...families, ...peers.filter((peer) => !families.includes(peer))];
  const chosen = names.flatMap((name) => {
    checkName('peers', name, known);
    return peers.filter((peer) => peer === name || PEERS[peer].family === name);
  });
  return [...new Set(chosen)];
}
