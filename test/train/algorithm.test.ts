/** The option `algorithm`: what it switches, that both ways agree, that one State holds both, that checkpoints keep it, refusals. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compile, evaluate, fit, manualSeed, nn, ops, optim, randn, Trainer, type AlgorithmMode } from 'stridenet';
import { compileGraph } from '../../lib/compile/compile';
import { disassemble } from '../../lib/compile/disassemble';
import { differentiate } from '../../lib/ops/differentiate';
import { constantTensor, inputTensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import { nativeQueries } from '../../lib/runtime/queries';
import { Session } from '../../lib/runtime/session';
import { State } from '../../lib/runtime/state';
import { formOf } from '../../lib/train/modelForm';
import { expectError, expectRejection } from '../support/expectError';
import { runGraph, sameBits } from '../support/runGraph';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-algorithm-'));
afterAll(() => rmSync(folder, { recursive: true }));

const MODES: readonly AlgorithmMode[] = ['fast', 'exact'];
const SHAPE = [64, 28, 28] as const;
const images = randn([2, ...SHAPE], { seed: 3 });
/** Large enough that Winograd's algorithm pays on any processor. */
const network = (): nn.Sequential =>
  new nn.Sequential(new nn.Conv2d(64, 64, 3, { padding: 1 }), new nn.ReLU(), new nn.MaxPool2d(28), new nn.Flatten(), new nn.Linear(64, 2));

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  const magnitudes = Array.from(expected, Math.abs);
  const errors = magnitudes.map((_, i) => Math.abs(actual[i]! - expected[i]!));
  const most = (values: readonly number[]): number => values.reduce((a, b) => (b <= a ? a : b), 0);
  expect(most(errors)).toBeLessThanOrEqual(1e-5 * most(magnitudes));
}

test('compile: fast takes Winograd and is the default, exact never does, and they agree', async () => {
  const model = network();
  using fast = await compile(model, { input: [...SHAPE] });
  using exact = await compile(model, { input: [...SHAPE], algorithm: 'exact' });
  expect(fast.listing()).toMatch(/conv2d .*winograd[24]x[24]/);
  expect(exact.listing()).toMatch(/conv2d .*direct/);
  expect(exact.listing()).not.toContain('winograd');
  expectClose(await (await fast.run(images)).data(), await (await exact.run(images)).data());
});

test('one State holds the weights of both', () => {
  const x = inputTensor({ name: 'x', feedDType: 'float32', layout: 'nchw' }, [1, ...SHAPE], 'float32');
  const y = new nn.Conv2d(64, 64, 3, { padding: 1 }).forward(x);
  const state = new State();
  using session = new Session({ state });
  const feed = Float32Array.from({ length: 64 * 28 * 28 }, (_, i) => Math.sin(i));
  const results = MODES.map((algorithm) => {
    const program = compileGraph({ feeds: [x], outputs: [y], updates: [] }, nativeQueries(), { algorithm });
    expect(disassemble(program).includes('winograd')).toBe(algorithm === 'fast');
    return session.runSync(session.load(program), [feed])[0]!;
  });
  expect(sameBits(results[0]!, results[1]!)).toBe(false);
  expectClose(results[0]!, results[1]!);
});

test.each(MODES)('Trainer: %s in forward and both gradients, also after resume', async (algorithm) => {
  manualSeed(2);
  const model = new nn.Sequential(new nn.Conv2d(64, 64, 3, { padding: 1 }), ...network());
  using trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.01 }), input: [...SHAPE], batchSize: 2, algorithm });
  const listing = ({ model, programs }: Trainer): string =>
    programs.listing(`train last of 1 2 float32 ${formOf(model)}`, () => {
      throw new Error('no step has been made');
    });
  await trainer.step(images, Uint8Array.of(0, 1));
  for (const opcode of ['conv2d', 'conv2d_grad_input', 'conv2d_grad_weight']) {
    expect(new RegExp(`\\b${opcode} .*winograd`).test(listing(trainer))).toBe(algorithm === 'fast');
  }
  const path = join(folder, `${algorithm}.safetensors`);
  await trainer.save(path);
  using resumed = await Trainer.resume(path);
  await resumed.step(images, Uint8Array.of(0, 1));
  expect(listing(resumed).includes('winograd')).toBe(algorithm === 'fast');
});

test('fit and evaluate take it', async () => {
  const data = {
    images: images.dataSync(),
    labels: Uint8Array.of(0, 1),
    shape: SHAPE,
    classes: ['a', 'b'],
    length: 2,
  };
  const losses: number[] = [];
  for (const algorithm of MODES) {
    manualSeed(7);
    const model = network();
    const { epochs } = await fit(model, data, { epochs: 1, batchSize: 2, optimizer: optim.sgd({ lr: 0.01 }), algorithm, progress: false });
    const { loss } = await evaluate(model, data, { algorithm });
    losses.push(epochs[0]!.loss, loss);
  }
  expect(losses[0]).toBeCloseTo(losses[2]!, 5);
  expect(losses[1]).toBeCloseTo(losses[3]!, 5);
});

