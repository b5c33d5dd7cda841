/**
 * Exported files run by onnxruntime, an implementation of the format that is not ours: every operation that has a form in ONNX, and every
 * model of lib/models, against compiled models. The batch is another one than those that the export looks at.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, manualSeed, models, nn, ops, randn, tensor, type Tensor } from 'stridenet';
import { exportOnnx } from 'stridenet/onnx';
import { topologicalOrder } from '../../lib/graph/traverse';
import { build } from '../../lib/ops/builder';
import { softplus } from '../../lib/ops/activation';
import { equal, greater, greaterEqual, sign } from '../../lib/ops/elementwise';
import { CONVERSIONS } from '../../lib/onnx/conversions';
import { callModel } from '../../lib/train/graphs';
import { imageInput } from '../../lib/train/images';
import { periodic, zooValue } from '../golden/zoo';

jest.setTimeout(120_000);

const BATCH = 5;

// In a process of its own: inside of jest, typed arrays are of another realm, which onnxruntime refuses.
const PEER = `
  const { readFileSync, writeFileSync } = require('node:fs');
  const { InferenceSession, Tensor } = require('onnxruntime-node');
  process.on('message', async ({ path, shape, x, y }) => {
    try {
      const session = await InferenceSession.create(path);
      const input = new Tensor('float32', new Float32Array(Uint8Array.from(readFileSync(x)).buffer), shape);
      const { logits } = await session.run({ input });
      writeFileSync(y, logits.data);
      process.send({ shape: logits.dims });
    } catch (error) {
      process.send({ error: String(error) });
    }
  });`;

interface Answer {
  readonly shape?: readonly number[];
  readonly error?: string;
}

let folder: string;
let peer: ChildProcess;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-onnxruntime-'));
  peer = spawn(process.execPath, ['-e', PEER], { cwd: join(__dirname, '..'), stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
});
afterAll(() => {
  peer.disconnect();
  rmSync(folder, { recursive: true });
});

/** Runs a file on what lies in file `x`; the numbers go to file `y`. @returns their shape */
async function runPeer(request: { path: string; shape: readonly number[]; x: string; y: string }): Promise<readonly number[]> {
  peer.send(request);
  const answer = await new Promise<Answer>((resolve, reject) => {
    const ended = (): void => reject(new Error('onnxruntime ended'));
    peer.once('exit', ended);
    peer.once('message', (message) => {
      peer.off('exit', ended);
      resolve(message as Answer);
    });
  });
  if (!answer.shape) throw new Error(answer.error);
  return answer.shape;
}

/** Exports, runs both and compares; the largest difference relative to the largest value. */
async function difference(model: nn.Module, input: readonly number[], foldBatchNorm = true): Promise<number> {
  const size = input.reduce((a, b) => a * b, BATCH);
  // Values that straddle the corners of activations.
  const images = periodic(size, 11, 4);
  const net = await compile(model, { input });
  const ours = await net.run(images);
  net.close();
  const [path, x, y] = ['model.onnx', 'x', 'y'].map((name) => join(folder, name)) as [string, string, string];
  await exportOnnx(model, { input, path, foldBatchNorm });
  writeFileSync(x, images);
  expect(await runPeer({ path, shape: [BATCH, ...input], x, y })).toEqual(ours.shape);
  const expected = await ours.data();
  const theirs = new Float32Array(Uint8Array.from(readFileSync(y)).buffer);
  expect(theirs).toHaveLength(expected.length);
  const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  expect(largest).toBeGreaterThan(0);
  return expected.reduce((max, value, i) => Math.max(max, Math.abs(value - theirs[i]!)), 0) / largest;
}

/** A model of one function. */
class Lambda extends nn.Module {
  constructor(readonly forward: (x: Tensor) => Tensor) {
    super();
  }
}

manualSeed(7);
const weight = randn([6, 2, 3, 3]);
const bias = randn([6]);
const matrix = randn([8, 6]);
const column = (x: Tensor): Tensor => ops.slice(x, [0, 0], [x.shape[0]!, 1]);
/** For operations that are defined for positive numbers alone. */
const positive = (x: Tensor): Tensor => ops.add(ops.abs(x), 0.5);

