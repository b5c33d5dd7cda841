/** What each operation says about operands and options that do not fit: at the call, before anything runs. */

import { randn, tensor, zeros } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import * as ops from '../../lib/ops';
import { expectError } from '../support/expectError';

const image = zeros([2, 3, 8, 8]);
const weight = zeros([4, 3, 3, 3]);
const labels = (...values: number[]): Tensor => tensor(values, [values.length], { dtype: 'int32' });
/** For arguments that the types refuse. */
const anything = (value: unknown): never => value as never;

describe('conv2d', () => {
  test('channels', () => {
    expectError(
      'ERR_SHAPE_MISMATCH',
      () => ops.conv2d(zeros([32, 128, 28, 28]), zeros([128, 64, 3, 3]), { name: 'layer2.0.conv1' }),
      'conv2d "layer2.0.conv1" expects 64 input channels (its weight is [128, 64, 3, 3]) but its input is [32, 128, 28, 28].',
      'Pass inChannels 128, or check the layer before it.',
    );
  });
  test('ranks', () => {
    expectError('ERR_SHAPE_MISMATCH', () => ops.conv2d(zeros([3, 8, 8]), weight), '[N, C, H, W]', '[3, 8, 8]');
    expectError('ERR_SHAPE_MISMATCH', () => ops.conv2d(image, zeros([4, 27])), '[O, I, kH, kW]', '[4, 27]');
  });
  test('groups', () => {
    expectError(
      'ERR_SHAPE_MISMATCH',
      () => ops.conv2d(image, zeros([4, 1, 3, 3]), { groups: 3 }),
      'groups',
      '4 output channels',
      'groups is 3',
    );
    expectError('ERR_SHAPE_MISMATCH', () => ops.conv2d(image, weight, { groups: 2 }), '6 input channels', 'groups 2');
    expectError('ERR_INVALID_ARGUMENT', () => ops.conv2d(image, weight, { padding: 1e9 }), 'at least 0, at most 32767', 'got 1000000000');
    expectError('ERR_INVALID_ARGUMENT', () => ops.conv2d(image, weight, { groups: 0 }), 'groups', 'at least 1', '0');
    expectError('ERR_INVALID_ARGUMENT', () => ops.conv2d(image, weight, { groups: 1.5 }), 'groups', '1.5');
  });
  test('kernel larger than the padded input', () => {
    expectError('ERR_SHAPE_MISMATCH', () => ops.conv2d(zeros([1, 3, 2, 8]), weight), 'height of at least 3', '3x3', '[1, 3, 2, 8]');
    expectError(
      'ERR_SHAPE_MISMATCH',
      () => ops.conv2d(zeros([1, 3, 8, 4]), weight, { dilation: 2 }),
      'width of at least 5',
      'dilation 2x2',
    );
  });
  test('bias', () => {
    expectError('ERR_SHAPE_MISMATCH', () => ops.conv2d(image, weight, { bias: zeros([3]) }), 'a bias of shape [4]', '[3]');
  });
  test('misspelled options', () => {
    expectError(
      'ERR_UNKNOWN_OPTION',
      () => ops.conv2d(image, weight, anything({ strides: 2 })),
      'conv2d has no option "strides"',
      'Did you mean "stride"?',
    );
    expectError('ERR_UNKNOWN_OPTION', () => ops.conv2d(image, weight, anything({ kernel_size: 3 })), 'Known options: bias, stride');
    expectError('ERR_INVALID_ARGUMENT', () => ops.conv2d(image, weight, anything(2)), 'options object', '2');
  });
  test('values of options', () => {
    expectError('ERR_INVALID_ARGUMENT', () => ops.conv2d(image, weight, { stride: 0 }), 'stride', 'at least 1', '0');
    expectError('ERR_INVALID_ARGUMENT', () => ops.conv2d(image, weight, { stride: anything([1, 2, 3]) }), 'stride', '[1, 2, 3]');
    expectError('ERR_INVALID_ARGUMENT', () => ops.conv2d(image, weight, { padding: -1 }), 'padding', '-1');
    expectError('ERR_INVALID_ARGUMENT', () => ops.conv2d(image, weight, { padding: anything('SAME') }), "'same-lower'", '"SAME"');
    expectError('ERR_INVALID_ARGUMENT', () => ops.conv2d(image, weight, { dilation: NaN }), 'dilation', 'NaN');
  });
  test('operands that are no tensors', () => {
    expectError('ERR_INVALID_ARGUMENT', () => ops.conv2d(anything([[1]]), weight), 'Tensor', '[[1]]', 'tensor(...)');
    expectError('ERR_INVALID_ARGUMENT', () => ops.conv2d(image, anything(undefined)), 'its weight');
  });
  test('element type', () => {
    expectError('ERR_DTYPE_MISMATCH', () => ops.conv2d(tensor(new Int32Array(192), [1, 3, 8, 8]), weight), 'float32', 'int32');
  });
});

