/**
 * No call holds up the event loop: not the first run and step of a network, whose weights are drawn and whose programs are made then, nor
 * the end of fit. What counts is how long the thread itself computes between two turns, so that other load does not matter.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, evaluate, fit, models, nn, optim, Trainer } from 'stridenet';

/** Milliseconds for which this process's main thread has computed. */
function computed(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1e6;
  } catch {
    return performance.now(); // where the system does not say
  }
}

/** The most milliseconds between two turns from the call of `body` to its end. */
async function longestGap(body: () => Promise<unknown>): Promise<number> {
  let last = computed();
  let longest = 0;
  const look = (): void => {
    const now = computed();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, 1);
  await body();
  look();
  clearInterval(timer);
  return longest;
}

/** Compiling the network in one piece takes several times as much, drawing its weights some thousand. */
const MOST_MILLISECONDS = 250;
const EXTENT = 32;
const COUNT = 2;
const IMAGES = new Float32Array(COUNT * 3 * EXTENT * EXTENT);

test.each(['densenet121', 'vgg16'] as const)(
  'compile, runs, steps and fit of %s',
  async (name) => {
    const input = [3, EXTENT, EXTENT];
    const model = models[name]();
    const gaps: Record<string, number> = {};
    const net = await compile(models.lenet5(), { input: [1, 28, 28] }); // what is loaded once
    net.close();
    gaps['compile'] = await longestGap(async () => {
      const compiled = await compile(model, { input });
      gaps['first run'] = await longestGap(() => compiled.run(IMAGES));
      compiled.close();
    });
    const optimizer = optim.sgd({ lr: 1e-3, momentum: 0.9 });
    const trainer = new Trainer(model, { optimizer, input, batchSize: COUNT });
    gaps['first step'] = await longestGap(() => trainer.step(IMAGES, Int32Array.of(1, 2)));
    trainer.close();
    const data = { images: IMAGES, labels: Uint8Array.of(1, 2), shape: input, length: COUNT };
    gaps['fit'] = await longestGap(() => fit(models[name](), data as never, { epochs: 1, batchSize: COUNT, optimizer, progress: false }));
    for (const [what, gap] of Object.entries(gaps)) expect([what, gap > MOST_MILLISECONDS ? gap : 0]).toEqual([what, 0]);
  },
  300_000,
);

test('resuming a trainer of many weights', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'stridenet-'));
  try {
    const path = join(directory, 'checkpoint.safetensors');
    const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 4_000_000), new nn.Linear(4_000_000, 4));
    const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 1e-3, momentum: 0.9 }), input: [1, 2, 2], batchSize: 1 });
    await trainer.step(new Float32Array(4), [0]);
    await trainer.save(path);
    trainer.close();
    const gap = await longestGap(async () => (await Trainer.resume(path)).close());
    expect(gap).toBeLessThan(MOST_OF_LISTS);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** Where the work is that of lists, nothing is as long as folding a network. In one piece each of these takes several times as much. */
const MOST_OF_LISTS = 60;

const tiny = (length: number) => ({
  ...{ images: new Uint8Array(4 * length), labels: new Uint8Array(length) },
  ...{ shape: [1, 2, 2] as const, classes: ['a', 'b', 'c'], length },
});
const tinyModel = (): nn.Module => new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 3));

test('fit of millions of images', async () => {
  const set = tiny(4_000_000);
  const signal = AbortSignal.timeout(50);
  const fitting = () => fit(tinyModel(), set, { epochs: 1, batchSize: 256, optimizer: optim.sgd({ lr: 0.1 }), progress: false, signal });
  const gap = await longestGap(() => expect(fitting()).rejects.toThrow(/timeout/));
  expect(gap).toBeLessThan(MOST_OF_LISTS);
});

test('evaluate in many batches', async () => {
  expect(await longestGap(() => evaluate(tinyModel(), tiny(300_000), { batchSize: 8 }))).toBeLessThan(MOST_OF_LISTS);
});

test('one run of very many images', async () => {
  const net = await compile(tinyModel(), { input: [1, 2, 2] });
  const images = new Uint8Array(4 * 500_000);
  await net.run(images.subarray(0, 400));
  expect(await longestGap(() => net.run(images))).toBeLessThan(MOST_OF_LISTS);
  net.close();
});
