/** Every row of the table of updates on native code, and that a graph's updates see what there was before any of them. */

import { compileGraph } from '../../lib/compile/compile';
import type { Update } from '../../lib/graph/graph';
import { scalar, tensor } from '../../lib/graph/leaves';
import * as optim from '../../lib/optim';
import { Variable } from '../../lib/nn/parameter';
import { nativeQueries } from '../../lib/runtime/queries';
import { Session } from '../../lib/runtime/session';
import { State } from '../../lib/runtime/state';
import { checkUpdateRow } from '../support/updateRow';
import { updateRows } from './update.table';

test.each(updateRows.map((row) => [row.name, row] as const))('%s', (_, row) => {
  expect(checkUpdateRow(row)).toEqual([]);
});

test('an update whose input is a variable sees it as it was before the step', () => {
  // The gradients of the product of two numbers.
  const [a, b] = [new Variable(tensor([2])), new Variable(tensor([3]))];
  const [first] = optim.sgd().updates(a, b, scalar(0.5), []);
  const [second] = optim.sgd().updates(b, a, scalar(0.5), []);
  using session = new Session({ state: new State() });
  session.runSync(
    session.load(compileGraph({ feeds: [], outputs: [], updates: [first as Update, second as Update] }, nativeQueries())),
    [],
  );
  expect([...a.value, ...b.value]).toEqual([2 - 0.5 * 3, 3 - 0.5 * 2]);
});
