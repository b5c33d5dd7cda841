/** Optimizers of a user's own: what they compute is what a step does, and what cannot be is refused before the first. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fit, manualSeed, nn, ops, optim, tensor, Trainer, type Tensor } from 'stridenet';
import { Philox } from '../../lib/random';
import { expectError, expectRejection } from '../support/expectError';

const folder = mkdtempSync(join(tmpdir(), 'stridenet-optimizer-'));
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => manualSeed(1));

const IMAGES = new Philox(3).fillNormal(new Float32Array(4 * 16));
const LABELS = Uint8Array.of(0, 1, 1, 0);

const network = (): nn.Sequential =>
  new nn.Sequential(new nn.Conv2d(1, 3, 3, { padding: 1 }), new nn.BatchNorm2d(3), new nn.ReLU(), new nn.Flatten(), new nn.Linear(48, 2));

const trainerOf = (optimizer: optim.Optimizer, model: nn.Module = network()): Trainer =>
  new Trainer(model, { optimizer, input: [1, 4, 4], batchSize: 4, threads: 1 });

type Update = ReturnType<optim.Optimizer['updates']>[number];
const own = (updates: optim.Optimizer['updates'], slots: string[] = [], lr = 0.1): optim.Optimizer => ({
  name: 'mine',
  options: {},
  lr,
  slots,
  updates,
});

/** SGD with momentum, weight decay and Nesterov's step, written out. */
const momentum = own(
  (parameter, gradient, lr, [velocity]) => {
    const g = ops.add(gradient, ops.mul(parameter, 0.01));
    const v = ops.add(ops.mul(velocity!, 0.9), g);
    return [
      { variable: velocity!, value: v },
      { variable: parameter, value: ops.sub(parameter, ops.mul(lr, ops.add(g, ops.mul(v, 0.9)))) },
    ];
  },
  ['velocity'],
);

const adam = own(
  (parameter, gradient, lr, [m, v, t]) => {
    const steps = ops.add(t!, 1);
    const first = ops.add(ops.mul(m!, 0.9), ops.mul(gradient, 0.1));
    const second = ops.add(ops.mul(v!, 0.999), ops.mul(ops.mul(gradient, gradient), 0.001));
    const unbiased = (x: Tensor, beta: number): Tensor => ops.div(x, ops.sub(1, ops.exp(ops.mul(steps, Math.log(beta)))));
    const step = ops.div(unbiased(first, 0.9), ops.add(ops.sqrt(unbiased(second, 0.999)), 1e-8));
    return [
      { variable: m!, value: first },
      { variable: v!, value: second },
      { variable: t!, value: steps },
      { variable: parameter, value: ops.sub(parameter, ops.mul(lr, step)) },
    ];
  },
  ['m', 'v', 't'],
  0.01,
);

async function steps(trainer: Trainer, count: number): Promise<number[]> {
  const losses: number[] = [];
  for (let i = 0; i < count; i++) losses.push((await trainer.step(IMAGES, LABELS)).loss);
  return losses;
}

const weightsOf = ({ model }: Trainer): number[][] => [...model.stateDict().values()].map(({ value }) => [...value]);

function expectClose(found: number[][], expected: number[][], digits = 5): void {
  for (const [i, values] of expected.entries()) for (const [k, v] of values.entries()) expect(found[i]![k]).toBeCloseTo(v, digits);
}

test('SGD written out takes the steps of optim.sgd', async () => {
  using mine = trainerOf(momentum);
  using built = trainerOf(optim.sgd({ lr: 0.1, momentum: 0.9, weightDecay: 0.01, nesterov: true }));
  built.model.loadStateDict(mine.model.stateDict());
  const [losses, expected] = [await steps(mine, 5), await steps(built, 5)];
  losses.forEach((loss, i) => expect(loss).toBeCloseTo(expected[i]!, 5));
  expectClose(weightsOf(mine), weightsOf(built));
});

test('Adam takes steps of the learning rate at first, as its formula says, and learns', async () => {
  using trainer = trainerOf(adam);
  const before = weightsOf(trainer)[0]!;
  const losses = await steps(trainer, 1);
  weightsOf(trainer)[0]!.forEach((v, i) => expect(Math.abs(v - before[i]!)).toBeCloseTo(0.01, 4));
  losses.push(...(await steps(trainer, 30)));
  expect(losses.at(-1)!).toBeLessThan(losses[0]! / 4);
});

test('every value is of what was there before the step, whatever is set first', async () => {
  // a <- p, b <- a, p <- b: three places that hand their numbers round.
  const round = own((parameter, _, __, [a, b]): Update[] => [
    { variable: a!, value: parameter },
    { variable: b!, value: a!.reshape([a!.size]).reshape([...a!.shape]) },
    { variable: parameter, value: b! },
  ], ['a', 'b']); // prettier-ignore
  using trainer = trainerOf(round);
  const start = weightsOf(trainer)[0]!;
  const zeros = start.map(() => 0);
  for (const expected of [zeros, zeros, start, zeros, zeros, start]) {
    await steps(trainer, 1);
    expect(weightsOf(trainer)[0]).toEqual(expected);
  }
});

test('a step whose loss is not finite leaves parameters and slots alone; constants can be set', async () => {
  using trainer = trainerOf(momentum);
  await steps(trainer, 1);
  const before = weightsOf(trainer);
  await expectRejection('ERR_NOT_FINITE', trainer.step(new Float32Array(64).fill(NaN), LABELS), 'before this step');
  expect(weightsOf(trainer)).toEqual(before);
  using constant = trainerOf(
    own((parameter) => [{ variable: parameter, value: tensor(new Float32Array(parameter.size).fill(2), parameter.shape) }]),
  );
  await steps(constant, 1);
  expect(new Set(weightsOf(constant)[0])).toEqual(new Set([2]));
});

