/** The page of a training: what it shows, that no text in it becomes code, and when it is written. Looks are for eyes. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import {
  callbacks,
  data,
  fit,
  manualSeed,
  nn,
  ops,
  optim,
  transforms,
  type Callback,
  type FitOptions,
  type History,
  type Tensor,
} from 'stridenet';
import type { Dataset } from '../../lib/data/dataset';
import { Philox } from '../../lib/random';
import { formatNumber } from '../../lib/report/format';
import { judge, pictureOf } from '../../lib/report/judge';
import type { Run } from '../../lib/report/run';
import { renderReport } from '../../lib/report/writeReport';
import type { LayerNorms } from '../../lib/train/gradientNorms';
import { expectError, expectRejection } from '../support/expectError';

const folder = mkdtempSync(path.join(tmpdir(), 'stridenet-report-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, 'report.html');
const page = (): string => readFileSync(file, 'utf8');
beforeEach(() => manualSeed(1));

const HOSTILE = '<script>alert("1")</script>';

/** Images of two pixels; the class says which is brighter. */
function pixels(length: number): Dataset {
  const random = new Philox(1);
  const images = Uint8Array.from({ length: 2 * length }, () => random.uint32() & 255);
  const labels = Uint8Array.from({ length }, (_, i) => (images[2 * i]! > images[2 * i + 1]! ? 1 : 0));
  return { images, labels, shape: [1, 1, 2], classes: [HOSTILE, "right's & \u0007"], length };
}

const classifier = (): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(2, 4), new nn.ReLU(), new nn.Linear(4, 2));
const train = async (callback: Callback, more: Partial<FitOptions> = {}, model: nn.Module = classifier()): Promise<History> =>
  fit(model, pixels(64), {
    epochs: 2,
    batchSize: 16,
    optimizer: optim.sgd({ lr: 0.1 }),
    threads: 1,
    seed: 1,
    progress: false,
    validation: pixels(32),
    callbacks: [callback],
    ...more,
  });

