/** Where modules may lie: fields, arrays, plain objects, Maps, ModuleList, ModuleDict; and what training says of those that lie elsewhere. */

import { runInNewContext } from 'node:vm';
import { compile, fit, manualSeed, nn, ops, optim, summary, Trainer, zeros, type Tensor } from 'stridenet';
import { expectError, expectRejection } from '../support/expectError';

beforeEach(() => manualSeed(1));

const layer = (): nn.Linear => new nn.Linear(2, 2);
const IMAGES = Float32Array.of(1, 2, 3, 5);
const LABELS = Uint8Array.of(0, 1);
const OPTIONS = { optimizer: optim.sgd({ lr: 0.5 }), input: [2], batchSize: 2, threads: 1 };

/** A sparse array of all places that there can be, one whose memory is gone, and one without end. */
const UNREADABLE = [
  new Array(2 ** 32 - 1),
  detached(),
  { *[Symbol.iterator]() { for (;;) yield 1; } }, // prettier-ignore
];

function detached(): Uint8Array {
  const value = new Uint8Array(4);
  structuredClone(value.buffer, { transfer: [value.buffer] });
  return value;
}

/** Calls everything that it was given, one after the other. */
class Chain extends nn.Module {
  [field: string]: unknown;
  constructor(
    fields: Record<string, unknown>,
    private readonly layersOf: () => Iterable<nn.Module>,
  ) {
    super();
    Object.assign(this, fields);
  }
  forward(x: Tensor): Tensor {
    let y = x;
    for (const module of this.layersOf()) y = module.forward(y);
    return y;
  }
}

const namesOf = (model: nn.Module): string[] => [...model.stateDict().keys()].filter((name) => name.endsWith('weight'));

async function expectAllTrain(model: nn.Module): Promise<void> {
  const before = [...model.stateDict().values()].map(({ value }) => [...value]);
  using trainer = new Trainer(model, OPTIONS);
  await trainer.step(IMAGES, LABELS);
  for (const [i, { value }] of [...model.stateDict().values()].entries()) expect([...value]).not.toEqual(before[i]);
}

describe('modules are found', () => {
  test('in an array of thousands of millions of holes', () => {
    const sparse = Object.assign(new Array<nn.Module>(2 ** 32 - 1), { 7: layer() });
    expect(namesOf(new Chain({ sparse }, () => []))).toEqual(['sparse.7.weight']);
  });

  test('in plain objects and Maps, at any depth and of any realm, by their keys', async () => {
    const [a, b, c, d, e] = [layer(), layer(), layer(), layer(), layer()];
    const foreign = runInNewContext('({ of: new Map([[7, null]]) })') as { of: Map<number, unknown> };
    foreign.of.set(7, e);
    const fields = {
      branches: { left: a, deep: [{ right: b }] },
      byName: new Map([['x', c]]),
      bare: Object.assign(Object.create(null), { d }),
      foreign,
    };
    const model = new Chain(fields, () => [a, b, c, d, e]);
    expect(namesOf(model)).toEqual([
      'branches.left.weight',
      'branches.deep.0.right.weight',
      'byName.x.weight',
      'bare.d.weight',
      'foreign.of.7.weight',
    ]);
    expect(a.path).toBe('branches.left');
    await expectAllTrain(model);
  });

  test('so are parameters and running statistics', () => {
    class Net extends nn.Module {
      scales = { a: new nn.Parameter(zeros([2])), kept: new nn.Variable([3]) };
      forward(x: Tensor): Tensor {
        return ops.mul(x, this.scales.a);
      }
    }
    const net = new Net();
    expect([...net.stateDict().keys()]).toEqual(['scales.a', 'scales.kept']);
    expect(net.parameters()).toEqual([net.scales.a]);
  });

  test('whatever else lies there: cycles, holes, class instances, getters of classes', () => {
    const inner = layer();
    const cyclic: Record<string, unknown> = { inner };
    cyclic['self'] = cyclic;
    const holes: unknown[] = [];
    holes[3] = cyclic;
    holes.push(holes);
    const strange = { when: new Date(), pattern: /x/, key: new Map<unknown, unknown>([[{}, layer()], [Symbol('s'), layer()]]), list: new Set([1]) }; // prettier-ignore
    const model = new Chain({ cyclic, holes, strange, nothing: null, text: 'text' }, () => [inner]);
    expect(namesOf(model)).toEqual(['cyclic.inner.weight', 'holes.3.inner.weight']);
    let deep: unknown = inner;
    for (let i = 0; i < 20_000; i++) deep = { d: deep };
    expect(namesOf(new Chain({ deep }, () => [inner]))).toHaveLength(1);
  });

  test('two of one name are refused, one of two names is not', () => {
    const shared = layer();
    expect(namesOf(new Chain({ a: { x: shared }, b: [shared] }, () => [shared]))).toEqual(['a.x.weight', 'b.0.weight']);
    const model = new Chain({ 'a.x': layer(), a: { x: layer() } }, () => []);
    expectError('ERR_INVALID_ARGUMENT', () => model.stateDict(), 'different names', '"a.x.weight"');
  });
});

