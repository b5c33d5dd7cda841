/**
 * Whether data starves training: steps on a batch that stays in memory beside the loop of `fit` on pictures in memory, in a cache of decoded pictures, and
 * in JPEG files, the last three with transforms. All of them are the same steps of one trainer, in turns.
 */

import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AlgorithmMode } from '../compile/algorithm';
import { arrays } from '../data/arrays';
import { imageFolder } from '../data/imageFolder';
import type { ReadyDataset } from '../data/kinds';
import { StridenetError } from '../errors';
import { elementCount } from '../graph/types';
import { sgd } from '../optim/sgd';
import { manualSeed, Philox, PURPOSE } from '../random';
import { nextTurn } from '../runtime/task';
import { pipeline, readBatches, type Augmentation, type Batch } from '../train/batches';
import { DEPTH } from '../train/evaluate';
import { Trainer } from '../train/trainer';
import { Augmenter } from '../transforms/augmenter';
import { colorJitter } from '../transforms/colour';
import { randomHorizontalFlip, randomResizedCrop } from '../transforms/geometry';
import type { Transform } from '../transforms/transform';
import { buildNetwork, findNetwork, type Network } from './networks';
import { PictureMaker, type PictureShape } from './pictures';
import { summarize, type Summary } from './statistics';
import { TemporaryFolder } from './temporaryFolder';

export interface FeedingOptions {
  /** Names of networks. */
  readonly models: readonly string[];
  readonly batches: readonly number[];
  readonly threads: number;
  readonly algorithm: AlgorithmMode;
  /** Turns of each source. */
  readonly rounds: number;
  /** Of each source, without the steps that are not counted. */
  readonly seconds: number;
}

/** Where the batches of a training come from. */
export type Source = 'steps' | 'memory' | 'cache' | 'files';

export interface FeedingResult {
  readonly network: string;
  readonly input: Network['input'];
  readonly batch: number;
  readonly pictures: {
    readonly count: number;
    /** Height and width in memory and in the cache. */
    readonly stored: readonly [number, number];
    /** Height and width of the files, and their bytes on average; absent without sharp. */
    readonly files?: { readonly size: readonly [number, number]; readonly bytes: number };
  };
  readonly transforms: readonly Transform[];
  readonly sources: readonly SourceResult[];
}

/** What was measured of one source, or why nothing was. */
export interface SourceResult {
  readonly source: Source;
  /** One number for each turn. */
  readonly imagesPerSecond?: Summary;
  /** Time before a step in which none was under way because its batch was not there: the mean of a turn, one number for each turn. */
  readonly waitMilliseconds?: Summary;
  /** Processor time of a step with all that goes on beside it, on all threads of the process: the mean of a turn, one number for each turn. */
  readonly processorMilliseconds?: Summary;
  /** Counted steps of all turns. */
  readonly steps?: number;
  readonly note?: string;
}

/** Files of a network of 224 x 224 are of ImageNet's usual size, and pictures are decoded to 256 x 256. */
const FILE_SIZE = [375 / 224, 500 / 224] as const;
const STORED_SIZE = 256 / 224;
/** Pictures: of 256 x 256 more than a cache keeps in memory, which is read from its file then; batches of an epoch at least. */
const LEAST_PICTURES = 384;
const LEAST_BATCHES = 16;
const CLASSES = 10;
/** Steps at the beginning of a turn that are not counted. */
const WARMUP_STEPS = 3;
/** Rest between turns. */
const SETTLE_MS = 100;
const SEED = 1;
/** Of a stored level; what networks like. */
const READING = { scale: 1 / 255, mean: [0.5], std: [0.25] };

/** One source with what it measured so far. */
interface Side {
  readonly source: Source;
  /** The batches of an endless training. */
  readonly batches: () => AsyncIterable<Batch> | Iterable<Batch>;
  readonly turns: Turn[];
}

interface Turn {
  readonly imagesPerSecond: number;
  readonly waitMilliseconds: number;
  readonly processorMilliseconds: number;
  readonly steps: number;
}

/**
 * Measures network after network, at each batch size.
 * @param report told what is going on, for people who wait
 * @throws StridenetError ERR_UNKNOWN_MODEL
 */
