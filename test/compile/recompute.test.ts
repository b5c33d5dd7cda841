/** Results of batch normalisation computed again for the gradients: the same bits, less memory, and only where the inputs are there anyway. */

import { compileGraph } from '../../lib/compile/compile';
import { decode } from '../../lib/compile/disassemble';
import type { Program } from '../../lib/compile/ir';
import { manualSeed } from '../../lib/random';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import { randn } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import { sgd } from '../../lib/optim/sgd';
import { nativeQueries } from '../../lib/runtime/queries';
import { Session } from '../../lib/runtime/session';
import { State } from '../../lib/runtime/state';
import { makeKept, type Kept } from '../../lib/train/kept';
import { CLASS_NUMBERS } from '../../lib/train/target';
import { trainingGraph } from '../../lib/train/trainingGraph';

/** A residual block between convolutions; every batch normalisation of it is at least 1 MiB at batch 4. */
class Net extends nn.Module {
  conv1 = new nn.Conv2d(3, 16, 3, { padding: 1 });
  bn1 = new nn.BatchNorm2d(16);
  conv2 = new nn.Conv2d(16, 16, 3, { padding: 1 });
  bn2 = new nn.BatchNorm2d(16);
  conv3 = new nn.Conv2d(16, 16, 1);
  bn3 = new nn.BatchNorm2d(16);
  fc = new nn.Linear(16, 3);
  forward(x: Tensor): Tensor {
    const a = ops.relu(this.bn1.forward(this.conv1.forward(x)));
    const b = ops.relu(ops.add(this.bn2.forward(this.conv2.forward(a)), a));
    const c = ops.relu6(this.bn3.forward(this.conv3.forward(b)));
    return this.fc.forward(ops.flatten(ops.globalAvgPool2d(c)));
  }
}

function train(recompute: boolean): { program: Program; values: number[][] } {
  manualSeed(3);
  const net = new Net();
  const optimizer = sgd({ lr: 0.1, momentum: 0.9 });
  const kept = new Map(net.parameters().map((parameter) => [parameter, makeKept(optimizer, parameter)]));
  const form = { count: 4, dtype: 'float32' as const, input: [3, 64, 64], preprocess: {} };
  const keptOf = (parameter: nn.Parameter): Kept => kept.get(parameter)!;
  const graph = trainingGraph({ model: net, loss: nn.crossEntropy(), metrics: [], optimizer, keptOf }, form, CLASS_NUMBERS);
  const program = compileGraph(graph, nativeQueries(), { recompute });
  const session = new Session({ state: new State(), threads: 2 });
  try {
    const loaded = session.load(program);
    const images = Float32Array.from({ length: 4 * 3 * 64 * 64 }, (_, i) => Math.sin(i * 0.37));
    const losses = [1, 2, 3].map(() => session.runSync(loaded, [images, Int32Array.of(0, 1, 2, 0), Float32Array.of(0.1)])[0]![0]!);
    const weights = net.parameters().map((parameter) => Array.from(parameter.value));
    return { program, values: [losses, ...weights] };
  } finally {
    session.close();
  }
}

test('three steps give the same bits in less memory', () => {
  const [again, kept] = [train(true), train(false)];
  expect(again.values).toEqual(kept.values);
  expect(again.values[0]!.every(Number.isFinite)).toBe(true);
  const [less, more] = [decode(again.program.words).arenaLines, decode(kept.program.words).arenaLines];
  expect(less).toBeLessThan(0.9 * more);
});

test('each is made once more, just before a gradient reads it', () => {
  const { program } = train(true);
  const { step } = program.lists;
  const norms = step.flatMap(({ opcode, name, late }, i) => (opcode === 'batch_norm' ? [{ name, late, i }] : []));
  const loss = step.findIndex(({ opcode }) => opcode === 'cross_entropy');
  expect(norms.filter(({ i }) => i < loss).map(({ name }) => name)).toEqual(['bn1', 'bn2', 'bn3']);
  const second = norms.filter(({ i }) => i > loss);
  // bn2 adds the result of bn1, which is therefore made before it.
  expect(second.map(({ name }) => name)).toEqual(['bn3', 'bn1', 'bn2']);
  for (const { i, late } of second) {
    expect(late).toBe(true);
    const reader = step.findIndex(({ inputs }) => inputs.some((input) => (input?.aliasOf ?? input) === step[i]!.outputs[0]));
    expect(reader - i).toBeLessThanOrEqual(2);
  }
});

test('an update runs as soon as its gradient exists, although all of them read one guarded learning rate', () => {
  const { step } = train(true).program.lists;
  const at = (opcode: string, name: string): number => step.findIndex((i) => i.opcode === opcode && i.name.startsWith(name));
  for (const layer of ['fc', 'conv3', 'conv2']) expect(at('sgd', `${layer}.weight`)).toBeLessThan(at('conv2d_grad_weight', 'conv1'));
  expect(at('sgd', 'fc.weight')).toBeGreaterThan(0);
});

test('a graph whose outputs are gradients keeps what it has', () => {
  const x = ops.batchNorm2d(randn([64, 64, 16, 16], { seed: 1 }), { training: true });
  const [dx] = ops.grad(ops.sum(ops.relu(x)), [x.inputs[0]!]);
  const { lists } = compileGraph({ feeds: [], outputs: [dx!], updates: [] }, nativeQueries());
  expect(lists.step.filter(({ late }) => late)).toEqual([]);
});
