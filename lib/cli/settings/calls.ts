/**
 * Names with arguments, as one argument of the command line: `randomCrop:28:padding=2,randomHorizontalFlip`. Values are JSON where they can be:
 * `colorJitter:brightness=[0.8,1.2]`, and texts else.
 */

import { formatValue } from '../../errors';
import { UsageError } from '../arguments';

/** One name with its arguments. */
export interface Call {
  readonly name: string;
  /** Those without a name, in order. */
  readonly positional: readonly unknown[];
  readonly named: Readonly<Record<string, unknown>>;
}

/** @throws UsageError */
export function parseCalls(flag: string, text: string): Call[] {
  return splitOutside(text, ',').map((call) => parseCall(flag, call));
}

/** @throws UsageError */
export function parseCall(flag: string, text: string): Call {
  const [name, ...args] = splitOutside(text, ':').map((part) => part.trim());
  if (!name) throw new UsageError(`--${flag} expects names, each with its arguments behind colons, but got ${formatValue(text)}.`);
  const positional: unknown[] = [];
  const named = new Map<string, unknown>();
  for (const arg of args) {
    const [, key, value] = /^([A-Za-z]\w*)=(.*)$/s.exec(arg) ?? [];
    if (arg === '' || value === '')
      throw new UsageError(`--${flag} expects a value ${arg === '' ? 'between colons' : `for ${key}`} in ${formatValue(text)}.`);
    if (key === undefined) positional.push(parseValue(arg));
    else if (named.has(key)) throw new UsageError(`--${flag} has ${key} twice in ${formatValue(text)}.`);
    else named.set(key, parseValue(value!));
  }
  return { name, positional, named: Object.fromEntries(named) };
}

/** A number, true, false, null, an array or an object; what is no JSON is a text. */
export function parseValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** The parts between separators that are in no brackets and no quotation marks. */
export function splitOutside(text: string, separator: string): string[] {
  const parts = [''];
  let [depth, quoted] = [0, false];
  for (const character of text) {
    if (character === '"') quoted = !quoted;
    if (!quoted && '[{'.includes(character)) depth++;
    if (!quoted && ']}'.includes(character)) depth--;
    if (character === separator && depth <= 0 && !quoted) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts;
}
