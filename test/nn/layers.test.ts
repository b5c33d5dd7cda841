/** Layer constructors: defaults, shapes and refusals. */

import { zeros } from '../../lib/graph/leaves';
import * as nn from '../../lib/nn';

const image = zeros([2, 4, 9, 9]);

test.each([
  ['Conv2d', new nn.Conv2d(4, 6, 3), [2, 6, 7, 7]],
  ['Conv2d with options', new nn.Conv2d(4, 6, [3, 5], { stride: 2, padding: [1, 2], dilation: 1, groups: 2, bias: false }), [2, 6, 5, 5]],
  ['Conv2d same', new nn.Conv2d(4, 6, 2, { padding: 'same' }), [2, 6, 9, 9]],
  ['MaxPool2d', new nn.MaxPool2d(2), [2, 4, 4, 4]],
  ['MaxPool2d ceilMode', new nn.MaxPool2d(2, { ceilMode: true }), [2, 4, 5, 5]],
  ['MaxPool2d overlapping', new nn.MaxPool2d(3, { stride: 2, padding: 1 }), [2, 4, 5, 5]],
  ['MaxPool2d dilated', new nn.MaxPool2d(2, { stride: 1, dilation: 3, padding: 2 }), [2, 4, 10, 10]],
  ['AvgPool2d', new nn.AvgPool2d([3, 1], { countIncludePad: false }), [2, 4, 3, 9]],
  ['AdaptiveAvgPool2d', new nn.AdaptiveAvgPool2d([3, 2]), [2, 4, 3, 2]],
  ['GlobalAvgPool2d', new nn.GlobalAvgPool2d(), [2, 4, 1, 1]],
  [
    'ZeroPad2d',
    new nn.ZeroPad2d([
      [1, 2],
      [3, 4],
    ]),
    [2, 4, 12, 16],
  ],
  ['ReflectionPad2d', new nn.ReflectionPad2d(3), [2, 4, 15, 15]],
  ['ReplicationPad2d', new nn.ReplicationPad2d([0, 2]), [2, 4, 9, 13]],
  ['Dropout', new nn.Dropout(), [2, 4, 9, 9]],
  ['Dropout2d', new nn.Dropout2d(0.2), [2, 4, 9, 9]],
  ['Flatten', new nn.Flatten(), [2, 324]],
  ['Flatten from 2', new nn.Flatten({ startAxis: 2 }), [2, 4, 81]],
  ['ReLU', new nn.ReLU(), [2, 4, 9, 9]],
  ['Sigmoid', new nn.Sigmoid(), [2, 4, 9, 9]],
  ['Tanh', new nn.Tanh(), [2, 4, 9, 9]],
  ['ReLU6', new nn.ReLU6(), [2, 4, 9, 9]],
  ['LeakyReLU', new nn.LeakyReLU(), [2, 4, 9, 9]],
  ['GELU', new nn.GELU(), [2, 4, 9, 9]],
  ['SiLU', new nn.SiLU(), [2, 4, 9, 9]],
  ['Hardswish', new nn.Hardswish(), [2, 4, 9, 9]],
  ['Softmax', new nn.Softmax({ axis: 1 }), [2, 4, 9, 9]],
  ['LogSoftmax', new nn.LogSoftmax(), [2, 4, 9, 9]],
  ['Identity', new nn.Identity(), [2, 4, 9, 9]],
] as [string, nn.Module, number[]][])('%s infers its output shape', (_, layer, shape) => {
  expect(layer.forward(image).shape).toEqual(shape);
});

test('parameters have the shapes of PyTorch', () => {
  const conv = new nn.Conv2d(4, 6, [3, 5], { groups: 2 });
  expect([conv.weight.shape, conv.bias!.shape]).toEqual([[6, 2, 3, 5], [6]]);
  expect(new nn.Conv2d(4, 6, 3, { bias: false }).bias).toBeUndefined();
  const linear = new nn.Linear(5, 7);
  expect([linear.weight.shape, linear.bias!.shape]).toEqual([[7, 5], [7]]);
  expect([...new nn.Linear(5, 7, { bias: false }).stateDict().keys()]).toEqual(['weight']);
});

