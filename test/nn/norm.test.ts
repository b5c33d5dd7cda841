/** Normalisation layers: names, initial values, modes, refusals, files. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randn, zeros } from '../../lib/graph/leaves';
import { loadSafetensors, saveSafetensors } from '../../lib/io/safetensors';
import * as nn from '../../lib/nn';
import { moduleFrom, recipeOf } from '../../lib/nn/recipe';
import * as ops from '../../lib/ops';
import { sgd } from '../../lib/optim';
import '../../lib/runtime/evaluate';
import { Trainer } from '../../lib/train';

const image = zeros([2, 4, 5, 5]);

test('BatchNorm2d has the names, shapes and first values of PyTorch', () => {
  const state = new nn.BatchNorm2d(3).stateDict();
  expect([...state].map(([name, { shape, value }]) => [name, shape, [...value]])).toEqual([
    ['weight', [3], [1, 1, 1]],
    ['bias', [3], [0, 0, 0]],
    ['running_mean', [3], [0, 0, 0]],
    ['running_var', [3], [1, 1, 1]],
    ['num_batches_tracked', [], [0]],
  ]);
  expect([...new nn.BatchNorm2d(3, { affine: false }).stateDict().keys()]).toEqual(['running_mean', 'running_var', 'num_batches_tracked']);
  expect([...new nn.BatchNorm2d(3, { trackRunningStats: false }).stateDict().keys()]).toEqual(['weight', 'bias']);
});

test('evaluation uses the running statistics; without them, those of the batch', async () => {
  const x = randn([2, 3, 2, 2], { seed: 1 }).mul(5).add(2);
  const tracked = new nn.BatchNorm2d(3).eval();
  const data = await x.data();
  (await tracked.forward(x).data()).forEach((v, i) => expect(v).toBeCloseTo(data[i]! / Math.sqrt(1 + 1e-5), 5));
  const untracked = new nn.BatchNorm2d(3, { trackRunningStats: false }).eval();
  const means = await ops.mean(untracked.forward(x), { axis: [0, 2, 3] }).data();
  means.forEach((v) => expect(v).toBeCloseTo(0, 5));
});

test('with momentum null the running statistics are the means over all steps', async () => {
  const norm = new nn.BatchNorm2d(2, { momentum: null });
  const model = new nn.Sequential(norm, new nn.Flatten(), new nn.Linear(8, 2));
  using trainer = new Trainer(model, { optimizer: sgd({ lr: 0.01 }), input: [2, 2, 2], batchSize: 3 });
  const means = [0, 0];
  const variances = [0, 0];
  for (let step = 1; step <= 4; step++) {
    const images = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i * step) + 3 * step);
    await trainer.step(images, Uint8Array.of(0, 1, 1));
    for (const c of [0, 1]) {
      const values = [...images].filter((_, i) => (i >> 2) % 2 === c);
      const mean = values.reduce((a, b) => a + b) / 12;
      means[c]! += mean;
      variances[c]! += values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 11;
    }
    for (const c of [0, 1]) {
      expect((await norm.running_mean!.data())[c]).toBeCloseTo(means[c]! / step, 4);
      expect((await norm.running_var!.data())[c]).toBeCloseTo(variances[c]! / step, 4);
    }
  }
  const before = await norm.running_mean!.data();
  await expect(trainer.step(new Float32Array(24).fill(NaN), Uint8Array.of(0, 1, 1))).rejects.toThrow('NaN');
  expect(await norm.running_mean!.data()).toEqual(before);
  expect(await norm.num_batches_tracked!.data()).toEqual(Float32Array.of(4));
});

test('a recipe makes the layers again', () => {
  const layers = [
    new nn.BatchNorm2d(7, { eps: 1e-3, momentum: 0.2, affine: false, trackRunningStats: false }),
    new nn.BatchNorm2d(7, { momentum: null }),
    new nn.LocalResponseNorm(5, { alpha: 0.1, beta: 0.5, k: 2 }),
  ];
  for (const layer of layers) expect(recipeOf(moduleFrom(recipeOf(layer)))).toEqual(recipeOf(layer));
});

test('num_batches_tracked is an int64 in files and comes back', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'norm-'));
  try {
    const path = join(folder, 'norm.safetensors');
    const norm = new nn.BatchNorm2d(2);
    norm.num_batches_tracked!.storage.set(Float32Array.of(70000));
    await saveSafetensors(path, norm.stateDict());
    expect(readFileSync(path, 'latin1')).toContain('"num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[0,8]}');
    const other = new nn.BatchNorm2d(2);
    other.loadStateDict(await loadSafetensors(path));
    expect(other.num_batches_tracked!.value).toEqual(Float32Array.of(70000));
    expect(other.running_var!.value).toEqual(Float32Array.of(1, 1));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function spoiled(name: 'running_mean' | 'running_var', value: number): nn.Module {
  const norm = new nn.BatchNorm2d(4);
  norm[name]!.storage.set(Float32Array.of(1, 1, value, 1));
  return norm.eval();
}

test.each<[string, () => unknown, string, RegExp]>([
  ['numFeatures', () => new nn.BatchNorm2d(0), 'ERR_INVALID_ARGUMENT', /numFeatures .* at least 1 but got 0/],
  ['eps', () => new nn.BatchNorm2d(4, { eps: -1 }), 'ERR_INVALID_ARGUMENT', /eps to be a finite number .* but got -1/],
  ['momentum', () => new nn.BatchNorm2d(4, { momentum: 2 }), 'ERR_INVALID_ARGUMENT', /momentum .* in \[0, 1\] but got 2/],
  [
    'momentum of another shape',
    () => ops.batchNorm2d(image, { training: true, momentum: zeros([2]) }),
    'ERR_SHAPE_MISMATCH',
    /momentum .* got \[2\]/,
  ],
  ['affine', () => new nn.BatchNorm2d(4, { affine: 1 as never }), 'ERR_INVALID_ARGUMENT', /affine to be true or false but got 1/],
  ['misspelling', () => new nn.BatchNorm2d(4, { epsilon: 1 } as never), 'ERR_UNKNOWN_OPTION', /no option "epsilon"/],
  [
    'channels',
    () => new nn.BatchNorm2d(3).forward(image),
    'ERR_SHAPE_MISMATCH',
    /batchNorm2d expects runningMean of shape \[4\], one number per channel of its input \[2, 4, 5, 5\], but got \[3\]\. Pass numFeatures 4/,
  ],
  ['rank', () => new nn.BatchNorm2d(4).forward(zeros([2, 4])), 'ERR_SHAPE_MISMATCH', /\[N, C, H, W\] but got \[2, 4\]/],
  [
    'one value per channel',
    () => new nn.BatchNorm2d(4).forward(zeros([1, 4, 1, 1])),
    'ERR_SHAPE_MISMATCH',
    /more than 1 value per channel when training but its input is \[1, 4, 1, 1\]/,
  ],
  [
    'NaN mean',
    () => spoiled('running_mean', NaN).forward(image),
    'ERR_INVALID_ARGUMENT',
    /finite numbers in running_mean but entry 2 is NaN/,
  ],
  ['negative variance', () => spoiled('running_var', -1).forward(image), 'ERR_INVALID_ARGUMENT', /running_var but entry 2 is -1/],
  ['no statistics', () => ops.batchNorm2d(image), 'ERR_INVALID_ARGUMENT', /runningMean and runningVar in evaluation but got neither/],
  ['half of them', () => ops.batchNorm2d(image, { runningMean: zeros([4]) }), 'ERR_INVALID_ARGUMENT', /runningMean without runningVar/],
  ['window', () => new nn.LocalResponseNorm(0), 'ERR_INVALID_ARGUMENT', /LocalResponseNorm expects size .* at least 1 but got 0/],
  ['alpha', () => new nn.LocalResponseNorm(5, { alpha: NaN }), 'ERR_INVALID_ARGUMENT', /alpha to be a finite number but got NaN/],
  ['no window', () => ops.localResponseNorm(image, {} as never), 'ERR_INVALID_ARGUMENT', /size to be an integer/],
  ['response rank', () => new nn.LocalResponseNorm(5).forward(zeros([4])), 'ERR_SHAPE_MISMATCH', /\[N, C, H, W\] but got \[4\]/],
])('%s is refused', (_, make, code, message) => {
  expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
});
