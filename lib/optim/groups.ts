/** Parameter groups: options of an optimizer that are others for some parameters. */

import { checkBoolean, checkOptions, formatNames, formatValue, readArray, StridenetError } from '../errors';
import { isPlainObject } from '../graph/plainObject';
import type { Tensor } from '../graph/tensor';

/** Which parameters a group has: by name, those of a module, or those for which a function says so. */
export type ParameterMatch = RegExp | { parameters(): readonly Tensor[] } | ((parameter: Tensor) => boolean);

/**
 * Options that are others for the parameters that `match`. Of several groups the first that matches counts; what it does not say, and parameters
 * of no group, take the optimizer's own options. A schedule multiplies the learning rates of all groups.
 */
export type ParameterGroup<Options> = {
  /** Which parameters it has. */
  readonly match: ParameterMatch;
  /** Whether a model may have no such parameter; by default it is refused, since a name that is misspelled matches none. */
  readonly optional?: boolean | undefined;
} & Readonly<Partial<Options>>;

/**
 * A group without weight decay for what has at most one axis: biases, and the weights of normalisation layers. It is optional: models without
 * either train as well.
 * @example optim.adamw({ lr: 1e-3, weightDecay: 0.05, groups: optim.noDecayOnNormAndBias() })
 */
export function noDecayOnNormAndBias(): { match: ParameterMatch; weightDecay: number; optional: boolean }[] {
  return [{ match: (parameter) => parameter.shape.length <= 1, weightDecay: 0, optional: true }];
}

/** One group, checked. */
interface Group<Options> {
  readonly match: ParameterMatch;
  readonly optional: boolean;
  readonly options: Options;
}

/** The options of each parameter. */
export interface Grouping<Options> {
  /** Whose groups they are: 'optim.sgd'. */
  readonly where: string;
  /** Those of parameters of no group. */
  readonly base: Options;
  of(parameter: Tensor): Options;
  readonly groups: readonly Group<Options>[];
}

/**
 * @param base the optimizer's options
 * @param groups what the user gave
 * @param check whole options of a group
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION
 */
export function groupParameters<Options extends object>(
  where: string,
  base: Options,
  groups: unknown,
  check: (where: string, options: Partial<Options>) => Options,
): Grouping<Options> {
  if (groups === undefined) return { where, base, of: () => base, groups: [] };
  const list = readArray(groups);
  if (!list) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects groups to be an array but got ${formatValue(groups)}.`);
  }
  const made = list.map((group: unknown, i) => {
    const at = `${where} groups[${i}]`;
    if (typeof group !== 'object' || group === null || !isPlainObject(group)) {
      throw new StridenetError('ERR_INVALID_ARGUMENT', `${at} must be an object { match, ...options } but is ${formatValue(group)}.`);
    }
    checkOptions(at, group, ['match', 'optional', ...Object.keys(base)]);
    const { match, optional = false, ...own } = group as { match: unknown; optional?: unknown } & Partial<Options>;
    const set = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)) as Partial<Options>;
    return {
      match: checkMatch(at, match),
      optional: checkBoolean(at, 'optional', optional),
      options: check(at, { ...base, ...set }),
    };
  });
  const grouping = { where, base, groups: made };
  return { ...grouping, of: (parameter) => made[placeOf(grouping, parameter)]?.options ?? base };
}

/** The number of the group that a parameter is in; -1 for none. */
function placeOf({ where, groups }: Pick<Grouping<unknown>, 'where' | 'groups'>, parameter: Tensor): number {
  return groups.findIndex(({ match }, i) => matches(`${where} groups[${i}]`, match, parameter));
}

/**
 * Refuses a group that matches none of the parameters that an optimizer updates. One whose parameters are all frozen, or all in groups before
 * it, is none of these.
 * @throws StridenetError ERR_INVALID_ARGUMENT
 */
export function checkGroupsMatch(caller: string, { where, groups }: Grouping<unknown>, parameters: readonly Tensor[]): void {
  for (const [i, { match, optional }] of groups.entries()) {
    const at = `${where} groups[${i}]`;
    if (optional || parameters.some((parameter) => matches(at, match, parameter))) continue;
    const names = parameters.map(({ name }) => name);
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${caller} expects every group of the optimizer to have a parameter but ${at}, ${describeMatch(match)}, matches none of ${names.length}: ` +
        `${formatNames(names, undefined, NAMES_SHOWN)}. Mend its match, or say optional: true if models may have no such parameter.`,
    );
  }
}

/** Names of parameters in an error: some layers' worth. */
const NAMES_SHOWN = 8;

function describeMatch(match: ParameterMatch): string {
  if (match instanceof RegExp) return `/${match.source}/${match.flags}`;
  return typeof match === 'function'
    ? `the function ${match.name === '' ? 'without a name' : match.name}`
    : `the module ${match.constructor.name}`;
}

/** A group as plain data: the names of the parameters that are in it, beside all options. */
export type GroupRecipe = { readonly parameters: readonly string[] } & Readonly<Record<string, unknown>>;

/** The groups that parameters are in, each parameter in one: what a checkpoint holds in place of patterns and functions. */
export function groupRecipes(grouping: Grouping<object>, parameters: readonly Tensor[]): GroupRecipe[] {
  const places = parameters.map((parameter) => placeOf(grouping, parameter));
  return grouping.groups.flatMap(({ options }, i) => {
    const names = parameters.flatMap(({ name }, at) => (places[at] === i ? [name] : []));
    return names.length === 0 ? [] : [{ ...options, parameters: names }];
  });
}

/** Groups that have the parameters of these names again. @throws StridenetError ERR_BAD_FILE for what `groupRecipes` did not write */
export function groupsFrom(recipes: unknown): ParameterGroup<Readonly<Record<string, unknown>>>[] {
  return (readArray(recipes) ?? [undefined]).map((recipe: unknown) => {
    const { parameters, ...options } = (typeof recipe === 'object' ? (recipe ?? {}) : {}) as Partial<GroupRecipe>;
    const names = readArray(parameters);
    if (!names?.every((name) => typeof name === 'string')) {
      throw new StridenetError(
        'ERR_BAD_FILE',
        `A group of an optimizer expects the names of its parameters but is ${formatValue(recipe)}.`,
      );
    }
    const known = new Set<unknown>(names);
    return { ...options, match: ({ name }: Tensor) => known.has(name) };
  });
}

function checkMatch(where: string, match: unknown): ParameterMatch {
  const isModule = typeof match === 'object' && match !== null && typeof (match as { parameters?: unknown }).parameters === 'function';
  if (match instanceof RegExp || typeof match === 'function' || isModule) return match as ParameterMatch;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects match to be a RegExp of names, a module or a function of a parameter but got ${formatValue(match)}.`,
  );
}

function matches(where: string, match: ParameterMatch, parameter: Tensor): boolean {
  if (match instanceof RegExp) return parameter.name.search(match) >= 0; // `test` would remember where it stopped
  const answer: unknown = typeof match === 'function' ? match(parameter) : readArray(match.parameters())?.includes(parameter);
  if (typeof answer === 'boolean') return answer;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects match to answer true or false for a parameter, or to be a module, but got ${formatValue(answer)} for ${formatValue(parameter.name)}.`,
  );
}
