/** The same seed gives the same weights to the last bit: with any number of threads, and from run to run. */

import { fit, manualSeed, models, nn, optim, Trainer, type data } from 'stridenet';
import { Children, expectSuccess } from '../support/child';
import { uniform } from '../support/values';

const COUNT = 300;

/** Blurred noise whose class decides where it is bright: learnable, and nothing to read from disk. */
function dataset(): data.Dataset {
  const random = uniform(17);
  const labels = Uint8Array.from({ length: COUNT }, (_, i) => i % 10);
  const images = new Uint8Array(COUNT * 784);
  for (let i = 0; i < images.length; i++) {
    const [image, row] = [Math.floor(i / 784), Math.floor((i % 784) / 28)];
    images[i] = Math.floor(random() * 128) + (Math.floor(row / 2.8) === labels[image] ? 127 : 0);
  }
  return { images, labels, shape: [1, 28, 28], classes: Array.from({ length: 10 }, (_, i) => String(i)), length: COUNT };
}

async function train(threads: number, course: boolean): Promise<{ losses: number[]; weights: Float32Array[] }> {
  manualSeed(42);
  const model = models.lenet5(course ? { activation: 'sigmoid', pooling: 'avg', init: nn.init.xavierUniform } : {});
  const history = await fit(model, dataset(), {
    epochs: 3,
    batchSize: 64, // the last batch of an epoch is smaller
    optimizer: optim.sgd({ lr: 0.05, momentum: 0.9, weightDecay: 1e-4, nesterov: true }),
    schedule: optim.cosine({ warmupEpochs: 1 }),
    seed: 7,
    threads,
    progress: false,
  });
  const weights = await Promise.all(model.parameters().map(async (p) => p.data()));
  return { losses: history.epochs.map(({ loss }) => loss), weights };
}

describe.each([
  ['relu and max pooling', false],
  ['sigmoid and average pooling', true],
])('%s', (_, course) => {
  test('1, 2 and 3 threads, and again', async () => {
    const first = await train(1, course);
    expect(first.losses.every(Number.isFinite)).toBe(true);
    for (const threads of [2, 3, 2, 1]) {
      const other = await train(threads, course);
      expect(other.losses).toEqual(first.losses);
      other.weights.forEach((w, k) => expect(Buffer.compare(bytes(w), bytes(first.weights[k]!))).toBe(0));
    }
  });
});

test('the default number of threads, which the compiler sees too, changes nothing', async () => {
  const children = new Children();
  const source = `
    const { createHash } = require('node:crypto');
    const { manualSeed, models, nn, optim, Trainer } = require('./lib');
    (async () => {
      manualSeed(5);
      const model = models.lenet5();
      const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.05, momentum: 0.9 }), loss: nn.crossEntropy(), input: [1, 28, 28], batchSize: 100 });
      const images = Float32Array.from({ length: 100 * 784 }, (_, i) => ((i * 7919) % 1009) / 1009);
      const labels = Int32Array.from({ length: 100 }, (_, i) => i % 10);
      for (let i = 0; i < 5; i++) await trainer.step(images, labels);
      const hash = createHash('sha256');
      for (const p of model.parameters()) hash.update(Buffer.from((await p.data()).buffer));
      console.log(hash.digest('hex'));
    })();`;
  try {
    const hashes = [];
    for (const threads of ['1', '2', '4'])
      hashes.push(expectSuccess(await children.runSource(source, { env: { STRIDENET_THREADS: threads } })));
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
    expect(hashes).toEqual([hashes[0], hashes[0], hashes[0]]);
  } finally {
    children.remove();
  }
}, 120_000);

test("the compiler's choices do not follow the number of threads", async () => {
  const children = new Children();
  // Shapes on both sides of the caches, compiled and not run.
  const source = `
    const { ops } = require('./lib');
    const { compileGraph } = require('./lib/compile/compile');
    const { inputTensor } = require('./lib/graph/leaves');
    const { nativeQueries } = require('./lib/runtime/queries');
    const input = (shape) => inputTensor({ name: 'x', feedDType: 'float32', layout: 'nchw' }, shape, 'float32');
    for (const [n, c, o, size] of [[1, 1, 6, 28], [32, 1, 8, 112], [256, 1, 6, 56], [256, 2, 1, 112], [256, 3, 8, 28], [256, 6, 16, 14], [64, 64, 64, 56]]) {
      const [x, w] = [input([n, c, size, size]), input([o, c, 3, 3])];
      const y = ops.conv2d(x, w, { padding: 1 });
      const { lists } = compileGraph({ feeds: [x, w], outputs: ops.grad(ops.sum(ops.mul(y, y)), [x, w]), updates: [] }, nativeQueries());
      console.log(lists.step.map(({ opcode, attrs }) => opcode + JSON.stringify(attrs)).join());
    }`;
  try {
    const listings = [];
    for (const threads of ['1', '2', '8', '64'])
      listings.push(expectSuccess(await children.runSource(source, { env: { STRIDENET_THREADS: threads } })));
    for (const listing of listings) expect(listing).toBe(listings[0]);
  } finally {
    children.remove();
  }
}, 60_000);

test('another seed gives other weights', async () => {
  const weightsOf = async (seed: number): Promise<ArrayLike<number>> => {
    manualSeed(seed);
    return models.lenet5().parameters()[0]!.data();
  };
  expect(await weightsOf(1)).toEqual(await weightsOf(1));
  expect(await weightsOf(1)).not.toEqual(await weightsOf(2));
});

test('odd batch sizes on several threads', async () => {
  const { images } = dataset();
  const losses = await Promise.all(
    [1, 2, 3].map(async (threads) => {
      manualSeed(3);
      const trainer = new Trainer(models.lenet5(), {
        optimizer: optim.sgd({ lr: 0.05 }),
        loss: nn.crossEntropy(),
        input: [1, 28, 28],
        batchSize: 61,
        threads,
      });
      const result: number[] = [];
      for (const count of [61, 37, 1, 2, 61]) {
        const { loss } = await trainer.step(
          images.subarray(0, count * 784),
          Uint8Array.from({ length: count }, (_, i) => i % 10),
        );
        result.push(loss);
      }
      trainer.close();
      return result;
    }),
  );
  expect(losses[1]).toEqual(losses[0]);
  expect(losses[2]).toEqual(losses[0]);
});

function bytes(values: Float32Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}
