/**
 * Native against reference for the rows of a table. What is right (float64 values and bounds) is computed once and can be written to
 * a file, so that one process for each instruction set, or an emulated processor, only has to run the kernels and compare.
 */

import { topologicalOrder } from '../../lib/graph/traverse';
import type { TypedArray } from '../../lib/graph/types';
import { interpret } from '../reference/interpret';
import { errorBounds } from './errorBound';
import { rowGraph, type OpTable, type RowGraph } from './opRow';
import { fittingForms, formName, runGraph, sameBits, type ConvForm, type FittingForm, type Variation } from './runGraph';
import { isWinograd, WINOGRAD_FORMS, type WinogradForm } from './winograd';

export interface Expected {
  readonly value: Float64Array;
  readonly bound: Float64Array;
  /** With convolutions by a form of Winograd's minimal filtering; absent where that can compute nothing of the row. */
  readonly winograd: Readonly<Partial<Record<WinogradForm, Float64Array>>>;
}
/** By family, by row, by result. */
export type Expectations = Readonly<Record<string, readonly (readonly Expected[])[]>>;

export function expectRow(graph: RowGraph): Expected[] {
  const tensors = graph.results.map(({ tensor }) => tensor);
  const values = interpret(tensors);
  const bounds = errorBounds(tensors, values);
  const nodes = topologicalOrder(tensors);
  const possible = WINOGRAD_FORMS.filter((form) => nodes.some((node) => isWinograd(node, form)));
  const winograd = possible.map((form) => [form, errorBounds(tensors, values, form)] as const);
  return tensors.map((tensor) => ({
    value: values.get(tensor)!.data,
    bound: bounds.get(tensor)!,
    winograd: Object.fromEntries(winograd.map(([form, all]) => [form, all.get(tensor)!])),
  }));
}

export function expectTables(tables: readonly OpTable[]): Expectations {
  return Object.fromEntries(tables.map(({ family, rows }) => [family, rows.map((row) => expectRow(rowGraph(row)))]));
}

/** A line for every result that is out of its bound; at most one for each result. */
export function compare(where: string, actual: TypedArray, { value, bound }: Pick<Expected, 'value' | 'bound'>): string[] {
  if (actual.length !== value.length) return [`${where}: ${actual.length} values, expected ${value.length}`];
  const wrong: number[] = [];
  for (let i = 0; i < value.length; i++) {
    const [got, want] = [actual[i]!, value[i]!];
    // Below the normal numbers of float32 the relative bound ends.
    if (Number.isNaN(want) ? !Number.isNaN(got) : !(Math.abs(got - want) <= bound[i]! + 1e-37) && got !== want) wrong.push(i);
  }
  if (wrong.length === 0) return [];
  const i = wrong[0]!;
  return [`${where}: ${wrong.length} of ${value.length} wrong, first at ${i}: expected ${value[i]} +- ${bound[i]}, got ${actual[i]}`];
}

/** What must hold for every table: the first variation is the measure for those that must agree to the bit. */
const EXACT: readonly Variation[] = [
  { name: '1 thread', threads: 1, runs: 2 },
  { name: '2 threads', threads: 2, runs: 3 },
  { name: '3 threads', threads: 3 },
  { name: 'no shared memory', threads: 2, sharesMemory: false },
  { name: 'variables', threads: 2, variables: true, runs: 2 },
];
const CLOSE: readonly Variation[] = [{ name: 'unfused', threads: 2, fuse: false }];
/** For a form that convolutions may be computed by: results that agree to the bit among themselves. */
const formVariations = (form: ConvForm): Variation[] => [
  { name: `${formName(form)}, 1 thread`, threads: 1, form, runs: 2 },
  { name: `${formName(form)}, 2 threads`, threads: 2, form, runs: 2 },
  { name: `${formName(form)}, 3 threads`, threads: 3, form },
  { name: `${formName(form)}, variables`, threads: 3, form, variables: true },
];

