/** Every row of every table on native code against the float64 reference, each as a program of its own (test/kernels joins them and varies more). */

import { compare, expectRow } from '../support/runTable';
import { rowGraph } from '../support/opRow';
import { runGraph } from '../support/runGraph';
import { tables } from './tables';

describe.each(tables.map((table) => [table.family, table] as const))('%s', (_, table) => {
  test.each(table.rows.map((row) => [row.name, row] as const))('%s', (_name, row) => {
    const graph = rowGraph(row);
    const expected = expectRow(graph);
    const actual = runGraph(
      graph.results.map(({ tensor }) => tensor),
      { name: 'alone', threads: 2 },
    );
    expect(graph.results.flatMap(({ name }, k) => compare(name, actual[k]!, expected[k]!))).toEqual([]);
  });
});
