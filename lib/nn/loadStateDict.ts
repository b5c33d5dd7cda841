/** Values taken over by name: what fits, what does not, and what to do about it. */

import { types } from 'node:util';
import { checkBoolean, checkOptions, formatNames, formatShape, formatValue, StridenetError } from '../errors';
import type { StoredValue } from '../graph/storage';
import type { Tensor } from '../graph/tensor';
import { checkTensor } from '../ops/builder';
import type { Variable } from './parameter';

/** Options of `module.loadStateDict`. */
export interface LoadStateDictOptions {
  /** Refuse missing and unexpected names; default true. Counts of batches may be missing in any case, as in PyTorch. */
  strict?: boolean | undefined;
  /**
   * What the names in the map begin with, such as '_orig_mod.' (torch.compile), 'module.' (DataParallel) or 'backbone.' (a part of a larger
   * model); names that do not are left out of account. Default ''.
   */
  prefix?: string | undefined;
  /** Leave what has another shape as it is, such as the head for another number of classes; default false: it is an error. */
  ignoreMismatched?: boolean | undefined;
}

/** What `module.loadStateDict` did. */
export interface LoadedStateDict {
  /** Names of the module that the map does not have. */
  missing: string[];
  /** Names of the map that the module does not have. */
  unexpected: string[];
  /** With `ignoreMismatched`: names of the module whose values in the map have another shape. */
  mismatched?: string[];
}

/** Wrappers of PyTorch that put a name in front of those of the parameters. */
const WRAPPERS: Readonly<Record<string, string>> = { _orig_mod: 'torch.compile', module: 'DataParallel' };
/** So many names are tried to find a prefix. */
const PROBES = 8;

/**
 * Writes the values of `map` to the variables of the same names. Nothing changes unless everything fits.
 * @throws StridenetError ERR_STATE_DICT_MISMATCH, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION; as reading the values
 */