export async function measureFeeding(options: FeedingOptions, report: (what: string) => void = () => undefined): Promise<FeedingResult[]> {
  const maker = await PictureMaker.open();
  const results: FeedingResult[] = [];
  for (const name of options.models) {
    const network = findNetwork(name);
    for (const batch of options.batches) {
      const folder = new TemporaryFolder();
      try {
        const title = `${name} b${batch}`;
        results.push(await measureRow(network, batch, maker, folder, options, (what) => report(`${title}: ${what}`)));
      } finally {
        folder.remove();
      }
    }
  }
  return results;
}

async function measureRow(
  network: Network,
  batch: number,
  maker: PictureMaker,
  folder: TemporaryFolder,
  { threads, algorithm, rounds, seconds }: FeedingOptions,
  report: (what: string) => void,
): Promise<FeedingResult> {
  const [channels, height, width] = network.input;
  const stored: [number, number] = [Math.round(height * STORED_SIZE), Math.round(width * STORED_SIZE)];
  const count = Math.max(LEAST_PICTURES, LEAST_BATCHES * batch);
  const transforms = transformsOf(network);
  report('making pictures');
  const memory = await picturesInMemory(maker, count, [channels, ...stored]);
  const files = await pictureFiles(
    maker,
    folder,
    count,
    [channels, Math.round(height * FILE_SIZE[0]), Math.round(width * FILE_SIZE[1])],
    stored,
  );

  manualSeed(SEED);
  const trainer = new Trainer(buildNetwork(network), {
    optimizer: sgd({ lr: 0.01, momentum: 0.9 }),
    input: network.input,
    batchSize: batch,
    threads,
    algorithm,
    seed: SEED,
    preprocess: READING,
    layout: 'nhwc',
  });
  try {
    const augmenter = new Augmenter('stridenet bench', transforms, { shape: memory.shape, layout: 'nhwc' });
    const augmentation = { augmenter, seed: SEED, classes: CLASSES };
    const sideOf = (source: Source, dataset: ReadyDataset): Side => ({ source, batches: endless(dataset, batch, augmentation), turns: [] });
    const kept = await firstBatch(endless(memory, batch, augmentation)());
    const sides: Side[] = [{ source: 'steps', batches: () => repeated(kept), turns: [] }, sideOf('memory', memory)];
    if ('cache' in files) sides.push(sideOf('cache', files.cache), sideOf('files', files.files));
    for (let round = 1; round <= rounds; round++) {
      report(`round ${round} of ${rounds}`);
      for (const { batches, turns } of sides) {
        await sleep(SETTLE_MS);
        turns.push(await takeTurn(trainer, batches(), seconds / rounds));
      }
    }
    const absent = 'note' in files ? (['cache', 'files'] as const).map((source) => ({ source, note: files.note })) : [];
    return {
      network: network.name,
      input: network.input,
      batch,
      pictures: { count, stored, ...('cache' in files && { files: { size: files.size, bytes: files.bytes } }) },
      transforms,
      sources: [...sides.map(resultOf), ...absent],
    };
  } finally {
    trainer.close();
  }
}

/** What trainings on ImageNet do to pictures. */
function transformsOf({ input: [, height, width] }: Network): Transform[] {
  const jitter = colorJitter({ brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 });
  return [randomResizedCrop([height, width]), randomHorizontalFlip(), jitter];
}

async function picturesInMemory(maker: PictureMaker, count: number, shape: PictureShape): Promise<ReadyDataset> {
  const size = elementCount(shape);
  const images = new Uint8Array(count * size);
  for (let i = 0; i < count; i++) {
    maker.make(i, shape, images.subarray(i * size, (i + 1) * size));
    await nextTurn(); // signals are heard meanwhile
  }
  const labels = Int32Array.from({ length: count }, (_, i) => i % CLASSES);
  return arrays(images, labels, { shape, layout: 'nhwc', ...READING });
}

interface FileSources {
  readonly cache: ReadyDataset;
  readonly files: ReadyDataset;
  readonly size: readonly [number, number];
  /** Of a file on average. */
  readonly bytes: number;
}

