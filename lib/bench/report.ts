/** What a benchmark run leaves behind: the machine, the versions, the results; as JSON, and as Markdown for people. */

import { cpus, totalmem } from 'node:os';
import { nativeInfo } from '../runtime/binding';
import { packageVersion } from '../version';
import type { RowResult } from './compare';
import type { FeedingResult } from './feeding';
import type { KernelAlgorithm, KernelResult, Peaks } from './kernels';
import type { Mode } from './networks';
import { PEERS, type PeerName } from './peerProcess';
import { formatComparison, formatFeeding, formatKernels, formatMemory } from './table';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly node: string;
  readonly isa: string;
}

export interface Report {
  readonly stridenet: string;
  /** YYYY-MM-DD */
  readonly date: string;
  readonly machine: Machine;
  readonly threads: number;
  /** `all` only of single operations. */
  readonly algorithm: KernelAlgorithm;
  /** What each peer calls itself, or why it took no part. */
  readonly versions: Partial<Record<PeerName, string>>;
  readonly kernels?: { readonly peaks: Peaks; readonly results: readonly KernelResult[] };
  readonly inference?: readonly RowResult[];
  readonly training?: readonly RowResult[];
  readonly data?: readonly FeedingResult[];
}

/** @throws StridenetError ERR_NATIVE_UNAVAILABLE */
export function thisMachine(): Machine {
  const { isa, cores } = nativeInfo();
  const cpu = cpus()[0]?.model.trim() ?? 'unknown processor';
  return { cpu, cores, memoryBytes: totalmem(), platform: `${process.platform}-${process.arch}`, node: process.version, isa };
}

export function startReport(threads: number, algorithm: KernelAlgorithm): Omit<Report, 'versions'> {
  return { stridenet: packageVersion(), date: new Date().toISOString().slice(0, 10), machine: thisMachine(), threads, algorithm };
}

/** Two lines above every table. */
export function formatHeader({ stridenet, date, machine, threads, algorithm, versions }: Report): string {
  const { cpu, cores, memoryBytes, platform, node, isa } = machine;
  const others = new Map(Object.entries(versions).map(([peer, version]) => [version, peer as PeerName]));
  return [
    `stridenet ${stridenet} (${isa}, ${algorithm === 'all' ? 'all algorithms' : algorithm}), ${date}: ${cpu}, ${cores} cores, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${platform}, Node ${node}; ${threads} threads`,
    ...[...others].map(([version, peer]) => `${PEERS[peer].label}: ${version}`),
  ].join('\n');
}

const TITLES: Readonly<Record<Mode, string>> = {
  inference: 'Inference, float32: a batch, median (quartiles)',
  training: 'Training step (forward, backward, SGD with momentum), float32: median (quartiles)',
};

/** Every part with its title. */
export function sectionsOf(report: Report): { readonly title: string; readonly text: string }[] {
  const sections = (['inference', 'training'] as const).flatMap((mode) => {
    const results = report[mode];
    if (!results) return [];
    return [
      { title: TITLES[mode], text: formatComparison(results) },
      { title: `Time to load, first run and memory of the process, ${mode}`, text: formatMemory(results) },
    ];
  });
  if (report.data)
    sections.push({ title: 'Training by where its pictures come from: median (quartiles)', text: formatFeeding(report.data) });
  if (report.kernels) sections.push({ title: 'Single operations', text: formatKernels(report.kernels.peaks, report.kernels.results) });
  return sections;
}

export function formatReport(report: Report): string {
  return [formatHeader(report), ...sectionsOf(report).map(({ title, text }) => `${title}\n\n${text}`)].join('\n\n');
}

/** @param chart file name of the chart, relative to that of the text */
export function toMarkdown(report: Report, chart: string): string {
  const parts = sectionsOf(report).map(({ title, text }) => `## ${title}\n\n\`\`\`\n${text}\n\`\`\``);
  return (
    [`# Benchmark\n\n\`\`\`\n${formatHeader(report)}\n\`\`\``, `![Times relative to stridenet](${chart})`, ...parts].join('\n\n') + '\n'
  );
}

/** Such as `2026-11-22-amd-epyc`: for file names. */
export function slugOf({ date, machine }: Report): string {
  const cpu = machine.cpu.replace(/\(R\)|\(TM\)|@.*$|\b(CPU|Processor)\b|\d+-Core/gi, ' ');
  return `${date}-${cpu
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')}`;
}
