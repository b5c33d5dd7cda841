/** Parameter groups: options of an optimizer that are others for some parameters. */

import { checkOptions, formatValue, readArray, StridenetError } from '../errors';
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
} & Readonly<Partial<Options>>;

/**
 * A group without weight decay for what has at most one axis: biases, and the weights of normalisation layers.
 * @example optim.adamw({ lr: 1e-3, weightDecay: 0.05, groups: optim.noDecayOnNormAndBias() })
 */
export function noDecayOnNormAndBias(): { match: ParameterMatch; weightDecay: number }[] {
  return [{ match: (parameter) => parameter.shape.length <= 1, weightDecay: 0 }];
}

/** The options of each parameter. */
export interface Grouping<Options> {
  /** Those of parameters of no group. */
  readonly base: Options;
  of(parameter: Tensor): Options;
  readonly groups: readonly { readonly match: ParameterMatch; readonly options: Options }[];
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
  if (groups === undefined) return { base, of: () => base, groups: [] };
  const list = readArray(groups);
  if (!list) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects groups to be an array but got ${formatValue(groups)}.`);
  }
  const made = list.map((group: unknown, i) => {
    const at = `${where} groups[${i}]`;
    if (typeof group !== 'object' || group === null || !isPlainObject(group)) {
      throw new StridenetError('ERR_INVALID_ARGUMENT', `${at} must be an object { match, ...options } but is ${formatValue(group)}.`);
    }
    checkOptions(at, group, ['match', ...Object.keys(base)]);
    const { match, ...own } = group as { match: unknown } & Partial<Options>;
    const set = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)) as Partial<Options>;
    return { match: checkMatch(at, match), options: check(at, { ...base, ...set }) };
  });
  const of = (parameter: Tensor): Options =>
    made.find(({ match }, i) => matches(`${where} groups[${i}]`, match, parameter))?.options ?? base;
  return { base, of, groups: made };
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