test.each([
  [3, 'winograd4x4'],
  [5, 'winograd2x2'],
] as const)('a weight gradient over several groups of tiles, kernel %i, %s', (kernel, algorithm) => {
  // 784 tiles, groups of 228 on 16 lanes.
  const values = (shape: readonly number[], seed: number): Float32Array => randn(shape, { seed }).dataSync();
  const constant = (shape: readonly number[], seed: number): Tensor => constantTensor(values(shape, seed), shape, 'float32');
  const extent = 14 * (7 - kernel);
  const weight = constant([130, 64, kernel, kernel], 1);
  const bias = constant([130], 2);
  const y = ops.conv2d(constant([4, 64, extent, extent], 3), weight, { padding: 1, bias });
  const outputs = differentiate(ops.sum(ops.mul(y, constant(y.shape, 4))), [weight, bias]) as Tensor[];
  const [one, two, three] = [1, 2, 3].map((threads) => runGraph(outputs, { name: '', threads, form: { algorithm } }));
  const exact = runGraph(outputs, { name: '', threads: 2 });
  outputs.forEach((_, i) => {
    expect(sameBits(two![i]!, one![i]!)).toBe(true);
    expect(sameBits(three![i]!, one![i]!)).toBe(true);
    expectClose(one![i]!, exact[i]!);
  });
  expect(sameBits(one![0]!, exact[0]!)).toBe(false);
});

test('other values are refused', async () => {
  const algorithm = 'winograd' as AlgorithmMode;
  const pieces = ["algorithm to be 'fast' or 'exact'", '"winograd"'];
  await expectRejection('ERR_INVALID_ARGUMENT', compile(network(), { input: [...SHAPE], algorithm }), 'compile', ...pieces);
  const options = { optimizer: optim.sgd({ lr: 0.1 }), input: [...SHAPE], batchSize: 1, algorithm };
  expectError('ERR_INVALID_ARGUMENT', () => new Trainer(network(), options), 'Trainer', ...pieces);
});

/** Input and output channels, extent and kernel of layers of VGG-16, ResNet, AlexNet, GoogLeNet and DenseNet-121. */
const LAYERS = [
  [64, 64, 56, 3],
  [128, 128, 28, 3],
  [256, 256, 14, 3],
  [512, 512, 14, 3],
  [512, 512, 7, 3],
  [192, 384, 13, 3],
  [384, 256, 13, 3],
  [96, 208, 14, 3],
  [128, 32, 28, 3],
  [64, 192, 27, 5],
  [32, 96, 14, 5],
] as const;

/** What the documentation of `algorithm` states: rounding errors in units of the outputs' root mean square. */
test('the largest error over the 3x3 and 5x5 layers of known networks', () => {
  const state = new State();
  using session = new Session({ state });
  const largest = { fast: 0, exact: 0 };
  for (const [channels, outChannels, extent, kernel] of LAYERS) {
    const padding = (kernel - 1) / 2;
    const x = inputTensor({ name: 'x', feedDType: 'float32', layout: 'nhwc' }, [1, channels, extent, extent], 'float32');
    const weight = randn([outChannels, channels, kernel, kernel], { seed: channels });
    const y = ops.conv2d(x, weight, { padding });
    const pixels = randn([x.size], { seed: extent }).dataSync();
    const w = weight.dataSync();
    for (const algorithm of MODES) {
      const program = compileGraph({ feeds: [x], outputs: [y], updates: [] }, nativeQueries(), { algorithm });
      const values = session.runSync(session.load(program), [pixels])[0]!;
      let error = 0;
      let squares = 0;
      const samples = 600;
      for (let s = 0; s < samples; s++) {
        const at = Math.floor((s * values.length) / samples);
        const [o, p, q] = [Math.floor(at / extent ** 2), Math.floor(at / extent) % extent, at % extent];
        let sum = 0;
        for (let i = 0; i < kernel; i++) {
          for (let j = 0; j < kernel; j++) {
            const [row, column] = [p - padding + i, q - padding + j];
            if (row < 0 || row >= extent || column < 0 || column >= extent) continue;
            const first = (row * extent + column) * channels;
            for (let c = 0; c < channels; c++) sum += pixels[first + c]! * w[((o * channels + c) * kernel + i) * kernel + j]!;
          }
        }
        error = Math.max(error, Math.abs(sum - values[at]!));
        squares += sum * sum;
      }
      largest[algorithm] = Math.max(largest[algorithm], error / Math.sqrt(squares / samples));
    }
  }
  expect(largest.exact).toBeLessThan(1e-5);
  expect(largest.fast).toBeLessThan(2e-5);
  expect(largest.fast).toBeGreaterThan(largest.exact);
  process.stdout.write(`Largest rounding error, in units of the outputs' root mean square: ${JSON.stringify(largest)}\n`);
});
