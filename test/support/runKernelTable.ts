/**
 * Runs the tables of operations on this process's instruction set (STRIDENET_ISA), without a test runner: for child processes and for
 * emulated processors, where computing what is right would take longer than the kernels. In a folder made by transpile.ts:
 *
 *   node test/support/runKernelTable.js expect FILE     writes what is right; needs no native code
 *   node test/support/runKernelTable.js check FILE      one JSON line { isa, rows, failures }; exit code 1 on failures
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import { binding } from '../../lib/runtime/binding';
import { tables } from '../ops/tables';
import { updateRows } from '../ops/update.table';
import { checkExtremes } from './extremes';
import { checkTable, expectTables, type Expectations } from './runTable';
import { checkUpdateRow } from './updateRow';

const [command, file] = process.argv.slice(2);
if (file === undefined || (command !== 'expect' && command !== 'check')) {
  console.error('usage: runKernelTable expect|check FILE');
  process.exitCode = 2;
} else if (command === 'expect') {
  writeFileSync(file, serialize(expectTables(tables)));
} else {
  const expectations = deserialize(readFileSync(file)) as Expectations;
  const failures = [
    ...tables.flatMap((table) => checkTable(table, expectations[table.family]!)),
    ...updateRows.flatMap(checkUpdateRow),
    ...checkExtremes(),
  ];
  const rows = tables.reduce((sum, table) => sum + table.rows.length, 0);
  console.log(JSON.stringify({ isa: binding().info().isa, rows, failures }));
  process.exitCode = failures.length > 0 ? 1 : 0;
}
