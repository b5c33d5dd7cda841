import { compileGraph } from '../../lib/compile/compile';
import { inputTensor, variableTensor } from '../../lib/graph/leaves';
import { VariableStorage } from '../../lib/graph/storage';
import type { Tensor } from '../../lib/graph/tensor';
import { elementCount, type Shape } from '../../lib/graph/types';
import * as ops from '../../lib/ops';
import { standInQueries } from '../support/standInQueries';

const CHANNELS = 8;
const variable = (shape: Shape, name: string): Tensor =>
  variableTensor(new VariableStorage(shape, () => new Float32Array(elementCount(shape))), name);

/** Convolutions, each with a computed kernel and batch normalisation that folds into it; the input of all is x, so that their order is free. */
function foldingConvolutions(count: number): { x: Tensor; y: Tensor } {
  const x = inputTensor({ name: 'x', feedDType: 'float32', layout: 'nhwc' }, [1, CHANNELS, 9, 9], 'float32');
  const branches = Array.from({ length: count }, (_, i) => {
    const [runningMean, runningVar, weight, bias] = ['mean', 'var', 'weight', 'bias'].map((name) => variable([CHANNELS], `${name}${i}`));
    const kernel = ops.mul(variable([CHANNELS, CHANNELS, 3, 3], `kernel${i}`), 2);
    const convolved = ops.conv2d(x, kernel, { padding: 1 });
    return ops.batchNorm2d(convolved, { runningMean, runningVar, weight, bias });
  });
  return { x, y: branches.reduce((sum, branch) => ops.add(sum, branch)) };
}

test('computed kernels are temporary, one layer after the other: slots hold variables and what steps take', () => {
  const { x, y } = foldingConvolutions(5);
  const { lists, slots, memoryPlan } = compileGraph({ feeds: [x], outputs: [y], updates: [] }, standInQueries);
  const derived = slots.filter(({ key }) => typeof key === 'string');
  expect(derived).toHaveLength(5 * 2); // packed kernel and shift
  const taken = new Set(lists.step.flatMap(({ inputs }) => inputs.map((input) => input?.place)));
  for (const { inputs, outputs } of lists.prepare) {
    for (const output of outputs) expect(output!.place.space === 'arena' || taken.has(output!.place)).toBe(true);
    for (const input of inputs) expect(input?.place.space).not.toBe('derived');
  }
  // After a kernel has been computed it is packed before the next one is.
  const large = lists.prepare.filter(({ outputs }) => elementCount(outputs[0]!.shape) > CHANNELS).map(({ opcode }) => opcode);
  expect(large).toEqual(Array.from({ length: 5 }, () => ['binary', 'conv2d_pack']).flat());
  const kernel = CHANNELS * CHANNELS * 9 * 4;
  const prepareBytes =
    Math.max(...lists.prepare.flatMap(({ outputs }) => outputs.map((output) => memoryPlan.offsets.get(output!.id) ?? 0))) * 64;
  expect(prepareBytes).toBeLessThan(2 * kernel);
});

test('a value that a step takes stays, although an instruction of the prepare list reads it too', () => {
  const x = inputTensor({ name: 'x', feedDType: 'float32', layout: 'nhwc' }, [2, 4], 'float32');
  const scaled = ops.mul(variable([3, 4], 'w'), 2);
  const outputs = [ops.linear(x, scaled), ops.add(ops.sum(x), scaled)];
  const { lists } = compileGraph({ feeds: [x], outputs, updates: [] }, standInQueries);
  expect(lists.prepare.map(({ opcode, outputs: [made] }) => [opcode, made!.place.space])).toEqual([
    ['binary', 'derived'],
    ['matmul_pack', 'derived'],
  ]);
});