describe('pooling', () => {
  test.each([
    ['maxPool2d', ops.maxPool2d],
    ['avgPool2d', ops.avgPool2d],
  ] as const)('%s', (name, pool) => {
    expectError('ERR_SHAPE_MISMATCH', () => pool(zeros([3, 8, 8]), 2), name, '[N, C, H, W]', '[3, 8, 8]');
    expectError('ERR_SHAPE_MISMATCH', () => pool(zeros([1, 3, 2, 8]), 3), 'height of at least 3', '[1, 3, 2, 8]');
    expectError('ERR_INVALID_ARGUMENT', () => pool(image, 3, { padding: 2 }), 'at most half of its kernel 3x3');
    expectError('ERR_INVALID_ARGUMENT', () => pool(image, 0), 'kernelSize', 'at least 1');
    expectError('ERR_UNKNOWN_OPTION', () => pool(image, 2, anything({ ceil_mode: true })), 'Did you mean "ceilMode"?');
    expectError('ERR_INVALID_ARGUMENT', () => pool(image, 2, { ceilMode: anything('yes') }), 'ceilMode', '"yes"');
  });
  test('options of the other', () => {
    expectError('ERR_UNKNOWN_OPTION', () => ops.maxPool2d(image, 2, anything({ countIncludePad: true })), 'countIncludePad');
    expectError('ERR_UNKNOWN_OPTION', () => ops.avgPool2d(image, 2, anything({ dilation: 2 })), 'dilation');
  });
});

describe('concat and slice', () => {
  test('concat', () => {
    expectError('ERR_INVALID_ARGUMENT', () => ops.concat([]), 'at least one tensor', '[]');
    expectError('ERR_INVALID_ARGUMENT', () => ops.concat(anything(image)), 'array of at least one tensor');
    expectError('ERR_INVALID_ARGUMENT', () => ops.concat([image, anything(3)]), 'number 1', '3');
    expectError(
      'ERR_SHAPE_MISMATCH',
      () => ops.concat([image, zeros([2, 5, 8, 7])], { name: 'inception3a' }),
      'concat "inception3a" expects tensors that differ along axis 1 only but number 0 is [2, 3, 8, 8] and number 1 is [2, 5, 8, 7].',
    );
    expectError('ERR_SHAPE_MISMATCH', () => ops.concat([image, zeros([2, 3, 8])]), 'number 1 is [2, 3, 8]');
    expectError('ERR_INVALID_ARGUMENT', () => ops.concat([image, image], { axis: 4 }), 'axis', '[-4, 3]', '4');
    expectError('ERR_INVALID_ARGUMENT', () => ops.concat([image, image], { axis: 0.5 }), 'axis', '0.5');
    expectError('ERR_INVALID_ARGUMENT', () => ops.concat([zeros([]), zeros([])], { axis: 0 }), 'scalar', '[1]');
    expectError('ERR_DTYPE_MISMATCH', () => ops.concat([zeros([1]), labels(1)], { axis: 0 }), 'number 0 is float32', 'number 1 is int32');
    expectError('ERR_UNKNOWN_OPTION', () => ops.concat([image], anything({ dim: 1 })), 'dim');
  });
  test('slice', () => {
    expectError('ERR_INVALID_ARGUMENT', () => ops.slice(image, [0, 4]), 'start', '[2, 3, 8, 8]', '[0, 4]');
    expectError('ERR_INVALID_ARGUMENT', () => ops.slice(image, [0], [1, 2, 3, 4, 5]), 'stop', 'at most 4');
    expectError('ERR_INVALID_ARGUMENT', () => ops.slice(image, anything(1)), 'start', '1');
    expectError('ERR_INVALID_ARGUMENT', () => ops.slice(image, [0, 2], [2, 2]), 'axis 1', 'from 2 to 2');
    expectError('ERR_INVALID_ARGUMENT', () => ops.slice(image, [0, 3]), 'axis 1', 'from 3 to 3');
  });
});

