/** What console.log and String print of modules: the tree of layers with their options, whatever the tree looks like. */
import { inspect } from 'node:util';
import { models, nn, type Tensor } from 'stridenet';

const lines = (...text: string[]): string => text.join('\n');

abstract class Net extends nn.Module {
  forward(x: Tensor): Tensor {
    return x;
  }
}

test.each<[nn.Module, string]>([
  [new nn.Conv2d(3, 64, 7, { stride: 2, padding: 3, bias: false }), 'Conv2d(3, 64, kernelSize: [7, 7], stride: [2, 2], padding: [3, 3], bias: false)'], // prettier-ignore
  [new nn.Conv2d(4, 8, [3, 1], { padding: 'same', dilation: 2, groups: 4 }), "Conv2d(4, 8, kernelSize: [3, 1], stride: [1, 1], padding: 'same', dilation: [2, 2], groups: 4)"], // prettier-ignore
  [new nn.Conv2d(1, 1, 1), 'Conv2d(1, 1, kernelSize: [1, 1], stride: [1, 1])'],
  [new nn.Linear(784, 10), 'Linear(inFeatures: 784, outFeatures: 10, bias: true)'],
  [new nn.BatchNorm2d(64), 'BatchNorm2d(64, eps: 0.00001, momentum: 0.1, affine: true, trackRunningStats: true)'],
  [new nn.BatchNorm2d(64, { momentum: null }), 'BatchNorm2d(64, eps: 0.00001, momentum: null, affine: true, trackRunningStats: true)'],
  [new nn.LocalResponseNorm(5), 'LocalResponseNorm(5, alpha: 0.0001, beta: 0.75, k: 1)'],
  [new nn.MaxPool2d(2), 'MaxPool2d(kernelSize: [2, 2], stride: [2, 2], padding: [0, 0], dilation: [1, 1], ceilMode: false)'],
  [new nn.AvgPool2d(3, { padding: 1 }), 'AvgPool2d(kernelSize: [3, 3], stride: [3, 3], padding: [1, 1], ceilMode: false, countIncludePad: true)'], // prettier-ignore
  [new nn.AdaptiveAvgPool2d([1, 2]), 'AdaptiveAvgPool2d(outputSize: [1, 2])'],
  [new nn.GlobalAvgPool2d(), 'GlobalAvgPool2d()'],
  [new nn.ReflectionPad2d([[1, 2], [3, 4]]), 'ReflectionPad2d(padding: [[1, 2], [3, 4]])'], // prettier-ignore
  [new nn.Dropout(0.25), 'Dropout(p: 0.25)'],
  [new nn.Dropout2d(), 'Dropout2d(p: 0.5)'],
  [new nn.ReLU(), 'ReLU()'],
  [new nn.LeakyReLU(), 'LeakyReLU(negativeSlope: 0.01)'],
  [new nn.GELU({ approximate: 'tanh' }), "GELU(approximate: 'tanh')"],
  [new nn.Softmax(), 'Softmax(axis: -1)'],
  [new nn.LogSoftmax({ axis: 1 }), 'LogSoftmax(axis: 1)'],
  [new nn.Flatten(), 'Flatten(startAxis: 1)'],
])('%s', (layer, text) => {
  expect(inspect(layer)).toBe(text);
  expect(String(layer)).toBe(text);
});

test('children are indented under their names, like neighbours folded', () => {
  class Model extends Net {
    features = new nn.Sequential(new nn.ReLU(), new nn.Tanh(), new nn.Tanh(), new nn.ReLU(), new nn.ReLU(), new nn.ReLU());
    heads = [new nn.Linear(2, 1), new nn.Linear(2, 1), new nn.Linear(3, 1)];
    a = new nn.Tanh();
    b = new nn.Tanh();
    scale = new nn.Parameter([1]);
  }
  expect(inspect(new Model())).toBe(
    lines(
      'Model(',
      '  (features): Sequential(',
      '    (0): ReLU()',
      '    (1-2): 2 x Tanh()',
      '    (3-5): 3 x ReLU()',
      '  )',
      '  (heads.0-1): 2 x Linear(inFeatures: 2, outFeatures: 1, bias: true)',
      '  (heads.2): Linear(inFeatures: 3, outFeatures: 1, bias: true)',
      '  (a): Tanh()',
      '  (b): Tanh()',
      ')',
    ),
  );
});

