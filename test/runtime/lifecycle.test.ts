/**
 * The life of sessions: overlapping runs, closing during a run, worker threads that come and go, a process that exits in the middle of a
 * step, sessions that nobody closes, many runs, and the event loop while training. No test depends on how fast the machine is.
 */

import { compile, models, nn, ops, optim, tensor, Trainer, type Tensor } from 'stridenet';
import { Children, expectSuccess } from '../support/child';
import { expectError, expectRejection } from '../support/expectError';
import { uniform } from '../support/values';

const INPUT = [1, 28, 28] as const;
const PIXELS = 28 * 28;

function randomImages(count: number, seed: number): Float32Array {
  const random = uniform(seed);
  return Float32Array.from({ length: count * PIXELS }, random);
}
const labelsOf = (count: number): Int32Array => Int32Array.from({ length: count }, (_, i) => i % 10);

let children: Children;
beforeAll(() => {
  children = new Children();
});
afterAll(() => children.remove());

describe('overlapping runs', () => {
  test('each gets the result of its own input, though the input array is used again at once', async () => {
    const net = await compile(models.lenet5(), { input: INPUT, maxBatch: 8, threads: 2 });
    const batches = Array.from({ length: 40 }, (_, i) => randomImages(1 + (i % 8), i));
    const alone = batches.map((batch) => net.runSync(batch).dataSync());
    const shared = new Float32Array(8 * PIXELS);
    const runs = batches.map((batch) => {
      shared.set(batch);
      const run = net.run(shared.subarray(0, batch.length));
      shared.fill(NaN);
      return run;
    });
    const results = await Promise.all(runs);
    for (const [i, result] of results.entries()) expect(await result.data()).toEqual(alone[i]);
    net.close();
  });

  test('runs of two networks and tensors between them', async () => {
    const nets = await Promise.all([1, 2].map((threads) => compile(models.lenet5(), { input: INPUT, maxBatch: 4, threads })));
    const images = randomImages(4, 5);
    const expected = nets.map((net) => net.runSync(images).dataSync());
    const x = tensor([1, 2, 3]);
    const pending: Promise<unknown>[] = [];
    for (let round = 0; round < 20; round++) {
      for (const [i, net] of nets.entries()) pending.push(net.run(images).then(async (y) => expect(await y.data()).toEqual(expected[i])));
      pending.push(ops.mul(x, round).data().then((y) => expect([...y]).toEqual([round, 2 * round, 3 * round]))); // prettier-ignore
    }
    await Promise.all(pending);
    nets.forEach((net) => net.close());
  });

  test('runSync between pending runs waits for them', async () => {
    const net = await compile(models.lenet5(), { input: INPUT, maxBatch: 8, threads: 2 });
    const images = randomImages(8, 9);
    const pending = Array.from({ length: 10 }, () => net.run(images));
    const now = net.runSync(images).dataSync();
    for (const result of await Promise.all(pending)) expect(await result.data()).toEqual(now);
    net.close();
  });

  test('overlapping training steps give what steps one after the other give', async () => {
    const train = async (overlap: boolean): Promise<number[]> => {
      const model = models.lenet5();
      model.parameters().forEach((p, k) => p.storage.set(Float32Array.from(uniformOf(p.size, k), (v) => (v - 0.5) / 5)));
      const trainer = new Trainer(model, {
        optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }),
        loss: nn.crossEntropy(),
        input: INPUT,
        batchSize: 16,
        threads: 2,
      });
      const steps: Promise<{ loss: number }>[] = [];
      for (let i = 0; i < 12; i++) {
        steps.push(trainer.step(randomImages(16, i), labelsOf(16)));
        if (!overlap) await steps.at(-1);
      }
      const losses = (await Promise.all(steps)).map(({ loss }) => loss);
      trainer.close();
      return losses;
    };
    expect(await train(true)).toEqual(await train(false));
  });
});

function uniformOf(count: number, seed: number): number[] {
  const random = uniform(seed);
  return Array.from({ length: count }, random);
}

