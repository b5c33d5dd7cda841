/** How good the choices are that follow from costs: what is chosen for an operation, against the fastest of what was measured. */

import { chooseAlgorithm } from '../../lib/compile/algorithm';
import { ALGORITHM } from '../../lib/compile/opcodes';
import { estimate } from './fit';
import type { Measurement, Measurements } from './measurements';
import { wayName, type Way } from './plans';

export interface Choices {
  /** Operations, and for how many the fastest was chosen, and one within 5 % of it. */
  readonly operations: number;
  readonly fastest: number;
  readonly near: number;
  /** Milliseconds of all, as chosen and at best. */
  readonly chosen: number;
  readonly best: number;
  /** The most expensive mistakes: milliseconds lost, the operation, what was chosen, what would have been best. */
  readonly mistakes: readonly { readonly lost: number; readonly text: string }[];
}

/** @param costs in the order of the kinds of work; undefined: those that native code was built with */
export function judgeChoices({ rows }: Measurements, ways: ReadonlyMap<string, readonly Way[]>, costs?: readonly number[]): Choices {
  const byOperation = new Map<string, Measurement[]>();
  for (const row of rows) byOperation.set(row.what, [...(byOperation.get(row.what) ?? []), row]);
  const judged = [...byOperation].map(([what, measured]) => {
    const candidates = ways.get(what)!.map(({ candidate, plan, pack }) => {
      if (!costs) return candidate;
      return { ...candidate, seconds: 1e-9 * estimate(plan, costs), packSeconds: pack ? 1e-9 * estimate(pack, costs) : 0 };
    });
    const { algorithm, widen } = chooseAlgorithm(candidates, 'fast', false);
    const name = wayName(Object.keys(ALGORITHM)[algorithm]!, widen);
    const time = ({ milliseconds, packMilliseconds }: Measurement): number => milliseconds + packMilliseconds;
    const chosen = measured.find((one) => wayName(one.algorithm, one.widen) === name);
    if (!chosen) throw new Error(`${name} is chosen for ${what}, but was not measured.`);
    const best = measured.reduce((a, b) => (time(b) < time(a) ? b : a));
    const lost = time(chosen) - time(best);
    const text = `${what}: ${name} ${time(chosen).toFixed(3)} ms, ${wayName(best.algorithm, best.widen)} ${time(best).toFixed(3)} ms`;
    return { chosen: time(chosen), best: time(best), lost, text };
  });
  const total = (of: (one: (typeof judged)[number]) => number): number => judged.reduce((sum, one) => sum + of(one), 0);
  return {
    operations: judged.length,
    fastest: judged.filter(({ lost }) => lost === 0).length,
    near: judged.filter(({ lost, best }) => lost <= 0.05 * best).length,
    chosen: total(({ chosen }) => chosen),
    best: total(({ best }) => best),
    mistakes: judged.filter(({ lost }) => lost > 0).sort((a, b) => b.lost - a.lost),
  };
}