describe('pad2d', () => {
  test('amounts', () => {
    expectError('ERR_INVALID_ARGUMENT', () => ops.pad2d(image, -1), 'padding', '-1');
    expectError('ERR_INVALID_ARGUMENT', () => ops.pad2d(image, anything('same')), '[[top, bottom], [left, right]]', '"same"');
    expectError('ERR_INVALID_ARGUMENT', () => ops.pad2d(image, anything([1, 2, 3])), 'padding', '[1, 2, 3]');
    expectError('ERR_SHAPE_MISMATCH', () => ops.pad2d(zeros([3, 8, 8]), 1), '[N, C, H, W]', '[3, 8, 8]');
    expectError(
      'ERR_SHAPE_MISMATCH',
      () => ops.pad2d(zeros([1, 3, 8, 4]), [0, 4], { mode: 'reflect', name: 'pad' }),
      'pad2d "pad" expects an input width of at least 5 to mirror 4 pixels',
      '[1, 3, 8, 4]',
      "'replicate'",
    );
  });
  test('options', () => {
    expectError('ERR_INVALID_ARGUMENT', () => ops.pad2d(image, 1, { mode: anything('circular') }), "'reflect'", '"circular"');
    expectError('ERR_INVALID_ARGUMENT', () => ops.pad2d(image, 1, { value: anything('0') }), 'value', '"0"');
    expectError('ERR_INVALID_ARGUMENT', () => ops.pad2d(image, 1, { mode: 'reflect', value: 1 }), "no value with mode 'reflect'", '1');
    expectError('ERR_UNKNOWN_OPTION', () => ops.pad2d(image, 1, anything({ modes: 'reflect' })), 'Did you mean "mode"?');
  });
});

test('adaptive pooling', () => {
  expectError('ERR_INVALID_ARGUMENT', () => ops.adaptiveAvgPool2d(image, 0), 'outputSize', 'at least 1', '0');
  expectError('ERR_INVALID_ARGUMENT', () => ops.adaptiveAvgPool2d(image, [1.5, 2]), 'outputSize', '[1.5, 2]');
  expectError('ERR_SHAPE_MISMATCH', () => ops.adaptiveAvgPool2d(zeros([3, 8, 8]), 1), 'adaptiveAvgPool2d', '[3, 8, 8]');
  expectError('ERR_SHAPE_MISMATCH', () => ops.globalAvgPool2d(zeros([3, 8, 8])), 'globalAvgPool2d', '[3, 8, 8]');
  expectError('ERR_UNKNOWN_OPTION', () => ops.globalAvgPool2d(image, anything({ keepDims: true })), 'keepDims');
});

