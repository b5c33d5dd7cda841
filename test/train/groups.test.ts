/** Parameter groups: which options a parameter has, and what is refused. */

import { compileStep, manualSeed, nn, ops, optim, Trainer } from 'stridenet';
import { Philox } from '../../lib/random';
import { expectError } from '../support/expectError';

beforeEach(() => manualSeed(1));

const IMAGES = new Philox(3).fillNormal(new Float32Array(4 * 16));
const LABELS = Uint8Array.of(0, 1, 1, 0);

const network = (): nn.Sequential => new nn.Sequential(new nn.Flatten(), new nn.Linear(16, 3), new nn.Tanh(), new nn.Linear(3, 2));

/** How far each parameter moved in a step. */
async function moves(optimizer: optim.Optimizer, model = network()): Promise<Record<string, number>> {
  const before = new Map([...model.stateDict()].map(([name, { size }]) => [name, model.stateDict().get(name)!.dataSync().slice(0, size)]));
  using trainer = new Trainer(model, { optimizer, input: [1, 4, 4], batchSize: 4, threads: 1 });
  await trainer.step(IMAGES, LABELS);
  const moved = [...before].map(([name, values]) => {
    const after = model.stateDict().get(name)!.dataSync();
    return [name, Math.max(...Array.from(values, (x, i) => Math.abs(after[i]! - x)))] as const;
  });
  return Object.fromEntries(moved);
}

test('the first group that matches counts: by name, function and module', async () => {
  const plain = await moves(optim.sgd({ lr: 0.1 }));
  manualSeed(1);
  const model = network();
  const groups = [
    { match: /^1\.bias$/g, lr: 0 },
    { match: (parameter: { readonly shape: readonly number[] }) => parameter.shape.length === 1, lr: 0.2 },
    { match: [...model][3]!, lr: 0.05 },
    { match: /./, lr: 0.1 },
    { match: /weight/, lr: 1000 },
  ];
  const grouped = await moves(optim.sgd({ lr: 0.1, groups }), model);
  const factors = Object.entries(grouped).map(([name, moved]) => [name, moved / plain[name]!] as const);
  for (const [name, wanted] of Object.entries({ '1.weight': 1, '1.bias': 0, '3.weight': 0.5, '3.bias': 2 })) {
    expect(new Map(factors).get(name)).toBeCloseTo(wanted, 3);
  }
});

test('norm and bias without weight decay', async () => {
  const optimizer = optim.adamw({ lr: 1e-3, weightDecay: 100, groups: optim.noDecayOnNormAndBias() });
  const moved = await moves(optimizer);
  // Adam's first step is lr; decay takes a tenth of each weight besides.
  expect(moved['1.bias']).toBeCloseTo(1e-3, 5);
  expect(moved['1.weight']).toBeGreaterThan(5e-3);
});

test('where slots begin follows the group', async () => {
  const options = { lr: 0.1, initialAccumulatorValue: 1e6 };
  const moved = await moves(optim.adagrad({ ...options, groups: [{ match: /bias/, initialAccumulatorValue: 0 }] }));
  expect(moved['1.bias']).toBeCloseTo(0.1, 4);
  expect(moved['1.weight']).toBeLessThan(1e-3);
});

