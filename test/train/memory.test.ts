/** What is kept and given back: programs of many batch sizes, layers that are replaced, closed models; and what is made ready ahead. */

import { spawnSync } from 'node:child_process';
import { compile, manualSeed, nn, tensor, type CompiledModel, type Tensor } from 'stridenet';
import { RecentMap } from '../../lib/recentMap';
import { Children, expectSuccess } from '../support/child';
import { expectError, expectRejection } from '../support/expectError';
import { uniform } from '../support/values';

const INPUT = [2, 4, 4];
const SIZE = 32;
const imagesOf = (count: number, seed = 1): Float32Array => Float32Array.from({ length: count * SIZE }, uniform(seed));

function network(): nn.Sequential {
  return new nn.Sequential(new nn.Conv2d(2, 4, 3, { padding: 1 }), new nn.ReLU(), new nn.Flatten(), new nn.Linear(64, 5));
}

async function expected(model: nn.Module, images: Float32Array): Promise<number[][]> {
  return (await model.forward(tensor(images, [images.length / SIZE, ...INPUT])).array()) as number[][];
}

function expectClose(found: Tensor, rows: number[][]): void {
  expect(found.shape).toEqual([rows.length, rows[0]!.length]);
  const flat = rows.flat();
  found.dataSync().forEach((v, i) => expect(v).toBeCloseTo(flat[i]!, 5));
}

/** How many programs a model has ready. */
function programCount(net: CompiledModel): number {
  return (net as unknown as { programs: { cache: { size: number } } }).programs.cache.size;
}

test('a map of what was used last forgets the rest, and tells', () => {
  const forgotten: number[] = [];
  const map = new RecentMap<string, number>(2, (value) => forgotten.push(value));
  map.set('a', 1);
  map.set('b', 2);
  expect(map.get('a')).toBe(1);
  map.set('c', 3);
  expect(forgotten).toEqual([2]);
  expect([map.get('b'), map.get('a'), map.get('c'), map.size]).toEqual([undefined, 1, 3, 2]);
  map.set('c', 4);
  map.delete('a');
  expect([map.get('c'), [...map.values()]]).toEqual([4, [4]]);
  expect(forgotten).toEqual([2]);
});

test('of many batch sizes the last ones are kept, whether their runs overlap or not', async () => {
  const model = network();
  using net = await compile(model, { input: INPUT, maxBatch: 200 });
  const counts = Array.from({ length: 150 }, (_, i) => i + 1);
  const all = await Promise.all(counts.map((count) => net.run(imagesOf(count))));
  expect(programCount(net)).toBeLessThanOrEqual(64);
  const rows = await expected(model, imagesOf(150));
  for (const [i, result] of all.entries()) expectClose(result, rows.slice(0, counts[i]));
  for (const count of [1, 150, 3]) expectClose(net.runSync(imagesOf(count)), rows.slice(0, count));
  expect(programCount(net)).toBeLessThanOrEqual(64);
});

test('layers and parameters that are replaced count for all batch sizes, also for those that ran', async () => {
  const model = network();
  using net = await compile(model, { input: INPUT });
  const images = imagesOf(3);
  const follows = async (): Promise<void> => {
    for (const count of [1, 3]) {
      const some = images.subarray(0, count * SIZE);
      const rows = await expected(model, some);
      expectClose(await net.run(some), rows);
      expectClose(net.runSync(some), rows);
    }
  };
  await follows();
  const before = await expected(model, images);
  const running = net.run(images);
  model[3] = new nn.Linear(64, 7);
  expectClose(await running, before); // was asked for before
  await follows();
  expect(net.output).toEqual([7]);
  Object.assign(model[3] as nn.Linear, { bias: new nn.Parameter(tensor([1, 2, 3, 4, 5, 6, 7])) });
  await follows();
  model[1] = new nn.Tanh();
  await follows();
  model[3] = new nn.Linear(3, 7);
  await expectRejection('ERR_SHAPE_MISMATCH', net.run(images), '64');
  model[3] = new nn.Linear(64, 2);
  await follows();
  net.close();
  model[3] = new nn.Linear(64, 3);
  await expectRejection('ERR_CLOSED', net.run(images), 'closed');
  expectError('ERR_CLOSED', () => net.runSync(images), 'closed');
});