describe('close', () => {
  test('during a run: what began ends, what waited is refused, nothing hangs', async () => {
    for (let round = 0; round < 20; round++) {
      const net = await compile(models.lenet5(), { input: INPUT, maxBatch: 64, threads: 2 });
      const images = randomImages(64, round);
      const runs = Array.from({ length: 8 }, () => net.run(images));
      if (round % 2 === 1) await runs[0];
      net.close();
      const outcomes = await Promise.allSettled(runs);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ name: 'StridenetError', code: 'ERR_CLOSED' });
        else expect(outcome.value.shape).toEqual([64, 10]);
      }
      // In order: after the first refusal there is no success.
      const states = outcomes.map(({ status }) => status);
      expect(states).toEqual([...states].sort());
    }
  });

  test('a closed network refuses, closing twice is nothing', async () => {
    const net = await compile(models.lenet5(), { input: INPUT, maxBatch: 1 });
    net.close();
    net.close();
    expectError('ERR_CLOSED', () => net.runSync(randomImages(1, 1)), 'closed');
    await expectRejection('ERR_CLOSED', (async () => net.run(randomImages(1, 1)))(), 'closed');
  });

  test('during a training step: the module keeps usable weights', async () => {
    const model = models.lenet5();
    const trainer = new Trainer(model, {
      optimizer: optim.sgd({ lr: 0.01 }),
      loss: nn.crossEntropy(),
      input: INPUT,
      batchSize: 128,
      threads: 2,
    });
    const steps = Array.from({ length: 4 }, () => trainer.step(randomImages(128, 1), labelsOf(128)));
    trainer.close();
    await Promise.allSettled(steps);
    for (const parameter of model.parameters()) expect((await parameter.data()).every(Number.isFinite)).toBe(true);
    await expectRejection('ERR_CLOSED', trainer.step(randomImages(128, 1), labelsOf(128)), 'closed');
  });

  test('using', async () => {
    const net = await compile(models.lenet5(), { input: INPUT, maxBatch: 1 });
    net[Symbol.dispose]();
    expectError('ERR_CLOSED', () => net.runSync(randomImages(1, 1)));
  });
});