/** Pictures in files, decoded before training and in it; or why there are none. */
async function pictureFiles(
  maker: PictureMaker,
  folder: TemporaryFolder,
  count: number,
  shape: PictureShape,
  stored: readonly [number, number],
): Promise<FileSources | { readonly note: string }> {
  const [channels, height, width] = shape;
  const at = folder.at('pictures');
  try {
    const bytes = await maker.writeFiles(at, count, CLASSES, shape);
    const options = { size: stored, channels: channels as 1 | 3, fit: 'cover', ...READING } as const;
    const cache = await imageFolder(at, { ...options, cache: folder.at('pictures.cache') });
    return { cache, files: await imageFolder(at, options), size: [height, width], bytes };
  } catch (error) {
    if (error instanceof StridenetError && error.code === 'ERR_MISSING_DEPENDENCY') return { note: error.message };
    throw error;
  }
}

/** Epoch after epoch in orders of their own, as `fit` reads them; who calls again begins with an epoch that was not read before. */
function endless(dataset: ReadyDataset, batchSize: number, augmentation: Augmentation): () => AsyncGenerator<Batch> {
  let epoch = 0;
  return async function* () {
    for (;;) {
      epoch++;
      const order = new Philox(SEED, epoch, PURPOSE.shuffle).permutation(dataset.length!);
      yield* readBatches('stridenet bench', dataset, { batchSize, epoch, order, dropLast: true, augmentation });
    }
  };
}

function* repeated(batch: Batch): Generator<Batch> {
  for (;;) yield batch;
}

/** A copy, since a batch is valid until the next is asked for. */
async function firstBatch(batches: AsyncIterable<Batch>): Promise<Batch> {
  for await (const { images, labels, ...rest } of batches) return { images: images.slice(), labels: labels.slice(), ...rest };
  throw new Error('unreachable: there is always another epoch');
}

/** The loop of `fit` until `seconds` are over, after steps that are not counted; at least one step is. */
async function takeTurn(trainer: Trainer, batches: AsyncIterable<Batch> | Iterable<Batch>, seconds: number): Promise<Turn> {
  let [handedOver, underWay, done, images, waited] = [0, 0, 0, 0, 0];
  /** When no step was under way any more; when counting began; when the last counted step was done. */
  let [idleSince, begun, ended] = [performance.now(), Infinity, Infinity];
  /** Processor time of the process when counting began, and when the last counted step was done. */
  let [used, usedAtEnd] = [process.cpuUsage(), process.cpuUsage()];
  async function* untilOver(): AsyncGenerator<Batch> {
    for await (const batch of batches) {
      if (handedOver > WARMUP_STEPS && performance.now() >= begun + 1e3 * seconds) return;
      yield batch;
    }
  }
  await pipeline(
    untilOver(),
    DEPTH,
    async ({ images: pixels, labels, count }) => {
      if (underWay === 0 && handedOver >= WARMUP_STEPS) waited += performance.now() - idleSince;
      handedOver++;
      underWay++;
      await trainer.takeStep(pixels, labels);
      underWay--;
      idleSince = performance.now();
      return count;
    },
    (count) => {
      done++;
      if (done > WARMUP_STEPS) images += count;
      if (done === WARMUP_STEPS) [begun, used] = [performance.now(), process.cpuUsage()];
      [ended, usedAtEnd] = [performance.now(), process.cpuUsage()];
    },
  );
  const steps = done - WARMUP_STEPS;
  const microseconds = usedAtEnd.user + usedAtEnd.system - used.user - used.system;
  return {
    imagesPerSecond: images / ((ended - begun) / 1e3),
    waitMilliseconds: waited / steps,
    processorMilliseconds: microseconds / 1e3 / steps,
    steps,
  };
}

function resultOf({ source, turns }: Side): SourceResult {
  return {
    source,
    imagesPerSecond: summarize(turns.map(({ imagesPerSecond }) => imagesPerSecond)),
    waitMilliseconds: summarize(turns.map(({ waitMilliseconds }) => waitMilliseconds)),
    processorMilliseconds: summarize(turns.map(({ processorMilliseconds }) => processorMilliseconds)),
    steps: turns.reduce((sum, { steps }) => sum + steps, 0),
  };
}
