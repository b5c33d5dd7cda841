/** Values taken over by name: prefixes, other shapes, counts, and messages that somebody can read. */

import { models, nn, ops, optim, tensor, Trainer, type Tensor } from '../../lib';
import { expectError } from '../support/expectError';

function renamed(map: ReadonlyMap<string, Tensor>, name: (name: string) => string): Map<string, Tensor> {
  return new Map([...map].map(([key, value]) => [name(key), value]));
}

class Two extends nn.Module {
  backbone = new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.BatchNorm2d(2));
  head = new nn.Linear(2, 3);
  forward(x: Tensor): Tensor {
    return this.head.forward(ops.globalAvgPool2d(this.backbone.forward(x)));
  }
}

describe('names that differ by a prefix', () => {
  test.each([
    ['_orig_mod.', 'torch.compile'],
    ['module.', 'DataParallel'],
    ['module._orig_mod.', 'torch.compile'],
    ['model.', undefined],
    ['net.encoder.0.', undefined],
  ])('%s is named, and the advice loads everything', (prefix, wrapper) => {
    const source = models.resnetCifar(8);
    const map = renamed(source.stateDict(), (name) => prefix + name);
    for (const options of [{}, { strict: true }, { strict: false }]) {
      const target = models.resnetCifar(8);
      const pieces = [`begin with "${prefix}"`, `pass { prefix: "${prefix}" }`, ...(wrapper ? [`which ${wrapper} puts there`] : [])];
      expectError('ERR_STATE_DICT_MISMATCH', () => target.loadStateDict(map, options), ...pieces);
      try {
        target.loadStateDict(map, options);
      } catch (error) {
        expect((error as Error).message.length).toBeLessThan(700);
      }
      expect(target.loadStateDict(map, { ...options, prefix })).toEqual({ missing: [], unexpected: [] });
      expect(target.linear.weight.value).toEqual(source.linear.weight.value);
    }
  });

  test('a part is taken out of a larger map; what has another prefix is left out of account', () => {
    const whole = new Two();
    const part = new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.BatchNorm2d(2));
    expect(part.loadStateDict(whole.stateDict(), { prefix: 'backbone.' })).toEqual({ missing: [], unexpected: [] });
    expect(part.stateDict().get('0.weight')!.value).toEqual(whole.backbone.stateDict().get('0.weight')!.value);
    // Names in the answer are those of the map.
    expect(new nn.Conv2d(1, 2, 3).loadStateDict(whole.stateDict(), { prefix: 'backbone.0.' }).unexpected).toEqual([]);
    const odd = renamed(whole.stateDict(), (name) => name.replace('0.bias', '0.shift'));
    expect(part.loadStateDict(odd, { prefix: 'backbone.', strict: false })).toEqual({
      missing: ['0.bias'],
      unexpected: ['backbone.0.shift'],
    });
    expectError(
      'ERR_STATE_DICT_MISMATCH',
      () => part.loadStateDict(whole.stateDict(), { prefix: 'bone.' }),
      'No name begins with the prefix "bone."',
      'backbone.0.weight and 8 more',
    );
  });

  test('the other way round: values of a part for the whole', () => {
    const whole = new nn.Sequential(models.resnet18(), new nn.ReLU());
    const map = models.resnet18().stateDict();
    for (const strict of [true, false]) {
      expectError(
        'ERR_STATE_DICT_MISMATCH',
        () => whole.loadStateDict(map, { strict }),
        'the part "0" of this module: call loadStateDict of that',
      );
    }
  });

  test('without one, what is missing is said and nothing fits is no error when it is asked for', () => {
    const other = new Map([['x', tensor([1])], ['y', tensor([1])]]); // prettier-ignore
    const { missing, unexpected } = new nn.Linear(2, 3).loadStateDict(other, { strict: false });
    expect([missing, unexpected]).toEqual([
      ['weight', 'bias'],
      ['x', 'y'],
    ]);
    expectError(
      'ERR_STATE_DICT_MISMATCH',
      () => new nn.Linear(2, 3).loadStateDict(other),
      'missing: weight, bias; unexpected: x, y. Pass { strict: false }',
    );
    expect(new nn.Linear(2, 3).loadStateDict(new Map(), { strict: false }).missing).toEqual(['weight', 'bias']);
  });
});

