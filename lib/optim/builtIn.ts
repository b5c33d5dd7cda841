/** How the optimizers of this package are made: options, groups of parameters and what is kept of each. */

import { checkNumber, checkOptions, formatNames, formatValue, readArray, StridenetError } from '../errors';
import type { Update } from '../graph/graph';
import type { Tensor } from '../graph/tensor';
import { sum } from '../ops/broadcast';
import { add, div, greater, mul, sqrt, sub } from '../ops/elementwise';
import { replacement } from '../ops/update';
import { groupParameters, type ParameterGroup } from './groups';
import { asBuiltIn, type Assignment, type Optimizer } from './optimizer';

/** Of every optimizer. */
export interface CommonOptions<Options> {
  /** Options that are others for some parameters; default none. */
  groups?: readonly ParameterGroup<Omit<Options, 'groups'>>[] | undefined;
}

/** What an optimizer of one set of options is. */
export interface Recipe<Settings extends { readonly lr: number }> {
  readonly name: string;
  /** Options with their defaults, checked; of a group likewise. @throws StridenetError */
  settings(where: string, options: Readonly<Record<string, unknown>>): Settings;
  /** The options there are. */
  readonly options: readonly (keyof Settings & string)[];
  /** What is kept of each parameter, of its shape. */
  slots(settings: Settings): readonly string[];
  /** Single numbers that are kept of each parameter; default none. */
  scalars?(settings: Settings): readonly string[];
  /** Those that do not begin with 0. */
  readonly scalarStart?: Readonly<Record<string, number>>;
  /** Where slots do not begin with zeros. */
  slotStart?(settings: Settings): number;
  updates(of: Step, settings: Settings): readonly (Assignment | Update)[];
}

/** One parameter in one step. */
export interface Step {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  /** The learning rate of the parameter's group. */
  readonly lr: Tensor;
  readonly slots: readonly Tensor[];
  readonly scalars: readonly Tensor[];
}

/** @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION */
export function makeOptimizer<Settings extends { readonly lr: number }>(recipe: Recipe<Settings>, options: object): Optimizer {
  const where = `optim.${recipe.name}`;
  checkOptions(where, options, [...recipe.options, 'groups']);
  const { groups: given, ...own } = options as { groups?: unknown };
  const base = recipe.settings(where, own);
  const grouping = groupParameters(where, base, given, (at, settings) => recipe.settings(at, settings as Record<string, unknown>));
  const keptOf = (settings: Settings): string[] => [...recipe.slots(settings), ...(recipe.scalars?.(settings) ?? [])];
  const kept = keptOf(base);
  for (const [i, group] of grouping.groups.entries()) {
    const others = keptOf(group.options);
    if (group.options.lr !== base.lr && base.lr === 0) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} groups[${i}] has a learning rate of its own, for which ${where} expects lr above 0, which schedules multiply, but it is 0.`,
      );
    }
    if (others.join() === kept.join()) continue;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} groups[${i}] expects options with which as much is kept of a parameter as with those of the optimizer (${formatNames(kept) || 'nothing'}) ` +
        `but they keep ${formatNames(others) || 'nothing'}. Give both a momentum above 0, or neither.`,
    );
  }
  const optimizer: Optimizer = {
    name: recipe.name,
    options: base,
    lr: base.lr,
    slots: recipe.slots(base),
    scalars: recipe.scalars?.(base) ?? [],
    scalarStart: recipe.scalarStart ?? {},
    slotStart: (parameter) => recipe.slotStart?.(grouping.of(parameter)) ?? 0,
    updates: (parameter, gradient, rate, slots, scalars = []) => {
      const settings = grouping.of(parameter);
      const lr = settings.lr === base.lr ? rate : mul(rate, settings.lr / base.lr);
      return recipe.updates({ parameter, gradient, lr, slots, scalars }, settings);
    },
  };
  return asBuiltIn(optimizer, grouping);
}

/** Two factors of moving averages. @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkBetas(where: string, betas: unknown): readonly [number, number] {
  const list = readArray(betas);
  if (list?.length !== 2) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects betas to be two numbers but got ${formatValue(betas)}.`);
  }
  const [first, second] = list.map((beta, i) => {
    const checked = checkNumber(where, `betas[${i}]`, beta, 0);
    if (checked < 1) return checked;
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects betas[${i}] to be below 1 but got ${checked}.`);
  });
  return Object.freeze([first!, second!] as const);
}

/** A step of a parameter is counted, unless it is not applied. */
export function countStep(step: Tensor, lr: Tensor): Update {
  return replacement(step, add(step, 1), lr);
}

/** The square root of the sum of squares. */
export function norm(x: Tensor): Tensor {
  return sqrt(sum(mul(x, x)));
}

/** dividend / divisor for what is made of two norms; 1 where one of them is 0. */
export function trustRatio(dividend: Tensor, divisor: Tensor, norms: readonly [Tensor, Tensor]): Tensor {
  const isKnown = mul(greater(norms[0], 0), greater(norms[1], 0));
  const ratio = div(dividend, add(divisor, sub(1, isKnown)));
  return add(mul(isKnown, sub(ratio, 1)), 1);
}
