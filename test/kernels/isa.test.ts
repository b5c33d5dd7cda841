/**
 * Every table on every instruction set of this machine: one process each, all against the same float64 values and bounds, so results of
 * different instruction sets agree within the sum of their bounds. And: forcing a set takes, or says why it cannot.
 */

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { serialize } from 'node:v8';
import { ALGORITHM } from '../../lib/compile/opcodes';
import { binding } from '../../lib/runtime/binding';
import { conv2dTable } from '../ops/conv2d.table';
import { conv2dPooledTable } from '../ops/conv2dPooled.table';
import { tables } from '../ops/tables';
import { Children } from '../support/child';
import { rowGraph } from '../support/opRow';
import { fittingForms } from '../support/runGraph';
import { expectTables } from '../support/runTable';

const ALL = ['scalar', 'avx2', 'avx512', 'neon'];
const available = binding().info().availableIsas;
const unavailable = ALL.filter((isa) => !available.includes(isa));

let children: Children;
let expected: string;

beforeAll(() => {
  children = new Children();
  expected = path.join(children.folder, 'expected');
  writeFileSync(expected, serialize(expectTables(tables)));
});
afterAll(() => children.remove());

test('the instruction sets of this machine are known ones, scalar among them', () => {
  expect(available).toContain('scalar');
  for (const isa of available) expect(ALL).toContain(isa);
});

test.each(available)(
  'every table on %s',
  async (isa) => {
    const { code, signal, stdout, stderr } = await children.runModule('test/support/runKernelTable', ['check', expected], {
      env: { STRIDENET_ISA: isa },
    });
    if (signal !== null || !stdout.startsWith('{'))
      throw new Error(`the process for ${isa} ended with ${signal ?? code}: ${stdout}${stderr}`);
    const result = JSON.parse(stdout) as { isa: string; failures: string[] };
    expect(result.isa).toBe(isa);
    if (result.failures.length > 0)
      throw new Error(`${result.failures.length} failures on ${isa}:\n${result.failures.slice(0, 40).join('\n')}`);
    expect(code).toBe(0);
  },
  300_000,
);

test('every algorithm is forced upon some row', () => {
  const rows = [...conv2dTable.rows, ...conv2dPooledTable.rows];
  const forms = rows.flatMap((row) => fittingForms(rowGraph(row).results.map(({ tensor }) => tensor)));
  expect([...new Set(forms.map(({ algorithm }) => algorithm))].sort()).toEqual(Object.keys(ALGORITHM).sort());
});

const REPORT = `
  const { binding } = require('./lib/runtime/binding');
  try { console.log(binding().info().isa); } catch (error) { console.log(error.code + ': ' + error.message); }
`;

test.each([...available, ...available.map((isa) => isa.toUpperCase())])('STRIDENET_ISA=%s takes', async (isa) => {
  expect((await children.runSource(REPORT, { env: { STRIDENET_ISA: isa } })).stdout.trim()).toBe(isa.toLowerCase());
});

test.each(unavailable)('STRIDENET_ISA=%s is refused', async (isa) => {
  const { code, stdout } = await children.runSource(REPORT, { env: { STRIDENET_ISA: isa } });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^ERR_UNSUPPORTED_ISA: /);
  expect(stdout).toContain(isa);
  for (const name of available) expect(stdout).toContain(name);
});
