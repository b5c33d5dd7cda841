/** LeNet-5: the course's layers, shapes, parameter count; and the summary that shows them. */

import { inspect } from 'node:util';
import { zeros } from '../../lib/graph/leaves';
import * as models from '../../lib/models';
import * as nn from '../../lib/nn';
import { summary } from '../../lib/summary';

test('has the layers and parameters of the course', () => {
  const model = models.lenet5({ activation: 'sigmoid', pooling: 'avg' });
  expect([...model.stateDict()].map(([name, value]) => [name, value.shape])).toEqual([
    ['0.weight', [6, 1, 5, 5]],
    ['0.bias', [6]],
    ['3.weight', [16, 6, 5, 5]],
    ['3.bias', [16]],
    ['7.weight', [120, 400]],
    ['7.bias', [120]],
    ['9.weight', [84, 120]],
    ['9.bias', [84]],
    ['11.weight', [10, 84]],
    ['11.bias', [10]],
  ]);
  expect([...model].map((layer) => layer.constructor.name)).toEqual([
    ...['Conv2d', 'Sigmoid', 'AvgPool2d', 'Conv2d', 'Sigmoid', 'AvgPool2d', 'Flatten', 'Linear', 'Sigmoid', 'Linear', 'Sigmoid', 'Linear'],
  ]);
  expect(model.forward(zeros([3, 1, 28, 28])).shape).toEqual([3, 10]);
});

test('options choose activation, pooling, classes, channels and initialisation', () => {
  const model = models.lenet5({ classes: 7, inChannels: 3, init: (w) => nn.init.constant(w, 0.5) });
  expect([...model].map((layer) => layer.constructor.name)).toEqual(expect.arrayContaining(['ReLU', 'MaxPool2d']));
  expect(model.forward(zeros([1, 3, 28, 28])).shape).toEqual([1, 7]);
  expect([...model.stateDict().get('11.weight')!.storage.value()].every((v) => v === 0.5)).toBe(true);
  expect(model.stateDict().get('11.bias')!.storage.value()[0]).not.toBe(0.5);
  expect(() => models.lenet5({ pooling: 'average' as never })).toThrow(/lenet5 expects pooling to be one of max, avg but got "average"/);
  expect(() => models.lenet5({ clases: 10 } as never)).toThrow(/Did you mean "classes"/);
  expect(() => models.lenet5({ init: 'xavier' as never })).toThrow(/lenet5 expects init to be a function/);
});

test('summary lists layers, parameters and multiply-adds', () => {
  const s = summary(models.lenet5(), [1, 1, 28, 28]);
  expect(s.parameters).toBe(61_706);
  expect(s.parameterBytes).toBe(61_706 * 4);
  // 28 28 6 25 + 10 10 16 150 + 400 120 + 120 84 + 84 10
  expect(s.multiplyAdds).toBe(117_600 + 240_000 + 48_000 + 10_080 + 840);
  expect(s.layers.map((l) => [l.path, l.kind, l.outputShape, l.parameters, l.multiplyAdds]).slice(0, 4)).toEqual([
    ['0', 'Conv2d', [1, 6, 28, 28], 156, 117_600],
    ['1', 'ReLU', [1, 6, 28, 28], 0, 0],
    ['2', 'MaxPool2d', [1, 6, 14, 14], 0, 0],
    ['3', 'Conv2d', [1, 16, 10, 10], 2416, 240_000],
  ]);
  expect(String(s)).toMatch(/0 +Conv2d +\[1, 6, 28, 28\] +156 +117,600/);
  expect(String(s)).toMatch(/total +61,706 +416,520/);
  expect(JSON.parse(JSON.stringify(s)).parameters).toBe(61_706);
});

test('summary counts shared layers once and leaves the module as it was', () => {
  const layer = new nn.Linear(4, 4);
  const model = new nn.Sequential(layer, new nn.ReLU(), layer);
  const s = summary(model, [2, 4]);
  expect(s.layers.map((l) => l.parameters)).toEqual([20, 0, 0]);
  expect([s.parameters, s.multiplyAdds]).toEqual([20, 64]);
  expect(Object.hasOwn(layer, 'forward')).toBe(false);
  layer.freeze();
  expect(summary(model, [2, 4]).trainableParameters).toBe(0);
  expect(() => summary(model, [2, 5])).toThrow(/linear "0" expects an input of shape \[N, 4\]/);
  expect(Object.hasOwn(layer, 'forward')).toBe(false);
  expect(() => summary({} as never, [1])).toThrow(/summary expects an nn\.Module/);
});

test('summary tells receptive fields and planned memory', () => {
  const s = summary(models.lenet5(), [1, 1, 28, 28], { batch: 64 });
  // Dumoulin and Visin: 5, 5 + 1, 6 + 4 * 2, 14 + 2; the linear layers see everything.
  expect(s.layers.map((l) => l.receptiveField?.[0])).toEqual([5, 5, 6, 14, 14, 16, 32, 32, 32, 32, 32, 32]);
  expect(s.memory.batch).toBe(64);
  // The images and what the second convolution reads and writes at least; a training step keeps activations, gradients and velocities.
  expect(s.memory.inferenceBytes).toBeGreaterThan(s.parameterBytes + 64 * 4 * (784 + 6 * 14 * 14 + 16 * 10 * 10) * 0.99);
  expect(s.memory.trainingBytes).toBeGreaterThan(s.memory.inferenceBytes);
  expect(summary(models.lenet5().freeze(), [1, 1, 28, 28]).memory).not.toHaveProperty('trainingBytes');
  expect(String(s)).toContain('planned memory for 64 examples at a time: inference ');
  expect(inspect(s)).toBe(String(s));
  expect(() => summary(models.lenet5(), [1, 1, 28, 28], { batch: 0 })).toThrow(/summary expects batch to be an integer of at least 1/);
  expect(() => summary(models.lenet5(), [1, 1, 28, 28], { batches: 1 } as never)).toThrow(/Did you mean "batch"/);
});

test('summary allocates nothing: 3.6 billion weights', () => {
  const before = process.memoryUsage().rss;
  const s = summary(new nn.Linear(36_000_000, 100), [36_000_000]);
  expect([s.inputShape, s.parameters, s.parameterBytes, s.multiplyAdds]).toEqual([[1, 36e6], 3_600_000_100, 14_400_000_400, 3.6e9]);
  expect(s.memory.trainingBytes).toBeGreaterThan(2 * 14.4e9);
  expect(String(s)).toContain('3,600,000,100');
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
});
