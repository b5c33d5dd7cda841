/** Settings as plain data: out of flags, out of a config file, and put together. */

import { formatValue, nearest, StridenetError } from '../../errors';
import { isPlainObject } from '../../graph/plainObject';
import { Arguments, UsageError } from '../arguments';
import { optionsOf, SECTIONS, SETTINGS, SGD_DEFAULTS, type OptimizerName, type ScheduleName, type Setting } from './table';
import type { TransformSetting } from './presets';

/** What is said of a training, in the shape of a config file; sections are objects. JSON holds it. */
export type Settings = Readonly<Record<string, unknown>>;

/** All of a training, with the defaults of the command line. */
export interface TrainSettings extends DataSettings {
  readonly model: string;
  readonly epochs: number;
  readonly batchSize: number;
  readonly optimizer: { readonly name: OptimizerName; readonly noDecayOnNormAndBias?: boolean } & Settings;
  readonly schedule: { readonly name: ScheduleName; readonly warmupEpochs?: number } & Settings;
  readonly gradientClipNorm?: number;
  readonly gradientClipValue?: number;
  readonly accumulate?: number;
  readonly ema?: { readonly decay?: number };
  readonly labelSmoothing: number;
  readonly augment?: readonly TransformSetting[];
  readonly validationTransforms?: readonly TransformSetting[];
  readonly mixup?: Settings;
  readonly cutmix?: Settings;
  readonly validation?: number;
  readonly metrics: readonly string[];
  readonly earlyStopping?: Settings;
  readonly keepBest?: boolean;
  readonly monitor?: string;
  readonly dropLast?: boolean;
  readonly limitBatches?: number;
  readonly fastDevRun?: boolean;
  readonly activation?: 'relu' | 'sigmoid' | 'tanh';
  readonly pooling?: 'max' | 'avg';
  readonly stem?: 'imagenet' | 'cifar';
  readonly init?: 'xavier-uniform' | 'xavier-normal';
  readonly threads?: number;
  readonly log?: string;
  readonly tensorboard?: string;
  readonly report?: string;
  readonly out?: string;
}

/** Where examples come from. */
export interface DataSettings {
  readonly data: string;
  readonly download?: boolean;
  readonly imageSize?: readonly [number, number];
  readonly channels?: 1 | 3;
  readonly onError?: 'throw' | 'skip';
  readonly cache?: boolean;
  readonly seed: number;
}

/** What flags say. @throws UsageError */
export function settingsOfFlags(args: Arguments, settings: readonly Setting[]): Settings {
  const given: Record<string, unknown> = {};
  for (const { flag, path, kind } of settings) {
    const value = kind.ofFlag(args, flag);
    if (value === undefined) continue;
    const [key, inner] = path;
    const section = given[key] as Settings | undefined;
    if (inner === undefined) given[key] = value;
    else if (section && Object.hasOwn(section, inner))
      throw new UsageError(`--${flag} and --${key} both say ${inner}. Leave one of them out.`);
    else given[key] = { ...section, [inner]: value };
  }
  return given;
}

/**
 * What the object of a config file says.
 * @param where the file, for messages
 * @throws StridenetError ERR_UNKNOWN_OPTION, ERR_INVALID_ARGUMENT naming the setting by its path
 */
export function settingsOfObject(where: string, config: unknown): Settings {
  if (typeof config !== 'object' || config === null || !isPlainObject(config)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects an object of settings, such as { "epochs": 10 }, but got ${formatValue(config)}.`,
    );
  }
  const settings: Record<string, unknown> = {};
  for (const [key, given] of Object.entries(config)) {
    if (given === undefined) continue;
    const name = `config.${key}`;
    if (key === 'model') {
      if (typeof given !== 'string' || given === '') throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${name} to be the name of a model but got ${formatValue(given)}.`); // prettier-ignore
      settings[key] = given;
      continue;
    }
    const inside = SETTINGS.filter(({ path }) => path[0] === key);
    if (inside.length === 0) throw unknownKey(where, key);
    const whole = inside.find(({ path }) => path.length === 1);
    settings[key] = Object.hasOwn(SECTIONS, key)
      ? sectionOf(where, key, given, inside)
      : whole!.kind.ofFile(where, name, plain(where, name, given));
  }
  return settings;
}

