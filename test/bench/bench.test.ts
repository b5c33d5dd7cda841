/** The parts of `stridenet bench` that need no quiet machine: statistics, shapes, the chart, and a run too short to mean anything. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { chartOf } from '../../lib/bench/chart';
import type { Entry } from '../../lib/bench/compare';
import { casesOf } from '../../lib/bench/kernelCases';
import type { KernelResult } from '../../lib/bench/kernels';
import { findNetwork, rowsOf } from '../../lib/bench/networks';
import { slugOf, toMarkdown, type Report } from '../../lib/bench/report';
import { formatShapeLine, parseShapes, SHAPE_FILES, shapesOf } from '../../lib/bench/shapes';
import { geometricMean, summarize } from '../../lib/bench/statistics';
import { formatComparison, formatKernels, formatMs } from '../../lib/bench/table';
import { compileGraph } from '../../lib/compile/compile';
import type { Candidate } from '../../lib/compile/ir';
import { ALGORITHM } from '../../lib/compile/opcodes';
import { nativeQueries } from '../../lib/runtime/queries';
import { expectError } from '../support/expectError';
import { Children, expectSuccess } from '../support/child';

it('median, quartiles and best', () => {
  expect(summarize([4, 1, 3, 2, 5])).toEqual({ median: 3, quartiles: [2, 4], best: 1, count: 5 });
  expect(summarize([1, 2, 4, 8]).median).toBe(3);
  expect(summarize([7])).toEqual({ median: 7, quartiles: [7, 7], best: 7, count: 1 });
  expect(geometricMean([1, 4, 16])).toBeCloseTo(4, 12);
});

it('durations with three digits', () => {
  expect([0.0123, 0.123, 1.234, 12.34, 1234, 12340, 123400].map((ms) => formatMs(ms))).toEqual([
    '12.3 us',
    '123 us',
    '1.23 ms',
    '12.3 ms',
    '1234 ms',
    '12.3 s',
    '123 s',
  ]);
  expect(formatMs(0.5, [0.4, 1.5])).toBe('500 us (400-1500)');
});

it('rows by default and by name', () => {
  expect(rowsOf('inference', undefined, undefined)).toHaveLength(12);
  expect(rowsOf('training', ['resnet50'], undefined).map(({ batch }) => batch)).toEqual([8]);
  expect(rowsOf('inference', ['resnet34', 'lenet5'], [2]).map(({ network, batch, peers }) => [network.name, batch, peers])).toEqual([
    ['resnet34', 2, 'native'],
    ['lenet5', 2, 'native'],
  ]);
});

it.each(SHAPE_FILES)('bench/shapes/%s.txt is what the model has', (name) => {
  const file = path.join(__dirname, `../../bench/shapes/${name}.txt`);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(1);
  expect(lines).toEqual(shapesOf(findNetwork(name)).map(formatShapeLine));
  expect(parseShapes(lines.join('\n'), file).map(formatShapeLine)).toEqual(lines);
});

it('a line that is no shape', () => {
  expectError('ERR_BAD_FILE', () => parseShapes('# a comment\nconv2d in=3x8x8 out=four', 'x.txt'), 'x.txt, line 2', 'out=four');
});

const times = (median: number): Entry['time'] => ({ median, quartiles: [0.9 * median, 1.1 * median], best: 0.8 * median, count: 7 });
const report: Report = {
  stridenet: '1.2.3',
  date: '2026-01-02',
  machine: { cpu: 'AMD EPYC 9000 4-Core Processor', cores: 4, memoryBytes: 2 ** 34, platform: 'linux-x64', node: 'v20.0.0', isa: 'avx2' },
  threads: 2,
  algorithm: 'fast',
  versions: { stridenet: 'stridenet 1.2.3', ort: 'onnxruntime-node 1.30.0' },
  inference: [
    {
      network: 'lenet5',
      input: [1, 28, 28],
      batch: 1,
      entries: [
        { peer: 'stridenet', time: times(2), loadMs: 1, firstMs: 3, start: times(4), residentBytes: 5e7, peakBytes: 6e7 },
        { peer: 'tfjs-cpu', time: times(40), loadMs: 1, firstMs: 3, start: times(4), residentBytes: 5e7, peakBytes: 6e7 },
        { peer: 'tfjs-wasm', time: times(8), loadMs: 1, firstMs: 3, start: times(4), residentBytes: 5e7, peakBytes: 6e7 },
        { peer: 'ort', note: 'it is <not> installed' },
      ],
    },
  ],
};

it('the table compares with the best of each family and says why cells are empty', () => {
  const text = formatComparison(report.inference!);
  expect(text).toContain('tfjs/ours');
  expect(text).toMatch(/lenet5 b1 .* 4\.00$/m);
  expect(text).toContain('onnxruntime: it is <not> installed');
});

it('the chart has a bar for each family, as long as its ratio', () => {
  const svg = chartOf(report);
  expect(svg.match(/<rect/g)).toHaveLength(1);
  expect(svg).toContain('tfjs wasm 8.00 ms, 4.00x');
  expect(svg).toContain('prefers-color-scheme: dark');
  // Ratios 1/2 to 4 are three octaves over the axis; 1 to 4 is two of them.
  expect(Number(/<rect [^>]*width="([\d.]+)"/.exec(svg)![1])).toBeCloseTo(((860 - 150 - 190) * 2) / 3, 0);
  expect(slugOf(report)).toBe('2026-01-02-amd-epyc-9000');
  expect(toMarkdown(report, 'x.svg')).toContain('![Times relative to stridenet](x.svg)');
});

it('the table of single operations has a column for packing only where it was measured', () => {
  const peaks = { flopsPerSecond: 1e11, readBytesPerSecond: 1e10, copyBytesPerSecond: 1e10 };
  const relu: KernelResult = {
    group: 'lenet5',
    operation: 'relu',
    shape: '84',
    batch: 8,
    algorithm: '',
    milliseconds: 1,
    gigabytesPerSecond: 5,
    share: 0.5,
  };
  const { gigabytesPerSecond: _, ...rest } = { ...relu, operation: 'conv2d', algorithm: 'direct', gflops: 50, peakGflops: 100 };
  const [first, second, third] = formatKernels(peaks, [{ ...rest, widen: 2, packMilliseconds: 0.02 }, relu])
    .split('\n')
    .slice(2);
  expect(first!.trim().split(/ {2,}/)).toEqual(['algorithm', 'time', 'packing', 'rate', 'peak', 'share']);
  expect(second!.split(/ {2,}/)).toEqual(['lenet5 conv2d 84 b8', 'direct x2', '1.00 ms', '20.0 us', '50.0 GFLOP/s', '100.0', '50 %']);
  expect(third!.trim().split(/ {2,}/)).toEqual(['lenet5 relu 84 b8', '1.00 ms', '5.0 GB/s', '50 %']);
  expect(formatKernels(peaks, [rest, relu])).not.toContain('packing');
});

/** What native code can compute each convolution of a network by, by operation and shape. */
function waysOf(model: string, batch: number): Map<string, string[]> {
  const ways = new Map<string, string[]>();
  for (const make of casesOf([model], [batch], 'fed')) {
    const { operation, shape, feeds, output } = make();
    let candidates: readonly Candidate[] = [];
    const queries = nativeQueries();
    compileGraph(
      { feeds, outputs: [output], updates: [] },
      { ...queries, candidates: (...asked) => (candidates = queries.candidates(...asked)) },
    );
    const names = candidates.map(({ algorithm, widen }) => `${Object.keys(ALGORITHM)[algorithm]} ${widen}`);
    ways.set(`${operation} ${shape}`, names.length > 0 ? names : [' 1']);
  }
  return ways;
}

