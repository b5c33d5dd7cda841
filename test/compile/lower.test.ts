import { compileGraph } from '../../lib/compile/compile';
import type { Graph } from '../../lib/graph/graph';
import { differentiate } from '../../lib/ops/differentiate';
import { disassemble } from '../../lib/compile/disassemble';
import { inputTensor, randn, variableTensor } from '../../lib/graph/leaves';
import { VariableStorage } from '../../lib/graph/storage';
import type { Tensor } from '../../lib/graph/tensor';
import type { Shape } from '../../lib/graph/types';
import { lenet5 } from '../../lib/models/lenet';
import * as ops from '../../lib/ops';
import { makeUpdate } from '../../lib/ops/update';
import { standInQueries } from '../support/standInQueries';

const images = (batch: number): Tensor =>
  inputTensor({ name: 'images', feedDType: 'uint8', layout: 'nchw', scale: [1 / 255] }, [batch, 1, 28, 28], 'float32');
const variable = (shape: Shape, name: string): Tensor =>
  variableTensor(new VariableStorage(shape, () => new Float32Array(shape.reduce((a, b) => a * b, 1))), name);

function opcodes(graph: Graph): { prepare: string[]; step: string[] } {
  const { lists } = compileGraph(graph, standInQueries);
  return { prepare: lists.prepare.map((i) => i.opcode), step: lists.step.map((i) => i.opcode) };
}

function trainingGraph(batch: number): Graph {
  const model = lenet5({ classes: 10 });
  const parameters = model.parameters();
  const x = images(batch);
  const labels = inputTensor({ name: 'labels', feedDType: 'uint8', layout: 'nchw' }, [batch], 'int32');
  const lr = inputTensor({ name: 'lr', feedDType: 'float32', layout: 'nchw' }, [], 'float32');
  const loss = ops.crossEntropy(model.forward(x), labels);
  const gradients = differentiate(loss, parameters);
  const attributes = { momentum: 0.9, dampening: 0, weightDecay: 5e-4, nesterov: false };
  const updates = parameters.map((p, i) =>
    makeUpdate('sgd', [p, variable(p.shape, `${p.name}/velocity`)], [gradients[i]!, lr], attributes),
  );
  return { feeds: [x, labels, lr], outputs: [loss], updates };
}

describe('lower', () => {
  test('listing of a LeNet training step', () => {
    expect(disassemble(compileGraph(trainingGraph(32), standInQueries))).toMatchSnapshot();
  });

  test('listing of LeNet inference', () => {
    const model = lenet5({ classes: 10 });
    model.parameters();
    const x = images(1);
    expect(disassemble(compileGraph({ feeds: [x], outputs: [model.forward(x)], updates: [] }, standInQueries))).toMatchSnapshot();
  });

  test('a reshape that keeps the physical order is no instruction', () => {
    const x = inputTensor({ name: 'x', feedDType: 'float32', layout: 'nchw' }, [2, 1, 3, 4], 'float32');
    expect(opcodes({ feeds: [x], outputs: [ops.exp(ops.flatten(x))], updates: [] }).step).toEqual(['unary']);
  });

  test('flatten of several channels and pixels is one transpose', () => {
    const x = inputTensor({ name: 'x', feedDType: 'float32', layout: 'nhwc' }, [2, 3, 4, 5], 'float32');
    expect(opcodes({ feeds: [x], outputs: [ops.exp(ops.flatten(x))], updates: [] }).step).toEqual(['transpose', 'unary']);
  });

  test('a weight at rest is packed once, in the prepare list, for all of its uses', () => {
    const weight = variable([8, 4], 'w');
    const x = inputTensor({ name: 'x', feedDType: 'float32', layout: 'nchw' }, [2, 4], 'float32');
    const y = inputTensor({ name: 'y', feedDType: 'float32', layout: 'nchw' }, [3, 4], 'float32');
    const { prepare, step } = opcodes({ feeds: [x, y], outputs: [ops.linear(x, weight), ops.linear(y, weight)], updates: [] });
    expect(prepare).toEqual(['matmul_pack']);
    expect(step).toEqual(['matmul', 'matmul']);
  });

  test('a weight that the graph updates is packed in the step list', () => {
    expect(opcodes(trainingGraph(2)).prepare).toEqual([]);
  });

  test('a large matrix that changes in every step is packed within the product, one at rest beforehand', () => {
    const x = inputTensor({ name: 'x', feedDType: 'float32', layout: 'nchw' }, [2, 256], 'float32');
    const matrix = inputTensor({ name: 'matrix', feedDType: 'float32', layout: 'nchw' }, [256, 256], 'float32');
    const weight = variable([256, 256], 'w');
    const { prepare, step } = opcodes({ feeds: [x, matrix], outputs: [ops.linear(x, matrix), ops.linear(x, weight)], updates: [] });
    expect(prepare).toEqual(['matmul_pack']);
    expect(step).toEqual(['matmul_plain', 'matmul']);
  });

  test('a bias gradient comes with its weight gradient', () => {
    const { step } = opcodes(trainingGraph(2));
    expect(step.filter((opcode) => opcode === 'reduce')).toEqual([]);
    expect(step.filter((opcode) => opcode === 'conv2d_grad_weight' || opcode === 'matmul_at_b')).toHaveLength(5);
  });

  test('parameter and velocity are updated by one instruction', () => {
    expect(opcodes(trainingGraph(2)).step.filter((opcode) => opcode === 'sgd')).toHaveLength(10);
  });

  test('fetching a constant and fetching a value twice both work', () => {
    const c = randn([2, 2], { seed: 1 });
    const y = ops.exp(c);
    expect(opcodes({ feeds: [], outputs: [c, y, y], updates: [] }).step).toEqual(['unary', 'unary', 'unary', 'unary']);
  });
});