/** Runs a table in every variation, and each row by every form that fits its convolutions; one line for each thing that is wrong. */
export function checkTable(table: OpTable, expectations: readonly (readonly Expected[])[]): string[] {
  // The prepare list, which computes what follows from variables alone, joins no pooling: other sums.
  const isPooled = table.family === 'conv2d pooled';
  const isExact = ({ variables }: Variation): boolean => !(isPooled && variables);
  const failures = [
    ...checkVariations(table, expectations, EXACT.filter(isExact), true),
    ...checkVariations(table, expectations, [...CLOSE, ...EXACT.filter((v) => !isExact(v))], false),
  ];
  for (const [form, rows] of formsOfRows(table)) {
    const bounds = rows.map((r) => boundsOf(form, expectations[r]!));
    const unknown = rows.filter((_, i) => bounds[i] === undefined).map((r) => table.rows[r]!.name);
    if (unknown.length > 0) {
      failures.push(`${table.family}: ${unknown.join(', ')}: ${formName(form)} fits, but the reference has no bound for it`);
      continue;
    }
    const some = { ...table, rows: rows.map((r) => table.rows[r]!) };
    failures.push(...checkVariations(some, bounds as (readonly Expected[])[], formVariations(form).filter(isExact), true));
  }
  return failures;
}

/** Every form that fits a convolution of the table, and the numbers of the rows with such convolutions. */
function formsOfRows(table: OpTable): [FittingForm, number[]][] {
  const forms = new Map<string, [FittingForm, number[]]>();
  table.rows.forEach((row, r) => {
    for (const form of fittingForms(rowGraph(row).results.map(({ tensor }) => tensor))) {
      const [, rows] = forms.get(formName(form)) ?? [form, []];
      forms.set(formName(form), [form, [...rows, r]]);
    }
  });
  return [...forms.values()];
}

/** What a row must be close to when its convolutions take a form; undefined when the reference does not know how that rounds. */
function boundsOf({ algorithm, sumsProducts }: FittingForm, row: readonly Expected[]): readonly Expected[] | undefined {
  if (sumsProducts) return row;
  // The narrow and the wide form of an algorithm sum the same terms.
  const bounds = row.map(({ winograd }) => winograd[algorithm.replace('_narrow', '') as WinogradForm]);
  return bounds.every((bound) => bound !== undefined) ? row.map((expected, i) => ({ ...expected, bound: bounds[i]! })) : undefined;
}

function checkVariations(
  table: OpTable,
  expectations: readonly (readonly Expected[])[],
  variations: readonly Variation[],
  sameResult: boolean,
): string[] {
  const graphs = table.rows.map(rowGraph);
  const failures: string[] = [];
  let measure: readonly (readonly TypedArray[] | null)[] | undefined;
  for (const variation of variations) {
    const results = runRows(table, graphs, variation, failures);
    results.forEach((row, r) => {
      row?.forEach((actual, k) => {
        const where = `${table.family}: ${table.rows[r]!.name}: ${graphs[r]!.results[k]!.name} (${variation.name})`;
        failures.push(...compare(where, actual, expectations[r]![k]!));
        const first = measure?.[r]?.[k];
        if (sameResult && first && !sameBits(first, actual)) failures.push(`${where}: not the bits of "${variations[0]!.name}"`);
      });
    });
    measure ??= results;
  }
  return failures;
}

/**
 * All rows as one program, which is long enough for every thread to take part; if that fails, row by row, to say which.
 * Null for a row that cannot be run.
 */
function runRows(table: OpTable, graphs: readonly RowGraph[], variation: Variation, failures: string[]): (readonly TypedArray[] | null)[] {
  try {
    const all = runGraph(
      graphs.flatMap(({ results }) => results.map(({ tensor }) => tensor)),
      variation,
    );
    let next = 0;
    return graphs.map(({ results }) => results.map(() => all[next++]!));
  } catch (error) {
    const before = failures.length;
    const rows = graphs.map((graph, r) => {
      try {
        return runGraph(
          graph.results.map(({ tensor }) => tensor),
          variation,
        );
      } catch (rowError) {
        failures.push(`${table.family}: ${table.rows[r]!.name} (${variation.name}): ${String(rowError)}`);
        return null;
      }
    });
    if (failures.length === before) failures.push(`${table.family}: all rows in one program (${variation.name}): ${String(error)}`);
    return rows;
  }
}
