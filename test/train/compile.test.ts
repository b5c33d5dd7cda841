/** compile: results, batch sizes, overlap, changing weights, refusals. */

import { compile, manualSeed, models, nn, ones, ops, optim, randn, tensor, Trainer, type Tensor } from 'stridenet';
import { compileGraph } from '../../lib/compile/compile';
import { inputTensor } from '../../lib/graph/leaves';
import { nativeQueries } from '../../lib/runtime/queries';
import { Session } from '../../lib/runtime/session';
import { State } from '../../lib/runtime/state';
import { expectError, expectRejection } from '../support/expectError';

const model = models.lenet5();
const SIZE = 784;
const images = randn([7, 1, 28, 28], { seed: 4 });
const raw = images.dataSync();

async function rows(result: Tensor | Promise<Tensor>): Promise<number[][]> {
  return (await (await result).array()) as number[][];
}

test('gives what the graph gives, for every way of asking', async () => {
  using net = await compile(model, { input: [1, 28, 28], maxBatch: 3, threads: 1 });
  const expected = (await model.forward(images).array()) as number[][];
  const answers = [await net.run(images), await net.run(raw), net.runSync(raw)];
  for (const answer of answers) {
    expect(answer.shape).toEqual([7, 10]);
    const found = await rows(answer);
    found.forEach((row, n) => row.forEach((v, c) => expect(v).toBeCloseTo(expected[n]![c]!, 4)));
  }
  expect(net.output).toEqual([10]);
});

test('one image gives the same alone, synchronously or not', async () => {
  using net = await compile(model, { input: [1, 28, 28], threads: 1 });
  const one = raw.subarray(SIZE, 2 * SIZE);
  expect(await rows(net.run(one))).toEqual(await rows(net.runSync(one)));
  expect((await net.run(tensor(one, [1, 28, 28]))).shape).toEqual([1, 10]);
});

test('calls may overlap and the input may be reused at once', async () => {
  using net = await compile(model, { input: [1, 28, 28] });
  const expected = await Promise.all(Array.from({ length: 7 }, async (_, n) => rows(net.run(raw.subarray(n * SIZE, (n + 1) * SIZE)))));
  const buffer = new Float32Array(SIZE);
  const running: Promise<Tensor>[] = [];
  for (let n = 0; n < 7; n++) {
    buffer.set(raw.subarray(n * SIZE, (n + 1) * SIZE));
    running.push(net.run(buffer));
    buffer.fill(NaN);
  }
  expect(await Promise.all(running.map(rows))).toEqual(expected);
});

