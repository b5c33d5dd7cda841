/**
 * Costs from measurements: those for which estimates are closest to what was measured, in the sense of least squares of relative errors. An
 * operation that memory holds up says nothing about work and is left out.
 */

import type { Fit, Isa } from './header';
import { leastSquares } from './leastSquares';
import type { Measurement, Measurements } from './measurements';
import { wayName, type Plan, type Way } from './plans';
import { MEMORY, MULTIPLY_ADD, RULES_OF_THUMB } from './rulesOfThumb';

/** Rounds of weighting: an error of a row beyond LARGE_ERROR counts linearly (Huber), so that what the plan knows nothing of bends little. */
const ROUNDS = 30;
const LARGE_ERROR = 0.1;
/** How much a rule of thumb counts, of one measurement: without it, kinds of work that occur together take each other's time. */
const RULE_WEIGHT = 0.5;

/** A measured instruction. */
interface Row {
  /** The algorithm, or that whose weight is packed. */
  readonly name: string;
  readonly plan: Plan;
  readonly nanoseconds: number;
}

/** @param kinds of work, in the order of the plans' amounts */
export function fitCosts(kinds: readonly string[], measured: Measurements, ways: ReadonlyMap<string, readonly Way[]>): Fit {
  const rows = measured.rows.flatMap((one) => rowsOf(one, findWay(ways, one)));
  const computing = rows.filter(({ plan, nanoseconds }) => movingTime(plan) < 0.8 * (nanoseconds - MEMORY.phase * plan.phases));
  const costs = solve(kinds, computing);
  const errors = new Map<string, number[]>();
  for (const { name, plan, nanoseconds } of rows) {
    errors.set(name, [...(errors.get(name) ?? []), Math.abs(estimate(plan, costs) / nanoseconds - 1)]);
  }
  return {
    machine: measured.machine,
    cases: measured.rows.length,
    costs: new Map(kinds.map((kind, i) => [kind, costs[i]!])),
    errors: new Map([...errors].map(([name, all]) => [name, { median: quantile(all, 0.5), high: quantile(all, 0.9) }])),
  };
}

function rowsOf(measurement: Measurement, way: Way): Row[] {
  const row = (name: string, plan: Plan, milliseconds: number): Row => ({ name, plan, nanoseconds: 1e6 * milliseconds });
  const run = row(measurement.algorithm, way.plan, measurement.milliseconds);
  const packs = way.pack && measurement.packMilliseconds > 0;
  return packs ? [run, row(`packing for ${measurement.algorithm}`, way.pack, measurement.packMilliseconds)] : [run];
}

export function findWay(ways: ReadonlyMap<string, readonly Way[]>, { what, algorithm, widen }: Measurement): Way {
  const way = ways.get(what)?.find(({ name }) => name === wayName(algorithm, widen));
  if (way) return way;
  throw new Error(`bench/costs has ${what} by ${wayName(algorithm, widen)}, which native code no longer plans: measure anew.`);
}

/** As `estimateSeconds` of native/program/cost.cc, in nanoseconds. */
export function estimate(plan: Plan, costs: readonly number[]): number {
  return Math.max(computingTime(plan, costs), movingTime(plan)) + MEMORY.phase * plan.phases;
}

function computingTime({ work }: Plan, costs: readonly number[]): number {
  return work.reduce((sum, amount, i) => sum + amount * costs[i]!, 0);
}

function movingTime({ bytes }: Plan): number {
  return bytes * (bytes <= MEMORY.cacheBytes ? MEMORY.nearByte : MEMORY.farByte);
}

/** Costs of the kinds that the rows have; of the others their rules of thumb at the speed of the machine. */
function solve(kinds: readonly string[], rows: readonly Row[]): number[] {
  const rules = kinds.map((kind) => RULES_OF_THUMB[kind]! * MULTIPLY_ADD);
  const speeds = rows.map(({ plan, nanoseconds }) => computingTime(plan, rules) / nanoseconds).filter((speed) => speed > 0);
  const pace = 1 / quantile(speeds, 0.5);
  const relative = rows.map(({ plan, nanoseconds }) => {
    const time = nanoseconds - MEMORY.phase * plan.phases;
    return plan.work.map((amount) => amount / time);
  });
  const rulesKept = rules.flatMap((rule, j) => {
    return rule > 0 ? [kinds.map((_, k) => (k === j ? RULE_WEIGHT / (rule * pace) : 0))] : [];
  });
  let weights = rows.map(() => 1);
  let costs: number[] = [];
  for (let round = 0; round < ROUNDS; ++round) {
    const weighted = relative.map((row, i) => row.map((x) => x * weights[i]!));
    costs = leastSquares([...weighted, ...rulesKept], [...weights, ...rulesKept.map(() => RULE_WEIGHT)]);
    weights = relative.map((row) => {
      const error = Math.abs(row.reduce((sum, x, k) => sum + x * costs[k]!, 0) - 1);
      return error <= LARGE_ERROR ? 1 : Math.sqrt(LARGE_ERROR / error);
    });
  }
  return costs;
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!;
}

export type Fits = Map<Isa, Fit>;
