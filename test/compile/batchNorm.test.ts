/** Batch normalisation in the compiler: what is folded and fused, that this changes nothing, and what a training step writes. */

import { compileGraph } from '../../lib/compile/compile';
import { fold } from '../../lib/compile/fold';
import { fuse, epilogueOf } from '../../lib/compile/fuse';
import { simplify } from '../../lib/compile/simplify';
import { inputTensor, randn, scalar } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import { topologicalOrder } from '../../lib/graph/traverse';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import { replacement } from '../../lib/ops/update';
import { Session } from '../../lib/runtime/session';
import { State } from '../../lib/runtime/state';
import { nativeQueries } from '../../lib/runtime/queries';
import { sgd } from '../../lib/optim/sgd';
import { Trainer } from '../../lib/train/trainer';
import '../../lib/runtime/evaluate';

const input = (): Tensor => inputTensor({ name: 'x', feedDType: 'float32', layout: 'nchw' }, [2, 3, 8, 8], 'float32');
const opsOf = (...outputs: readonly Tensor[]): string[] =>
  topologicalOrder(outputs)
    .filter((node) => !node.leaf)
    .map((node) => node.op);

function setStatistics(norm: nn.BatchNorm2d): nn.BatchNorm2d {
  const fill = (variable: nn.Variable, seed: number, low: number): void =>
    variable.storage.set(randn(variable.shape, { seed }).value!.map((v) => (low > 0 ? low + Math.abs(v) : v)));
  fill(norm.running_mean!, 1, 0);
  fill(norm.running_var!, 2, 0.3);
  if (norm.weight) fill(norm.weight, 3, 0);
  if (norm.bias) fill(norm.bias, 4, 0);
  return norm;
}

function run(output: Tensor, x: Tensor, fuseIt: boolean): { values: Float32Array; listing: string } {
  const graph = { feeds: [x], outputs: [output], updates: [] };
  const session = new Session({ state: new State(), threads: 2 });
  try {
    const program = session.load(compileGraph(graph, nativeQueries(), { fuse: fuseIt }));
    const data = randn(x.shape, { seed: 9 }).value as Float32Array;
    return { values: session.runSync(program, [data])[0] as Float32Array, listing: session.listing(program) };
  } finally {
    session.close();
  }
}

describe('fold', () => {
  test.each([
    ['without bias', new nn.Conv2d(3, 5, 3, { bias: false, padding: 1 }), {}],
    ['with bias', new nn.Conv2d(3, 5, 3, { stride: 2 }), {}],
    ['of groups', new nn.Conv2d(3, 6, 3, { groups: 3, padding: 1 }), {}],
    ['without weight', new nn.Conv2d(3, 5, 1), { affine: false }],
  ])('a convolution %s gives what the unfolded one gives', (_, conv, options) => {
    const norm = setStatistics(new nn.BatchNorm2d(conv.outChannels, options)).eval();
    const x = input();
    const y = ops.relu(norm.forward(conv.forward(x)));
    const [folded, plain] = [run(y, x, true), run(y, x, false)];
    expect(folded.listing).not.toContain('batch_norm [');
    expect(plain.listing).toContain('batch_norm [');
    const largest = Math.max(...plain.values.map(Math.abs));
    folded.values.forEach((v, i) => expect(Math.abs(v - plain.values[i]!)).toBeLessThanOrEqual(2e-6 * largest));
  });

  test.each(['with bias', 'without bias'])('weights and biases are those of the formula, rounded step by step: convolution %s', (name) => {
    const conv = new nn.Conv2d(3, 5, 1, { bias: name === 'with bias' });
    const norm = setStatistics(new nn.BatchNorm2d(5)).eval();
    const x = inputTensor({ name: 'x', feedDType: 'float32', layout: 'nchw' }, [1, 3, 2, 2], 'float32');
    const graph = { feeds: [x], outputs: [norm.forward(conv.forward(x))], updates: [] };
    // Pixel i has channel i alone, the last one none: what comes out is the weights plus the bias, and the bias.
    const pixels = Float32Array.from({ length: 12 }, (_, i) => (i >> 2 === i % 4 ? 1 : 0));
    const f = Math.fround;
    const [mean, variance, gamma, beta] = [norm.running_mean!, norm.running_var!, norm.weight!, norm.bias!].map(({ value }) => value);
    const expected = Array.from({ length: 5 }, (_, o) => {
      const scale = f(gamma![o]! / f(Math.sqrt(f(variance![o]! + f(1e-5)))));
      const shift = f(beta![o]! - f(f(mean![o]! - (conv.bias ? conv.bias.value[o]! : 0)) * scale));
      return [0, 1, 2].map((i) => f(f(conv.weight.value[3 * o + i]! * scale) + shift)).concat(shift);
    }).flat();
    for (const threads of [1, 2, 3]) {
      using session = new Session({ state: new State(), threads });
      expect([...session.runSync(session.load(compileGraph(graph, nativeQueries())), [pixels])[0]!]).toEqual(expected);
    }
  });

  test('the epilogue of the convolution takes the activation in', () => {
    const x = input();
    const y = ops.relu(
      setStatistics(new nn.BatchNorm2d(5))
        .eval()
        .forward(new nn.Conv2d(3, 5, 3).forward(x)),
    );
    const [fused] = fuse(simplify(fold({ feeds: [x], outputs: [y], updates: [] }))).outputs;
    expect(fused!.op).toBe('conv2d');
    expect(epilogueOf(fused!)).toEqual({ bias: true, add: false, activation: 'relu' });
  });

  test('leaves alone a convolution that is used twice, changing weights, and training mode', () => {
    const x = input();
    const conv = new nn.Conv2d(3, 5, 3);
    const norm = new nn.BatchNorm2d(5).eval();
    const convolved = conv.forward(x);
    const y = norm.forward(convolved);
    expect(opsOf(...fold({ feeds: [x], outputs: [y, convolved], updates: [] }).outputs)).toContain('batchNorm');
    const update = replacement(conv.weight, conv.weight, scalar(0));
    expect(opsOf(...fold({ feeds: [x], outputs: [y], updates: [update] }).outputs)).toContain('batchNorm');
    const trained = norm.train().forward(convolved);
    expect(opsOf(...fold({ feeds: [x], outputs: [trained], updates: [] }).outputs)).toContain('batchNorm');
  });
});