describe('messages', () => {
  test('are cut to a few names, whatever the names are', () => {
    const strange = new Map(Array.from({ length: 10_000 }, (_, i) => [`\u001b[31m${'x'.repeat(1000)} ${i}`, tensor([1])]));
    try {
      models.resnet50().loadStateDict(strange);
      throw new Error('nothing was thrown');
    } catch (error) {
      const { message } = error as Error;
      expect(message).toContain('missing: conv1.weight, bn1.weight, bn1.bias, bn1.running_mean and 263 more');
      expect(message).toContain('and 9996 more');
      expect(message).not.toContain('\u001b');
    }
    const wider = renamed(models.resnet18().stateDict(), (name) => name);
    for (const name of wider.keys()) if (name.endsWith('weight')) wider.set(name, tensor([1]));
    expectError(
      'ERR_STATE_DICT_MISMATCH',
      () => models.resnet18().loadStateDict(wider),
      'conv1.weight (expected [64, 3, 7, 7], got [1])',
      ' more',
    );
  });
});

describe('other shapes', () => {
  test('a head of another size is left as it is when that is asked for', () => {
    const [pretrained, model] = [models.resnetCifar(8, { classes: 100 }), models.resnetCifar(8, { classes: 5 })];
    const head = model.linear.weight.value;
    for (const strict of [true, false]) {
      expectError(
        'ERR_STATE_DICT_MISMATCH',
        () => model.loadStateDict(pretrained.stateDict(), { strict }),
        'linear.weight (expected [5, 64], got [100, 64]), linear.bias (expected [5], got [100])',
        'pass { ignoreMismatched: true }',
        'classes',
      );
      expect(model.loadStateDict(pretrained.stateDict(), { strict, ignoreMismatched: true })).toEqual({
        missing: [],
        unexpected: [],
        mismatched: ['linear.weight', 'linear.bias'],
      });
    }
    expect(model.linear.weight.value).toBe(head);
    expect(model.conv1.weight.value).toEqual(pretrained.conv1.weight.value);
  });

  test('names must fit all the same', () => {
    const map = new Map([['weight', tensor([1])], ['other', tensor([1])]]); // prettier-ignore
    expectError(
      'ERR_STATE_DICT_MISMATCH',
      () => new nn.Linear(2, 3).loadStateDict(map, { ignoreMismatched: true }),
      'missing: bias; unexpected: other.',
    );
  });
});

test('weights without num_batches_tracked load, and the count stays', () => {
  const map = new Map([...models.resnetCifar(8).stateDict()].filter(([name]) => !name.endsWith('num_batches_tracked')));
  const model = models.resnetCifar(8);
  model.bn1.num_batches_tracked!.storage.set(Float32Array.of(7));
  expect(model.loadStateDict(map)).toEqual({ missing: [], unexpected: [] });
  expect(model.bn1.num_batches_tracked!.value).toEqual(Float32Array.of(7));
  map.delete('bn1.running_mean');
  expectError('ERR_STATE_DICT_MISMATCH', () => model.loadStateDict(map), 'missing: bn1.running_mean.');
});

test.each([[{ strict: 'no' }], [{ prefix: 3 }], [{ ignoreMismatched: 1 }]])('options are checked: %j', (options) => {
  expectError('ERR_INVALID_ARGUMENT', () => new nn.Linear(2, 3).loadStateDict(new Map(), options as object), Object.keys(options)[0]!);
});

test('names and values are checked', () => {
  const layer = new nn.Linear(1, 1, { bias: false });
  expectError('ERR_INVALID_ARGUMENT', () => layer.loadStateDict(new Map([[{}, tensor([1])]]) as never), 'names that are strings');
  expectError('ERR_INVALID_ARGUMENT', () => layer.loadStateDict(new Map([['\u001b', 1]]) as never), '"\\u001b"');
});

describe('parameter.value is a snapshot', () => {
  const images = new Float32Array(2 * 4).fill(1);

  test('from the start, after loading, in training and after it', async () => {
    const model = new nn.Sequential(new nn.Linear(4, 2));
    const { weight } = model[0] as nn.Linear;
    const values: Float32Array[] = [];
    /** The same array twice, unlike every one before, which have stayed as they were. */
    const check = (): void => {
      const { value } = weight;
      expect(weight.value).toBe(value);
      expect(values).not.toContain(value);
      expect(value).toEqual(weight.dataSync());
      // What is written into it reaches nobody.
      const copy = value.slice();
      value.fill(1e9);
      expect(weight.storage.value()).toEqual(copy);
      value.set(copy);
      values.push(value);
    };
    check();
    model.loadStateDict(new nn.Sequential(new nn.Linear(4, 2)).stateDict());
    check();
    const constant = tensor([[1, 2, 3, 4], [5, 6, 7, 8]]); // prettier-ignore
    model.loadStateDict(new Map([['0.weight', constant]]), { strict: false });
    check();
    const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.1 }), input: [4], batchSize: 2 });
    for (let step = 0; step < 3; step++) {
      await trainer.step(images, Int32Array.of(0, 1));
      check();
    }
    trainer.close();
    expect(weight.value).toEqual(values.at(-1));
    weight.initialize((data) => data.fill(3));
    check();
    expect(new Set(values.map(String)).size).toBe(values.length);
  });
});