const IMAGES = [4, 9, 11];
const ROWS = [8];
const OPERATIONS: readonly [name: string, body: (x: Tensor) => Tensor, input: readonly number[]][] = [
  ...(['neg', 'abs', 'exp', 'relu', 'sigmoid', 'tanh', 'relu6', 'silu', 'hardswish', 'gelu', 'leakyRelu'] as const).map(
    (name) => [name, (x: Tensor) => ops[name](x), ROWS] as [string, (x: Tensor) => Tensor, number[]],
  ),
  ['log', (x) => ops.log(positive(x)), ROWS],
  ['sqrt', (x) => ops.sqrt(positive(x)), ROWS],
  ['gelu by tanh', (x) => ops.gelu(x, { approximate: 'tanh' }), ROWS],
  ['leakyRelu of 0.2', (x) => ops.leakyRelu(x, { negativeSlope: 0.2 }), ROWS],
  ['clamp below', (x) => ops.clamp(x, { min: -1 }), ROWS],
  ['clamp above', (x) => ops.clamp(x, { max: 0.5 }), ROWS],
  ['clamp on both sides', (x) => ops.clamp(x, { min: -1, max: 0.5 }), ROWS],
  ['softplus', (x) => softplus(x), ROWS],
  [
    'arithmetic with broadcasting',
    (x) => ops.sub(ops.div(ops.mul(x, 2), positive(column(x))), ops.add(x, tensor([1, 2, 3, 4, 5, 6, 7, 8]))),
    ROWS,
  ],
  ['pow', (x) => ops.pow(positive(x), 1.5), ROWS],
  ['maximum and minimum', (x) => ops.maximum(ops.minimum(x, 1), column(x)), ROWS],
  ['sign', (x) => sign(x), ROWS],
  ['comparisons', (x) => ops.add(greater(x, 1), ops.add(greaterEqual(x, column(x)), equal(ops.relu(x), x))), ROWS],
  ['softmax', (x) => ops.softmax(x), ROWS],
  ['softmax over channels', (x) => ops.softmax(x, { axis: 1 }), IMAGES],
  ['logSoftmax', (x) => ops.logSoftmax(x), ROWS],
  ['conv2d', (x) => ops.conv2d(x, weight, { bias, groups: 2, stride: [2, 1], padding: [[2, 0], [1, 3]], dilation: [1, 2] }), IMAGES], // prettier-ignore
  ['conv2d, same', (x) => ops.conv2d(x, weight, { groups: 2, stride: 2, padding: 'same' }), IMAGES],
  ['linear', (x) => ops.linear(x, ops.transpose(matrix), { bias }), ROWS],
  ['linear without bias', (x) => ops.linear(x, ops.transpose(matrix)), ROWS],
  ['matmul', (x) => ops.matmul(x, matrix), ROWS],
  ['matmul of transposes', (x) => build('matmul', [ops.transpose(x), ops.transpose(matrix)], { transposeA: true, transposeB: true }), ROWS],
  ['matmul of more axes', (x) => ops.matmul(x, matrix), [3, 8]],
  ['batchNorm2d of its batch', (x) => ops.batchNorm2d(x, { training: true }), IMAGES],
  ['localResponseNorm', (x) => ops.localResponseNorm(x, { size: 3, alpha: 0.5, beta: 0.7, k: 2 }), IMAGES],
  ['localResponseNorm, even', (x) => ops.localResponseNorm(x, { size: 4, alpha: 0.5, beta: 0.7, k: 2 }), IMAGES],
  ['maxPool2d', (x) => ops.maxPool2d(x, [3, 2], { stride: [2, 1], padding: [1, 1], dilation: [1, 2] }), IMAGES],
  ['maxPool2d, rounded up', (x) => ops.maxPool2d(x, 2, { ceilMode: true }), IMAGES],
  ['maxPool2d, rounded up and padded', (x) => ops.maxPool2d(x, 3, { stride: 3, padding: 1, ceilMode: true }), IMAGES],
  ['avgPool2d', (x) => ops.avgPool2d(x, 3, { stride: 2, padding: 1 }), IMAGES],
  ['avgPool2d without padding', (x) => ops.avgPool2d(x, 3, { stride: 2, padding: 1, countIncludePad: false }), IMAGES],
  ['avgPool2d, rounded up', (x) => ops.avgPool2d(x, 2, { ceilMode: true }), IMAGES],
  ['avgPool2d, rounded up and padded', (x) => ops.avgPool2d(x, 4, { stride: 3, padding: [[1, 0], [2, 1]], ceilMode: true }), IMAGES], // prettier-ignore
  [
    'avgPool2d, rounded up, padding not counted',
    (x) => ops.avgPool2d(x, 4, { stride: 3, padding: 1, ceilMode: true, countIncludePad: false }),
    IMAGES,
  ],
  ['globalAvgPool2d', (x) => ops.globalAvgPool2d(x), IMAGES],
  ['adaptiveAvgPool2d', (x) => ops.adaptiveAvgPool2d(x, [3, 1]), IMAGES],
  ['adaptiveAvgPool2d, windows unequal', (x) => ops.adaptiveAvgPool2d(x, [5, 7]), IMAGES],
  ['adaptiveAvgPool2d, larger', (x) => ops.adaptiveAvgPool2d(x, [9, 20]), IMAGES],
  ['sum', (x) => ops.sum(x, { axis: [1, 3] }), IMAGES],
  ['mean', (x) => ops.mean(x, { axis: [2, 3], keepDims: true }), IMAGES],
  ['mean over the batch', (x) => ops.sub(x, ops.mean(x, { axis: 0 })), ROWS],
  ['max', (x) => ops.max(x, { axis: -1 }), IMAGES],
  ['sum over no axis', (x) => ops.sum(x, { axis: [] }), ROWS],
  ['reshape and flatten', (x) => ops.flatten(ops.reshape(x, [x.shape[0]!, 2, -1])), IMAGES],
  ['reshape of the batch', (x) => ops.reshape(ops.softmax(ops.reshape(x, [-1, 2])), x.shape), ROWS],
  ['broadcastTo', (x) => ops.broadcastTo(ops.reshape(x, [x.shape[0]!, 1, 8]), [x.shape[0]!, 3, 8]), ROWS],
  ['transpose', (x) => ops.transpose(x, [0, 2, 3, 1]), IMAGES],
  ['detach', (x) => ops.mul(ops.detach(x), x), ROWS],
  ['concat', (x) => ops.concat([x, ops.relu(x), ops.slice(x, [0, 2])]), IMAGES],
  ['slice', (x) => ops.slice(x, [0, 1, 2, -4], [x.shape[0]!, 3, 9, -1]), IMAGES],
  ['slice of the batch', (x) => ops.add(x, ops.slice(x, [0], [1])), ROWS],
  ...(['constant', 'reflect', 'replicate'] as const).map(
    (mode) => [`pad2d, ${mode}`, (x: Tensor) => ops.pad2d(x, [[1, 2], [3, 0]], { mode }), IMAGES] as [string, (x: Tensor) => Tensor, number[]], // prettier-ignore
  ),
  ['pad2d of another constant', (x) => ops.pad2d(x, 1, { value: -2.5 }), IMAGES],
];

