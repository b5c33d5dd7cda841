/** Arguments that the types refuse and JavaScript does not: each is refused by name, before anything runs. */

import { zeros } from '../../lib/graph/leaves';
import { saveSafetensors } from '../../lib/io/saveSafetensors';
import type { Tensor } from '../../lib/graph/tensor';
import * as nn from '../../lib/nn';
import * as models from '../../lib/models';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { compile, evaluate, fit, Trainer } from '../../lib/train';
import { summary } from '../../lib/summary';
import { expectError, expectRejection } from '../support/expectError';

const anything = (value: unknown): never => value as never;
const dataset = { images: new Float32Array(64), labels: new Int32Array(4), shape: [1, 4, 4] as const, classes: ['a', 'b'], length: 4 };
const model = (): nn.Module => new nn.Sequential(new nn.Flatten(), new nn.Linear(16, 2));
const optimizer = optim.sgd();

test('a signal that is none', async () => {
  const signal = anything({ aborted: false });
  await expectRejection(
    'ERR_INVALID_ARGUMENT',
    fit(model(), dataset, { epochs: 1, optimizer, progress: false, signal }),
    'fit',
    'AbortSignal',
  );
  await expectRejection('ERR_INVALID_ARGUMENT', evaluate(model(), dataset, { signal }), 'evaluate', 'AbortSignal');
  using trainer = new Trainer(model(), { optimizer, input: [1, 4, 4], batchSize: 2, threads: 1 });
  await expectRejection('ERR_INVALID_ARGUMENT', trainer.evaluate(dataset, { signal }), 'Trainer.evaluate', 'AbortSignal');
});

test('a Trainer without options', () => {
  expectError('ERR_INVALID_ARGUMENT', () => new Trainer(model(), anything(undefined)), 'optimizer', 'undefined');
});

test('metrics and callbacks that are no arrays of what is asked for', async () => {
  const odd = Object.setPrototypeOf(['accuracy'], null) as unknown;
  expect(await evaluate(model(), dataset, { metrics: anything(odd), threads: 1 })).toHaveProperty('accuracy');
  for (const metrics of [['accuracy', 'f2'], new Array(2), new Array(2 ** 32 - 1)]) {
    await expectRejection('ERR_INVALID_ARGUMENT', evaluate(model(), dataset, { metrics: anything(metrics) }), 'metric');
  }
  const fitting = async (callbacks: unknown): Promise<unknown> =>
    fit(model(), dataset, { epochs: 1, optimizer, progress: false, threads: 1, callbacks: anything(callbacks) });
  await expectRejection('ERR_INVALID_ARGUMENT', fitting(new Array(2 ** 32 - 1)), 'callbacks to be an array');
  await expectRejection('ERR_INVALID_ARGUMENT', fitting([{}, { onEpochEnd: 3 }]), 'callbacks[1].onEpochEnd to be a function', 'got 3');
  let reads = 0;
  const changing = { get onEpochEnd() { return reads++ === 0 ? () => undefined : 'x'; } }; // prettier-ignore
  await expectRejection('ERR_INVALID_ARGUMENT', fitting([changing]), 'callbacks[0].onEpochEnd', '"x"');
});

test('nobody but the package says in whose name a Trainer refuses', async () => {
  const options = { optimizer, input: [1, 4, 4], batchSize: 0 };
  const named = new (Trainer as new (...args: unknown[]) => Trainer)(model(), { ...options, batchSize: 2, threads: 1 }, Symbol('odd'));
  named.close();
  expectError(
    'ERR_INVALID_ARGUMENT',
    () => new (Trainer as new (...args: unknown[]) => Trainer)(model(), options, 'fit'),
    'Trainer expects batchSize',
  );
  await expectRejection('ERR_INVALID_ARGUMENT', fit(model(), dataset, { epochs: 1, optimizer, seed: -1 }), 'fit expects seed');
});

test('what works out the fans of a weight is no part of the interface', () => {
  expect(Object.keys(nn.init)).not.toContain('calculateFans');
});

test('a listing for another element type', async () => {
  using net = await compile(model(), { input: [1, 4, 4], threads: 1 });
  expectError('ERR_INVALID_ARGUMENT', () => net.listing(1, anything('int32')), "'float32' or 'uint8'", '"int32"');
});

