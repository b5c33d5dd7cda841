/** What one does with trained weights: files from PyTorch, a new head for other classes, a frozen part; through the public API. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, loadSafetensors, manualSeed, models, nn, optim, saveSafetensors, Trainer, type Tensor } from 'stridenet';

const WEIGHTS = join(__dirname, '..', 'golden', 'weights');

/** The network of test/golden/generateWeights.py. */
const network = (): nn.Sequential =>
  new nn.Sequential(
    new nn.Conv2d(3, 4, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(4),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(64, 5),
  );
const images = Float32Array.from({ length: 2 * 3 * 8 * 8 }, (_, i) => ((i % 17) - 8) / 8);

async function logitsOf(model: nn.Module, input: number[], batch: Float32Array): Promise<Float32Array> {
  const net = await compile(model, { input });
  try {
    return Float32Array.from(await (await net.run(batch)).data());
  } finally {
    net.close();
  }
}

describe('weights written by PyTorch', () => {
  const { logits } = JSON.parse(readFileSync(join(WEIGHTS, 'logits.json'), 'utf8')) as { logits: Record<string, number[][]> };

  test.each(Object.entries(logits))('%s loads as it is and gives its logits', async (type, expected) => {
    const model = network();
    const state = await loadSafetensors(join(WEIGHTS, `${type}.safetensors`));
    expect(state.get('1.num_batches_tracked')!.itemSync()).toBe(3);
    expect(model.loadStateDict(state)).toEqual({ missing: [], unexpected: [] });
    const values = await logitsOf(model, [3, 8, 8], images);
    expect(values.length).toBe(10);
    for (const [i, e] of expected.flat().entries()) expect(Math.abs(values[i]! - e)).toBeLessThanOrEqual(1e-5);
  });

  test('save, load: the same names, shapes and bits', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stridenet-weights-'));
    try {
      const model = network();
      model.loadStateDict(await loadSafetensors(join(WEIGHTS, 'float32.safetensors')));
      const path = join(folder, 'w.safetensors');
      await saveSafetensors(path, model.stateDict());
      const [ours, theirs] = await Promise.all([path, join(WEIGHTS, 'float32.safetensors')].map(loadSafetensors));
      for (const [name, value] of ours!) {
        expect(value.shape).toEqual(theirs!.get(name)!.shape);
        expect(Array.from(value.dataSync())).toEqual(Array.from(theirs!.get(name)!.dataSync()));
      }
      const learned = [...theirs!.keys()].filter((name) => !name.endsWith('num_batches_tracked'));
      expect([...ours!.keys()]).toEqual(expect.arrayContaining(learned));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('what does not fit is listed by name, and nothing changes', async () => {
    const state = await loadSafetensors(join(WEIGHTS, 'float32.safetensors'));
    const model = new nn.Sequential(new nn.Conv2d(3, 4, 3, { bias: false }), new nn.BatchNorm2d(5), new nn.Linear(64, 5));
    const before = model.stateDict().get('0.weight')!.dataSync();
    expect(() => model.loadStateDict(state)).toThrow(
      /missing: 2\.weight, 2\.bias; unexpected: 5\.bias, 5\.weight; of another shape: 1\.weight \(expected \[5\], got \[4\]\)/,
    );
    expect(model.stateDict().get('0.weight')!.dataSync()).toEqual(before);
  });
});

describe('transfer', () => {
  /** Weights as a file has them: copies. */
  const copy = (model: nn.Module): Map<string, Tensor> => {
    const other = new Map<string, Tensor>();
    for (const [name, value] of model.stateDict()) other.set(name, value);
    return other;
  };
  const small = (classes: number): models.ResNetCifar => models.resnetCifar(8, { classes });
  const batch = Float32Array.from({ length: 4 * 3 * 16 * 16 }, (_, i) => ((i * i) % 31) / 31);
  const labels = Int32Array.from([0, 1, 2, 0]);

  test('a head for other classes: the rest loads, the head is new', async () => {
    manualSeed(1);
    const trained = small(10);
    const model = small(10);
    model.loadStateDict(copy(trained));
    model.linear = new nn.Linear(64, 3);
    expect((await logitsOf(model, [3, 16, 16], batch)).length).toBe(12);
    // The other way: a model for 3 classes takes all but the head.
    const other = small(3);
    const body = new Map([...copy(trained)].filter(([name]) => !name.startsWith('linear.')));
    expect(other.loadStateDict(body, { strict: false })).toEqual({ missing: ['linear.weight', 'linear.bias'], unexpected: [] });
    expect(() => other.loadStateDict(copy(trained), { strict: false })).toThrow(
      /of another shape: linear\.weight \(expected \[3, 64\], got \[10, 64\]\)/,
    );
    expect(other.stateDict().get('conv1.weight')!.dataSync()).toEqual(trained.stateDict().get('conv1.weight')!.dataSync());
  });

  test('a layer of a Sequential is replaced in place', async () => {
    const model = network();
    model[5] = new nn.Linear(64, 2);
    expect((await logitsOf(model, [3, 8, 8], images)).length).toBe(4);
    expect(model.stateDict().get('5.weight')!.shape).toEqual([2, 64]);
  });

  test('a frozen part stays bit for bit while the head learns', async () => {
    manualSeed(2);
    const model = small(3);
    model.freeze();
    model.linear.unfreeze();
    const before = new Map([...model.stateDict()].map(([name, value]) => [name, value.dataSync()]));
    const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.1, momentum: 0.9 }), input: [3, 16, 16], batchSize: 4 });
    try {
      const losses: number[] = [];
      for (let step = 0; step < 20; step++) losses.push((await trainer.step(batch, labels)).loss);
      expect(losses.at(-1)!).toBeLessThan(losses[0]!);
    } finally {
      trainer.close();
    }
    const frozen = new Set(
      model
        .parameters()
        .filter(({ requiresGrad }) => !requiresGrad)
        .map(({ name }) => name),
    );
    expect(frozen.size).toBe(
      before.size - 2 - [...before.keys()].filter((name) => name.includes('running_') || name.endsWith('tracked')).length,
    );
    for (const [name, value] of model.stateDict()) if (frozen.has(name)) expect(value.dataSync()).toEqual(before.get(name));
    expect(model.linear.weight.dataSync()).not.toEqual(before.get('linear.weight'));
    // Thawed, all of it learns.
    model.unfreeze();
    const whole = new Trainer(model, { optimizer: optim.sgd({ lr: 0.1 }), input: [3, 16, 16], batchSize: 4 });
    await whole.step(batch, labels);
    whole.close();
    expect(model.conv1.weight.dataSync()).not.toEqual(before.get('conv1.weight'));
  });
});