test.each(OPERATIONS)('%s', async (_, body, input) => {
  expect(await difference(new Lambda(body), input)).toBeLessThan(2e-6);
});

describe('pooling', () => {
  /** Every kind of window over images of several sizes: what the options and the sizes allow. */
  const combinations = [2, 3, [3, 2], [2, 3]].flatMap((kernel) =>
    [1, 2, 3].flatMap((stride) =>
      [
        0,
        1,
        [
          [1, 0],
          [0, 1],
        ],
      ].flatMap((padding) =>
        // prettier-ignore
        [[8, 13], [9, 10], [11, 7]].flatMap((size) => // prettier-ignore
          [false, true].flatMap((ceilMode) => [
            ...[1, 2, 3].map((dilation) => ({ size, kernel, options: { stride, padding, dilation, ceilMode } })),
            ...[true, false].map((countIncludePad) => ({ size, kernel, options: { stride, padding, ceilMode, countIncludePad } })),
          ]),
        ),
      ),
    ),
  );
  // The rest differs in nothing new; STRIDENET_TEST_ALL=1 runs them all.
  const step = process.env.STRIDENET_TEST_ALL ? 1 : 17;
  const sample = combinations.filter((_, i) => i % step === 0);

  test(`${sample.length} of ${combinations.length} combinations of windows and sizes`, async () => {
    const faults: string[] = [];
    for (const { size, kernel, options } of sample) {
      const body = (x: Tensor): Tensor =>
        'dilation' in options ? ops.maxPool2d(x, kernel as 2, options as object) : ops.avgPool2d(x, kernel as 2, options as object);
      const text = JSON.stringify({ size, kernel, options });
      await difference(new Lambda(body), [1, ...size]).then(
        (found) => found < 1e-6 || faults.push(`${text} differs by ${found}`),
        (error) => faults.push(`${text}: ${(error as Error).message}`),
      );
    }
    expect(faults).toEqual([]);
  });

  test.each<[string, (x: Tensor) => Tensor]>([
    ['rounded up', (x) => ops.maxPool2d(x, 2, { stride: 3, dilation: 2, ceilMode: true })],
    ['padded by as much as the kernel has', (x) => ops.maxPool2d(x, 2, { dilation: 3, padding: 2 })],
  ])('maxima of dilated windows, %s', async (_, body) => {
    expect(await difference(new Lambda(body), [1, 8, 13])).toBe(0);
  });
});