test('runs that are too short to be handed over leave the event loop its turns', async () => {
  using net = await compile(model, { input: [1, 28, 28] });
  const image = raw.subarray(0, SIZE);
  const expected = [...net.runSync(image).dataSync()];
  let turns = 0;
  let over = false;
  const turn = (): void => {
    turns++;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  // Runs may follow each other for some milliseconds without a turn; here, until it is clear that there will be none.
  for (const end = performance.now() + 10_000; turns < 5 && performance.now() < end;)
    expect([...(await net.run(image)).dataSync()]).toEqual(expected);
  over = true;
  expect(turns).toBeGreaterThanOrEqual(5);
  // Also while others are queued, answers come in order.
  const order: number[] = [];
  await Promise.all(
    [images, image, image, images].map(async (input, i) => {
      await net.run(input);
      order.push(i);
    }),
  );
  expect(order).toEqual([0, 1, 2, 3]);
});

test('uint8 images are scaled, by 1/255 or as told', async () => {
  const bytes = Uint8Array.from({ length: SIZE }, (_, i) => (i * 89) % 256);
  using net = await compile(model, { input: [1, 28, 28] });
  const scaled = Float32Array.from(bytes, (v) => v / 255);
  const close = async (a: Tensor, b: Tensor): Promise<void> => {
    const [x, y] = [(await rows(a))[0]!, (await rows(b))[0]!];
    x.forEach((v, i) => expect(v).toBeCloseTo(y[i]!, 5));
  };
  await close(net.runSync(bytes), net.runSync(scaled));
  using normal = await compile(model, { input: [1, 28, 28], preprocess: { mean: [0.3], std: [0.5] } });
  await close(normal.runSync(bytes), net.runSync(scaled.map((v) => (v - 0.3) / 0.5)));
});

test('follows the weights of the module', async () => {
  const linear = new nn.Linear(2, 1, { bias: false });
  nn.init.constant(linear.weight, 1);
  using net = await compile(linear, { input: [2] });
  expect(await rows(net.runSync(Float32Array.of(1, 2)))).toEqual([[3]]);
  linear.loadStateDict(new Map([['weight', tensor([[10, 1]])]]));
  expect(await rows(net.runSync(Float32Array.of(1, 2)))).toEqual([[12]]);
});

test('weights whose memory was given back come again for other batch sizes and when some of them change', async () => {
  manualSeed(2);
  const net = new nn.Sequential(new nn.Conv2d(1, 16, 5), new nn.BatchNorm2d(16), new nn.ReLU(), new nn.Flatten(), new nn.Linear(9216, 300));
  const fresh = async (count: number): Promise<number[][]> => {
    using other = await compile(net, { input: [1, 28, 28] });
    return await rows(other.runSync(raw.subarray(0, count * SIZE)));
  };
  using compiled = await compile(net, { input: [1, 28, 28] });
  const run = (count: number): Promise<number[][]> => rows(compiled.run(raw.subarray(0, count * SIZE)));
  expect(await run(1)).toEqual(await fresh(1));
  // Prepared anew from weights that were given back after the first run, while runs of the first program are under way.
  const [one, seven, again] = await Promise.all([run(1), run(7), run(1)]);
  expect([one, again]).toEqual([await fresh(1), await fresh(1)]);
  expect(seven).toEqual(await fresh(7));
  // One of five tensors changes: the others are needed, too.
  net.loadStateDict(new Map([['0.bias', ones([16])]]), { strict: false });
  expect(await run(7)).toEqual(await fresh(7));
  expect(await run(1)).toEqual(await fresh(1));
  expect(await run(1)).not.toEqual(one);
});

test('after a run, what weights were packed from lies with the model alone', async () => {
  const weight = new nn.Parameter(randn([64, 64, 3, 3], { seed: 1 }));
  const image = inputTensor({ name: 'image', feedDType: 'float32', layout: 'nchw' }, [1, 64, 8, 8], 'float32');
  const graph = { feeds: [image], outputs: [ops.conv2d(image, ops.mul(weight, 2), { padding: 1 })], updates: [] };
  const results = [false, true].map((releasesSources) => {
    const state = new State({ releasesSources });
    using session = new Session({ state, threads: 1 });
    const program = session.load(compileGraph(graph, nativeQueries()));
    const slots = program.program.slots.map((_, slot) => state.native.isReleased(slot));
    const first = session.runSync(program, [new Float32Array(4096).fill(1)])[0]!;
    const released = program.program.slots.flatMap(({ key }, slot) => (typeof key === 'string' ? [] : [state.native.isReleased(slot)]));
    expect(slots).not.toContain(true);
    expect(released).toEqual([releasesSources]);
    expect(session.runSync(program, [new Float32Array(4096).fill(1)])[0]).toEqual(first);
    return first;
  });
  expect(results[1]).toEqual(results[0]);
});

test('builds in evaluation mode and puts the modes back', async () => {
  const seen: boolean[] = [];
  class Watch extends nn.Module {
    forward(x: Tensor): Tensor {
      seen.push(this.training);
      return x;
    }
  }
  const watched = new nn.Sequential(new Watch(), new nn.Linear(2, 2));
  (await compile(watched, { input: [2] })).close();
  expect(seen.length).toBeGreaterThan(0);
  expect(seen).not.toContain(true);
  expect(watched.at(0)!.training).toBe(true);
});

test('the listing shows the program', async () => {
  using net = await compile(model, { input: [1, 28, 28] });
  expect(net.listing()).toMatch(/conv2d(_max_pool2d)? +0 /);
  expect(net.listing(4, 'uint8')).toMatch(/matmul/);
});

test('mistakes are refused', async () => {
  await expectRejection('ERR_INVALID_ARGUMENT', compile(model, {} as never), 'such as [1, 28, 28]');
  await expectRejection('ERR_UNKNOWN_OPTION', compile(model, { input: [1, 28, 28], maxbatch: 1 } as never), 'Did you mean "maxBatch"');
  await expectRejection('ERR_SHAPE_MISMATCH', compile(model, { input: [3, 28, 28] }), 'conv2d "0" expects 1 input channels');
  await expectRejection('ERR_INVALID_ARGUMENT', compile(null as never, { input: [1] }), 'expects an nn.Module');
  const net = await compile(model, { input: [1, 28, 28] });
  await expectRejection('ERR_SHAPE_MISMATCH', net.run(new Float32Array(100)), 'a multiple of 784 values', 'got 100');
  expectError('ERR_SHAPE_MISMATCH', () => net.runSync(new Float32Array(100)), 'a multiple of 784 values');
  await expectRejection('ERR_INVALID_ARGUMENT', net.run('x' as never), '"x"');
  net.close();
  net.close();
  expectError('ERR_CLOSED', () => net.runSync(raw));
  await expectRejection('ERR_CLOSED', net.run(raw));
});

describe('a model that does not give one row for each image is refused by name', () => {
  class Body extends nn.Module {
    constructor(private readonly body: (x: Tensor) => Tensor) {
      super();
    }
    override forward(x: Tensor): Tensor {
      return this.body(x);
    }
  }
  const compiled = async (body: (x: Tensor) => Tensor) => compile(new Body(body), { input: [1, 2, 2], maxBatch: 4 });

  test.each<[string, (x: Tensor) => Tensor, string]>([
    ['a sum over all', (x) => ops.sum(x), 'for 1 image it has shape [] and not [1, ...]'],
    ['two rows for each', (x) => x.reshape([-1, 2]), 'has shape [2, 2] and not [1, 2]'],
    ['images along the last axis', (x) => ops.transpose(x.flatten()), 'has shape [4, 1] and not [1, 1]'],
  ])('%s', async (_, body, piece) => {
    await expectRejection('ERR_SHAPE_MISMATCH', compiled(body), 'Body.forward', 'begins with the batch', piece);
  });

  test.each<[string, (x: Tensor) => Tensor]>([
    ['the first row', (x) => ops.slice(x.flatten(), [0], [1])],
    ['all values in one row', (x) => x.reshape([1, -1])],
    ['a mean over the batch', (x) => ops.mean(x, { axis: 0, keepDims: true })],
    ['rows as long as the batch', (x) => ops.matmul(x.flatten(), ops.transpose(x.flatten()))],
  ])('%s, which is right for one image by accident', async (_, body) => {
    using net = await compiled(body);
    expect((await net.run(new Float32Array(4))).shape[0]).toBe(1);
    await expectRejection('ERR_SHAPE_MISMATCH', net.run(new Float32Array(8)), 'Body.forward', 'for 2 images', 'and not [2, ');
    expectError('ERR_SHAPE_MISMATCH', () => net.runSync(new Uint8Array(12)), 'Body.forward', 'for 3 images', 'and not [3, ');
    await expectRejection('ERR_SHAPE_MISMATCH', net.warmUp({ batches: [4] }), 'for 4 images');
  });

  test('also by a loss of values, whose targets have the shape of the output', () => {
    const turned = new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 3), new Body((x) => ops.transpose(x)));
    const options = { optimizer: optim.sgd({ lr: 0.1 }), loss: nn.mseLoss(), input: [1, 2, 2], batchSize: 2 };
    expectError('ERR_SHAPE_MISMATCH', () => new Trainer(turned, options), 'for 2 images it has shape [3, 2] and not [2, 2]');
  });
});

