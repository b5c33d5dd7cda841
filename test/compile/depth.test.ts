/** Graphs and modules that are deeper or wider than the call stack: nothing recurses over them. */

import { tensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import * as nn from '../../lib/nn';
import * as ops from '../../lib/ops';
import * as optim from '../../lib/optim';
import { summary } from '../../lib/summary';
import { compile, Trainer } from '../../lib/train';
import { expectError, expectRejection } from '../support/expectError';
import '../../lib/runtime/evaluate';

const DEPTH = 20_000;

function nested(depth: number, wrap: (inner: nn.Module) => nn.Module): nn.Module {
  let module: nn.Module = new nn.Linear(4, 4);
  for (let i = 0; i < depth; i++) module = wrap(module);
  return module;
}

class Wrapper extends nn.Module {
  constructor(readonly inner: nn.Module) {
    super();
  }
  forward(x: Tensor): Tensor {
    return this.inner.forward(x);
  }
}

test('a sum of 9,000 tensors', () => {
  const terms = Array.from({ length: 9000 }, () => tensor([1]));
  expect(terms.reduce((a, b) => ops.add(a, b)).arraySync()).toEqual([9000]);
});

test('a sum that leans to the right', () => {
  const terms = Array.from({ length: 9000 }, () => tensor([1]));
  expect(terms.reduce((a, b) => ops.add(b, ops.neg(ops.neg(a)))).arraySync()).toEqual([9000]);
});

test('gradients of a chain', () => {
  const x = tensor([1]);
  let y: Tensor = x;
  for (let i = 0; i < 5000; i++) y = ops.neg(y);
  expect(ops.grad(ops.sum(y), [x])[0]!.arraySync()).toEqual([1]);
});

test('nested Sequentials', async () => {
  const model = nested(DEPTH, (inner) => new nn.Sequential(inner));
  expect(model.parameters()).toHaveLength(2);
  let count = 0;
  model.apply(() => count++);
  expect(count).toBe(DEPTH + 1);
  const net = await compile(model, { input: [4], threads: 1 });
  expect(net.runSync(Float32Array.of(1, 2, 3, 4)).shape).toEqual([1, 4]);
  net.close();
  const trainer = new Trainer(model, { optimizer: optim.sgd(), input: [4], batchSize: 1, threads: 1 });
  expect(Number.isFinite((await trainer.step(Float32Array.of(1, 2, 3, 4), Int32Array.of(0))).loss)).toBe(true);
  trainer.close();
});

test('modules of ones own that nest deeper than the call stack are refused by name', async () => {
  const model = nested(DEPTH, (inner) => new Wrapper(inner));
  await expectRejection('ERR_INVALID_ARGUMENT', compile(model, { input: [4] }), 'Wrapper.forward', 'nested too deep');
  expectError('ERR_INVALID_ARGUMENT', () => summary(model, [1, 4]), 'nested too deep');
});

test('a Sequential that holds itself is refused', () => {
  const model = new nn.Sequential(new nn.ReLU(), new nn.Sequential(new nn.ReLU()));
  (model[1] as nn.Sequential)[0] = model;
  expectError('ERR_INVALID_ARGUMENT', () => model.forward(tensor([1])), 'hold the Sequential itself');
});