test('batch normalisation as a node of its own', async () => {
  const layer = new nn.BatchNorm2d(4);
  for (const [name, { shape, storage }] of layer.stateDict()) if (shape.length === 1) storage.set(zooValue(name, shape, 1));
  expect(await difference(layer, IMAGES)).toBeLessThan(1e-6);
  expect(await difference(new nn.Sequential(new nn.Conv2d(4, 4, 3), layer), IMAGES, false)).toBeLessThan(2e-6);
});

test('the table has a row for every conversion', () => {
  const rows = [...OPERATIONS.map(([, body, input]) => [body, input] as const), [(x: Tensor) => new nn.BatchNorm2d(4).eval().forward(x), IMAGES] as const]; // prettier-ignore
  const used = new Set(
    rows.flatMap(([body, input]) =>
      topologicalOrder([callModel(new Lambda(body), imageInput(2, input, 'float32', {}), false)]).map(({ op }) => op),
    ),
  );
  expect(Object.keys(CONVERSIONS).filter((op) => !used.has(op))).toEqual([]);
});

describe('every model', () => {
  /** AlexNet and VGG with one linear layer in place of their hundred million weights. */
  const shortened = (model: nn.Module & { classifier: nn.Sequential }): nn.Module => {
    const first = [...model.classifier].find((layer) => layer instanceof nn.Linear)!;
    model.classifier = new nn.Sequential(new nn.Linear(first.inFeatures, 10));
    return model;
  };
  const make = (name: string): nn.Module => {
    if (name === 'resnetCifar') return models.resnetCifar(20);
    const model = (models as unknown as Readonly<Record<string, () => nn.Module>>)[name]!();
    return 'classifier' in model && /alexnet|vgg/.test(name) ? shortened(model as nn.Module & { classifier: nn.Sequential }) : model;
  };
  const inputs: Readonly<Record<string, readonly number[]>> = {
    lenet5: [1, 28, 28],
    alexnet: [3, 64, 64],
    nin: [3, 96, 96],
    googlenet: [3, 65, 65],
  };
  const names = Object.entries(models).flatMap(([name, value]) => (/^[a-z]/.test(name) && typeof value === 'function' ? [name] : []));

  test.each(names)('%s', async (name) => {
    const model = make(name);
    for (const [key, { shape, storage }] of model.stateDict()) if (!storage.isInteger) storage.set(zooValue(key, shape, 2));
    expect(await difference(model, inputs[name] ?? [3, 32, 32])).toBeLessThan(1e-4);
  });
});
