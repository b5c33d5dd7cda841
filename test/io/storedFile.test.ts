/** Values that stay in a large safetensors file: the same numbers as ever, files that are replaced, written over and closed again. */

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { compile, loadSafetensors, nn, ones, ops, optim, saveSafetensors, Trainer, type Tensor } from '../../lib';

const onLinux = process.platform === 'linux' ? test : test.skip;

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'stridenet-stored-'));
  file = path.join(folder, 'weights.safetensors');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Over 1 MiB of weights: a convolution whose order differs inside, batch normalisation, a product. */
function makeModel(seed: number): nn.Sequential {
  const model = new nn.Sequential(
    new nn.Conv2d(3, 200, 5, { padding: 2, bias: false }),
    new nn.BatchNorm2d(200),
    new nn.ReLU(),
    new nn.Conv2d(200, 200, 3, { stride: 2 }),
    new nn.Flatten(),
    new nn.Linear(200 * 9, 10),
  );
  for (const [i, parameter] of model.parameters().entries()) {
    parameter.storage.set(Float32Array.from({ length: parameter.size }, (_, k) => Math.sin(seed + i + 0.37 * k) / 20));
  }
  return model;
}

const input = [3, 8, 8];
const images = Float32Array.from({ length: 2 * 3 * 8 * 8 }, (_, i) => Math.cos(0.11 * i));

async function logitsOf(model: nn.Module, options = {}): Promise<number[]> {
  using net = await compile(model, { input, ...options });
  return [...(await net.run(images)).dataSync()];
}

async function loadedModel(): Promise<nn.Sequential> {
  const model = makeModel(9);
  model.loadStateDict(await loadSafetensors(file));
  return model;
}

/** Descriptors of this process that are open on `file`. */
function descriptorsOf(name: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(name);
    } catch {
      return false; // that of the listing itself
    }
  }).length;
}

async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc');
  for (let i = 0; i < 3; i++) {
    (runInNewContext('gc') as () => void)();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a model that reads from its file computes what one with its values in memory does', async () => {
  const model = makeModel(1);
  await saveSafetensors(file, model.stateDict());
  const loaded = await loadedModel();
  expect(loaded.parameters()[0]!.storage.span).toBeDefined();
  for (const algorithm of ['fast', 'exact']) expect(await logitsOf(loaded, { algorithm })).toEqual(await logitsOf(model, { algorithm }));
  for (const [name, variable] of model.stateDict()) {
    expect(loaded.stateDict().get(name)!.storage.value()).toEqual(variable.storage.value());
  }
});

test('compiled programs of other batch sizes read the file again; a changed weight shows in all of them', async () => {
  await saveSafetensors(file, makeModel(1).stateDict());
  const [model, reference] = [await loadedModel(), makeModel(1)];
  using net = await compile(model, { input });
  using wanted = await compile(reference, { input });
  const check = async (): Promise<void> => {
    for (const count of [1, 2, 1]) {
      const some = images.subarray(0, count * 192);
      expect((await net.run(some)).dataSync()).toEqual((await wanted.run(some)).dataSync());
    }
  };
  await check();
  for (const m of [model, reference]) m.parameters()[0]!.storage.set(new Float32Array(200 * 3 * 25).fill(0.01));
  await check();
  // Runs in the queue while memory is given back.
  const results = await Promise.all([net.run(images), net.run(images.subarray(0, 192)), net.run(images)]);
  expect(results[0].dataSync()).toEqual(results[2].dataSync());
});

test('training starts from the file and leaves it alone; saving to the same path works', async () => {
  await saveSafetensors(file, makeModel(1).stateDict());
  const losses: number[][] = [];
  for (const model of [makeModel(1), await loadedModel()]) {
    const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.1 }), input, batchSize: 2 });
    losses.push([]);
    for (let step = 0; step < 3; step++) losses.at(-1)!.push((await trainer.step(images, Int32Array.of(3, 4))).loss);
    trainer.close();
    await saveSafetensors(file, model.stateDict());
    expect((await loadedModel()).parameters()[0]!.storage.value()).toEqual(model.parameters()[0]!.storage.value());
    await saveSafetensors(file, makeModel(1).stateDict());
  }
  expect(losses[1]).toEqual(losses[0]);
});

test('a file that is replaced by renaming or deleted goes on being read', async () => {
  const model = makeModel(1);
  await saveSafetensors(file, model.stateDict());
  const loaded = await loadedModel();
  await saveSafetensors(file, makeModel(2).stateDict());
  rmSync(file);
  expect(await logitsOf(loaded)).toEqual(await logitsOf(model));
});

onLinux('what changes the inode but not the bytes is no change', async () => {
  const model = makeModel(1);
  await saveSafetensors(file, model.stateDict());
  const loaded = await loadedModel();
  const moved = path.join(folder, 'moved');
  renameSync(file, moved);
  chmodSync(moved, 0o600);
  linkSync(moved, file);
  rmSync(moved);
  expect(await logitsOf(loaded)).toEqual(await logitsOf(model));
});

