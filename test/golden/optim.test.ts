/** 20 steps by every optimizer, schedule and clipping, with accumulation and averages of weights, against PyTorch: losses, learning rates and final weights (generateOptim.py). */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nn, optim, tensor, Trainer, type Tensor } from 'stridenet';
import { formula, labels } from './formula';

interface Run {
  readonly name: string;
  readonly optimizer: string;
  /** Of the optimizer, clipping, accumulation and the average of the weights. */
  readonly options: Readonly<Record<string, number>>;
  readonly schedule?: readonly [name: string, options: object];
  /** The validation loss of each epoch. */
  readonly records?: readonly number[];
  readonly losses: readonly number[];
  readonly rates: readonly number[];
  readonly weights: Readonly<Record<string, readonly number[]>>;
}

const { runs } = JSON.parse(readFileSync(join(__dirname, 'optim.json'), 'utf8')) as { runs: readonly Run[] };
const [BATCH, STEPS, PER_EPOCH, CLASSES] = [8, 20, 5, 5];

/** Relative; for weights to the largest of a parameter. */
const TOLERANCE = 1e-5;

class Network extends nn.Module {
  readonly conv = new nn.Conv2d(1, 4, 3, { padding: 1 });
  readonly fc1 = new nn.Linear(64, 8);
  readonly fc2 = new nn.Linear(8, CLASSES);
  private readonly tanh = new nn.Tanh();
  private readonly flatten = new nn.Flatten();

  override forward(x: Tensor): Tensor {
    return this.fc2.forward(this.tanh.forward(this.fc1.forward(this.flatten.forward(this.tanh.forward(this.conv.forward(x))))));
  }
}

function network(): Network {
  const model = new Network();
  const values = [...model.stateDict()].map(([name, p], k): [string, Tensor] => {
    return [name, tensor(formula(p.size, k + 1, p.shape.length > 2 ? 0.5 : 0.25), p.shape)];
  });
  model.loadStateDict(new Map(values));
  return model;
}

type Make = (options: object) => never;

function scheduleOf({ schedule: [name, options] = ['constant', {}] }: Run): optim.Schedule {
  return (optim[name as 'cosine'] as unknown as (options: object) => optim.Schedule)(options);
}

/** The split of generateOptim.py. */
const GROUPS = [
  { match: /bias$/, weightDecay: 0 },
  { match: (parameter: Tensor): boolean => parameter.name.startsWith('fc2'), lr: 0.1, momentum: 0.5 },
];

async function train(run: Run): Promise<{ losses: number[]; rates: number[]; model: Network }> {
  const { gradientClipNorm, gradientClipValue, accumulate, ema, ...options } = run.options;
  const groups = run.name === 'groups' ? { groups: GROUPS } : {};
  const optimizer: optim.Optimizer = (optim[run.optimizer as 'sgd'] as unknown as Make)({ ...options, ...groups });
  const model = network();
  const schedule = scheduleOf(run);
  const more = { gradientClipNorm, gradientClipValue, accumulate, ema: ema === undefined ? undefined : { decay: ema } };
  using trainer = new Trainer(model, { optimizer, input: [1, 4, 4], batchSize: BATCH, threads: 1, ...more });
  const [losses, rates]: number[][] = [[], []];
  for (let step = 0; step < STEPS; ++step) {
    const records = run.records?.slice(0, Math.floor(step / PER_EPOCH)).map((valLoss) => ({ valLoss }));
    trainer.learningRate = optimizer.lr * schedule({ step, totalSteps: STEPS, stepsPerEpoch: PER_EPOCH, records });
    rates!.push(trainer.learningRate);
    const { loss } = await trainer.step(formula(BATCH * 16, 100 + (step % PER_EPOCH)), labels(BATCH, CLASSES, step % PER_EPOCH));
    losses!.push(loss);
  }
  await trainer.useAverage();
  return { losses: losses!, rates: rates!, model };
}

/** The largest difference, relative to the largest expected value. */
function errorOf(actual: ArrayLike<number>, expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((x, i) => Math.abs(actual[i]! - x))) / largest;
}

test.each(runs.map((run) => [run.name, run] as const))('%s', async (_, run) => {
  const { losses, rates, model } = await train(run);
  for (const [i, rate] of run.rates.entries()) expect(Math.abs(rates[i]! - rate)).toBeLessThanOrEqual(1e-7 * Math.max(...run.rates));
  expect(errorOf(losses, run.losses)).toBeLessThan(TOLERANCE);
  const state = model.stateDict();
  const errors = Object.entries(run.weights).map(([name, values]) => [name, errorOf(state.get(name)!.dataSync(), values)] as const);
  expect(errors.filter(([, error]) => !(error < TOLERANCE))).toEqual([]);
  // Each run moved its weights: 20 steps that did nothing would be equal, too.
  const before = network().stateDict();
  for (const [name, values] of Object.entries(run.weights)) expect(errorOf(before.get(name)!.dataSync(), values)).toBeGreaterThan(1e-4);
});
