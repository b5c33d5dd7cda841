/** The combinations of a sweep: what varies, and the settings of each. */

import { createHash } from 'node:crypto';
import { extname, join } from 'node:path';
import { formatValue, StridenetError } from '../../errors';
import { UsageError } from '../arguments';
import { parseValue, splitOutside } from '../settings/calls';
import { merge, placeOf, settingsOfObject, type Settings } from '../settings/settings';

/** A setting that varies. */
export interface Param {
  /** As it was given: 'lr', 'optimizer.weightDecay'. */
  readonly name: string;
  readonly path: readonly string[];
  readonly values: readonly unknown[];
}

export interface Combination {
  /** Follows from the settings: the same combination has the same one in every sweep. */
  readonly id: string;
  /** Values of what varies, by the names that were given. */
  readonly values: Readonly<Record<string, unknown>>;
  /** All that the config and the combination say. */
  readonly settings: Settings;
}

/** More take longer than anyone waits. */
const MOST = 10_000;

/** @param text 'lr=0.01,0.1' @throws UsageError */
export function parseParam(text: string): Param {
  const [, name, list] = /^([A-Za-z]\w*(?:\.[A-Za-z]\w*)?)=(.+)$/s.exec(text) ?? [];
  if (name === undefined) throw new UsageError(`--param expects NAME=VALUE,VALUE such as lr=0.01,0.1 but got ${formatValue(text)}.`);
  const parts = splitOutside(list!, ',').map((part) => part.trim());
  if (parts.includes('')) throw new UsageError(`--param ${name} expects values between commas but got ${formatValue(list)}.`);
  const twice = parts.find((part, i) => parts.indexOf(part) !== i);
  if (twice !== undefined) throw new UsageError(`--param ${name} has the value ${twice} twice.`);
  return { name, path: placeOf(name) ?? name.split('.'), values: parts.map(parseValue) };
}

/**
 * Every combination of the values, the last parameter varying fastest.
 * @param base what the config file says
 * @throws UsageError; StridenetError ERR_UNKNOWN_OPTION, ERR_INVALID_ARGUMENT for what is no setting
 */
export function combinationsOf(base: Settings, params: readonly Param[]): Combination[] {
  const places = params.map(({ path }) => path.join('.'));
  const twice = places.find((place, i) => places.indexOf(place) !== i);
  if (twice !== undefined) throw new UsageError(`--param ${twice} is there twice. Give all its values at once.`);
  const count = params.reduce((product, { values }) => product * values.length, 1);
  if (count > MOST) throw new UsageError(`--param gives ${count} combinations where at most ${MOST} are run. Leave values out.`);
  return Array.from({ length: count }, (_, index) => {
    const chosen: [Param, unknown][] = [];
    let rest = index;
    for (const param of [...params].reverse()) {
      chosen.unshift([param, param.values[rest % param.values.length]]);
      rest = Math.floor(rest / param.values.length);
    }
    return combine(base, chosen);
  });
}

function combine(base: Settings, chosen: readonly (readonly [Param, unknown])[]): Combination {
  // A name first: of another optimizer's options nothing is left.
  const inOrder = [...chosen].sort(([a], [b]) => a.path.length - b.path.length);
  const settings = inOrder.reduce((under, [{ path, name }, value]) => {
    const [key, inner] = path as [string, string?];
    return merge(under, settingsOfObject(`--param ${name}`, { [key]: inner === undefined ? value : { [inner]: value } }));
  }, base);
  const id = createHash('sha256').update(canonical(settings)).digest('hex').slice(0, 12);
  return { id, values: Object.fromEntries(chosen.map(([{ name }, value]) => [name, value])), settings: ownFiles(settings, id) };
}

/** JSON that does not depend on the order of keys, without what does not change the outcome. */
function canonical(settings: Settings): string {
  const relevant = Object.entries(settings).filter(([key]) => !['threads', 'out', 'log', 'report', 'tensorboard'].includes(key));
  return JSON.stringify(Object.fromEntries(relevant), (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** Files of one combination, which must not be those of another: report.html becomes report-ID.html. */
function ownFiles(settings: Settings, id: string): Settings {
  const named = (path: string): string => {
    const ending = extname(path);
    return `${path.slice(0, path.length - ending.length)}-${id}${ending}`;
  };
  const files = ['out', 'log', 'report'].flatMap((key) =>
    settings[key] === undefined ? [] : [[key, named(settings[key] as string)] as const],
  );
  const { tensorboard } = settings;
  return { ...settings, ...Object.fromEntries(files), ...(tensorboard !== undefined && { tensorboard: join(tensorboard as string, id) }) };
}

/** 'lr=0.1 optimizer.weightDecay=0' */
export function formatValues(values: Combination['values']): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${formatCell(value)}`)
    .join(' ');
}

export function formatCell(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** @throws StridenetError ERR_INVALID_ARGUMENT when nothing says what to train */
export function checkModels(where: string, combinations: readonly Combination[]): void {
  if (combinations.every(({ settings }) => settings['model'] !== undefined)) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} has no setting config.model. Name the model there, or vary it: --param model=lenet5.`,
  );
}
