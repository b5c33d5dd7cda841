/**
 * Runs a row of test/ops/update.table.ts on native code: its formula in float64, the same bits for any number of threads, and nothing
 * changed where a number is not finite.
 */

import { compileGraph } from '../../lib/compile/compile';
import { constantTensor, scalar } from '../../lib/graph/leaves';
import type { Shape } from '../../lib/graph/types';
import { Variable } from '../../lib/nn/parameter';
import { nativeQueries } from '../../lib/runtime/queries';
import { Session } from '../../lib/runtime/session';
import { State } from '../../lib/runtime/state';
import type { UpdateRow } from '../ops/update.table';
import { sameBits } from './runGraph';
import { valuesOf } from './values';

/** One number; a part of a vector; vectors and a part; an image; several tiles and a part of one. */
const SHAPES: readonly Shape[] = [[], [3], [7, 5], [2, 3, 4, 5], [3 * 8192 + 21]];

/** Of a few float32 operations, relative to the largest number that they may have met. */
const TOLERANCE = 16 * 2 ** -24;

/** A line for each thing that is wrong. */
export function checkUpdateRow(row: UpdateRow): string[] {
  return SHAPES.flatMap((shape) => {
    // What is kept of a parameter may be a mean of squares, so no variable is negative.
    const before = Array.from({ length: row.variables }, (_, k) => Float32Array.from(valuesOf({ shape, kind: 'positive' }, k)));
    row.fit?.(before);
    const value = Float32Array.from(valuesOf({ shape }, row.variables));
    const run = (number: number, threads: number): Float32Array[] => runUpdate(row, shape, before, value, number, threads);
    const where = `${row.name} of ${JSON.stringify(shape)}`;

    const after = run(row.number, 1);
    const failures = after.flatMap((values, k) => {
      const i = values.findIndex((x, at) => !isClose(x, row, before, value, k, at));
      return i < 0 ? [] : [`${where}: element ${i} of variable ${k} is ${values[i]}`];
    });
    for (const threads of [2, 3]) {
      if (!run(row.number, threads).every((x, k) => sameBits(x, after[k]!))) failures.push(`${where}: other bits with ${threads} threads`);
    }
    for (const number of [NaN, Infinity]) {
      if (!run(number, 1).every((x, k) => sameBits(x, before[k]!))) failures.push(`${where}: changed by ${number}`);
    }
    return failures;
  });
}

function isClose(x: number, row: UpdateRow, before: readonly Float32Array[], value: Float32Array, variable: number, at: number): boolean {
  const old = before.map((values) => values[at]!);
  const expected = row.formula(old, value[at]!, row.number);
  if (expected.length !== row.variables) throw new Error(`the formula of ${row.name} gives ${expected.length} numbers`);
  const largest = Math.max(...[...old, value[at]!, ...expected].map(Math.abs));
  return Math.abs(x - expected[variable]!) <= TOLERANCE * largest;
}

/** What the variables hold after one run of a program that updates them. */
function runUpdate(
  row: UpdateRow,
  shape: Shape,
  before: readonly Float32Array[],
  value: Float32Array,
  number: number,
  threads: number,
): Float32Array[] {
  const variables = before.map((values) => new Variable(constantTensor(values, shape, 'float32')));
  const update = row.update(variables, constantTensor(value, shape, 'float32'), scalar(number));
  using session = new Session({ state: new State(), threads });
  session.runSync(session.load(compileGraph({ feeds: [], outputs: [], updates: [update] }, nativeQueries())), []);
  return variables.map((variable) => variable.value);
}