test('a whole model is printed, to any level, and its weights are not touched', () => {
  const model = models.resnet18();
  for (const parameter of model.parameters()) {
    parameter.initialize(() => {
      throw new Error('a weight was drawn');
    });
  }
  const text = inspect(model);
  expect(text).toBe(String(model));
  expect(text).toContain(
    '      (downsample): Sequential(\n        (0): Conv2d(64, 128, kernelSize: [1, 1], stride: [2, 2], bias: false)\n',
  );
  expect(text).not.toContain('...');
});

test('depth leaves out what lies deeper; among other objects a model is as deep as they are', () => {
  const inner = new nn.Sequential(new nn.Sequential(new nn.ReLU()));
  const model = new nn.Sequential(inner, new nn.Tanh());
  expect(inspect(model, { depth: 0 })).toBe('Sequential(...)');
  expect(inspect(model, { depth: 1 })).toBe(lines('Sequential(', '  (0): Sequential(...)', '  (1): Tanh()', ')'));
  expect(inspect({ model })).toBe(lines('{', '  model: Sequential(', '    (0): Sequential(...)', '    (1): Tanh()', '  )', '}'));
  expect(inspect({ a: { b: { model } } })).toContain('[Sequential]');
  expect(inspect({ model }, { depth: null })).toContain('ReLU()');
});

test('extraRepr of a class of the user is printed, and may fail', () => {
  class Scaled extends Net {
    inner = new nn.ReLU();
    constructor(readonly factor: number) {
      super();
    }
    override extraRepr(): string {
      if (this.factor === 0) throw new Error('no factor');
      return `factor: ${this.factor}`;
    }
  }
  expect(inspect(new Scaled(2))).toBe(lines('Scaled(factor: 2', '  (inner): ReLU()', ')'));
  expect(inspect(new nn.Sequential(new Scaled(0)))).toBe(lines('Sequential(', '  (0): [Scaled: no factor]', ')'));
});

test('cycles, deep and tangled trees, hostile names and getters', () => {
  class Loop extends Net {
    inner = new nn.ReLU();
    parent: nn.Module = this;
  }
  expect(inspect(new Loop())).toBe(lines('Loop(', '  (inner): ReLU()', '  (parent): [Circular Loop]', ')'));

  let deep: nn.Module = new nn.ReLU();
  for (let i = 0; i < 20_000; i++) deep = new nn.Sequential(deep);
  expect(inspect(deep)).toContain('Sequential(...)');

  let tangled: nn.Module = new nn.ReLU();
  for (let i = 0; i < 60; i++) tangled = new nn.Sequential(tangled, new nn.Tanh(), tangled);
  expect(inspect(tangled).length).toBeLessThan(2e6);

  class Hostile extends Net {
    ['\u001b[31m'] = new nn.ReLU();
  }
  Object.defineProperty(Hostile, 'name', { value: 'Bad\u001b[31m\n' });
  expect(inspect(new Hostile())).toBe(lines('Bad\\u001b[31m\\u000a(', '  (\\u001b[31m): ReLU()', ')'));

  const throwing = new Loop();
  Object.defineProperty(throwing, 'inner', {
    enumerable: true,
    get() {
      throw new Error('not yet');
    },
  });
  expect(inspect(throwing)).toBe('[Loop: not yet]');
});

test('class names are coloured where colours are asked for', () => {
  expect(inspect(new nn.Sequential(new nn.ReLU()), { colors: true })).toBe(
    lines('\u001b[36mSequential\u001b[39m(', '  (0): \u001b[36mReLU\u001b[39m()', ')'),
  );
});
