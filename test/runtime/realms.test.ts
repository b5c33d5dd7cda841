/** Objects of another realm (a vm context, as test runners make them) and of a second copy of the package. */
import vm from 'node:vm';
import { compile, evaluate, nn, ops, optim, tensor, Trainer } from 'stridenet';
import type * as Stridenet from '../../lib';
import { expectError, expectRejection } from '../support/expectError';

/** The value of an expression in a realm of its own: none of its arrays, Maps and objects is an instance of this realm's classes. */
const elsewhere = <T>(expression: string): T => vm.runInNewContext(`(${expression})`) as T;

test('arrays, Maps, options and iterables of another realm are taken', async () => {
  expect(elsewhere('[]') instanceof Array).toBe(false);
  const x = tensor(elsewhere<number[][]>('[[1, 2], [3, 4]]'));
  expect(x.sum(elsewhere('{ axis: [0] }')).arraySync()).toEqual([4, 6]);
  for (const [type, dtype] of [
    ['Float32Array', 'float32'],
    ['Int32Array', 'int32'],
    ['Uint8Array', 'uint8'],
  ]) {
    // prettier-ignore
    expect(tensor(elsewhere<Float32Array>(`${type}.of(1, 2)`), elsewhere('[2, 1]')).dtype).toBe(dtype);
  }
  expect(ops.reshape(x, elsewhere('[4]')).shape).toEqual([4]);

  const model = new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 2, elsewhere('{ bias: true }')));
  const entries = [...model.stateDict()];
  const map = elsewhere<(pairs: unknown) => Map<string, Stridenet.Tensor>>('(pairs) => new Map(pairs)')(entries);
  expect(map instanceof Map).toBe(false);
  model.loadStateDict(map, elsewhere('{ strict: true }'));

  const set = elsewhere<Stridenet.data.Dataset>(
    '{ images: new Uint8Array(8), labels: new Int32Array(2), shape: [1, 2, 2], classes: ["a", "b"], length: 2 }',
  );
  expect((await evaluate(model, set, elsewhere('{ batchSize: 2 }'))).loss).toBeGreaterThan(0);
  const trainer = new Trainer(model, { optimizer: optim.sgd(elsewhere('{ lr: 0.1 }')), input: elsewhere('[1, 2, 2]'), batchSize: 2 });
  expect((await trainer.step(elsewhere('new Float32Array(8)'), elsewhere('Uint8Array.of(0, 1)'))).loss).toBeGreaterThan(0);
  trainer.close();
  const net = await compile(model, elsewhere('{ input: [1, 2, 2] }'));
  expect(net.runSync(elsewhere<Uint8Array>('new Uint8Array(8)')).shape).toEqual([2, 2]);
  net.close();
});

test('what another copy of the package made is refused by that name', async () => {
  let copy!: typeof Stridenet;
  jest.isolateModules(() => (copy = jest.requireActual<typeof Stridenet>('../../lib')));
  expect(copy.Tensor).not.toBe(tensor([1]).constructor);
  const words = 'of another copy of stridenet';
  expectError('ERR_INVALID_ARGUMENT', () => ops.relu(copy.tensor([1])), 'a Tensor of shape [1]', words, 'npm ls stridenet');
  expectError('ERR_INVALID_ARGUMENT', () => new nn.Sequential(new copy.nn.ReLU()), 'a ReLU', words);
  await expectRejection('ERR_INVALID_ARGUMENT', compile(new copy.nn.ReLU(), { input: [1] }), words);
  // One's own are not called so.
  expectError('ERR_INVALID_ARGUMENT', () => new nn.Sequential(tensor([1]) as never), 'is a Tensor of shape [1].');
});
