/** Losses: what they refuse when they are made or called, labels that are passed over, and recipes. Values are golden (test/golden). */

import { nn, ops, tensor, zeros, type Tensor } from 'stridenet';
import { lossFrom, lossRecipe } from '../../lib/nn/loss';
import { expectError } from '../support/expectError';

const anything = (value: unknown): never => value as never;
const labels = (values: readonly number[], shape = [values.length]): Tensor => tensor(Int32Array.from(values), shape);

const MAKERS = {
  ...{ crossEntropy: nn.crossEntropy, nll: nn.nll, focal: nn.focal, dice: nn.dice, mseLoss: nn.mseLoss, l1: nn.l1, smoothL1: nn.smoothL1 },
  ...{ huber: nn.huber, hinge: nn.hinge, klDiv: nn.klDiv, bceWithLogits: nn.bceWithLogits },
  ...{ tripletMargin: nn.tripletMargin, cosineEmbedding: nn.cosineEmbedding },
} as const;

test.each(Object.keys(MAKERS) as (keyof typeof MAKERS)[])('nn.%s refuses options that it does not have', (name) => {
  const make = (options: object) => (): unknown => MAKERS[name](anything(options));
  expectError('ERR_UNKNOWN_OPTION', make({ reductions: 'sum' }), `nn.${name} has no option`, 'Did you mean "reduction"?');
  expectError('ERR_INVALID_ARGUMENT', make({ reduction: 'max' }), `nn.${name} expects reduction`, '"max"');
  expectError('ERR_INVALID_ARGUMENT', make([]), `nn.${name} expects an options object`);
});

test('numbers are checked when a loss is made', () => {
  expectError('ERR_INVALID_ARGUMENT', () => nn.crossEntropy({ ignoreIndex: 0.5 }), 'nn.crossEntropy expects ignoreIndex', '0.5');
  expectError('ERR_INVALID_ARGUMENT', () => nn.crossEntropy({ ignoreIndex: 2 ** 31 }), 'int32', '2147483648');
  expectError('ERR_INVALID_ARGUMENT', () => nn.nll({ weight: [1, Infinity] }), 'nn.nll expects weight', '[1, Infinity]');
  expectError('ERR_INVALID_ARGUMENT', () => nn.huber({ delta: 0 }), 'nn.huber expects delta to be greater than 0', 'got 0');
  expectError('ERR_INVALID_ARGUMENT', () => nn.huber({ delta: 1e-60 }), 'greater than 0');
  expectError('ERR_INVALID_ARGUMENT', () => nn.smoothL1({ beta: -1 }), 'nn.smoothL1 expects beta to be at least 0', 'got -1');
  expectError('ERR_INVALID_ARGUMENT', () => nn.hinge({ margin: anything('1') }), 'nn.hinge expects margin', '"1"');
  expectError('ERR_INVALID_ARGUMENT', () => nn.klDiv({ logTarget: anything(1) }), 'nn.klDiv expects logTarget to be true or false');
  expectError('ERR_INVALID_ARGUMENT', () => nn.focal({ gamma: -2 }), 'nn.focal expects gamma', 'got -2');
  expectError('ERR_INVALID_ARGUMENT', () => nn.focal({ alpha: 0.25 }), 'nn.focal expects alpha', 'shape [classes]', '0.25');
  expectError('ERR_INVALID_ARGUMENT', () => nn.focal({ targets: 'values', alpha: 2 }), 'weight of positive answers', 'got 2');
  expectError('ERR_INVALID_ARGUMENT', () => nn.focal({ targets: 'values', ignoreIndex: 3 }), "targets: 'classes' only", 'got 3');
  expectError('ERR_INVALID_ARGUMENT', () => nn.dice({ targets: anything('masks') }), "'classes' or 'values'", '"masks"');
  expectError('ERR_INVALID_ARGUMENT', () => nn.dice({ smooth: -1 }), 'nn.dice expects smooth', 'got -1');
  expectError('ERR_INVALID_ARGUMENT', () => nn.tripletMargin({ margin: 0 }), 'nn.tripletMargin expects margin', 'got 0');
  expectError('ERR_INVALID_ARGUMENT', () => nn.tripletMargin({ p: -1 }), 'nn.tripletMargin expects p', 'got -1');
  expectError('ERR_INVALID_ARGUMENT', () => nn.tripletMargin({ swap: anything('yes') }), 'nn.tripletMargin expects swap', '"yes"');
  expectError('ERR_INVALID_ARGUMENT', () => nn.cosineEmbedding({ margin: 2 }), 'nn.cosineEmbedding expects margin', '[-1, 1]', 'got 2');
});