export function loadVariables(
  where: string,
  variables: ReadonlyMap<string, Variable>,
  map: ReadonlyMap<string, Tensor>,
  options: LoadStateDictOptions,
): LoadedStateDict {
  checkOptions(where, options, ['strict', 'prefix', 'ignoreMismatched']);
  const strict = checkBoolean(where, 'strict', options.strict ?? true);
  const ignoreMismatched = checkBoolean(where, 'ignoreMismatched', options.ignoreMismatched ?? false);
  const prefix: unknown = options.prefix ?? '';
  if (typeof prefix !== 'string') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects prefix to be a string but got ${formatValue(prefix)}.`);
  }
  if (!types.isMap(map)) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects a Map of name to Tensor but got ${formatValue(map)}.`);
  }
  const given = new Map<string, Tensor>();
  for (const [name, value] of map as ReadonlyMap<unknown, unknown>) {
    if (typeof name !== 'string') {
      throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects names that are strings but got ${formatValue(name)}.`);
    }
    checkTensor(where, formatValue(name), value);
    if (name.startsWith(prefix)) given.set(name.slice(prefix.length), value);
  }

  const missing = [...variables].filter(([name, { storage }]) => !given.has(name) && !storage.isInteger).map(([name]) => name);
  const unexpected = [...given.keys()].filter((name) => !variables.has(name));
  const matched = [...variables].filter(([name]) => given.has(name));
  const isMisshaped = ([name, { shape }]: (typeof matched)[number]): boolean => formatShape(given.get(name)!.shape) !== formatShape(shape);
  const misshaped = matched.filter(isMisshaped);
  const report = {
    missing,
    unexpected: unexpected.map((name) => prefix + name),
    ...(ignoreMismatched ? { mismatched: misshaped.map(([name]) => name) } : {}),
  };

  const problems = [
    ...(strict && missing.length ? [`missing: ${formatNames(missing)}`] : []),
    ...(strict && unexpected.length ? [`unexpected: ${formatNames(report.unexpected)}`] : []),
    ...(!ignoreMismatched && misshaped.length
      ? [
          `of another shape: ${formatNames(misshaped, ([name, { shape }]) => `${name} (expected ${formatShape(shape)}, got ${formatShape(given.get(name)!.shape)})`)}`,
        ]
      : []),
  ];
  // If nothing fits because of a prefix, that is an error even with `strict: false`.
  const advice =
    matched.length === 0 || problems.length > 0 ? adviceOnPrefix(prefix, map, given, variables, missing, unexpected) : undefined;
  if (advice !== undefined && matched.length === 0) problems.push(`none of its ${variables.size} names fit`);
  if (problems.length > 0) {
    const hint = advice ?? (misshaped.length && !ignoreMismatched ? ADVICE_ON_SHAPES : 'Pass { strict: false } to load what fits.');
    throw new StridenetError(
      'ERR_STATE_DICT_MISMATCH',
      `${where} expects the names and shapes of stateDict(); ${problems.join('; ')}. ${hint}`,
    );
  }

  const fitting = matched.filter((entry) => !isMisshaped(entry));
  takeOver(fitting.map(([name, variable]) => [variable, given.get(name)!]));
  return report;
}

/** Gives variables the values of tensors of their shapes. What lies in a file stays there until it is needed. @throws as reading the values */
export function takeOver(pairs: readonly (readonly [Variable, Tensor])[]): void {
  // Values are read before the first is written.
  const values = pairs.map(([{ storage }, x]) => [storage, valueOf(x)] as const);
  for (const [storage, value] of values) {
    if ('read' in value) storage.store(value);
    else storage.set(value);
  }
}

const ADVICE_ON_SHAPES =
  'Build the model with the options that the weights were saved from (such as classes), or pass { ignoreMismatched: true } to leave these as they are.';

/** What to do when the names differ by a prefix; undefined when they do not. */
function adviceOnPrefix(
  prefix: string,
  map: ReadonlyMap<string, Tensor>,
  given: ReadonlyMap<string, Tensor>,
  variables: ReadonlyMap<string, Variable>,
  missing: readonly string[],
  unexpected: readonly string[],
): string | undefined {
  if (given.size === 0 && map.size > 0)
    return `No name begins with the prefix ${formatValue(prefix)}; the first is ${formatNames([...map.keys()], undefined, 1)}.`;
  const more = findPrefix(unexpected, missing);
  if (more !== undefined) {
    const wrapper = WRAPPERS[more.split('.').at(-2) ?? ''];
    const reason = wrapper ? `, which ${wrapper} puts there` : '';
    return `The names in the map begin with ${formatValue(prefix + more)}${reason}: pass { prefix: ${formatValue(prefix + more)} }.`;
  }
  const part = findPrefix(missing, unexpected);
  if (part === undefined || variables.size === 0) return undefined;
  return `The values are those of the part ${formatValue(part.slice(0, -1))} of this module: call loadStateDict of that.`;
}

/** What stands before most of `wanted` in `names`: it ends with a dot. */
function findPrefix(names: readonly string[], wanted: readonly string[]): string | undefined {
  const all = new Set(names);
  const candidates = new Set<string>();
  for (const name of wanted.slice(0, PROBES)) {
    for (const longer of names) if (longer.endsWith(`.${name}`)) candidates.add(longer.slice(0, -name.length));
  }
  // A hostile map has a candidate for each name; a real one has few.
  return [...candidates].slice(0, PROBES).find((prefix) => 2 * wanted.filter((name) => all.has(prefix + name)).length > wanted.length);
}

/** The numbers of a tensor as float32: without a copy where nothing can change them, and where they stay in a file, that. */
function valueOf(x: Tensor): Float32Array | StoredValue {
  if (x.leaf?.kind === 'constant' && x.leaf.stored) return x.leaf.stored;
  if (x.leaf?.kind === 'constant' && x.dtype === 'float32') return x.leaf.data as Float32Array;
  return x.dtype === 'float32' ? (x.dataSync() as Float32Array) : Float32Array.from(x.dataSync());
}