describe('a run of so many images that they are run in groups', () => {
  const COUNT = 64 * 3 * 2 + 5;
  const model = (): nn.Module => new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 2));
  const images = (): Float32Array => Float32Array.from({ length: 4 * COUNT }, (_, i) => i % 17);

  test('gives what runs of few give, of the images and weights at the call, and keeps the order of calls', async () => {
    const net = model();
    using compiled = await compile(net, { input: [1, 2, 2], maxBatch: 3 });
    const pixels = images();
    const wanted = compiled.runSync(pixels).dataSync();
    const order: string[] = [];
    const many = compiled.run(pixels).finally(() => order.push('many'));
    pixels.fill(0);
    net.loadStateDict(model().stateDict());
    const few = compiled.run(images().subarray(0, 8)).finally(() => order.push('few'));
    expect((await many).shape).toEqual([COUNT, 2]);
    expect((await many).dataSync()).toEqual(wanted);
    expect((await few).dataSync()).toEqual(compiled.runSync(images().subarray(0, 8)).dataSync());
    expect((await few).dataSync()).not.toEqual(wanted.slice(0, 4));
    expect(order).toEqual(['many', 'few']);
  });

  test('rejects when the model is closed meanwhile', async () => {
    const compiled = await compile(model(), { input: [1, 2, 2], maxBatch: 3 });
    const running = compiled.run(images());
    compiled.close();
    await expectRejection('ERR_CLOSED', running, 'closed');
  });
});