describe('is refused', () => {
  const sgd =
    (groups: unknown, options: object = {}): (() => unknown) =>
    () =>
      optim.sgd({ lr: 0.1, ...options, groups } as never);
  test.each([
    ['no array', sgd({ match: /a/ }), 'ERR_INVALID_ARGUMENT', 'expects groups to be an array'],
    ['no object', sgd([/a/]), 'ERR_INVALID_ARGUMENT', 'groups[0] must be an object'],
    ['no match', sgd([{ lr: 1 }]), 'ERR_INVALID_ARGUMENT', 'groups[0] expects match to be a RegExp'],
    ['a text', sgd([{ match: 'bias' }]), 'ERR_INVALID_ARGUMENT', 'groups[0] expects match to be a RegExp'],
    ['a typo', sgd([{ match: /a/, weightdecay: 0 }]), 'ERR_UNKNOWN_OPTION', 'Did you mean "weightDecay"'],
    ['a value', sgd([{ match: /a/, lr: -1 }]), 'ERR_INVALID_ARGUMENT', 'groups[0] expects lr to be a finite number'],
    ['other slots', sgd([{ match: /a/, momentum: 0.9 }]), 'ERR_INVALID_ARGUMENT', 'groups[0] expects options with which as much is kept'],
    ['a rate beside 0', sgd([{ match: /a/, lr: 1 }], { lr: 0 }), 'ERR_INVALID_ARGUMENT', 'expects lr above 0'],
  ] as const)('%s', (_, make, code, message) => {
    expectError(code, make, message);
  });

  test('a function that does not answer', () => {
    const optimizer = optim.sgd({ lr: 0.1, groups: [{ match: (() => 'yes') as never, lr: 0.2 }] });
    const make = (): Trainer => new Trainer(network(), { optimizer, input: [1, 4, 4], batchSize: 4 });
    expectError('ERR_INVALID_ARGUMENT', make, 'match to answer true or false');
  });

  test('optional that is neither true nor false', () => {
    expectError('ERR_INVALID_ARGUMENT', sgd([{ match: /a/, optional: 1 }]), 'groups[0] expects optional to be true or false');
  });

  const train = (groups: optim.SgdOptions['groups'], model = network()): (() => void) => {
    const optimizer = optim.sgd({ lr: 0.1, groups });
    return () => new Trainer(model, { optimizer, input: [1, 4, 4], batchSize: 4, threads: 1 }).close();
  };

  test('a group that has no parameter, with names that there are', () => {
    const other = new nn.Linear(2, 2);
    const isHuge = ({ size }: { readonly size: number }): boolean => size > 1e6;
    for (const [match, text] of [
      [/biass$/i, '/biass$/i'],
      [isHuge, 'the function isHuge'],
      [other, 'the module Linear'],
    ] as const) {
      const make = train([
        { match: /bias/, lr: 1 },
        { match, lr: 0.2 },
      ]);
      expectError(
        'ERR_INVALID_ARGUMENT',
        make,
        `optim.sgd groups[1], ${text}, matches none of 4: 1.weight, 1.bias, 3.weight, 3.bias.`,
        'optional: true',
      );
    }
  });

  test('not a group that is optional, frozen, or behind others', () => {
    const plain = new nn.Sequential(new nn.Flatten(), new nn.Linear(16, 2, { bias: false }));
    expect(train(optim.noDecayOnNormAndBias(), plain)).not.toThrow();
    expect(train([{ match: /none/, optional: true, lr: 1 }])).not.toThrow();
    const model = network();
    [...model][1]!.freeze();
    expect(train([{ match: /^1/, lr: 1 }], model)).not.toThrow();
    expect(
      train([
        { match: /./, lr: 1 },
        { match: /bias/, lr: 0.5 },
      ]),
    ).not.toThrow();
  });

  test('a group of compileStep without a parameter: those count that its optimizer updates', () => {
    const [a, b] = [new nn.Linear(4, 2), new nn.Linear(2, 2, { bias: false })];
    const compile =
      (match: RegExp): (() => void) =>
      () => {
        const [first, second] = [
          optim.sgd({ lr: 0.1, groups: [{ match: /bias/, lr: 1 }] }),
          optim.sgd({ lr: 0.1, groups: [{ match, lr: 1 }] }),
        ];
        compileStep(
          (io) => {
            const y = io.call(b, io.call(a, io.input('x')));
            const loss = ops.mean(ops.mul(y, y));
            return { updates: [io.minimize(loss, a, first), io.minimize(loss, b, second)] };
          },
          { inputs: { x: [2, 4] }, threads: 1 },
        ).close();
      };
    expect(compile(/weight/)).not.toThrow();
    expectError('ERR_INVALID_ARGUMENT', compile(/bias/), 'compileStep expects every group', 'matches none of 1: weight');
  });
});