test('dropout', () => {
  expectError('ERR_INVALID_ARGUMENT', () => ops.dropout(image, 1, { name: 'drop' }), 'dropout "drop" expects p', '[0, 1)', 'but got 1');
  expectError('ERR_INVALID_ARGUMENT', () => ops.dropout(image, -0.1), '-0.1');
  expectError('ERR_INVALID_ARGUMENT', () => ops.dropout(image, anything('0.5')), '"0.5"');
  expectError('ERR_INVALID_ARGUMENT', () => ops.dropout(image, 0.5, { seed: 1.5 }), 'seed', '1.5');
  expectError('ERR_INVALID_ARGUMENT', () => ops.dropout(image, 0.5, { training: anything(1) }), 'training', '1');
  expectError('ERR_DTYPE_MISMATCH', () => ops.dropout(labels(1)), 'float32', 'int32');
  expectError('ERR_SHAPE_MISMATCH', () => ops.dropout2d(zeros([2, 3])), '[N, C, H, W]', '[2, 3]');
  expectError('ERR_UNKNOWN_OPTION', () => ops.dropout(image, 0.5, anything({ inplace: true })), 'inplace');
});

describe('products', () => {
  test('linear', () => {
    expectError('ERR_SHAPE_MISMATCH', () => ops.linear(zeros([2, 7]), zeros([5, 6]), { name: 'fc' }), 'linear "fc"', '[N, 6]', '[2, 7]');
    expectError('ERR_SHAPE_MISMATCH', () => ops.linear(image, zeros([5, 192])), 'Flatten');
    expectError('ERR_SHAPE_MISMATCH', () => ops.linear(zeros([2, 6]), zeros([6])), '[out, in]', '[6]');
    expectError('ERR_SHAPE_MISMATCH', () => ops.linear(zeros([2, 6]), zeros([5, 6]), { bias: zeros([6]) }), 'a bias of shape [5]', '[6]');
    expectError(
      'ERR_UNKNOWN_OPTION',
      () => ops.linear(zeros([2, 6]), zeros([5, 6]), anything({ Bias: zeros([5]) })),
      'Did you mean "bias"?',
    );
  });
  test('matmul', () => {
    expectError('ERR_SHAPE_MISMATCH', () => ops.matmul(zeros([2, 3]), zeros([4, 5])), '[2, 3] by [4, 5]');
    expectError('ERR_SHAPE_MISMATCH', () => ops.matmul(zeros([3]), zeros([3, 5])), '[rows, columns]', '[3]');
    expectError('ERR_SHAPE_MISMATCH', () => ops.matmul(zeros([2, 3]), zeros([2, 3, 5])), '[2, 3, 5]');
  });
});

describe('elementwise, reductions, shapes', () => {
  test('broadcasting', () => {
    expectError('ERR_SHAPE_MISMATCH', () => ops.add(zeros([2, 3]), zeros([2, 4])), '[2, 3] and [2, 4]');
    expectError('ERR_SHAPE_MISMATCH', () => ops.broadcastTo(zeros([2, 3]), [3, 3]), '[3, 3]', '[2, 3]');
  });
  test('axes', () => {
    expectError('ERR_INVALID_ARGUMENT', () => ops.sum(image, { axis: 4 }), 'axes', '4', '[2, 3, 8, 8]');
    expectError('ERR_INVALID_ARGUMENT', () => ops.mean(image, { axis: [1, -3] }), 'distinct');
    expectError('ERR_UNKNOWN_OPTION', () => ops.max(image, anything({ dim: 1 })), 'dim');
    expectError('ERR_UNKNOWN_OPTION', () => ops.sum(image, anything({ keepdims: true })), 'Did you mean "keepDims"?');
  });
  test('reshape and transpose', () => {
    expectError('ERR_SHAPE_MISMATCH', () => ops.reshape(zeros([2, 3]), [4, 2]), '[2, 3] has 6', '[4, 2] has 8');
    expectError('ERR_SHAPE_MISMATCH', () => ops.reshape(zeros([2, 3]), [-1, 4]), '-1', '6 elements');
    expectError('ERR_INVALID_ARGUMENT', () => ops.reshape(zeros([4]), [-1, -1]), '[-1, -1]');
    expectError('ERR_INVALID_ARGUMENT', () => ops.reshape(zeros([4]), anything('4')), '"4"');
    expectError('ERR_INVALID_ARGUMENT', () => ops.transpose(zeros([2, 3]), [0, 0]), 'permutation', '[0, 0]');
    expectError('ERR_INVALID_ARGUMENT', () => ops.flatten(image, 4), 'startAxis', '4');
  });
  test('element types and operands', () => {
    expectError('ERR_DTYPE_MISMATCH', () => ops.relu(labels(1)), 'float32', 'int32');
    expectError('ERR_DTYPE_MISMATCH', () => ops.add(zeros([1]), labels(1)), 'float32', 'int32');
    expectError('ERR_INVALID_ARGUMENT', () => ops.add(zeros([1]), anything('1')), 'Tensor', '"1"');
    expectError('ERR_INVALID_ARGUMENT', () => ops.sum(anything([1, 2])), 'Tensor', '[1, 2]');
  });
});