describe('the process', () => {
  const PROLOGUE = `
    const { compile, models, nn, optim, ops, tensor, Trainer } = require('./lib');
    const images = (n) => Float32Array.from({ length: n * 784 }, (_, i) => (i % 97) / 97);
    const labels = (n) => Int32Array.from({ length: n }, (_, i) => i % 10);
    const trainer = () => new Trainer(models.lenet5(), { optimizer: optim.sgd({ lr: 0.1 }), loss: nn.crossEntropy(), input: [1, 28, 28], batchSize: 256, threads: 2 });
  `;

  test('exits in the middle of a step', async () => {
    const exits = [
      'process.exit(0);',
      'setTimeout(() => process.exit(0), 5);',
      't.step(images(256), labels(256)).then(() => process.exit(0));',
      'setImmediate(() => { t.close(); process.exit(0); });',
    ];
    for (const exit of exits) {
      const source = `${PROLOGUE} const t = trainer(); for (let i = 0; i < 20; i++) t.step(images(256), labels(256)).catch(() => {}); ${exit}`;
      expectSuccess(await children.runSource(source));
    }
  }, 120_000);

  test('ends by itself with sessions open, after the runs that are pending', async () => {
    const source = `${PROLOGUE}
      const t = trainer();
      compile(models.lenet5(), { input: [1, 28, 28], maxBatch: 4 }).then(async (net) => {
        await net.run(images(4));
        net.runSync(images(4));
        t.step(images(256), labels(256)).then(() => console.log('last step'));
      });`;
    expect(expectSuccess(await children.runSource(source))).toBe('last step');
  });

  test('an error in user code while a step runs is that error', async () => {
    const { code, signal, stderr } = await children.runSource(
      `${PROLOGUE} trainer().step(images(256), labels(256)); throw new Error('of the user');`,
    );
    expect([code, signal]).toEqual([1, null]);
    expect(stderr).toContain('of the user');
  });

  test('fifty worker threads come and are terminated during runs', async () => {
    const source = `
      const { Worker } = require('node:worker_threads');
      const body = \`${PROLOGUE}
        const { parentPort } = require('node:worker_threads');
        (async () => {
          const net = await compile(models.lenet5(), { input: [1, 28, 28], maxBatch: 64, threads: 2 });
          const t = trainer();
          await net.run(images(8));
          parentPort.postMessage('running');
          for (;;) {
            const pending = [net.run(images(64)), t.step(images(256), labels(256)), ops.mul(tensor([1, 2]), 3).data()];
            net.runSync(images(1));
            await Promise.all(pending);
          }
        })();
      \`;
      const one = (i) => new Promise((resolve, reject) => {
        const worker = new Worker(body, { eval: true });
        worker.on('error', reject);
        worker.on('message', () => setTimeout(() => worker.terminate().then(resolve, reject), (i * 7) % 23));
      });
      ${PROLOGUE}
      (async () => {
        const net = await compile(models.lenet5(), { input: [1, 28, 28], maxBatch: 8, threads: 2 });
        const expected = String(net.runSync(images(8)).dataSync());
        let next = 0;
        let finished = false;
        const lane = async () => { while (next < 50) await one(next++); };
        const lanes = Promise.all([lane(), lane(), lane()]).finally(() => { finished = true; });
        while (!finished) {
          if (String(await (await net.run(images(8))).data()) !== expected) throw new Error('another result while workers run');
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        await lanes;
        console.log('workers: ' + next);
      })();`;
    expect(expectSuccess(await children.runSource(source))).toBe('workers: 50');
  }, 240_000);

  test('sessions that nobody closes are collected', async () => {
    // Each holds an arena of some ten megabytes or more: uncollected, they add up to a gigabyte.
    const source = `${PROLOGUE}
      (async () => {
        const batch = images(512);
        let peak = 0;
        for (let i = 0; i < 60; i++) {
          const net = await compile(models.lenet5(), { input: [1, 28, 28], maxBatch: 512, threads: 1 });
          await net.run(batch);
          if (i % 4 === 0) await trainer().step(images(256), labels(256));
          if (i % 5 === 4) {
            for (let k = 0; k < 3; k++) { gc(); await new Promise((resolve) => setTimeout(resolve, 1)); }
          }
          peak = Math.max(peak, process.memoryUsage().rss);
        }
        console.log(Math.round(peak / 2 ** 20));
      })();`;
    expect(Number(expectSuccess(await children.runSource(source, { flags: ['--expose-gc'] })))).toBeLessThan(500);
  }, 180_000);

  test('ten thousand runs in bounded memory', async () => {
    const source = `${PROLOGUE}
      (async () => {
        const net = await compile(models.lenet5(), { input: [1, 28, 28], maxBatch: 4, threads: 2 });
        const batch = images(4);
        const settle = async () => { for (let k = 0; k < 4; k++) { gc(); await new Promise((resolve) => setTimeout(resolve, 5)); } return process.memoryUsage().rss; };
        const round = async (count) => {
          for (let i = 0; i < count; i += 10) {
            await Promise.all(Array.from({ length: 8 }, () => net.run(batch)));
            net.runSync(batch);
            const y = await net.run(batch);
            await ops.sum(y).data();
          }
        };
        await round(2000);
        const before = await settle();
        await round(10000);
        console.log(Math.round((await settle() - before) / 2 ** 20));
      })();`;
    expect(Number(expectSuccess(await children.runSource(source, { flags: ['--expose-gc'] })))).toBeLessThan(40);
  }, 180_000);
});

describe('the event loop', () => {
  test('goes on while a step is under way', async () => {
    const trainer = new Trainer(models.lenet5(), {
      optimizer: optim.sgd({ lr: 0.01 }),
      loss: nn.crossEntropy(),
      input: INPUT,
      batchSize: 2048,
      threads: 2,
    });
    const images = randomImages(2048, 3);
    await trainer.step(images, labelsOf(2048));
    let turns = 0;
    let running = true;
    const count = (): void => {
      turns++;
      if (running) setImmediate(count);
    };
    const step = trainer.step(images, labelsOf(2048));
    setImmediate(count);
    await step;
    running = false;
    // A step of 2048 images takes milliseconds on any machine, a turn of an idle loop microseconds.
    expect(turns).toBeGreaterThan(20);
    trainer.close();
  });

  test('an asynchronous failure shows where the run was asked for', async () => {
    const net = await compile(models.lenet5(), { input: INPUT, maxBatch: 2048, threads: 1 });
    const images = randomImages(2048, 1);
    async function theCaller(): Promise<Tensor[]> {
      return Promise.all(Array.from({ length: 4 }, () => net.run(images)));
    }
    const failing = theCaller();
    net.close();
    const error: unknown = await failing.catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'ERR_CLOSED' });
    expect((error as Error).stack).toContain('theCaller');
  });
});
