/** Models as plain data: what a checkpoint says of them builds the same network again. */

import { models, nn, type Tensor } from 'stridenet';
import { withVariableLimit } from '../../lib/nn/parameter';
import { moduleFrom, recipeOf } from '../../lib/nn/recipe';
import { randomState } from '../../lib/random';
import { expectError } from '../support/expectError';

/** Through JSON, as in a file. */
function rebuilt(model: nn.Module): nn.Module {
  return moduleFrom(JSON.parse(JSON.stringify(recipeOf(model, models))), models);
}

/** Names and shapes of what it learns, and its layers. */
function structure(model: nn.Module): unknown {
  return [
    [...model.stateDict()].map(([name, { shape }]) => [name, shape]),
    model.namedModules().map(([path, module]) => [path, module.constructor.name, recipeOf(module)]),
  ];
}

type Case = [name: string, build: () => nn.Module];

const BUILT: Case[] = [
  ...Object.entries(models)
    .filter(([name]) => name !== 'resnetCifar')
    .map(([name, build]) => [name, () => (build as (options: object) => nn.Module)({ classes: 7, inChannels: 2 })] satisfies Case),
  ['resnetCifar', () => models.resnetCifar(14, { classes: 7 })],
  ['mobilenetV2 of other width', () => models.mobilenetV2({ width: 0.5, dropout: 0 })],
  ['googlenet without auxiliary classifiers', () => models.googlenet({ auxLogits: false })],
  ['a model inside another', () => new nn.Sequential(models.resnet18({ stem: 'cifar' }), new nn.ReLU())],
];

test.each(BUILT)('%s', (_, build) => {
  const model = build();
  const copy = rebuilt(model);
  expect(copy.constructor).toBe(model.constructor);
  expect(structure(copy)).toEqual(structure(model));
});

test('asking for a recipe takes nothing from the random streams', () => {
  const model = models.resnet18();
  const state = randomState();
  recipeOf(model, models);
  expect(randomState()).toEqual(state);
});

test('layers that were replaced are rebuilt as they are', () => {
  const resnet = models.resnet50();
  resnet.fc = new nn.Linear(2048, 5, { bias: false });
  expect(recipeOf(resnet, models)).toMatchObject({ kind: 'resnet50', replaced: { fc: { kind: 'Linear' } } });
  expect(structure(rebuilt(resnet))).toEqual(structure(resnet));
  const vgg = models.vgg11();
  vgg.classifier[6] = new nn.Linear(4096, 2);
  expect(Object.keys(recipeOf(vgg, models)!.replaced!)).toEqual(['classifier.6']);
  vgg.classifier = new nn.Sequential(new nn.Linear(512 * 49, 2));
  expect(Object.keys(recipeOf(vgg, models)!.replaced!)).toEqual(['classifier']);
  expect(structure(rebuilt(vgg))).toEqual(structure(vgg));
});

test('what cannot be said in plain data has no recipe', () => {
  class Own extends nn.Module {
    forward(x: Tensor): Tensor {
      return x;
    }
  }
  const replaced = models.vgg11();
  replaced.classifier[2] = new Own();
  const shortened = models.googlenet();
  Object.assign(shortened, { aux1: undefined });
  const overridden = models.alexnet();
  overridden.forward = (x) => x;
  for (const model of [replaced, shortened, overridden, new Own(), new nn.Sequential(new Own())]) {
    expect(recipeOf(model, models)).toBeUndefined();
  }
});

test.each([
  [{ kind: 'resnet', args: [] }],
  [{ kind: 'toString', args: [] }],
  [{ kind: 'resnet18', args: {} }],
  [{ kind: 'resnet18', args: [], replaced: { 'fc.x': { kind: 'ReLU', args: [] } } }],
  [{ kind: 'resnet18', args: [], replaced: { '__proto__.x': { kind: 'ReLU', args: [] } } }],
  [{ kind: 'resnet18', args: [], replaced: { fc: { kind: 'None', args: [] } } }],
])('%j is refused', (recipe) => {
  expect(() => moduleFrom(recipe, models)).toThrow(/recipe/);
});

describe('a recipe that asks for more than its file can hold', () => {
  const bomb = { kind: 'resnetCifar', args: [9998, { classes: 10, inChannels: 3 }] };
  const nested = (layer: object): object => ({ kind: 'Sequential', args: [layer, layer] });

  test.each([bomb, nested(bomb), { kind: 'resnet18', args: [], replaced: { fc: bomb } }])('%j is refused early', (recipe) => {
    const before = process.memoryUsage().heapUsed;
    expectError('ERR_BAD_FILE', () => withVariableLimit(500, () => moduleFrom(recipe, models)), 'more than 500 parameters');
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(50e6);
    // The limit ends with the call.
    expect(models.resnet50().parameters().length).toBe(161);
  });

  test.each([60000002, 2 ** 31, 10_000, 2 ** 53, -4, 20.5, NaN])('resnetCifar(%d) is refused', (depth) => {
    expectError('ERR_INVALID_ARGUMENT', () => models.resnetCifar(depth), 'resnetCifar expects depth');
  });

  test('the deepest network of the paper is built', () => {
    expect(models.resnetCifar(1202).parameters().length).toBe(2 + 1 + 1200 * 3 + 2);
  });
});