describe('losses', () => {
  const logits = zeros([2, 10]);
  test('labels', () => {
    expectError('ERR_DTYPE_MISMATCH', () => ops.crossEntropy(logits, zeros([2])), 'int32', 'float32', "dtype: 'int32'");
    expectError('ERR_SHAPE_MISMATCH', () => ops.crossEntropy(logits, labels(1, 2, 3)), 'one label for each row', '[3]');
    expectError('ERR_INVALID_ARGUMENT', () => ops.crossEntropy(logits, labels(1, 10)), '[0, 9]', 'label 1 is 10');
    expectError('ERR_INVALID_ARGUMENT', () => ops.crossEntropy(logits, labels(-1, 0)), 'label 0 is -1');
    expectError('ERR_SHAPE_MISMATCH', () => ops.crossEntropy(zeros([2, 3, 4]), labels(1, 2)), 'for each position', '[2, 4]', '[2, 3, 4]');
    expectError('ERR_SHAPE_MISMATCH', () => ops.crossEntropy(zeros([2]), labels(1, 2)), '[N, classes]', '[2]');
    expectError('ERR_INVALID_ARGUMENT', () => ops.nllLoss(logits, labels(-100, 10)), 'log probabilities', 'label 1 is 10');
  });
  test('options', () => {
    expectError(
      'ERR_INVALID_ARGUMENT',
      () => ops.crossEntropy(logits, labels(0, 1), { labelSmoothing: 2 }),
      'labelSmoothing',
      '[0, 1]',
      '2',
    );
    expectError(
      'ERR_UNKNOWN_OPTION',
      () => ops.crossEntropy(logits, labels(0, 1), anything({ label_smoothing: 0.1 })),
      'Did you mean "labelSmoothing"?',
    );
  });
  test('class weights and probabilities', () => {
    expectError('ERR_SHAPE_MISMATCH', () => ops.crossEntropy(logits, labels(0, 1), { weight: zeros([9]) }), 'shape [10]', '[9]');
    expectError('ERR_SHAPE_MISMATCH', () => ops.crossEntropy(logits, zeros([2, 9])), 'probabilities', '[2, 10]', '[2, 9]');
    expectError('ERR_INVALID_ARGUMENT', () => ops.crossEntropy(logits, labels(0, 1), { weight: anything([1]) }), 'weight', '[1]');
  });
  test('mseLoss and bceWithLogits', () => {
    for (const loss of [ops.mseLoss, ops.bceWithLogits]) {
      expectError('ERR_SHAPE_MISMATCH', () => loss(logits, zeros([2, 1])), '[2, 10]', '[2, 1]');
      expectError('ERR_DTYPE_MISMATCH', () => loss(logits, labels(0, 1)), 'float32', 'int32');
      expectError('ERR_INVALID_ARGUMENT', () => loss(logits, logits, { reduction: anything('max') }), "'mean' or 'sum'", '"max"');
      expectError('ERR_UNKNOWN_OPTION', () => loss(logits, logits, anything({ reductions: 'sum' })), 'Did you mean "reduction"?');
    }
    expectError('ERR_SHAPE_MISMATCH', () => ops.bceWithLogits(logits, logits, { posWeight: zeros([2]) }), 'posWeight', '[2, 10]', '[2]');
  });
  test('axis of softmax', () => {
    expectError('ERR_INVALID_ARGUMENT', () => ops.softmax(logits, { axis: 2 }), 'axes', '2', '[2, 10]');
    expectError('ERR_INVALID_ARGUMENT', () => ops.logSoftmax(logits, { axis: anything('1') }), 'axis to be an integer', '"1"');
    expectError('ERR_UNKNOWN_OPTION', () => ops.softmax(logits, anything({ dim: 1 })), 'dim');
  });
  test('options of activations', () => {
    expectError('ERR_INVALID_ARGUMENT', () => ops.gelu(logits, { approximate: anything('erf') }), "'none' or 'tanh'", '"erf"');
    expectError('ERR_INVALID_ARGUMENT', () => ops.clamp(logits, {}), 'min, max or both');
    expectError('ERR_INVALID_ARGUMENT', () => ops.clamp(logits, { min: NaN }), 'min', 'NaN');
    expectError('ERR_INVALID_ARGUMENT', () => ops.leakyRelu(logits, { negativeSlope: anything('0.1') }), 'negativeSlope', '"0.1"');
    expectError('ERR_UNKNOWN_OPTION', () => ops.leakyRelu(logits, anything({ negative_slope: 0.1 })), 'Did you mean "negativeSlope"?');
    expectError('ERR_DTYPE_MISMATCH', () => ops.clamp(labels(1), { min: 0 }), 'float32', 'int32');
  });
  test('softmax of a scalar', () => {
    expectError('ERR_SHAPE_MISMATCH', () => ops.softmax(zeros([])), 'scalar');
  });
});