test('arrays of more holes than anybody has memory for', async () => {
  const holes = new Array(2 ** 32 - 1);
  const got = 'an array of 4294967295';
  expectError('ERR_INVALID_ARGUMENT', () => ops.concat(anything(holes)), 'concat', got);
  using net = await compile(model(), { input: [1, 4, 4], threads: 1 });
  await expectRejection('ERR_INVALID_ARGUMENT', net.warmUp({ batches: anything(holes) }), 'batches', got);
  const endless = { ...optimizer, updates: () => anything(holes) };
  expectError('ERR_INVALID_ARGUMENT', () => new Trainer(model(), { optimizer: endless, input: [1, 4, 4], batchSize: 2 }), 'updates', got);
  const tensors = new Map([['a', { shape: holes, dtype: 'float32', data: new Float32Array(1) }]]);
  await expectRejection('ERR_INVALID_ARGUMENT', saveSafetensors('holes.safetensors', anything(tensors)), '"a"');
  // A module may keep one; what lies in it is found.
  using holey = await compile(Object.assign(model(), { holes }), { input: [1, 4, 4], threads: 1 });
  expect((await holey.run(new Float32Array(16))).shape).toEqual([1, 2]);
});

test('an array whose field named length says another number', async () => {
  const images = Object.defineProperty(new Float32Array(16), 'length', { value: 2 ** 40 });
  using net = await compile(model(), { input: [1, 4, 4], threads: 1 });
  expect((await net.run(images)).shape).toEqual([1, 2]);
  expect(net.runSync(images).shape).toEqual([1, 2]);
  expect(
    await evaluate(model(), { ...dataset, images: Object.defineProperty(dataset.images, 'length', { value: 3 }) }, { threads: 1 }),
  ).toHaveProperty('loss');
});

test('the length of a Sequential cannot be set to something else', () => {
  const net = new nn.Sequential(new nn.ReLU());
  expect(() => Object.assign(net, { length: 5 })).toThrow(TypeError);
  Object.defineProperty(net, 'length', { value: Symbol('odd') });
  expect(net.at(-1)).toBe(net[0]);
  expect(net.forward(zeros([1])).op).toBe('relu');
});

test('a name of a hundred thousand letters is shortened', () => {
  const name = 'a'.repeat(100_000);
  expectError('ERR_SHAPE_MISMATCH', () => ops.matmul(zeros([2, 3]), zeros([2, 3]), { name }), `matmul "${'a'.repeat(80)}" and 99920 more`);
});

test('a summary of a model that returns what only looks like a tensor', () => {
  class Odd extends nn.Module {
    forward(): Tensor {
      return Object.create(Object.getPrototypeOf(zeros([1])) as object) as Tensor;
    }
  }
  expectError('ERR_INVALID_ARGUMENT', () => summary(new Odd(), [1, 4]), 'Odd.forward must return a Tensor');
});

test('a model without forward', () => {
  // @ts-expect-error: the types ask for forward.
  class Empty extends nn.Module {}
  expectError('ERR_INVALID_ARGUMENT', () => summary(new Empty(), [1, 4]), 'forward(x)', 'an Empty');
  expectError('ERR_INVALID_ARGUMENT', () => new nn.Sequential(new Empty()), 'forward(x)', 'argument 0');
});

test('a schedule that is asked nothing', () => {
  expectError('ERR_INVALID_ARGUMENT', () => optim.cosine()(anything(undefined)), 'optim.cosine', 'step');
});

test('a residual network deeper than anybody can build', () => {
  expectError('ERR_INVALID_ARGUMENT', () => models.resnetCifar(6 * 10 ** 9 + 2), 'at most 9998');
});

test('apply without a function', () => {
  expectError('ERR_INVALID_ARGUMENT', () => model().apply(anything(undefined)), 'action', 'undefined');
});

test('a loss that keeps a tensor of an earlier call', async () => {
  let kept: Tensor | undefined;
  const loss = (output: Tensor, labels: Tensor): Tensor => {
    const value = ops.crossEntropy(output, labels);
    kept ??= output;
    return ops.add(value, ops.mean(kept));
  };
  const options = { optimizer, loss, epochs: 1, batchSize: 4, progress: false, threads: 1 };
  await expectRejection('ERR_INVALID_ARGUMENT', fit(model(), dataset, options), 'of another one', 'earlier call');
});

test('a layer that was replaced by something else', () => {
  const net = new nn.Sequential(new nn.ReLU());
  net[0] = anything(null);
  expectError('ERR_INVALID_ARGUMENT', () => net.forward(zeros([1])), 'Sequential expects Modules', 'null');
});
