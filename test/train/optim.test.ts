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