describe('runs', () => {
  const children = new Children();
  afterAll(() => children.remove());
  const bench = async (...args: string[]): Promise<Report> => {
    const outcome = await children.runModule('lib/cli/main', ['bench', ...args, '--json']);
    return JSON.parse(expectSuccess(outcome).split('\n').at(-1)!) as Report;
  };

  it.each(['inference', 'training'] as const)('%s of LeNet beside plain JavaScript, whose results are ours', async (mode) => {
    const args = [mode, '--models', 'lenet5', '--batch', '4', '--peers', 'js', '--rounds', '2', '--seconds', '0.01', '--threads', '1'];
    const { [mode]: rows } = await bench(...args);
    const [own, js] = rows![0]!.entries;
    expect([own!.peer, js!.peer, js!.note]).toEqual(['stridenet', 'js', undefined]);
    for (const entry of [own!, js!]) {
      expect(entry.time!.count).toBeGreaterThanOrEqual(2);
      expect(entry.peakBytes).toBeGreaterThan(1e7);
    }
    expect(js!.difference).toBeGreaterThan(0);
    expect(js!.difference).toBeLessThan(1e-4);
  });

  it('a peer that lacks an operation says so', async () => {
    const { training } = await bench(
      'training',
      '--models',
      'resnetCifar20',
      '--batch',
      '2',
      '--peers',
      'js',
      '--rounds',
      '1',
      '--seconds',
      '0',
    );
    const js = training![0]!.entries[1]!;
    expect([js.peer, js.note]).toEqual(['js', 'failed: The plain-JavaScript peer has no operation pad.']);
  });

  it('single operations', async () => {
    const { kernels } = await bench('kernels', '--models', 'lenet5', '--batch', '1', '--seconds', '0', '--threads', '1');
    expect(kernels!.peaks.flopsPerSecond).toBeGreaterThan(1e8);
    const first = kernels!.results.find(({ operation, group }) => group === 'lenet5' && operation === 'conv2d gradWeight')!;
    expect(first).toMatchObject({ shape: '1x28x28 to 6 5x5 p2', batch: 1, algorithm: expect.stringMatching(/^product_/) as string });
    // Image, gradient and weight; which of the two bounds is the higher depends on the machine.
    const [flops, bytes] = [2 * 784 * 150, 4 * (784 + 6 * 784 + 150)];
    const least = Math.max(flops / (1e9 * first.peakGflops!), bytes / kernels!.peaks.readBytesPerSecond);
    expect(first.share).toBeCloseTo(least / (first.milliseconds / 1e3), 6);
    expect(first.peakGflops).toBeGreaterThan(0.1);
    expect(kernels!.results.every((result) => result.packMilliseconds === undefined && result.widen === undefined)).toBe(true);
  });

  it('convolutions by every algorithm that fits, each in each form once', async () => {
    const args = ['kernels', '--models', 'lenet5', '--batch', '1', '--seconds', '0.0001', '--threads', '1', '--algorithm', 'all'];
    const { kernels, algorithm } = await bench(...args);
    expect(algorithm).toBe('all');
    const measured = new Map<string, string[]>();
    for (const result of kernels!.results) {
      const key = `${result.operation} ${result.shape}`;
      measured.set(key, [...(measured.get(key) ?? []), `${result.algorithm} ${result.widen ?? 1}`]);
      expect(result.milliseconds).toBeGreaterThan(0);
      if (result.operation === 'conv2d' || result.operation === 'conv2d gradInput') expect(result.packMilliseconds).toBeGreaterThan(0);
      else expect([result.packMilliseconds, result.widen]).toEqual([undefined, undefined]);
    }
    expect(measured).toEqual(waysOf('lenet5', 1));
    expect(measured.get('conv2d gradInput 6x14x14 to 16 5x5')!.length).toBeGreaterThan(3);
  });
});