describe('a file that is written over', () => {
  const changes: Record<string, () => void> = {
    'by a copy': () => copyFileSync(path.join(folder, 'other'), file),
    'by fewer bytes': () => truncateSync(file, 1000),
    'with nothing new but its time': () => utimesSync(file, 1, 1),
    'by a copy, its times being put back': () => {
      execFileSync('touch', ['-r', file, path.join(folder, 'other')]);
      execFileSync('cp', ['-p', path.join(folder, 'other'), file]);
    },
  };

  test.each(Object.keys(changes))('%s is refused by whatever needs a value', async (name) => {
    await saveSafetensors(file, makeModel(1).stateDict());
    await saveSafetensors(path.join(folder, 'other'), makeModel(2).stateDict());
    const loaded = await loadedModel();
    const weight = (await loadSafetensors(file)).get('3.weight')!;
    using compiled = await compile(loaded, { input });
    changes[name]!();
    const refused = { code: 'ERR_FILE_CHANGED', message: expect.stringContaining('Load the file again') as string };
    await expect(compiled.run(images)).rejects.toMatchObject(refused);
    expect(() => compiled.runSync(images)).toThrow(expect.objectContaining(refused) as Error);
    expect(() => loaded.parameters()[0]!.dataSync()).toThrow(expect.objectContaining(refused) as Error);
    expect(() => weight.dataSync()).toThrow(expect.objectContaining(refused) as Error);
    await expect(saveSafetensors(path.join(folder, 'third'), loaded.stateDict())).rejects.toMatchObject(refused);
    expect(readdirSync(folder).sort()).toEqual(['other', 'weights.safetensors']);
    // Other weights make the model whole again.
    loaded.loadStateDict(makeModel(1).stateDict());
    expect([...(await compiled.run(images)).dataSync()]).toEqual(await logitsOf(makeModel(1)));
  });

  test('while a run reads it, the run is refused and so is the next', async () => {
    await saveSafetensors(file, makeModel(1).stateDict());
    const loaded = await loadedModel();
    using compiled = await compile(loaded, { input });
    const running = compiled.run(images);
    utimesSync(file, 1, 1);
    await expect(running).rejects.toMatchObject({ code: 'ERR_FILE_CHANGED' });
    await expect(compiled.run(images)).rejects.toMatchObject({ code: 'ERR_FILE_CHANGED' });
  });
});

test('half precision is converted when it is read', async () => {
  const count = 2 ** 19 + 3;
  const bits = Uint16Array.from({ length: count }, (_, i) => 0x3c00 + (i % 1000)); // from 1 on, 2^-10 apart
  const json = JSON.stringify({ weight: { dtype: 'F16', shape: [1, count], data_offsets: [0, 2 * count] } });
  const header = Buffer.alloc(8 + json.length, json, 'utf8');
  header.writeBigUInt64LE(BigInt(json.length));
  header.write(json, 8);
  writeFileSync(file, Buffer.concat([header, Buffer.from(bits.buffer)]));
  const layer = new nn.Linear(count, 1, { bias: false });
  layer.loadStateDict(await loadSafetensors(file));
  const values = Array.from(layer.weight.dataSync());
  expect(values.length).toBe(count);
  expect(values.slice(998, 1002)).toEqual([1 + 998 / 1024, 1 + 999 / 1024, 1, 1 + 1 / 1024]);
  expect(ops.matmul(layer.weight, ones([count, 1])).itemSync()).toBeCloseTo(
    values.reduce((a, b) => a + b, 0),
    -1,
  );
});

onLinux('descriptors are closed when nothing reads from the file any more, and never too many are open', async () => {
  await saveSafetensors(file, makeModel(1).stateDict());
  await collectGarbage();
  const maps: Map<string, Tensor>[] = [];
  for (let i = 0; i < 70; i++) maps.push(await loadSafetensors(file));
  expect(descriptorsOf(file)).toBeLessThanOrEqual(64);
  expect(descriptorsOf(file)).toBeGreaterThan(0);
  for (const map of [maps[0]!, maps[69]!]) expect(map.get('0.weight')!.dataSync()).toEqual(makeModel(1).parameters()[0]!.dataSync());
  maps.length = 0;
  for (let i = 0; i < 20 && descriptorsOf(file) > 0; i++) await collectGarbage(); // descriptors are closed in their own time
  expect(descriptorsOf(file)).toBe(0);
  // What is small is not kept open at all, nor is what cannot be loaded.
  await saveSafetensors(file, new Map([['small', ones([10])]]));
  expect((await loadSafetensors(file)).get('small')!.dataSync()).toEqual(new Float32Array(10).fill(1));
  await saveSafetensors(file, makeModel(1).stateDict());
  truncateSync(file, 1_500_000);
  await expect(loadSafetensors(file)).rejects.toMatchObject({ code: 'ERR_BAD_FILE' });
  expect(descriptorsOf(file)).toBe(0);
});