test('it is part of checkpoints, and works in fit with a schedule', async () => {
  const path = join(folder, 'own.safetensors');
  using trainer = trainerOf(adam);
  await steps(trainer, 3);
  await trainer.save(path);
  await expectRejection('ERR_INVALID_ARGUMENT', Trainer.resume(path), 'Trainer.resume(path, model, options)');
  using resumed = await Trainer.resume(path, network(), { optimizer: adam, input: [1, 4, 4], batchSize: 4, threads: 1 });
  expect(await steps(resumed, 3)).toEqual(await steps(trainer, 3));
  const data = { images: IMAGES, labels: LABELS, shape: [1, 4, 4] as const, classes: ['a', 'b'], length: 4 };
  const { epochs } = await fit(network(), data, { epochs: 20, batchSize: 4, optimizer: adam, schedule: optim.cosine(), progress: false });
  expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss);
});

test('a copy of one of ours with other updates is not taken for it', async () => {
  const path = join(folder, 'copy.safetensors');
  const sgd = optim.sgd({ lr: 0.1 });
  const half = { ...sgd, updates: (p: Tensor, g: Tensor, lr: Tensor, s: readonly Tensor[]) => sgd.updates(p, ops.mul(g, 0.5), lr, s) };
  using trainer = trainerOf(half);
  using plain = trainerOf(optim.sgd({ lr: 0.05 }));
  plain.model.loadStateDict(trainer.model.stateDict());
  await steps(trainer, 1);
  await steps(plain, 1);
  expectClose(weightsOf(trainer), weightsOf(plain));
  await trainer.save(path);
  await expectRejection('ERR_INVALID_ARGUMENT', Trainer.resume(path), 'whose code is not in the file');
  expect(() => Object.assign(sgd, { lr: 3 })).toThrow(TypeError);
  // The same for a loss that wraps one of ours and takes over what that says of itself.
  const loss = nn.mseLoss();
  const doubled = Object.assign((y: Tensor, t: Tensor) => ops.mul(loss(y, t), 2), loss);
  using wrapped = new Trainer(network(), { optimizer: sgd, loss: doubled, input: [1, 4, 4], batchSize: 4 });
  await wrapped.save(path);
  await expectRejection('ERR_INVALID_ARGUMENT', Trainer.resume(path), 'whose code is not in the file');
});

describe('what is none is refused at once', () => {
  const expectRefusal = (optimizer: unknown, ...pieces: string[]): void =>
    expectError('ERR_INVALID_ARGUMENT', () => trainerOf(optimizer as never), ...pieces);

  test('an object without its parts', () => {
    expectRefusal({ lr: 0.1 }, 'such as optim.sgd');
    expectRefusal({ ...momentum, name: '' }, 'optimizer.name');
    expectRefusal({ ...momentum, lr: NaN }, 'optimizer.lr', 'NaN');
    expectRefusal({ ...momentum, lr: 1e39 }, 'optimizer.lr', 'float32', '1e+39');
    expectRefusal({ ...momentum, slots: undefined }, 'optimizer.slots');
    expectRefusal({ ...momentum, slots: new Array<string>(2 ** 32 - 1) }, 'optimizer.slots', 'an array of 4294967295');
    expectRefusal({ ...momentum, slots: ['a', 'a'] }, 'optimizer.slots to be different names');
  });

  test('updates that are none', () => {
    expectRefusal(
      own(() => undefined as never),
      '"mine" for 0.weight must be an array',
      'undefined',
    );
    expectRefusal(
      own(() => []),
      'must be an array of { variable, value }',
    );
    expectRefusal(
      own((parameter) => [{ variable: parameter, value: 3 as never }]),
      'number 0 is an object',
    );
    const other = new nn.Parameter([2]);
    expectRefusal(
      own((_, gradient) => [{ variable: other, value: gradient }]),
      'sets another variable',
    );
    expectRefusal(own((p, g) => [{ variable: p, value: g }, { variable: p, value: g }]), 'number 1 sets one again'); // prettier-ignore
    const sgd = optim.sgd({ lr: 0.1, momentum: 0.9 });
    const copied = own((p, g, lr, s) => sgd.updates(p, g, lr, s).map((update) => ({ ...update })), ['v']);
    expectRefusal(copied, 'what another optimizer gives as it is', 'number 0 is an object');
    const twice = own((p, g, lr, s) => [...sgd.updates(p, g, lr, s), { variable: s[0]!, value: g }], ['v']);
    expectRefusal(twice, 'number 1 sets one again');
    const foreign = own((p, g, lr) => sgd.updates(p, g, lr, [new nn.Variable(p.shape)]));
    expectRefusal(foreign, 'number 0 sets another variable');
    expectError(
      'ERR_SHAPE_MISMATCH',
      () => trainerOf(own((p, g) => [{ variable: p, value: ops.sum(g) }])),
      'must be float32 of shape [3, 1, 3, 3] but number 0 is float32 of []',
    );
    expectError(
      'ERR_SHAPE_MISMATCH',
      () => trainerOf(own((p, g, lr, s) => sgd.updates(p, ops.sum(g), lr, s), ['v'])),
      'sgd "0.weight" expects input 0 of shape [3, 1, 3, 3] but got []',
    );
  });
});