describe('a model that reads what it does not list is not trained', () => {
  class Hidden extends nn.Module {
    readonly #hidden: nn.Module;
    head = layer();
    constructor(hidden: nn.Module) {
      super();
      this.#hidden = hidden;
    }
    forward(x: Tensor): Tensor {
      return this.head.forward(this.#hidden.forward(x));
    }
  }

  test('layers of #private fields', async () => {
    const hidden = layer();
    const model = new Hidden(hidden);
    expectError('ERR_INVALID_ARGUMENT', () => new Trainer(model, OPTIONS), 'Hidden.forward reads a parameter of shape [2, 2]', '#private');
    const data = { images: IMAGES, labels: LABELS, shape: [2, 1, 1] as const, classes: ['a', 'b'], length: 2 };
    const flat = new nn.Sequential(new nn.Flatten(), model);
    await expectRejection('ERR_INVALID_ARGUMENT', fit(flat, data, { epochs: 1, optimizer: optim.sgd() }), 'neither trained nor saved');
    // What rests may lie anywhere, and predictions do not train.
    (await compile(model, { input: [2] })).close();
    hidden.freeze();
    using trainer = new Trainer(model, OPTIONS);
    await trainer.step(IMAGES, LABELS);
  });

  test('layers of Sets and closures, single parameters, and running statistics alone', () => {
    const [set, outside] = [new Set([layer()]), layer()];
    expectError('ERR_INVALID_ARGUMENT', () => new Trainer(new Chain({ set, head: layer() }, () => set), OPTIONS), 'does not list');
    const chain = new Chain({ head: layer() }, () => [outside]);
    expectError('ERR_INVALID_ARGUMENT', () => new Trainer(chain, OPTIONS), 'does not list');
    const scale = new nn.Parameter(zeros([2]));
    const scaled = new Chain({ head: layer() }, () => [{ forward: (x: Tensor) => ops.mul(x, scale) } as never]);
    expectError('ERR_INVALID_ARGUMENT', () => new Trainer(scaled, OPTIONS), 'of shape [2] in mul');
    const norm = new nn.BatchNorm2d(2, { affine: false });
    const image = new nn.Sequential(new nn.Conv2d(2, 2, 1), new Chain({}, () => [norm]), new nn.Flatten());
    expectError('ERR_INVALID_ARGUMENT', () => new Trainer(image, { ...OPTIONS, input: [2, 1, 1] }), 'running statistics of shape [2]');
  });

  test('the parameters of a loss are the loss’s business', async () => {
    const teacher = layer();
    const model = new nn.Sequential(layer());
    using trainer = new Trainer(model, { ...OPTIONS, metrics: [], loss: (y) => ops.mean(ops.mul(teacher.forward(y), y)) });
    const before = [...teacher.weight.value];
    await trainer.step(IMAGES, LABELS);
    expect([...teacher.weight.value]).toEqual(before);
  });
});

describe('ModuleList', () => {
  test('has PyTorch’s methods and names', async () => {
    const [a, b, c, d] = [layer(), layer(), layer(), layer()];
    const list = new nn.ModuleList([a]);
    expect(list.append(c)).toBe(list);
    list.insert(1, b);
    list.extend(new Set([d]));
    expect([list.length, list[1], list.at(-1), [...list]]).toEqual([4, b, d, [a, b, c, d]]);
    const model = new Chain({ list }, () => list);
    expect(namesOf(model)).toEqual(['list.0.weight', 'list.1.weight', 'list.2.weight', 'list.3.weight']);
    await expectAllTrain(model);
    expect([list.pop(), list.pop(0), list.length]).toEqual([d, a, 2]);
    expect(namesOf(model)).toEqual(['list.0.weight', 'list.1.weight']);
    list[1] = a;
    expect([...list]).toEqual([b, a]);
    expect(
      list
        .freeze()
        .parameters()
        .every(({ requiresGrad }) => !requiresGrad),
    ).toBe(true);
    expect(summary(model, [1, 2]).parameters).toBe(12);
  });

  test('refuses what is no module, and to be called', () => {
    const list = new nn.ModuleList([layer()]);
    expectError('ERR_INVALID_ARGUMENT', () => list.append({} as never), 'ModuleList.append expects Modules but got an object');
    expectError('ERR_INVALID_ARGUMENT', () => list.extend([layer(), 3] as never), 'but got 3');
    expectError('ERR_INVALID_ARGUMENT', () => new nn.ModuleList(layer() as never), 'array of Modules');
    expectError('ERR_INVALID_ARGUMENT', () => list.insert(1.5, layer()), 'index');
    expectError('ERR_INVALID_ARGUMENT', () => list.pop(1), 'below 1 but got 1');
    expectError('ERR_INVALID_ARGUMENT', () => new nn.ModuleList().pop(), 'index');
    expectError('ERR_INVALID_ARGUMENT', () => list.forward(zeros([1, 2])), 'ModuleList expects its layers to be called one by one');
    for (const bad of UNREADABLE) {
      expectError('ERR_INVALID_ARGUMENT', () => new nn.ModuleList(bad as never), 'an array of Modules');
      expectError('ERR_INVALID_ARGUMENT', () => list.extend(bad as never), 'an array of Modules');
    }
    expect(list).toHaveLength(1);
  });
});

describe('ModuleDict', () => {
  test('is a Map of modules with PyTorch’s names', async () => {
    const [a, b, c] = [layer(), layer(), layer()];
    const dict = new nn.ModuleDict({ left: a });
    expect(dict.set('forward', b).update(new Map([['size', c]]))).toBe(dict);
    expect([dict.size, [...dict.keys()], [...dict.values()], [...dict]]).toEqual([
      3,
      ['left', 'forward', 'size'],
      [a, b, c],
      [['left', a], ['forward', b], ['size', c]], // prettier-ignore
    ]);
    expect([dict.get('left'), dict.get('right'), dict.has('size'), dict.has('x')]).toEqual([a, undefined, true, false]);
    const model = new Chain({ dict }, () => dict.values());
    expect(namesOf(model)).toEqual(['dict.left.weight', 'dict.forward.weight', 'dict.size.weight']);
    await expectAllTrain(model);
    const copy = new Chain({ dict: new nn.ModuleDict([['left', layer()], ['forward', layer()], ['size', layer()]]) }, () => []); // prettier-ignore
    copy.loadStateDict(model.stateDict());
    expect([dict.pop('left'), dict.delete('size'), dict.delete('size'), dict.size]).toEqual([a, true, false, 1]);
    dict.clear();
    expect(namesOf(model)).toEqual([]);
  });

  test('refuses names with dots and what is no module', () => {
    const dict = new nn.ModuleDict();
    expectError('ERR_INVALID_ARGUMENT', () => dict.set('a.b', layer()), 'names without dots', '"a.b"');
    expectError('ERR_INVALID_ARGUMENT', () => dict.set('', layer()), 'got ""');
    expectError('ERR_INVALID_ARGUMENT', () => dict.update({ a: layer(), b: 3 } as never), 'but got 3');
    expectError('ERR_INVALID_ARGUMENT', () => dict.update([layer()] as never), 'got undefined');
    expectError('ERR_INVALID_ARGUMENT', () => new nn.ModuleDict(3 as never), 'an object or a Map of Modules but got 3');
    for (const bad of UNREADABLE) expectError('ERR_INVALID_ARGUMENT', () => dict.update(bad as never), 'a Map of Modules');
    const pair = Object.assign(['a', 3], { [Symbol.iterator]: 1 });
    expectError('ERR_INVALID_ARGUMENT', () => dict.update([pair] as never), 'but got 3');
    expectError('ERR_INVALID_ARGUMENT', () => dict.pop('x'), 'one of its names, [], but got "x"');
    expectError('ERR_INVALID_ARGUMENT', () => dict.forward(zeros([1, 2])), 'ModuleDict');
    expect(dict.size).toBe(0);
  });
});

describe.each<[string, (...layers: nn.Module[]) => nn.Sequential | nn.ModuleList]>([
  ['Sequential', (...layers) => new nn.Sequential(...layers)],
  ['ModuleList', (...layers) => new nn.ModuleList(layers)],
])('%s counts as an array does', (name, make) => {
  test('what is assigned behind the last is one of them', () => {
    const container = make(layer());
    const [b, c] = [layer(), layer()];
    container[1] = b;
    container[2] = c;
    expect([container.length, container.at(-1), [...container].slice(1)]).toEqual([3, c, [b, c]]);
    expect(namesOf(container)).toEqual(['0.weight', '1.weight', '2.weight']);
    delete container[2];
    expect([container.length, container.at(-1)]).toEqual([2, b]);
  });

  test.each<[string, (container: Record<number, unknown>) => unknown, number, string]>([
    ['a hole behind the last', (container) => (container[5] = layer()), 6, `there is ${name}[5] without ${name}[2]`],
    ['a hole where one was taken out', (container) => delete container[0], 2, `there is ${name}[1] without ${name}[0]`],
    ['a negative number', (container) => (container[-1] = layer()), 2, `there is ${name}[-1] without ${name}[2]`],
    ['a function', (container) => (container[0] = (x: Tensor) => x), 2, `${name}[0] is function`],
    ['a text', (container) => (container[1] = 'junk'), 2, `${name}[1] is "junk"`],
    ['nothing', (container) => (container[1] = undefined), 2, `${name}[1] is undefined`],
  ])('%s is refused when the modules are used', (_, change, length, found) => {
    const container = make(layer(), layer());
    const outer = new Chain({ container }, () => (name === 'Sequential' ? [container] : container));
    change(container);
    expect(container).toHaveLength(length);
    const uses = [
      () => [...container],
      () => container.children(),
      () => container.parameters(),
      () => outer.stateDict(),
      () => outer.freeze(),
      () => outer.forward(zeros([1, 2])),
    ];
    for (const use of uses) expectError('ERR_INVALID_ARGUMENT', use, found);
    expect(String(outer)).toContain(found);
  });
});
