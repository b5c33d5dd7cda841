/**
 * The settings that decide what comes out of a training: what a checkpoint remembers of them, and what is said when a training that goes on from it
 * has others.
 */

import { formatValue, nearest, readArray, StridenetError } from '../errors';

/** Settings by name, as they come out of a file of JSON; null where one is not used. */
export type SavedSettings = Readonly<Record<string, unknown>>;

/** @param values plain data, undefined where a setting is not used */
export function savedSettings(values: Readonly<Record<string, unknown>>): SavedSettings {
  return JSON.parse(JSON.stringify(values, (_, value: unknown) => (value === undefined ? null : value))) as SavedSettings;
}

/** Stands for a function of a user's own, which no file can hold: two of them count as the same. */
export const OWN_CODE = 'code of your own';

/** What of a training may be others on purpose when it goes on from a checkpoint, of a `Trainer` and of `fit`. */
export const TRAINER_CHANGES = ['optimizer', 'loss', 'accumulate', 'ema', 'gradientClipNorm', 'gradientClipValue', 'algorithm'] as const;
export const FIT_CHANGES = [
  ...TRAINER_CHANGES,
  ...['images', 'batchSize', 'shuffle', 'dropLast', 'limitBatches', 'overfitBatches', 'schedule', 'swa', 'augment', 'mix'],
] as const;
/** Which images are left to an epoch depends on these. */
const OF_AN_EPOCH = new Set(['images', 'batchSize', 'shuffle', 'dropLast', 'limitBatches', 'overfitBatches', 'accumulate']);

/** @param known names that may be given @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkChanges(where: string, option: string, given: unknown, known: readonly string[]): ReadonlySet<string> {
  if (given === undefined) return new Set();
  const names = readArray(given);
  const wrong = names ? names.find((name) => !known.includes(name as string)) : given;
  if (names && wrong === undefined) return new Set(names as string[]);
  const near = names && typeof wrong === 'string' ? nearest(wrong, known) : undefined;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${option} to be an array of names of settings but got ${formatValue(wrong)}. ` +
      (near ? `Did you mean "${near}"?` : `There are ${known.join(', ')}.`),
  );
}

/** A checkpoint that is gone on from. */
export interface Continuation {
  /** The function that goes on, which errors name. */
  readonly where: string;
  readonly path: string;
  /** What may be others. */
  readonly changes: ReadonlySet<string>;
  /** How the caller says so, for messages: 'resumeChanges'. */
  readonly option: string;
  /** Whether it was saved in the middle of an epoch, or between the batches of an update. */
  readonly isWithin: boolean;
}

/**
 * Settings that a checkpoint does not have, since another version wrote it, are not compared.
 * @throws StridenetError ERR_INVALID_ARGUMENT for the first that is another and not meant to be
 */
export function checkContinues({ where, path, changes, option, isWithin }: Continuation, saved: SavedSettings, given: SavedSettings): void {
  for (const [name, value] of Object.entries(given)) {
    const difference = Object.hasOwn(saved, name) ? differenceOf(name, saved[name], value) : undefined;
    const isFixed = isWithin && OF_AN_EPOCH.has(name);
    if (!difference || (changes.has(name) && !isFixed)) continue;
    const advice = isFixed
      ? 'It was saved in the middle of an epoch, which ends as it began.'
      : `To go on with another from here on, name it: ${option}: ['${name}'].`;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects the ${difference.name} that ${path} was saved with, ${difference.saved}, but got ${difference.given}. ${advice}`,
    );
  }
}

interface Difference {
  readonly name: string;
  readonly saved: string;
  readonly given: string;
}

/** The innermost place where two values are not the same, if there is one. */
function differenceOf(name: string, saved: unknown, given: unknown): Difference | undefined {
  if (isTree(saved) && isTree(given) && Array.isArray(saved) === Array.isArray(given)) {
    const keys = [...new Set([...Object.keys(saved), ...Object.keys(given)])];
    for (const key of keys) {
      const at = Array.isArray(saved) ? `${name}[${key}]` : `${name}.${key}`;
      const found = differenceOf(at, valueAt(saved, key), valueAt(given, key));
      if (found) return found;
    }
    return undefined;
  }
  return (saved ?? null) === (given ?? null) ? undefined : { name, saved: textOf(saved), given: textOf(given) };
}

function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function valueAt(tree: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(tree, key) ? tree[key] : undefined;
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return 'none';
  if (!isTree(value)) return value === OWN_CODE ? OWN_CODE : formatValue(value);
  const text = JSON.stringify(value);
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)}...`;
}

/** Of a setting with options in a message. */
const MOST_CHARACTERS = 100;

/** Settings of a file, if they are any. */
export function isSettings(value: unknown): value is SavedSettings | undefined {
  return value === undefined || (isTree(value) && !Array.isArray(value));
}
