/**
 * No call holds up the event loop: not the first run and step of a network, whose weights are drawn and whose programs are made then, nor
 * the end of fit. What counts is how long the thread itself computes between two turns, so that other load does not matter.
 */

import { readFileSync } from 'node:fs';
import { compile, fit, models, optim, Trainer } from 'stridenet';

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