test('tensors are checked when a loss is called', () => {
  const x = zeros([2, 3, 4, 4]);
  expectError('ERR_SHAPE_MISMATCH', () => nn.crossEntropy()(x, labels([0, 1])), 'one label for each position: shape [2, 4, 4]', '[2]');
  expectError('ERR_SHAPE_MISMATCH', () => nn.dice()(x, labels([0, 1])), 'diceLoss', '[2, 4, 4]');
  expectError('ERR_SHAPE_MISMATCH', () => nn.dice({ targets: 'values' })(zeros([3]), zeros([3])), '[N, classes, ...]', '[3]');
  expectError('ERR_SHAPE_MISMATCH', () => nn.focal({ alpha: [1, 2] })(zeros([1, 3]), labels([0])), 'shape [3]', '[2]');
  expectError('ERR_DTYPE_MISMATCH', () => nn.nll()(zeros([1, 3]), zeros([1])), 'int32', 'float32');
  expectError('ERR_SHAPE_MISMATCH', () => nn.huber()(zeros([2, 1]), zeros([2])), '[2, 1]', '[2]');
  expectError(
    'ERR_INVALID_ARGUMENT',
    () => ops.crossEntropy(zeros([1, 3]), zeros([1, 3]), { ignoreIndex: 0 }),
    'probabilities',
    'ignoreIndex 0',
  );
  expectError('ERR_SHAPE_MISMATCH', () => nn.tripletMargin()(zeros([2, 3]), zeros([2, 3]), zeros([1, 3])), '[2, 3]', '[1, 3]');
  expectError('ERR_SHAPE_MISMATCH', () => nn.tripletMargin()(zeros([3]), zeros([3]), zeros([3])), '[N, D]', '[3]');
  expectError('ERR_SHAPE_MISMATCH', () => nn.cosineEmbedding()(zeros([2, 3]), zeros([2, 3]), zeros([3])), '[2]', '[3]');
  expectError('ERR_INVALID_ARGUMENT', () => nn.cosineEmbedding()(zeros([2, 3]), zeros([2, 3]), tensor([1, 0])), '-1 and 1', 'one is 0');
});

test('labels that are passed over are neither counted nor refused; others that are no class are', async () => {
  const x = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  const one = await ops.crossEntropy(tensor([1, 2, 3], [1, 3]), labels([1])).item();
  expect(
    await nn
      .crossEntropy()(x, labels([1, -100]))
      .item(),
  ).toBe(one);
  expect(
    await nn
      .crossEntropy({ ignoreIndex: 255 })(x, labels([1, 255]))
      .item(),
  ).toBe(one);
  expectError('ERR_INVALID_ARGUMENT', () => nn.crossEntropy({ ignoreIndex: 255 })(x, labels([1, -100])), 'label 1 is -100');
  expect(
    await nn
      .crossEntropy()(x, labels([-100, -100]))
      .item(),
  ).toBeNaN();
  expect(
    await nn
      .crossEntropy({ reduction: 'sum' })(x, labels([-100, -100]))
      .item(),
  ).toBe(0);
  const [gradient] = ops.grad(nn.crossEntropy()(x, labels([-100, -100])), [x]);
  expect([...(await gradient!.data())]).toEqual([0, 0, 0, 0, 0, 0]);
});

test('a label that nobody could check gives NaN', async () => {
  const x = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  const unknown = ops.concat([labels([1]), labels([7])], { axis: 0 });
  for (const loss of [nn.crossEntropy(), nn.crossEntropy({ weight: [1, 2, 3] }), nn.nll(), nn.focal(), nn.dice()]) {
    expect(await loss(x, unknown).item()).toBeNaN();
  }
  const [first, second] = await nn.nll({ reduction: 'none' })(x, unknown).data();
  expect([first, second]).toEqual([-2, NaN]);
});

test('a checkpoint can make losses again, with their options', async () => {
  const x = tensor([0.5, -1, 2, 1.5, -0.3, 0.1], [2, 3]);
  const [classes, values] = [labels([2, 0]), tensor([0.1, 0.9, 0, 1, 0.5, 0.2], [2, 3])];
  const losses: nn.Loss[] = [
    nn.crossEntropy({ labelSmoothing: 0.1, weight: [1, 2, 3], ignoreIndex: 0, reduction: 'sum' }),
    nn.nll({ weight: [1, 2, 3], reduction: 'sum' }),
    nn.focal({ gamma: 1, alpha: [1, 2, 3] }),
    nn.focal({ targets: 'values', alpha: 0.4, gamma: 1 }),
    nn.dice({ smooth: 0.3, ignoreIndex: 2 }),
    nn.dice({ smooth: 0.3, targets: 'values' }),
    nn.mse({ reduction: 'sum' }),
    nn.l1({ reduction: 'sum' }),
    nn.smoothL1({ beta: 0.3 }),
    nn.huber({ delta: 0.3 }),
    nn.hinge({ margin: 0.3 }),
    nn.klDiv({ logTarget: true, reduction: 'batchmean' }),
    nn.bceWithLogits({ reduction: 'sum' }),
  ];
  for (const loss of losses) {
    const again = lossFrom(JSON.parse(JSON.stringify(lossRecipe(loss))) as never);
    expect(again.targets).toBe(loss.targets);
    const target = loss.targets === 'values' ? values : classes;
    expect(await again(x, target).item()).toBe(await loss(x, target).item());
  }
  expect(lossRecipe(nn.crossEntropy({ weight: ops.exp(tensor([1, 2, 3])) }))).toBeUndefined();
  expectError('ERR_BAD_FILE', () => lossFrom({ name: anything('toString'), options: {} }), 'known name', '"toString"');
});