/** That a browser sees text and the page's own elements only. */
function expectHarmless(html: string): void {
  const tags = new Set([...html.matchAll(/<\/?([a-z0-9!]+)/gi)].map((match) => match[1]!.toLowerCase()));
  const own = ['!doctype', 'html', 'head', 'meta', 'title', 'link', 'style', 'body', 'main', 'header', 'h1', 'h2', 'span', 'div', 'b', 'p'];
  const more = [
    'section',
    'svg',
    'text',
    'line',
    'g',
    'polyline',
    'circle',
    'rect',
    'table',
    'thead',
    'tbody',
    'tr',
    'th',
    'td',
    'details',
  ];
  expect([...tags].filter((tag) => ![...own, ...more, 'summary', 'figure', 'figcaption', 'img'].includes(tag))).toEqual([]);
  expect(html).not.toMatch(/\son\w+=|javascript:|https?:\/\//);
  // eslint-disable-next-line no-control-regex
  expect(html).not.toMatch(/[\u0000-\u0008]/);
  for (const element of ['section', 'table', 'svg', 'figure', 'td', 'th', 'tr', 'div', 'g', 'span']) {
    const count = (pattern: string): number => html.match(new RegExp(pattern, 'g'))?.length ?? 0;
    expect([element, count(`<${element}[ >]`)]).toEqual([element, count(`</${element}>`)]);
  }
}

test('shows curves, numbers, confusions, mistakes, layers, configuration and environment', async () => {
  const options = { validation: pixels(32), title: `Run ${HOSTILE}`, configuration: { [`"${HOSTILE}`]: HOSTILE, ema: 0.5 } };
  const { epochs } = await train(callbacks.htmlReport(file, options));
  const html = page();
  expectHarmless(html);
  for (const heading of ['Learning curves', 'Numbers', 'Confusion matrix', 'Worst mistakes', 'Layers', 'Configuration', 'Environment']) {
    expect(html).toContain(`<h2>${heading}</h2>`);
  }
  for (const title of ['Loss', 'Accuracy', 'Learning rate', 'Images per second']) expect(html).toContain(`aria-label="${title} by epoch"`);
  expect(html).toContain(`training, epoch 2: ${epochs[1]!.loss.toPrecision(4)}`);
  expect(html).toContain(`validation, epoch 2: ${epochs[1]!.valLoss!.toPrecision(4)}`);
  expect(html).toContain('>finished<');
  expect(html).toContain('Run &lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;');
  expect(html).toContain('sgd, lr 0.1');
  expect(html).toContain(process.version);
  expect(html).toMatch(/<td class="left">1<\/td><td class="left">Linear<\/td><td>\[4\]<\/td><td>12<\/td><td>8<\/td><td class="bar"/);
});

test('shows the norms of gradients by layer and epoch, which change nothing of the training', async () => {
  const norms: (readonly { path: string; gradient: number; weights: number }[] | undefined)[] = [];
  const reading: Callback = { onEpochEnd: (_, { trainer }) => norms.push(trainer.norms) };
  const model = classifier();
  await train(reading, { callbacks: [callbacks.htmlReport(file), reading] }, model);
  const html = page();
  expectHarmless(html);
  expect(html).toContain('<h2>Gradients</h2>');
  for (const [i, layers] of norms.entries()) {
    expect(layers!.map(({ path: layer }) => layer)).toEqual(['1', '3']);
    for (const { path: layer, gradient, weights } of layers!) {
      expect(html).toContain(`title="${layer}, epoch ${i + 1}: gradient ${formatNumber(gradient)}, weights ${formatNumber(weights)}"`);
    }
  }
  manualSeed(1);
  const other = classifier();
  await train({}, {}, other);
  expect(other.parameters().map(({ value }) => value)).toEqual(model.parameters().map(({ value }) => value));
});

test('gradients of many epochs are shown of some, of none by 0, and of infinite ones as such', () => {
  const layer = (gradient: number): LayerNorms => ({ path: HOSTILE, kind: HOSTILE, gradient, weights: 2 });
  const norms = Array.from({ length: 100 }, (_, i) => ({ epoch: i + 1, layers: [layer(i === 0 ? 0 : i === 99 ? Infinity : 10 ** -i)] }));
  const base = {
    title: 'x',
    state: 'running',
    began: new Date(0),
    updated: new Date(0),
    epochs: [],
    configuration: [],
    environment: [],
  } as const;
  const html = renderReport({ ...base, norms });
  expectHarmless(html);
  expect(html.match(/class="heat"/g)).toHaveLength(10);
  expect(html).toContain('10 of 100 epochs are shown');
  expect(html).toMatch(/class="heat" style="--share:0.000"[^>]*>0</);
  expect(html).toMatch(/class="heat" style="--share:1.000"[^>]*>Infinity</);
  expect(html).not.toMatch(/NaN/);
  const one = renderReport({ ...base, norms: [{ epoch: 3, layers: [layer(0.5)] }] });
  expect(one).toContain('<td>2</td><td>0.25</td>');
  expect(renderReport({ ...base, norms: [{ epoch: 1, layers: [layer(0)] }] })).not.toMatch(/NaN|Infinity/);
  expect(renderReport(base)).not.toContain('Gradients');
});

test('is written when training begins, after every epoch and at the end', async () => {
  const seen: string[] = [];
  const state = (): string => `${/"badge">(\w+)/.exec(page())![1]!} ${/<b>(\d+)<\/b><span>epochs/.exec(page())?.[1] ?? 0}`;
  const watching: Callback = { onEpochBegin: () => seen.push(state()), onTrainEnd: () => seen.push(state()) };
  await train(watching, { callbacks: [callbacks.htmlReport(file), watching] });
  expect(seen).toEqual(['running 0', 'running 1', 'finished 2']);
  const ending: Callback = { onEpochEnd: () => Promise.reject(new Error('enough')) };
  await expect(train(ending, { callbacks: [callbacks.htmlReport(file), ending] })).rejects.toThrow('enough');
  expect(state()).toBe('running 1');
  expectHarmless(page());
});

test('a training that was resumed has the curves of all epochs', async () => {
  const checkpoint = path.join(folder, 'last.safetensors');
  const model = classifier();
  await train({ onEpochEnd: (_, { trainer }) => trainer.save(checkpoint) }, {}, model);
  await train(callbacks.htmlReport(file), { epochs: 3, resume: checkpoint }, model);
  expect(page()).toContain('training, epoch 1: ');
  expect(page()).toContain('training, epoch 3: ');
});

test('a path that does not work ends training before its first step', async () => {
  const began: number[] = [];
  const counting: Callback = { onEpochBegin: (epoch) => began.push(epoch) };
  const bad = callbacks.htmlReport(path.join(folder, 'none/report.html'));
  await expectRejection('ERR_FILE_ACCESS', train(counting, { callbacks: [bad, counting] }), 'none/report.html');
  expect(began).toEqual([]);
});

test('refuses what does not fit', () => {
  const where = 'callbacks.htmlReport';
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.htmlReport(1 as never), where);
  expectError('ERR_UNKNOWN_OPTION', () => callbacks.htmlReport(file, { titel: 'x' } as object), where, 'title');
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.htmlReport(file, { title: 1 as never }), 'title', '1');
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.htmlReport(file, { mistakes: -1 }), 'mistakes');
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.htmlReport(file, { validation: {} as never }), `${where} validation`);
  expectError('ERR_INVALID_ARGUMENT', () => callbacks.htmlReport(file, { configuration: { a: {} as never } }), 'configuration', '"a"');
});

