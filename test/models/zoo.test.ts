/** Every model: parameter names, shapes, parameter counts and multiply-adds against torchvision's and the published ones; output shapes; options. */

import { inputTensor, tensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import * as models from '../../lib/models';
import type { Module } from '../../lib/nn';
import { recipeOf } from '../../lib/nn/recipe';
import * as ops from '../../lib/ops';
import { summary } from '../../lib/summary';
import { periodic, zooValue } from '../golden/zoo';
import { expectError } from '../support/expectError';
import { compute, PUBLISHED, TORCHVISION } from './published';

const image = (...shape: number[]): Tensor => inputTensor({ name: 'image', feedDType: 'float32', layout: 'nchw' }, shape, 'float32');
const outputOf = (model: Module, ...shape: number[]): readonly number[] => model.eval().forward(image(...shape)).shape;
test.each(PUBLISHED.map((model) => [model.title, model] as const))('%s has the published counts, names and shapes', (_, model) => {
  const { parameters, multiplyAdds, rounded, state, outputShape } = compute(model);
  expect([parameters, rounded]).toEqual([model.parameters, model.multiplyAdds]);
  if (model.torchvision === undefined) return;
  expect({ parameters, multiplyAdds, state }).toEqual(model.torchvision);
  expect(outputShape).toEqual([1, 1000]);
});

test('the list of models is complete', () => {
  const others = ['lenet5', 'nin', 'resnetCifar'];
  expect(Object.keys(models).sort()).toEqual([...Object.keys(TORCHVISION), ...others].sort());
});

const SMALL: readonly [name: string, build: (options: object) => Module, size: number][] = [
  ['alexnet', models.alexnet, 64],
  ['vgg11', models.vgg11, 32],
  ['vgg16bn', models.vgg16bn, 32],
  ['nin', models.nin, 96],
  ['googlenet', models.googlenet, 32],
  ['resnet18', models.resnet18, 32],
  ['resnet50', models.resnet50, 28],
  ['densenet121', models.densenet121, 32],
  ['mobilenetV2', models.mobilenetV2, 32],
  ['resnetCifar', (options) => models.resnetCifar(20, options), 28],
];

describe.each(SMALL)('%s', (name, make, size) => {
  test('takes classes, channels and small images', () => {
    expect(outputOf(make({ classes: 7, inChannels: 1 }), 2, 1, size, size)).toEqual([2, 7]);
    expect(outputOf(make({ classes: 7, inChannels: undefined }), 1, 3, size, size)).toEqual([1, 7]);
  });

  test('refuses wrong options', () => {
    expectError('ERR_UNKNOWN_OPTION', () => make({ clases: 10 }), `${name} has no option "clases". Did you mean "classes"?`);
    expectError(
      'ERR_INVALID_ARGUMENT',
      () => make({ classes: 2.5 }),
      `${name} expects classes to be an integer of at least 1 but got 2.5.`,
    );
    expectError('ERR_INVALID_ARGUMENT', () => make({ inChannels: 0 }), `${name} expects inChannels`);
  });
});

test('options of single families', () => {
  expectError(
    'ERR_INVALID_ARGUMENT',
    () => models.vgg11bn({ dropout: 1.5 }),
    'vgg11bn expects dropout to be a finite number in [0, 1] but got 1.5.',
  );
  expectError(
    'ERR_INVALID_ARGUMENT',
    () => models.resnet18({ stem: 'cifar10' as never }),
    'resnet18 expects stem to be one of imagenet, cifar but got "cifar10".',
  );
  expectError('ERR_INVALID_ARGUMENT', () => models.resnetCifar(21), 'resnetCifar expects depth to be 6 n + 2');
  expectError(
    'ERR_INVALID_ARGUMENT',
    () => models.mobilenetV2({ width: 0 }),
    'mobilenetV2 expects width to be a number above 0 but got 0.',
  );
  expectError('ERR_INVALID_ARGUMENT', () => models.googlenet({ auxLogits: 1 as never }), 'googlenet expects auxLogits to be true or false');
  // The width multipliers of the paper: 0.5 has 1.95 million parameters, 0.35 has 1.66 (Keras and timm publish the same counts).
  expect(summary(models.mobilenetV2({ width: 0.5 }), [1, 3, 224, 224]).parameters).toBe(1_968_680);
  expect(outputOf(models.mobilenetV2({ width: 0.35 }), 1, 3, 32, 32)).toEqual([1, 1000]);
});

test("googlenet takes ImageNet's images for weights that were trained on others", async () => {
  const plain = models.googlenet({ classes: 4, auxLogits: false }).eval();
  for (const [name, { shape, storage }] of plain.stateDict()) if (shape.length > 0) storage.set(zooValue(name, shape, 4));
  const transforming = models.googlenet({ classes: 4, auxLogits: false, transformInput: true }).eval();
  transforming.loadStateDict(plain.stateDict());
  const pixels = tensor(periodic(3 * 32 * 32, 1, 0.5, 0.5), [1, 3, 32, 32]);
  const normalized = (mean: number[], std: number[]): Tensor =>
    ops.div(ops.sub(pixels, tensor(mean, [1, 3, 1, 1])), tensor(std, [1, 3, 1, 1]));
  const byHalves = normalized([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);
  const byImageNet = normalized([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
  const logits = await plain.forward(ops.concat([byHalves, byImageNet], { axis: 0 })).data();
  const [wanted, other] = [logits.subarray(0, 4), logits.subarray(4)];
  const found = await transforming.forward(byImageNet).data();
  const distance = (a: ArrayLike<number>): number => Math.hypot(...wanted.map((value, i) => value - a[i]!)) / Math.hypot(...wanted);
  expect(distance(found)).toBeLessThan(1e-5);
  expect(distance(other)).toBeGreaterThan(0.05);
  expect(recipeOf(transforming, models)!.args).toMatchObject([{ transformInput: true }]);

  const refuse = (options: object, message: string): void => expectError('ERR_INVALID_ARGUMENT', () => models.googlenet(options), message);
  refuse({ transformInput: 1 }, 'googlenet expects transformInput to be true or false');
  refuse({ transformInput: true, inChannels: 1 }, 'googlenet expects inChannels to be 3 with transformInput');
});

test('googlenet gives its auxiliary logits when asked', () => {
  const model = models.googlenet({ classes: 5 });
  expect(model.forwardAll(image(2, 3, 64, 64)).map(({ shape }) => shape)).toEqual([
    [2, 5],
    [2, 5],
    [2, 5],
  ]);
  expect(models.googlenet({ auxLogits: false }).forwardAll(image(2, 3, 64, 64))).toHaveLength(1);
});

test("models start by torchvision's rules", () => {
  const spread = (model: Module, name: string): number => {
    const values = model.stateDict().get(name)!.storage.value();
    return Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
  };
  const resnet = models.resnet18();
  expect(spread(resnet, 'layer2.0.conv1.weight') / Math.sqrt(2 / (128 * 9))).toBeCloseTo(1, 1); // fan out
  expect(spread(resnet, 'fc.weight') / Math.sqrt(1 / (3 * 512))).toBeCloseTo(1, 1); // PyTorch's own
  expect(spread(resnet, 'bn1.weight')).toBe(1);
  const vgg = models.vgg11({ classes: 100 });
  expect([spread(vgg, 'features.0.bias'), spread(vgg, 'classifier.6.bias')]).toEqual([0, 0]);
  expect(spread(vgg, 'classifier.6.weight')).toBeCloseTo(0.01, 3);
  expect(spread(models.densenet121(), 'features.denseblock1.denselayer1.conv2.weight') / Math.sqrt(2 / (128 * 9))).toBeCloseTo(1, 1); // fan in
  expect(spread(models.googlenet(), 'inception3a.branch1.conv.weight')).toBeCloseTo(0.01, 3);
});