test('warmUp makes programs ready, so that runs find them', async () => {
  manualSeed(1);
  const model = network();
  using net = await compile(model, { input: INPUT, maxBatch: 4 });
  await net.warmUp();
  expect(programCount(net)).toBe(1);
  await net.warmUp({ batches: [1, 3, 6], dtype: 'uint8' }); // 6 are 4 and 2
  expect(programCount(net)).toBe(5);
  const rows = await expected(model, imagesOf(6));
  expectClose(await net.run(imagesOf(6)), rows);
  await expectRejection('ERR_UNKNOWN_OPTION', net.warmUp({ batch: 1 } as never), 'batch');
  await expectRejection('ERR_INVALID_ARGUMENT', net.warmUp({ batches: 4 as never }), 'batches', '4');
  await expectRejection('ERR_INVALID_ARGUMENT', net.warmUp({ batches: [2, 0] }), 'batches[1]', '0');
  await expectRejection('ERR_INVALID_ARGUMENT', net.warmUp({ dtype: 'int32' as never }), 'dtype', 'int32');
  net.close();
  await expectRejection('ERR_CLOSED', net.warmUp(), 'closed');
});

test('values that were derived for a forgotten program alone give their memory back', async () => {
  const model = new nn.Sequential(new nn.Conv2d(64, 64, 3, { padding: 1 }));
  using net = await compile(model, { input: [64, 8, 8], maxBatch: 100 });
  net.runSync(new Float32Array(64 * 64));
  const { state } = (net as unknown as { programs: { state: { bytes: number } } }).programs;
  const most: number[] = [];
  for (let count = 1; count <= 100; count++) {
    await net.run(new Float32Array(count * 64 * 64));
    most.push(state.bytes);
  }
  // At most the forms in which the algorithms want the weight, however many sizes came.
  expect(Math.max(...most)).toBeLessThan(10 * 64 * 64 * 9 * 4);
});

const isLinux = process.platform === 'linux';

describe('in a process of its own', () => {
  let children: Children;
  beforeAll(() => void (children = new Children()));
  afterAll(() => children.remove());

  (isLinux ? test : test.skip)('a result that cannot be allocated is an error, and what there is goes on', () => {
    const source = `
      const { nn, ops, compile } = require('./lib');
      class Large extends nn.Module { forward(x) { return ops.broadcastTo(ops.reshape(x, [1, 1, 1]), [1, 1, 75000000]); } }
      (async () => {
        const net = await compile(new Large(), { input: [1] });
        const keep = [];
        const codes = [];
        try { for (;;) keep.push(await net.run(new Float32Array(1))); } catch (error) { codes.push(error.code); }
        try { for (;;) keep.push(net.runSync(new Float32Array(1))); } catch (error) { codes.push(error.code); }
        keep.length = 0;
        console.log(codes.join());
      })();`;
    const { stdout, stderr } = spawnSync('bash', ['-c', 'ulimit -c 0; ulimit -v 3000000; exec "$0" -e "$1"', process.execPath, source], {
      cwd: children.folder,
      encoding: 'utf8',
    });
    expect([stdout.trim(), stderr]).toEqual(['ERR_OUT_OF_MEMORY,ERR_OUT_OF_MEMORY', '']);
  });

  (isLinux ? test : test.skip)('close gives memory back before the event loop turns', async () => {
    const source = `
      const { nn, compile } = require('./lib');
      const resident = () => process.memoryUsage.rss() / 2 ** 20;
      (async () => {
        const most = [];
        const model = new nn.Linear(4096, 2048); // 32 MiB
        const nets = [];
        for (let i = 0; i < 8; i++) nets.push(await compile(model, { input: [4096] }));
        for (const net of nets) { net.runSync(new Float32Array(4096)); net.close(); most.push(resident()); }
        console.log(Math.round(most.at(-1) - most[0]));
      })();`;
    const stdout = expectSuccess(await children.runSource(source));
    expect(stdout.trim()).toMatch(/^-?\d+$/);
    expect(Number(stdout)).toBeLessThan(64);
  });
});