test('any number has a curve, gaps where it is not finite, and thousands of epochs do', () => {
  const epochs = Array.from({ length: 2000 }, (_, i) => ({
    epoch: i + 1,
    loss: i === 1000 ? NaN : 1 / (i + 1),
    valTop5: 0.5,
    learningRate: 0.1,
    '<b>': i,
    imagesPerSecond: 1,
    seconds: 1,
  }));
  const run: Run = { title: '', state: 'running', began: new Date(0), updated: new Date(0), epochs, configuration: [], environment: [] };
  const html = renderReport(run);
  expectHarmless(html);
  expect(html).not.toMatch(/points="[^"]*NaN/);
  expect(html.match(/<polyline[^>]*><title>training/g)).toHaveLength(2 + 1 + 1 + 1); // loss in two parts, <b>, learning rate, images per second
  expect(html).toContain('aria-label="Top5 by epoch"');
  expect(renderReport({ ...run, epochs: epochs.slice(0, 1) })).toContain('training, epoch 1: 1');
  expect(renderReport({ ...run, epochs: [] })).toContain('No epoch is over yet');
});

describe('judging a model', () => {
  /** Takes the bytes of the two pixels for logits. */
  class Known extends nn.Module {
    forward(x: Tensor): Tensor {
      return ops.mul(x.flatten(1), 255);
    }
  }

  const dataset: Dataset = {
    images: Uint8Array.of(1, 0, 0, 2, 3, 0, 0, 4, 1, 0),
    labels: Uint8Array.of(0, 1, 1, 0, 0),
    shape: [1, 1, 2],
    classes: ['a'],
    length: 5,
  };

  test('counts what is taken for what, and finds the worst', async () => {
    const { classes, confusion, mistakes } = (await judge(new Known(), dataset, 10))!;
    expect(classes).toEqual(['a', '1']);
    expect([...confusion]).toEqual([2, 1, 1, 1]);
    expect(mistakes.map(({ index, label, predicted }) => [index, label, predicted])).toEqual([[3, 0, 1], [2, 1, 0]]); // prettier-ignore
    expect(mistakes[0]!.labelProbability).toBeCloseTo(1 / (1 + Math.exp(4)), 5);
    expect(mistakes[0]!.probability).toBeCloseTo(1 / (1 + Math.exp(-4)), 5);
    expect((await judge(new Known(), dataset, 1))!.mistakes.map(({ index }) => index)).toEqual([3]);
    expect((await judge(new Known(), dataset, 0))!.mistakes).toEqual([]);
  });

  test('a model whose output is no class has none', async () => {
    class Flat extends nn.Module {
      forward(x: Tensor): Tensor {
        return x;
      }
    }
    expect(await judge(new Flat(), dataset, 3)).toBeUndefined();
    expect(await judge(new Known(), { ...dataset, labels: Uint8Array.of(0, 1, 2, 0, 0) }, 3)).toBeUndefined();
  });

  test('pictures are as the data set has them, in either layout, smaller when they are large', () => {
    const rgb = { labels: Uint8Array.of(0), classes: [], length: 1, shape: [3, 1, 2] as [number, number, number] };
    const nchw = { ...rgb, images: Uint8Array.of(1, 2, 11, 12, 21, 22) };
    expect(pictureOf(nchw.images, nchw.shape)).toEqual({ data: Uint8Array.of(1, 11, 21, 2, 12, 22), width: 2, height: 1, channels: 3 });
    const nhwc = { ...rgb, layout: 'nhwc' as const, images: Uint8Array.of(1, 11, 21, 2, 12, 22) };
    expect(pictureOf(nhwc.images, nhwc.shape, nhwc.layout)).toEqual(pictureOf(nchw.images, nchw.shape));
    const floats = { ...rgb, shape: [2, 1, 2] as [number, number, number], images: Float32Array.of(-1, 1, 0, 0) };
    expect(pictureOf(floats.images, floats.shape)).toEqual({ data: Uint8Array.of(0, 255), width: 2, height: 1, channels: 1 });
    const large = { ...rgb, shape: [1, 2, 256] as [number, number, number], images: new Uint8Array(512).map((_, i) => (i % 2) * 100) };
    expect(pictureOf(large.images, large.shape)).toEqual({ data: new Uint8Array(128).fill(50), width: 128, height: 1, channels: 1 });
  });
});

