import { checkGraph } from '../../lib/compile/checkGraph';
import { compileGraph } from '../../lib/compile/compile';
import { fuse } from '../../lib/compile/fuse';
import { passAttrs, withPassAttrs } from '../../lib/compile/passAttrs';
import { withParts, type Graph } from '../../lib/graph/graph';
import { variableTensor, zeros } from '../../lib/graph/leaves';
import { VariableStorage } from '../../lib/graph/storage';
import type { Tensor } from '../../lib/graph/tensor';
import { add, relu } from '../../lib/ops/elementwise';
import { linear } from '../../lib/ops/matmul';
import { standInQueries } from '../support/standInQueries';

const of = (...outputs: readonly Tensor[]): Graph => ({ feeds: [], outputs, updates: [] });
/** What the check says of a pass that put `after` in the place of `before`. */
const check =
  (after: Graph, before = after) =>
  () =>
    checkGraph(after, before, 'a pass');

const variable = (): Tensor => variableTensor(new VariableStorage([2, 3], () => new Float32Array(6)), 'v');
const product = linear(zeros([2, 4]), zeros([3, 4]), { bias: zeros([3]), name: 'fc' });

test('a fused graph holds', () => {
  const before = of(relu(add(product, zeros([2, 3]))));
  const after = fuse(before);
  expect(passAttrs(after.outputs[0]!).epilogue).toEqual({ bias: true, add: true, activation: 'relu' });
  expect(check(after, before)).not.toThrow();
});

test.each<[string, Tensor, string]>([
  ['a shape', withParts(product, { shape: [2, 5] }), 'linear "fc" is float32 [2, 5] but its operands give float32 [2, 3]'],
  ['an element type', withParts(product, { dtype: 'int32' }), 'linear "fc" is int32 [2, 3] but its operands give float32 [2, 3]'],
  ['a leaf with operands', withParts(variable(), { inputs: [product] }), 'variable "v" is a leaf of kind variable with 1 operands'],
  [
    'a sum of another form',
    withPassAttrs(product, { epilogue: { bias: true, add: true, activation: 'none' } }, [...product.inputs, zeros([3])]),
    'linear "fc" adds a value of another form than its result',
  ],
  [
    'a bias that is not there',
    withPassAttrs(product, { epilogue: { bias: true, add: false, activation: 'none' } }, product.inputs.slice(0, 2)),
    'linear "fc" has 2 operands of its own, which its epilogue does not expect',
  ],
  ['a mask of another form', withPassAttrs(product, { maskLimit: 6 }, [...product.inputs, zeros([3])]), 'linear "fc" has a mask of'],
])('%s is refused', (_, node, message) => {
  expect(check(of(node))).toThrow(`Internal error in the compiler: after a pass, ${message}`);
});

test('what operations refuse is refused', () => {
  expect(check(of(withParts(product, { inputs: [zeros([2, 4]), zeros([3, 5])] })))).toThrow(
    'after a pass, linear "fc" is refused: linear "fc" expects an input of shape [N, 5]',
  );
});

test('a graph takes, gives and updates what it did', () => {
  const before = of(product);
  const update = { op: 'sgd', variables: [variable()], inputs: [zeros([2, 3]), zeros([])], attributes: {} };
  expect(check(of(), before)).toThrow('the graph has outputs of another form');
  expect(check({ ...before, feeds: [zeros([1])] }, before)).toThrow('the graph has other feeds');
  expect(check({ ...before, updates: [update] }, before)).toThrow('the graph has other updates');
  expect(check({ ...before, updates: [{ ...update, variables: [variable()] }] }, { ...before, updates: [update] })).toThrow('updates');
});

test('the compiler checks its passes when it is asked to', () => {
  const wrong = of(withParts(product, { shape: [2, 5] }));
  expect(() => compileGraph(wrong, standInQueries, { validate: true })).toThrow('after simplify, linear "fc" is float32 [2, 5]');
  expect(() => compileGraph(wrong, standInQueries)).not.toThrow();
});
