/** Modules: names, state dictionaries, modes; nothing here runs a graph. */

import { ones, tensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import * as nn from '../../lib/nn';
import { add, mul } from '../../lib/ops/elementwise';
import { manualSeed } from '../../lib/random';

class Block extends nn.Module {
  conv1 = new nn.Conv2d(2, 2, 3, { padding: 1, bias: false });
  conv2 = new nn.Conv2d(2, 2, 3, { padding: 1 });
  forward(x: Tensor): Tensor {
    return add(this.conv2.forward(this.conv1.forward(x)), x);
  }
}

class Net extends nn.Module {
  stem = new nn.Conv2d(1, 2, 3);
  layer1 = [new Block(), new Block()];
  head = new nn.Sequential(new nn.Flatten(), new nn.Linear(8, 3));
  scale = new nn.Parameter(ones([1]));
  running_mean = new nn.Variable([3]);
  forward(x: Tensor): Tensor {
    let y = this.stem.forward(x);
    for (const block of this.layer1) y = block.forward(y);
    return mul(this.head.forward(y), this.scale);
  }
}

const NAMES = [
  'scale',
  'running_mean',
  'stem.weight',
  'stem.bias',
  'layer1.0.conv1.weight',
  'layer1.0.conv2.weight',
  'layer1.0.conv2.bias',
  'layer1.1.conv1.weight',
  'layer1.1.conv2.weight',
  'layer1.1.conv2.bias',
  'head.1.weight',
  'head.1.bias',
];

test('fields name the parameters, own ones first', () => {
  const net = new Net();
  expect([...net.stateDict().keys()]).toEqual(NAMES);
  expect(net.parameters().map((p) => p.name)).toEqual(NAMES.filter((name) => name !== 'running_mean'));
  expect(net.stateDict().get('layer1.1.conv2.weight')!.shape).toEqual([2, 2, 3, 3]);
  expect(net.namedModules().map(([path]) => path)).toEqual([
    '',
    'stem',
    'layer1.0',
    'layer1.0.conv1',
    'layer1.0.conv2',
    'layer1.1',
    'layer1.1.conv1',
    'layer1.1.conv2',
    'head',
    'head.0',
    'head.1',
  ]);
  expect(net.layer1[1]!.conv2.path).toBe('layer1.1.conv2');
});

test('a shared module is listed under both names but trained once, and a cycle ends', () => {
  class Shared extends nn.Module {
    a = new nn.Linear(2, 2);
    b = this.a;
    parent: nn.Module = this;
    forward(x: Tensor): Tensor {
      return this.b.forward(this.a.forward(x));
    }
  }
  const shared = new Shared();
  expect([...shared.stateDict().keys()]).toEqual(['a.weight', 'a.bias', 'b.weight', 'b.bias']);
  expect(shared.parameters().map((p) => p.name)).toEqual(['a.weight', 'a.bias']);
});

test('the initial value depends on the seed and the order of creation alone', async () => {
  manualSeed(11);
  const a = new Net();
  const aHead = await a.stateDict().get('head.1.weight')!.data(); // read before the others
  manualSeed(11);
  const b = new Net();
  for (const [name, value] of b.stateDict()) expect(await value.data()).toEqual(await a.stateDict().get(name)!.data());
  expect(await b.stateDict().get('head.1.weight')!.data()).toEqual(aHead);
  manualSeed(12);
  expect(await new Net().stateDict().get('head.1.weight')!.data()).not.toEqual(aHead);
});

test('creating a module allocates nothing', () => {
  const before = process.memoryUsage().arrayBuffers;
  const big = new nn.Linear(30_000, 30_000);
  expect(big.weight.shape).toEqual([30_000, 30_000]);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
});

describe('loadStateDict', () => {
  test('copies values by name', async () => {
    manualSeed(1);
    const source = new Net();
    const target = new Net();
    expect(target.loadStateDict(source.stateDict())).toEqual({ missing: [], unexpected: [] });
    for (const [name, value] of target.stateDict()) expect(await value.data()).toEqual(await source.stateDict().get(name)!.data());
    source.scale.storage.set(Float32Array.of(5));
    expect(await target.scale.array()).toEqual([1]);
  });

  test('takes constants over without a copy, and what is set later does not reach them', () => {
    const layer = new nn.Linear(2, 1, { bias: false });
    const constant = tensor([[3, 4]]);
    layer.loadStateDict(new Map([['weight', constant]]));
    expect(layer.weight.storage.value()).toBe(constant.value);
    layer.loadStateDict(new Map([['weight', tensor([[5, 6]])]]));
    expect([constant.arraySync(), layer.weight.arraySync()]).toEqual([[[3, 4]], [[5, 6]]]);
  });

  test('lists everything that does not fit and changes nothing', async () => {
    const net = new nn.Sequential(new nn.Linear(2, 1), new nn.Linear(1, 1));
    const before = await net.stateDict().get('0.weight')!.data();
    const map = new Map([
      ['0.weight', tensor([[7, 7]])],
      ['0.bias', tensor([1, 2])],
      ['1.weight', tensor([[1]])],
      ['fc.weight', tensor([1])],
    ]);
    expect(() => net.loadStateDict(map)).toThrow(
      expect.objectContaining({
        code: 'ERR_STATE_DICT_MISMATCH',
        message: expect.stringMatching(/missing: 1\.bias; unexpected: fc\.weight; of another shape: 0\.bias \(expected \[1\], got \[2\]\)/),
      }),
    );
    expect(() => net.loadStateDict(map, { strict: false })).toThrow(/0\.bias \(expected \[1\], got \[2\]\)/);
    expect(await net.stateDict().get('0.weight')!.data()).toEqual(before);
    map.delete('0.bias');
    expect(net.loadStateDict(map, { strict: false })).toEqual({
      missing: ['0.bias', '1.bias'],
      unexpected: ['fc.weight'],
    });
    expect(await net.stateDict().get('0.weight')!.array()).toEqual([[7, 7]]);
  });

  test('refuses what is not a map of tensors', () => {
    const net = new nn.Linear(1, 1);
    expect(() => net.loadStateDict({} as never)).toThrow(/expects a Map of name to Tensor but got an object/);
    expect(() =>
      net.loadStateDict(
        new Map([
          ['weight', [1] as never],
          ['bias', [1] as never],
        ]),
      ),
    ).toThrow(/weight/);
    expect(() => net.loadStateDict(new Map(), { strcit: false } as never)).toThrow(/Did you mean "strict"/);
  });
});

test('freeze, train, eval and apply reach every module', () => {
  const net = new Net();
  expect(
    net
      .freeze()
      .parameters()
      .some((p) => p.requiresGrad),
  ).toBe(false);
  expect(
    net
      .unfreeze()
      .parameters()
      .every((p) => p.requiresGrad),
  ).toBe(true);
  net.layer1[0]!.freeze();
  expect(net.parameters().filter((p) => !p.requiresGrad).length).toBe(3);
  net.eval();
  expect(net.namedModules().some(([, m]) => m.training)).toBe(false);
  net.train();
  expect(net.head.at(-1)!.training).toBe(true);
  const kinds: string[] = [];
  net.head.apply((m) => void kinds.push(m.constructor.name));
  expect(kinds).toEqual(['Flatten', 'Linear', 'Sequential']);
});

test('Sequential takes modules, indexes and iterates', () => {
  const layers = [new nn.Flatten(), new nn.ReLU()];
  const net = new nn.Sequential(...layers);
  expect(net.length).toBe(2);
  expect([...net]).toEqual(layers);
  expect(net[1]).toBe(layers[1]);
  expect(net.at(-1)).toBe(layers[1]);
  expect(() => new nn.Sequential(new nn.ReLU(), 3 as never)).toThrow(/Sequential expects Modules but argument 1 is 3/);
});
