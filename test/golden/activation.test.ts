/**
 * Activations at and around their corners, and losses with every option: values and gradients of PyTorch in float64 (torch 2.13.0).
 *
 *   x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
 *   y = F.relu6(x); y.sum().backward(); y, x.grad                                   # F.leaky_relu(x, 0.2), x.clamp(-3, 2.5), ...
 *   logits = torch.tensor(LOGITS, dtype=torch.float64, requires_grad=True)
 *   y = F.cross_entropy(logits, torch.tensor(LABELS), torch.tensor(WEIGHT), label_smoothing=0.1); y.backward(); y, logits.grad
 */

import { nn, ops, tensor, type Tensor } from 'stridenet';

const X = [-7, -3.5, -3, -1.25, -0.5, 0, 0.3, 1, 2.5, 3, 4.5, 6, 8];
const ACTIVATIONS: Record<string, readonly [y: readonly number[], dx: readonly number[]]> = {
  'relu6': [[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.3, 1.0, 2.5, 3.0, 4.5, 6.0, 6.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0]],
  'leakyRelu': [[-0.07, -0.035, -0.03, -0.0125, -0.005, 0.0, 0.3, 1.0, 2.5, 3.0, 4.5, 6.0, 8.0], [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]],
  'leakyRelu 0.2': [[-1.4, -0.7, -0.6, -0.25, -0.1, 0.0, 0.3, 1.0, 2.5, 3.0, 4.5, 6.0, 8.0], [0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]],
  'gelu': [[-8.9586671e-12, -0.00081420178, -0.0040496941, -0.13206222, -0.15426877, 0.0, 0.18537343, 0.84134475, 2.4844758, 2.9959503, 4.4999847, 6.0, 8.0], [-6.2663233e-11, -0.0028217604, -0.011945647, -0.12266158, 0.13250488, 0.5, 0.73232777, 1.0833155, 1.0376111, 1.0119456, 1.0000685, 1.0, 1.0]],
  'gelu tanh': [[-2.3314684e-15, -0.00061619766, -0.0036373921, -0.1322858, -0.15428599, 0.0, 0.18537092, 0.84119199, 2.4849157, 2.9963626, 4.4999949, 6.0, 8.0], [-2.7842558e-14, -0.0024226438, -0.011584167, -0.12249263, 0.1326301, 0.5, 0.73229545, 1.0829641, 1.0379516, 1.0115842, 1.0000293, 1.0, 1.0]],
  'silu': [[-0.0063773584, -0.10259281, -0.14227762, -0.27837517, -0.18877033, 0.0, 0.17233276, 0.73105858, 2.3103545, 2.8577224, 4.4505588, 5.9851643, 7.9973172], [-0.0054604971, -0.070273353, -0.088104106, 0.0063191551, 0.26003881, 0.5, 0.64778001, 0.92767051, 1.0994011, 1.0881041, 1.0379111, 1.0123264, 1.0023466]],
  'hardswish': [[-0.0, -0.0, -0.0, -0.36458333, -0.20833333, 0.0, 0.165, 0.66666667, 2.2916667, 3.0, 4.5, 6.0, 8.0], [0.0, 0.0, 0.0, 0.083333333, 0.33333333, 0.5, 0.6, 0.83333333, 1.3333333, 1.0, 1.0, 1.0, 1.0]],
  'clamp': [[-3.0, -3.0, -3.0, -1.25, -0.5, 0.0, 0.3, 1.0, 2.5, 2.5, 2.5, 2.5, 2.5], [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]],
};

const LOGITS = [
  [2, -1, 0.5, 3],
  [-4, 1.5, 0, 2],
  [0.25, 0.75, -2, 1],
];
const PROBABILITIES = [
  [0.1, 0.2, 0.3, 0.4],
  [1, 0, 0, 0],
  [0, 0.5, 0.5, 0],
];
const LABELS = [3, 0, 1];
const WEIGHT = [0.5, 2, 1, 3];
const LOSSES: Record<string, readonly [loss: number, gradient: readonly number[]]> = {
  'mse': [4.20625, [0.31666667, -0.2, 0.033333333, 0.43333333, -0.83333333, 0.25, 0.0, 0.33333333, 0.041666667, 0.041666667, -0.41666667, 0.16666667]],
  'mse sum': [50.475, [3.8, -2.4, 0.4, 5.2, -10.0, 3.0, 0.0, 4.0, 0.5, 0.5, -5.0, 2.0]],
  'bce': [1.4733744, [0.065066423, 0.0057451184, 0.026871611, 0.046047844, -0.081834483, 0.068131206, 0.041666667, 0.073399756, 0.046848042, 0.014931558, -0.03173309, 0.060921548]],
  'bce posWeight sum': [16.160029, [0.78675722, -0.077270294, 0.32245933, 0.51463343, -0.4910069, 0.81757448, 0.5, 0.88079708, 0.5621765, 0.018768049, -0.38079708, 0.73105858]],
  'labels weight': [1.199475, [0.13666433, 0.0068041163, 0.030493934, -0.17396238, -0.090779907, 0.031610238, 0.0070531975, 0.052116472, 0.074651482, -0.24055688, 0.0078682083, 0.15803719]],
  'labels weight smoothing': [1.2268214, [0.12812782, -0.0025986481, 0.024550841, -0.15008001, -0.083932659, 0.029631632, 0.0040947123, 0.050206314, 0.070979039, -0.21559189, 0.0031752248, 0.14143763]],
  'probabilities': [3.6829315, [0.050183757, -0.062508596, -0.081364818, 0.093689656, -0.33285966, 0.11590421, 0.025861724, 0.19109373, 0.068430525, -0.053843805, -0.15945414, 0.14486742]],
  'probabilities weight smoothing': [3.0981852, [0.14097735, -0.12869357, -0.062600372, 0.050316583, -0.15387654, 0.054324659, 0.0075069726, 0.092044909, 0.099334502, -0.14602209, -0.14742439, 0.19411198]],
};