describe('grad', () => {
  const x = zeros([3]);
  test('a loss of several elements', () => {
    expectError('ERR_SHAPE_MISMATCH', () => ops.grad(ops.mul(x, x), [x]), 'one element', '[3]', 'sum or mean');
  });
  test('no dependence', () => {
    expectError('ERR_NOT_DIFFERENTIABLE', () => ops.grad(ops.sum(ops.mul(x, x)), [zeros([2])]), 'does not depend on number 0', '[2]');
  });
  test('an operation without derivative', () => {
    const logits = zeros([1, 2]);
    expectError('ERR_NOT_DIFFERENTIABLE', () => ops.grad(ops.countCorrect(logits, labels(0)), [logits]), 'countCorrect');
  });
  test('arguments', () => {
    expectError('ERR_INVALID_ARGUMENT', () => ops.grad(ops.sum(x), anything(x)), 'array of tensors');
  });
});

describe('tensor', () => {
  test('values and shapes', () => {
    expectError('ERR_SHAPE_MISMATCH', () => tensor([[1, 2], [3]]), 'entry 1 has shape [1]');
    expectError('ERR_SHAPE_MISMATCH', () => tensor([1, 2, 3], [2, 2]), 'expects 4 values but got 3');
    expectError('ERR_INVALID_ARGUMENT', () => tensor(anything('12')), '"12"');
    expectError('ERR_INVALID_ARGUMENT', () => tensor([1], [0]), 'at least 1');
    expectError('ERR_INVALID_ARGUMENT', () => zeros([1.5]), '1.5');
    expectError('ERR_INVALID_ARGUMENT', () => zeros(anything(3)), '3');
    expectError('ERR_SHAPE_MISMATCH', () => zeros([2]).itemSync(), 'one element', '[2]');
  });
}); // prettier-ignore

test('the seed of a tensor of random numbers', () => {
  expectError('ERR_INVALID_ARGUMENT', () => randn([2], { seed: -1 }), 'randn expects seed', 'got -1');
});