function sectionOf(where: string, key: string, given: unknown, inside: readonly Setting[]): Settings {
  const { short, type } = SECTIONS[key]!;
  const name = `config.${key}`;
  const section: unknown = typeof given === type ? { [short]: given } : given;
  if (typeof section !== 'object' || section === null || !isPlainObject(section)) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${name} to be ${type === 'string' ? 'a name' : 'a number'} or an object of options but got ${formatValue(given)}.`); // prettier-ignore
  }
  inside.find(({ path }) => path.length === 1)?.kind.ofFile(where, name, section);
  const checked: Record<string, unknown> = {};
  for (const [inner, value] of Object.entries(section)) {
    if (value === undefined) continue;
    const known = inside.find(({ path }) => path[1] === inner);
    const at = `${name}.${inner}`;
    checked[inner] = known ? known.kind.ofFile(where, at, value) : plain(where, at, value);
  }
  return checked;
}

/** Refuses what JSON cannot hold: a checkpoint keeps the settings. */
function plain(where: string, name: string, value: unknown): unknown {
  const isLeaf = value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
  if (isLeaf) return value;
  if (Array.isArray(value)) return value.map((each, i) => plain(where, `${name}[${i}]`, each));
  if (typeof value === 'object' && isPlainObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(where, `${name}.${key}`, each)]));
  }
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${name} to be plain data, as JSON holds it, but got ${formatValue(value)}.`,
  );
}

function unknownKey(where: string, key: string): StridenetError {
  const names = ['model', ...new Set(SETTINGS.map(({ path }) => path[0]))];
  const nested = placeOf(key);
  const near = nested?.[1] !== undefined ? nested.join('.') : nearest(key, names);
  return new StridenetError(
    'ERR_UNKNOWN_OPTION',
    `${where} has an unknown setting config.${key}. ${near ? `Did you mean config.${near}?` : `Known ones: ${names.join(', ')}.`}`,
  );
}

/** Where the setting of a flag is, by its name in camelCase: 'lr' is at optimizer.lr. */
export function placeOf(name: string): Setting['path'] | undefined {
  return SETTINGS.find(({ flag }) => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()) === name)?.path;
}

/** Settings with others over them. Of a section that names something else, such as another optimizer, nothing is left. */
export function merge(under: Settings, over: Settings): Settings {
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = under[key];
    merged[key] = isSection(value) && isSection(below) && !isOther(below, value) ? { ...below, ...value } : value;
  }
  return merged;
}

function isSection(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOther(below: Settings, value: Settings): boolean {
  return value['name'] !== undefined && value['name'] !== below['name'];
}

/** Settings over the defaults of the command line; a model is among them. */
export function withDefaults(given: Settings): TrainSettings {
  const settings = merge(settingsOfFlags(new Arguments([], new Map(), optionsOf(SETTINGS)), SETTINGS), given);
  const { optimizer } = settings as unknown as TrainSettings;
  const complete = optimizer.name === 'sgd' ? { ...settings, optimizer: { ...SGD_DEFAULTS, ...optimizer } } : settings;
  return complete as unknown as TrainSettings;
}

/** Each value by its path. */
export function leavesOf(settings: Settings): Map<string, unknown> {
  const leaves = new Map<string, unknown>();
  for (const [key, value] of Object.entries(settings)) {
    if (isSection(value)) for (const [inner, each] of Object.entries(value)) leaves.set(`${key}.${inner}`, each);
    else leaves.set(key, value);
  }
  return leaves;
}

/** The flag of a path, and the path itself where there is none. */
export function flagOf(path: string): string {
  const found =
    SETTINGS.find((each) => each.path.join('.') === path) ?? SETTINGS.find((each) => each.path.join('.') === path.split('.')[0]);
  return found ? `--${found.flag}` : path;
}