const modules: Record<string, nn.Module> = {
  relu6: new nn.ReLU6(),
  leakyRelu: new nn.LeakyReLU(),
  'leakyRelu 0.2': new nn.LeakyReLU({ negativeSlope: 0.2 }),
  gelu: new nn.GELU(),
  'gelu tanh': new nn.GELU({ approximate: 'tanh' }),
  silu: new nn.SiLU(),
  hardswish: new nn.Hardswish(),
};

test.each(Object.entries(ACTIVATIONS))('%s', async (name, [y, dx]) => {
  const x = tensor(X);
  const output = modules[name]?.forward(x) ?? ops.clamp(x, { min: -3, max: 2.5 });
  expectClose(await output.data(), y);
  expectClose(await ops.grad(ops.sum(output), [x])[0]!.data(), dx);
});

const labels = tensor(LABELS, [3], { dtype: 'int32' });
const probabilities = tensor(PROBABILITIES);
const weight = tensor(WEIGHT);
const losses: Record<string, (x: Tensor) => Tensor> = {
  mse: (x) => nn.mseLoss()(x, probabilities),
  'mse sum': (x) => nn.mseLoss({ reduction: 'sum' })(x, probabilities),
  bce: (x) => nn.bceWithLogits()(x, probabilities),
  'bce posWeight sum': (x) => nn.bceWithLogits({ posWeight: weight, reduction: 'sum' })(x, probabilities),
  'labels weight': (x) => nn.crossEntropy({ weight })(x, labels),
  'labels weight smoothing': (x) => nn.crossEntropy({ weight: WEIGHT, labelSmoothing: 0.1 })(x, labels),
  probabilities: (x) => nn.crossEntropy()(x, probabilities),
  'probabilities weight smoothing': (x) => nn.crossEntropy({ weight, labelSmoothing: 0.1 })(x, probabilities),
};

test.each(Object.entries(LOSSES))('%s', async (name, [value, gradient]) => {
  const x = tensor(LOGITS);
  const loss = losses[name]!(x);
  expectClose([await loss.item()], [value]);
  expectClose(await ops.grad(loss, [x])[0]!.data(), gradient);
});

test('extremes neither overflow nor lose the small side', async () => {
  const x = tensor([100, -100, 20]);
  const each = await ops.grad(ops.bceWithLogits(x, tensor([1, 0, 1]), { reduction: 'sum' }), [x])[0]!.data();
  expect(each.every(Number.isFinite)).toBe(true);
  expectClose([await ops.bceWithLogits(tensor([20]), tensor([1])).item()], [2.0611536e-9]);
  expectClose([await ops.bceWithLogits(tensor([100]), tensor([0])).item()], [100]);
  expect([...(await ops.relu6(tensor([NaN, -Infinity, Infinity])).data())]).toEqual([NaN, 0, 6]);
  expect([...(await ops.clamp(tensor([NaN, -Infinity, Infinity]), { min: -1 }).data())]).toEqual([NaN, -1, Infinity]);
  expect(await ops.crossEntropy(tensor(LOGITS), ops.transpose(ops.transpose(probabilities)), { weight }).item()).toBeGreaterThan(0);
});

test('a label out of range that is known is refused with weights too', () => {
  const bad = tensor([3, 4, 1], [3], { dtype: 'int32' });
  expect(() => ops.crossEntropy(tensor(LOGITS), bad, { weight })).toThrow('label 1 is 4');
});

test('softmax over the channels of an image', async () => {
  const y = await new nn.Softmax({ axis: 1 }).forward(tensor([[[[1, 0]], [[1, Math.log(3)]]]])).data();
  expectClose(y, [0.5, 0.25, 0.5, 0.75]);
  const z = await new nn.LogSoftmax({ axis: 1 }).forward(tensor([[[[1, 0]], [[1, Math.log(3)]]]])).data();
  expectClose(z, [0.5, 0.25, 0.5, 0.75].map(Math.log));
});

/** A millionth of the value, and of 0.1. */
function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((e, i) => {
    const tolerance = 1e-6 * Math.max(Math.abs(e), Math.abs(e) < 1e-6 ? 0 : 0.1);
    if (!(Math.abs(actual[i]! - e) <= tolerance + 1e-12)) throw new Error(`value ${i} is ${actual[i]}, expected ${e}`);
  });
}