test('pictures of mistakes are PNG files of the images', async () => {
  const validation = pixels(32);
  // Every label is wrong, so that every image is a mistake.
  const wrong = { ...validation, labels: validation.labels.map((label) => 1 - label) };
  await train(callbacks.htmlReport(file, { validation: wrong, mistakes: 40 }), { epochs: 20, optimizer: optim.sgd({ lr: 0.5 }) });
  const figures = [...page().matchAll(/<img class="small" src="data:image\/png;base64,([^"]+)" alt="image (\d+)/g)];
  expect(figures.length).toBeGreaterThan(10);
  for (const [, base64, index] of figures) {
    const read = await sharp(Buffer.from(base64!, 'base64')).greyscale().raw().toBuffer();
    expect([...read]).toEqual([...validation.images.subarray(2 * Number(index), 2 * Number(index) + 2)]);
  }
});

test('many classes have a list of confusions, and a model that makes none says so', async () => {
  const labels = Uint8Array.from({ length: 64 }, (_, i) => i % 40);
  const data = { ...pixels(64), labels, classes: Array.from({ length: 40 }, (_, i) => `class ${i}`) };
  const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(2, 40));
  await fit(model, data, {
    epochs: 1,
    optimizer: optim.sgd({ lr: 0.1 }),
    progress: false,
    callbacks: [callbacks.htmlReport(file, { validation: data })],
  });
  expect(page()).toContain('<h2>Confusions</h2>');
  expect(page()).not.toContain('class="confusion"');
  expectHarmless(page());
  const run: Run = {
    title: '',
    state: 'finished',
    began: new Date(0),
    updated: new Date(0),
    epochs: [],
    configuration: [],
    environment: [],
  };
  expect(renderReport({ ...run, judgement: { classes: ['a', 'b'], confusion: Uint32Array.of(1, 0, 0, 2), mistakes: [] } })).toContain(
    'Every image',
  );
});

test('report of fit writes the page, of pictures that are read when they are needed and transformed, too', async () => {
  const { train } = await data.mini();
  const few = data.take(train, 60);
  const lazy: data.LazyDataset = {
    ...{ labels: few.labels, shape: few.shape, classes: few.classes, length: few.length },
    read: async (indices, into) => {
      for (const [to, from] of indices.entries()) into.set(few.images.subarray(784 * from, 784 * (from + 1)), 784 * to);
      return [];
    },
  };
  const file = path.join(folder, 'of-fit.html');
  const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(400, 10));
  await fit(model, lazy, {
    ...{ epochs: 1, optimizer: optim.sgd(), progress: false, report: file, validation: lazy },
    augment: [transforms.randomCrop(20)],
    validationTransforms: [transforms.centerCrop(20)],
  });
  const html = readFileSync(file, 'utf8');
  expect(html).toContain('data:image/png;base64,');
  expectHarmless(html);
});
