/** Optimizer descriptions and schedules: pure functions. */

import { scalar, zeros } from '../../lib/graph/leaves';
import * as nn from '../../lib/nn';
import * as optim from '../../lib/optim';

test('sgd checks its options as PyTorch does', () => {
  expect(optim.sgd().lr).toBe(1e-3);
  expect(() => optim.sgd({ lr: -1 })).toThrow(/optim\.sgd expects lr to be a finite number .* but got -1/);
  expect(() => optim.sgd({ lr: 0.1, nesterov: true })).toThrow(/expects a momentum above 0 with nesterov/);
  expect(() => optim.sgd({ lr: 0.1, weightDecay: NaN })).toThrow(/weightDecay .* but got NaN/);
  expect(() => optim.sgd({ lr: 0.1, weight_decay: 1 } as never)).toThrow(/Did you mean "weightDecay"/);
});

test('sgd updates the parameter, and with momentum its velocity', () => {
  const parameter = new nn.Parameter([2]);
  const gradient = zeros([2]);
  const plain = optim.sgd({ lr: 0.1 });
  expect(plain.slots).toEqual([]);
  expect(plain.updates(parameter, gradient, scalar(0.1), [])).toMatchObject([{ op: 'sgd', variables: [parameter] }]);
  const heavy = optim.sgd({ lr: 0.1, momentum: 0.9, nesterov: true });
  expect(heavy.slots).toEqual(['velocity']);
  const velocity = new nn.Variable([2]);
  expect(heavy.updates(parameter, gradient, scalar(0.1), [velocity])).toMatchObject([{ variables: [parameter, velocity] }]);
});

test('cosine warms up linearly and falls to its end', () => {
  const schedule = optim.cosine({ warmupEpochs: 2, minFactor: 0.1 });
  const factor = (step: number): number => schedule({ step, totalSteps: 110, stepsPerEpoch: 5 });
  expect([0, 4, 9].map(factor)).toEqual([0.1, 0.5, 1]);
  expect(factor(10)).toBeCloseTo(1, 12);
  expect(factor(60)).toBeCloseTo(0.55, 12);
  expect(factor(110)).toBeCloseTo(0.1, 12);
  expect(optim.cosine()({ step: 0, totalSteps: 10, stepsPerEpoch: 10 })).toBe(1);
  expect(optim.constant()({ step: 7, totalSteps: 10, stepsPerEpoch: 10 })).toBe(1);
  expect(() => optim.cosine({ warmup: 1 } as never)).toThrow(/optim\.cosine has no option "warmup"/);
});

const AT = { step: 0, totalSteps: 100, stepsPerEpoch: 10 };

test('warm-up goes before any schedule, which has the rest', () => {
  const schedule = optim.warmup({ epochs: 2 }, optim.multiStep({ milestones: [3] }));
  const factor = (step: number): number => schedule({ ...AT, step });
  expect([0, 9, 19, 20, 49, 50].map(factor)).toEqual([0.05, 0.5, 1, 1, 1, 0.1]);
  const low = optim.warmup({ epochs: 1, startFactor: 0.2 }, optim.constant());
  expect(low(AT)).toBeCloseTo(0.2, 12);
  expect(low({ ...AT, step: 5 })).toBeCloseTo(0.6, 12);
  expect(() => optim.warmup({ epochs: 1 }, undefined as never)).toThrow(/expects a schedule that follows/);
});

test('reduceOnPlateau watches what records have', () => {
  const losses = [1, 0.9, 0.95, 0.96, 0.97, 0.5];
  const factors = (schedule: optim.Schedule): number[] => {
    return losses.map((_, i) => schedule({ ...AT, records: losses.slice(0, i).map((valLoss) => ({ valLoss, valAccuracy: 1 - valLoss })) }));
  };
  expect(factors(optim.reduceOnPlateau({ patience: 1, factor: 0.5 }))).toEqual([1, 1, 1, 1, 0.5, 0.5]);
  expect(factors(optim.reduceOnPlateau({ monitor: 'valAccuracy', patience: 0, factor: 0.5, minFactor: 0.3 }))).toEqual([
    1, 1, 1, 0.5, 0.3, 0.3,
  ]);
  expect(factors(optim.reduceOnPlateau({ patience: 0, factor: 0.5, cooldown: 2 }))).toEqual([1, 1, 1, 0.5, 0.5, 0.5]);
  const unknown = optim.reduceOnPlateau({ monitor: 'valTopK' });
  expect(unknown.monitor).toBe('valTopK');
  expect(() => unknown({ ...AT, records: [{ loss: 1, valLoss: 2 }] })).toThrow(
    /watches "valTopK" but an epoch's record has loss, valLoss\./,
  );
  // Epochs without validation say nothing.
  expect(unknown({ ...AT, records: [{ loss: 1 }] })).toBe(1);
});

test.each([
  [() => optim.step({} as never), /optim\.step expects stepSize/],
  [() => optim.step({ stepSize: 1, per: 'batch' } as never), /per to be 'step' or 'epoch'/],
  [() => optim.multiStep({ milestones: [3, 2] }), /ascending order/],
  [() => optim.exponential({} as never), /optim\.exponential expects gamma/],
  [() => optim.polynomial({ power: -1 }), /optim\.polynomial expects power/],
  [() => optim.cosineRestarts({ firstEpochs: 0 }), /expects firstEpochs/],
  [() => optim.oneCycle({ pctStart: 2 }), /expects pctStart/],
  [() => optim.oneCycle({ annealing: 'cosine' } as never), /'cos' or 'linear'/],
  [() => optim.reduceOnPlateau({ mode: 'up' } as never), /'min' or 'max'/],
  [() => optim.adam({ betas: [0.9] } as never), /betas to be two numbers/],
  [() => optim.adam({ betas: [0.9, 1] }), /betas\[1\] to be below 1/],
  [() => optim.rmsprop({ alpha: 2 }), /expects alpha/],
  [() => optim.sgd({ momentum: 0.9, dampening: 0.1, nesterov: true }), /a dampening of 0 with nesterov/],
  [() => optim.lars({ nesterov: true }), /a momentum above 0 with nesterov/],
  [() => optim.lamb({ beta: 1 } as never), /Did you mean "betas"/],
])('mistakes are refused: %s', (make, message) => {
  expect(make).toThrow(message);
});