describe('fuse', () => {
  const x = randn([2, 4, 5, 5], { seed: 1 });
  const weight = randn([4], { seed: 2 });
  const bias = randn([4], { seed: 3 });
  const norm = (): Tensor => ops.batchNorm2d(x, { weight, bias, training: true });
  const fused = (...outputs: Tensor[]): readonly Tensor[] => fuse({ feeds: [], outputs, updates: [] }).outputs;

  test('takes a residual sum and relu into batch normalisation', () => {
    const [y] = fused(ops.relu(ops.add(norm(), x)));
    expect(opsOf(y!)).toEqual(['batchNormMean', 'batchNormVariance', 'batchNorm']);
    expect(epilogueOf(y!)).toEqual({ bias: true, add: true, activation: 'relu' });
  });

  test('the gradients apply the mask of relu themselves', () => {
    const loss = ops.sum(ops.mul(ops.relu(norm()), x.mul(2)));
    const [dx, dw, db] = fused(...ops.grad(loss, [x, weight, bias]));
    // x is also a factor of the loss, so its gradient is a sum.
    expect(opsOf(dx!, dw!, db!)).not.toContain('reluGrad');
    expect([dw!.op, dw!.inputs.length, db!.inputs.length]).toEqual(['batchNormGradWeight', 5, 5]);
    expect(dw!.attrs.maskLimit).toBe(Infinity);
  });

  test('the gradients apply the mask of relu6 themselves', () => {
    const [dw] = fused(...ops.grad(ops.sum(ops.relu6(norm())), [weight]));
    expect([dw!.op, dw!.inputs.length, dw!.attrs.maskLimit]).toEqual(['batchNormGradWeight', 5, 6]);
  });

  test('a mask that others read stays', () => {
    const other = randn([2, 4, 5, 5], { seed: 4 });
    const loss = ops.sum(ops.mul(ops.relu(ops.add(norm(), other)), other.detach()));
    expect(opsOf(...fused(...ops.grad(loss, [x, other])))).toContain('reluGrad');
  });
});

describe('a training step', () => {
  class Net extends nn.Module {
    bn = new nn.BatchNorm2d(2, { momentum: 0.25 });
    fc = new nn.Linear(8, 3);
    forward(x: Tensor): Tensor {
      return this.fc.forward(ops.flatten(ops.relu(this.bn.forward(x))));
    }
  }
  const images = Float32Array.from({ length: 3 * 8 }, (_, i) => Math.sin(i) + (i % 8 < 4 ? 2 : 0));
  const labels = Int32Array.of(0, 1, 2);
  const trainer = (net: Net): Trainer => new Trainer(net, { optimizer: sgd({ lr: 0.1 }), input: [2, 2, 2], batchSize: 3 });

  test('moves the running statistics by momentum, with the unbiased variance', async () => {
    const net = new Net();
    using t = trainer(net);
    await t.step(images, labels);
    await t.step(images, labels);
    const state = net.stateDict();
    expect([...state.keys()].slice(0, 5)).toEqual(['bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var', 'bn.num_batches_tracked']);
    for (const channel of [0, 1]) {
      const values = [...images].filter((_, i) => (i >> 2) % 2 === channel);
      const mean = values.reduce((a, b) => a + b) / 12;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / 11;
      const kept = 0.75 ** 2;
      expect(state.get('bn.running_mean')!.value[channel]).toBeCloseTo((1 - kept) * mean, 5);
      expect(state.get('bn.running_var')!.value[channel]).toBeCloseTo(kept + (1 - kept) * variance, 5);
    }
    expect(state.get('bn.num_batches_tracked')!.value).toEqual(Float32Array.of(2));
    expect(net.parameters().map(({ name }) => name)).toEqual(['bn.weight', 'bn.bias', 'fc.weight', 'fc.bias']);
  });

  test('whose loss is not finite changes nothing', async () => {
    const net = new Net();
    using t = trainer(net);
    const before = new Map([...net.stateDict()].map(([name, variable]) => [name, variable.value.slice()]));
    const spoiled = images.slice();
    spoiled[3] = NaN;
    await expect(t.step(spoiled, labels)).rejects.toMatchObject({ code: 'ERR_NOT_FINITE' });
    for (const [name, variable] of net.stateDict()) expect([name, variable.value]).toEqual([name, before.get(name)]);
  });

  test('with frozen layers in evaluation mode leaves their statistics', async () => {
    class Frozen extends Net {
      override forward(x: Tensor): Tensor {
        this.bn.eval();
        return super.forward(x);
      }
    }
    const net = new Frozen();
    using t = trainer(net);
    await t.step(images, labels);
    expect(net.bn.running_mean!.value).toEqual(Float32Array.of(0, 0));
    expect(net.bn.num_batches_tracked!.value).toEqual(Float32Array.of(0));
  });
});
