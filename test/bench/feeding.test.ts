/** `stridenet bench data`: what it measures of a tiny network, what becomes of its files, and what it says without sharp. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp from 'sharp';
import type { FeedingResult } from '../../lib/bench/feeding';
import { PictureMaker } from '../../lib/bench/pictures';
import type { Report } from '../../lib/bench/report';
import { summarize } from '../../lib/bench/statistics';
import { formatFeeding } from '../../lib/bench/table';
import { Children, expectSuccess } from '../support/child';
import { REPOSITORY } from '../support/transpile';

const children = new Children();
const withoutSharp = new Children();
const folder = mkdtempSync(path.join(tmpdir(), 'stridenet-feeding-test-'));
beforeAll(() => symlinkSync(path.join(REPOSITORY, 'node_modules'), path.join(children.folder, 'node_modules')));
afterAll(() => {
  children.remove();
  withoutSharp.remove();
  rmSync(folder, { recursive: true });
});

async function measured(copy: Children): Promise<readonly FeedingResult[]> {
  const args = ['bench', 'data', '--models', 'lenet5', '--batch', '4', '--threads', '1', '--rounds', '2', '--seconds', '0', '--json'];
  const result = await copy.runModule('lib/cli/main', args, { env: { TMPDIR: folder } });
  return (JSON.parse(expectSuccess(result).split('\n').at(-1)!) as Report).data!;
}

it('measures steps alone and every source of pictures, and leaves no files', async () => {
  const [row, ...others] = await measured(children);
  expect(others).toEqual([]);
  expect(row).toMatchObject({
    network: 'lenet5',
    input: [1, 28, 28],
    batch: 4,
    pictures: { count: 384, stored: [32, 32], files: { size: [47, 63] } },
  });
  expect(row!.pictures.files!.bytes).toBeGreaterThan(100);
  expect(row!.sources.map(({ source }) => source)).toEqual(['steps', 'memory', 'cache', 'files']);
  for (const { imagesPerSecond, waitMilliseconds, processorMilliseconds, steps, note } of row!.sources) {
    expect([imagesPerSecond!.count, waitMilliseconds!.count, note]).toEqual([2, 2, undefined]);
    expect(imagesPerSecond!.best).toBeGreaterThan(0);
    expect(waitMilliseconds!.best).toBeGreaterThanOrEqual(0);
    expect(processorMilliseconds!.best).toBeGreaterThan(0);
    expect(steps).toBeGreaterThanOrEqual(2);
  }
  // A step of four images takes LeNet less time than decoding them does.
  expect(row!.sources[3]!.waitMilliseconds!.median).toBeGreaterThan(0);
  expect(readdirSync(folder)).toEqual([]);
});

it('says how to install sharp where it is missing, and measures what needs none', async () => {
  const [row] = await measured(withoutSharp);
  const note = 'Reading image files takes the package sharp: it is not installed. Run: npm install sharp';
  expect(row!.pictures.files).toBeUndefined();
  expect(row!.sources.slice(0, 2).map((each) => [each.source, each.imagesPerSecond!.count, each.note])).toEqual([
    ['steps', 2, undefined],
    ['memory', 2, undefined],
  ]);
  expect(row!.sources.slice(2)).toEqual([
    { source: 'cache', note },
    { source: 'files', note },
  ]);
  expect(formatFeeding([row!])).toContain(`JPEG files: ${note}`);
});

it.each(['SIGINT', 'SIGTERM'] as const)('%s ends it and leaves no files', async (signal) => {
  const args = ['bench', 'data', '--models', 'lenet5', '--batch', '4', '--seconds', '600'];
  const command = [path.join(children.folder, 'lib/cli/main.js'), ...args];
  const child = spawn(process.execPath, command, { cwd: children.folder, env: { ...process.env, TMPDIR: folder }, stdio: 'ignore' });
  const ended = once(child, 'exit');
  // With the cache everything else is there, and measuring has begun or is about to.
  const isReady = (): boolean => readdirSync(folder, { recursive: true, encoding: 'utf8' }).some((file) => file.endsWith('pictures.cache'));
  while (child.exitCode === null && !isReady()) await sleep(20);
  child.kill(signal);
  expect(await ended).toEqual([null, signal]);
  expect(readdirSync(folder)).toEqual([]);
});

it('a picture is the same whenever it is made, and has detail at every size', async () => {
  const maker = await PictureMaker.open();
  const make = (i: number): Buffer => {
    const levels = Buffer.alloc(375 * 500 * 3);
    maker.make(i, [3, 375, 500], levels);
    return levels;
  };
  const picture = make(5);
  expect(make(5).equals(picture)).toBe(true);
  expect(make(6).equals(picture)).toBe(false);
  const encoded = await sharp(picture, { raw: { width: 500, height: 375, channels: 3 } })
    .jpeg({ quality: 90 })
    .toBuffer();
  // ImageNet's pictures of this size have some 110 kB; smooth ones would have 20.
  expect(encoded.length).toBeGreaterThan(50_000);
  expect(encoded.length).toBeLessThan(200_000);
});

it('the table has the share of the speed of steps alone, and of a step that waits', () => {
  const result: FeedingResult = {
    network: 'resnet18',
    input: [3, 224, 224],
    batch: 16,
    pictures: { count: 384, stored: [256, 256], files: { size: [375, 500], bytes: 98_700 } },
    transforms: [{ name: 'randomHorizontalFlip', options: { p: 0.5 } }],
    sources: [
      {
        source: 'steps',
        imagesPerSecond: summarize([20]),
        waitMilliseconds: summarize([0]),
        processorMilliseconds: summarize([1500]),
        steps: 9,
      },
      {
        source: 'memory',
        imagesPerSecond: summarize([18, 19, 20]),
        waitMilliseconds: summarize([84.2]),
        processorMilliseconds: summarize([1600]),
        steps: 9,
      },
      { source: 'cache', note: 'none today' },
    ],
  };
  const lines = formatFeeding([result]).split('\n');
  expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual([
    ['pictures from', 'images/s', 'wait for data', 'processor time', 'of steps alone'],
    ['resnet18 b16', 'steps alone', '20.0 (20.0-20.0)', '1500 ms'],
    ['pictures in memory', '19.0 (18.5-19.5)', '84.2 ms (10.0 %)', '1600 ms', '0.95'],
    ['cache of decoded pictures', '-'],
    [''],
    ['resnet18 b16: 384 pictures of 256x256, then randomHorizontalFlip; JPEG files of 375x500, 99 kB on average'],
    ['cache of decoded pictures: none today'],
  ]);
});