test.each<[string, () => unknown, string, RegExp]>([
  [
    'inChannels',
    () => new nn.Conv2d(0, 6, 3),
    'ERR_INVALID_ARGUMENT',
    /Conv2d expects inChannels to be an integer of at least 1 but got 0/,
  ],
  ['outChannels', () => new nn.Conv2d(1, 1.5, 3), 'ERR_INVALID_ARGUMENT', /outChannels .* but got 1\.5/],
  ['kernelSize', () => new nn.Conv2d(1, 6, [3] as never), 'ERR_INVALID_ARGUMENT', /kernelSize .* but got \[3\]/],
  ['stride', () => new nn.Conv2d(1, 6, 3, { stride: 0 }), 'ERR_INVALID_ARGUMENT', /stride .* but got 0/],
  ['padding', () => new nn.Conv2d(1, 6, 3, { padding: 'full' as never }), 'ERR_INVALID_ARGUMENT', /padding .* but got "full"/],
  ['groups', () => new nn.Conv2d(4, 6, 3, { groups: 4 }), 'ERR_INVALID_ARGUMENT', /groups to divide outChannels .* is 6 and groups is 4/],
  ['bias', () => new nn.Conv2d(4, 6, 3, { bias: 1 as never }), 'ERR_INVALID_ARGUMENT', /bias to be true or false but got 1/],
  [
    'misspelling',
    () => new nn.Conv2d(4, 6, 3, { strides: 2 } as never),
    'ERR_UNKNOWN_OPTION',
    /no option "strides". Did you mean "stride"/,
  ],
  ['Linear features', () => new nn.Linear(4, -1), 'ERR_INVALID_ARGUMENT', /Linear expects outFeatures .* but got -1/],
  ['Linear option', () => new nn.Linear(4, 1, { baias: false } as never), 'ERR_UNKNOWN_OPTION', /Did you mean "bias"/],
  ['pool padding', () => new nn.MaxPool2d(2, { padding: 2 }), 'ERR_INVALID_ARGUMENT', /at most half of its kernel 2x2 but got 2/],
  ['pool option', () => new nn.AvgPool2d(2, { dilation: 2 } as never), 'ERR_UNKNOWN_OPTION', /AvgPool2d has no option "dilation"/],
  [
    'pool flag',
    () => new nn.MaxPool2d(2, { ceilMode: 'yes' as never }),
    'ERR_INVALID_ARGUMENT',
    /ceilMode to be true or false but got "yes"/,
  ],
  ['dropout p', () => new nn.Dropout(1), 'ERR_INVALID_ARGUMENT', /Dropout expects p, .* in \[0, 1\) but got 1/],
  ['dropout option', () => new nn.Dropout(0.5, { inplace: true } as never), 'ERR_UNKNOWN_OPTION', /Dropout has no option "inplace"/],
  [
    'pad amount',
    () => new nn.ReflectionPad2d('same' as never),
    'ERR_INVALID_ARGUMENT',
    /ReflectionPad2d expects padding .* but got "same"/,
  ],
  ['adaptive size', () => new nn.AdaptiveAvgPool2d(0), 'ERR_INVALID_ARGUMENT', /AdaptiveAvgPool2d expects outputSize .* but got 0/],
  ['slope', () => new nn.LeakyReLU({ negativeSlope: Infinity }), 'ERR_INVALID_ARGUMENT', /negativeSlope .* but got Infinity/],
  [
    'approximation',
    () => new nn.GELU({ approximate: 'erf' as never }),
    'ERR_INVALID_ARGUMENT',
    /GELU expects approximate .* but got "erf"/,
  ],
  ['axis', () => new nn.Softmax({ axis: 0.5 }), 'ERR_INVALID_ARGUMENT', /Softmax expects axis to be an integer but got 0\.5/],
  ['plain option', () => new nn.ReLU6({ inplace: true } as never), 'ERR_UNKNOWN_OPTION', /ReLU6 has no option "inplace"/],
  [
    'class weights without end',
    () => nn.crossEntropy({ weight: new Array<number>(2 ** 32 - 1) }),
    'ERR_INVALID_ARGUMENT',
    /weight .* but got an array of 4294967295/,
  ],
  ['class weights', () => nn.crossEntropy({ weight: [1, NaN] }), 'ERR_INVALID_ARGUMENT', /weight .* but got \[1, NaN\]/],
  ['reduction', () => nn.mseLoss({ reduction: 'max' as never }), 'ERR_INVALID_ARGUMENT', /reduction .* but got "max"/],
  ['smoothing', () => nn.crossEntropy({ labelSmoothing: 2 }), 'ERR_INVALID_ARGUMENT', /labelSmoothing .* in \[0, 1\] but got 2/],
])('%s is refused early', (_, make, code, message) => {
  expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
});

test('a layer names itself when its input does not fit', () => {
  const net = new nn.Sequential(new nn.Conv2d(1, 6, 5), new nn.Conv2d(7, 16, 5));
  expect(() => net.forward(zeros([1, 1, 28, 28]))).toThrow(
    'conv2d "1" expects 7 input channels (its weight is [16, 7, 5, 5]) but its input is [1, 6, 24, 24]. Pass inChannels 6, or check the layer before it.',
  );
});
