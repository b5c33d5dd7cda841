/** Initialisation rules: bounds and moments as torch.nn.init documents them. */

import * as nn from '../../lib/nn';
import { manualSeed } from '../../lib/random';

const { init } = nn;
const SHAPE = [64, 32, 5, 5]; // fanIn 800, fanOut 1600

beforeEach(() => manualSeed(3));

function moments(values: Float32Array): { mean: number; std: number; max: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const std = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
  return { mean, std, max: values.reduce((a, b) => Math.max(a, Math.abs(b)), 0) };
}

test.each<[string, (p: nn.Parameter) => unknown, number]>([
  ['xavierUniform', (p) => init.xavierUniform(p), Math.sqrt(2 / 2400)],
  ['xavierUniform with gain', (p) => init.xavierUniform(p, { gain: 2 }), 2 * Math.sqrt(2 / 2400)],
  ['xavierNormal', (p) => init.xavierNormal(p), Math.sqrt(2 / 2400)],
  ['kaimingUniform', (p) => init.kaimingUniform(p), Math.sqrt(2 / 800)],
  ['kaimingUniform of a slope', (p) => init.kaimingUniform(p, { a: Math.sqrt(5) }), Math.sqrt(1 / 3 / 800)],
  ['kaimingNormal fanOut relu', (p) => init.kaimingNormal(p, { mode: 'fanOut', nonlinearity: 'relu' }), Math.sqrt(2 / 1600)],
  ['kaimingNormal tanh', (p) => init.kaimingNormal(p, { nonlinearity: 'tanh' }), 5 / 3 / Math.sqrt(800)],
  ['normal', (p) => init.normal(p, { std: 0.01 }), 0.01],
  ['uniform', (p) => init.uniform(p, { a: -1, b: 1 }), 1 / Math.sqrt(3)],
])('%s has the documented deviation', (name, apply, std) => {
  const parameter = new nn.Parameter(SHAPE);
  apply(parameter);
  const found = moments(parameter.storage.value());
  expect(Math.abs(found.mean)).toBeLessThan(0.02 * std);
  expect(found.std / std).toBeCloseTo(1, 1);
  const uniform = name.includes('niform');
  expect(found.max).toBeLessThanOrEqual((uniform ? Math.sqrt(3) : 6) * std * (1 + 1e-6));
});

test('constant, zeros and ones', () => {
  const p = new nn.Parameter([2, 2]);
  expect([...init.constant(p, 1.5).storage.value()]).toEqual([1.5, 1.5, 1.5, 1.5]);
  expect([...init.ones(p).storage.value()]).toEqual([1, 1, 1, 1]);
  expect([...init.zeros(p).storage.value()]).toEqual([0, 0, 0, 0]);
});

test('layers start as in PyTorch: uniform in +-1 / sqrt(fanIn)', () => {
  for (const layer of [new nn.Conv2d(32, 64, 5), new nn.Linear(800, 500)]) {
    const bound = 1 / Math.sqrt(800);
    for (const parameter of [layer.weight, layer.bias!]) {
      const found = moments(parameter.storage.value());
      expect(found.max).toBeLessThanOrEqual(bound * (1 + 1e-6));
      expect(found.max).toBeGreaterThan(0.9 * bound);
    }
  }
});

test('grouped convolutions count the inputs of one group', () => {
  const bound = 1 / Math.sqrt(9);
  const found = moments(new nn.Conv2d(256, 256, 3, { groups: 256 }).weight.storage.value());
  expect(found.max).toBeLessThanOrEqual(bound * (1 + 1e-6));
  expect(found.max).toBeGreaterThan(0.9 * bound);
});

test('mistakes are refused', () => {
  const bias = new nn.Parameter([3]);
  expect(() => init.xavierUniform(bias)).toThrow(/init\.xavierUniform expects a weight of shape \[out, in, \.\.\.\] but got \[3\]/);
  expect(() => init.kaimingNormal(new nn.Parameter([2, 2]), { mode: 'fan_in' as never })).toThrow(
    /mode to be "fanIn" or "fanOut" but got "fan_in"/,
  );
  expect(() => init.kaimingNormal(new nn.Parameter([2, 2]), { nonlinearity: 'gelu' as never })).toThrow(/nonlinearity to be one of/);
  expect(() => init.normal(bias, { sd: 1 } as never)).toThrow(/no option "sd"/);
  expect(() => init.uniform([1] as never)).toThrow(/init\.uniform expects a Parameter, such as layer\.weight, but got \[1\]/);
});
