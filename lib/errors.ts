/**
 * The one error class of the package and the checks that raise it. Every code stands in docs/errors.md; test/docs ties the two.
 */

import { types } from 'node:util';
import { printable, printableName } from './printable';

/** Stable identifiers of what went wrong, safe to branch on. */
export type ErrorCode =
  | 'ERR_SHAPE_MISMATCH' // shapes, ranks or channel counts do not fit each other
  | 'ERR_DTYPE_MISMATCH' // a value has the wrong element type
  | 'ERR_INVALID_ARGUMENT' // an argument is of the wrong type or out of range
  | 'ERR_UNKNOWN_OPTION' // an options object has a key that nobody reads
  | 'ERR_UNKNOWN_MODEL' // a model name that the command line does not know
  | 'ERR_NOT_DIFFERENTIABLE' // a gradient was asked through an operation that has none
  | 'ERR_NOT_EXPORTABLE' // a file format cannot hold the model
  | 'ERR_STATE_DICT_MISMATCH' // parameter names or shapes differ from the module's
  | 'ERR_BAD_FILE' // a file is truncated, malformed or of another kind
  | 'ERR_FILE_ACCESS' // a file cannot be read or written
  | 'ERR_FILE_CHANGED' // a file of weights was written over while a model reads from it
  | 'ERR_CHECKSUM' // downloaded bytes differ from what was published
  | 'ERR_DATA_UNAVAILABLE' // a data set is on none of the known places and could not be fetched
  | 'ERR_MISSING_DEPENDENCY' // an optional package is needed and absent
  | 'ERR_NOT_FINITE' // a loss became NaN or infinite
  | 'ERR_BUSY' // a model is being trained by something else
  | 'ERR_ADDRESS_IN_USE' // a port is taken or may not be used
  | 'ERR_CLOSED' // a closed session was used
  | 'ERR_OUT_OF_MEMORY' // memory for a program or a tensor could not be had
  | 'ERR_NATIVE_UNAVAILABLE' // no native binary could be loaded
  | 'ERR_UNSUPPORTED_ISA' // STRIDENET_ISA asks for what the processor lacks
  | 'ERR_PROGRAM_INVALID'; // native code refused a program: a defect of the compiler or a stale build

/**
 * The error of everything that this package refuses or cannot do. Its `code` is stable; its message says what was expected, where, what came
 * and how to fix it.
 */
export class StridenetError extends Error {
  /** To be told from other errors by: `error.name === 'StridenetError'`, whichever copy of the package threw it. */
  override readonly name = 'StridenetError';
  /**
   * An error of one's own that callers may treat as those of the package.
   * @param message a sentence
   */
  constructor(
    /** What went wrong, safe to branch on; docs/errors.md explains each. */
    readonly code: ErrorCode,
    message: string,
    options?: {
      /** The error behind it. */
      cause?: unknown;
    },
  ) {
    super(printable(typeof message === 'string' ? message : formatValue(message)), options);
  }
}

/** Text of a shape for messages: `[32, 128, 28, 28]`. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** The first of many names, and how many more there are. Names out of files may be anything: what is no plain name is quoted. */
export function formatNames<T = string>(
  names: readonly T[],
  format: (name: T) => string = (name) => plainName(String(name)),
  most = 4,
): string {
  // One more takes no more room than the number of those left out.
  const shown = names.length <= most + 1 ? names : names.slice(0, most);
  const rest = names.length - shown.length;
  return shown.map(format).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

function plainName(name: string): string {
  return /^[\w./-]{1,100}$/.test(name) ? name : formatValue(name);
}

/** Strings are quoted up to here. */
const LONGEST_QUOTE = 80;
/** Arrays are written out up to this length and depth, and as long as the text is no longer than this. */
const LONGEST_ARRAY = 8;
const DEEPEST_ARRAY = 3;
const LONGEST_TEXT = 120;
/** At most so many fields of an object are named. */
const MOST_KEYS = 6;

/**
 * The key under which tensors and modules name the copy of the package that made them. A program may load two: from two folders, or anew in
 * the realm of a test; what one copy made is foreign to the other.
 */
export const COPY: unique symbol = Symbol.for('stridenet.copy');
/** This copy. */
export const THIS_COPY: object = Object.freeze({ folder: __dirname });

/** A short rendering of any value for messages. It never throws, whatever the value is, and is never longer than a line or two. */
export function formatValue(value: unknown): string {
  try {
    return format(value, 0);
  } catch {
    return 'a value that cannot be read';
  }
}

function format(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value);
    case 'bigint':
      return `${shorten(String(value))}n`;
    case 'symbol':
      return `Symbol(${printableName(shorten(value.description ?? ''))})`;
    case 'function':
      return types.isProxy(value) ? 'a Proxy' : `function ${identifier(value.name) ?? '(anonymous)'}`;
    case 'object':
      return value === null ? 'null' : formatObject(value, depth);
    default:
      return String(value);
  }
}

function formatObject(value: object, depth: number): string {
  if (types.isProxy(value)) return 'a Proxy';
  if (Array.isArray(value)) return formatArray(value, depth);
  const name = identifier((value.constructor as { name?: unknown } | null | undefined)?.name);
  if (ArrayBuffer.isView(value)) return `${name ?? 'DataView'}(${'length' in value ? String(value.length) : value.byteLength})`;
  if (!name || name === 'Object') return `an object${formatKeys(Object.keys(value))}`;
  const { shape, [COPY]: copy = THIS_COPY } = value as { shape?: unknown; [COPY]?: unknown };
  const foreign = copy === THIS_COPY ? '' : ' of another copy of stridenet (load the package once: `npm ls stridenet` shows every copy)';
  return `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}${Array.isArray(shape) ? ` of shape ${formatArray(shape, 0)}` : ''}${foreign}`;
}

/** ` { images, labels }` */
function formatKeys(keys: readonly string[]): string {
  const names = keys.slice(0, MOST_KEYS).map((key) => identifier(key) ?? quote(key));
  const text = [...names, ...(keys.length > MOST_KEYS ? ['...'] : [])].join(', ');
  return keys.length > 0 && text.length <= LONGEST_TEXT ? ` { ${text} }` : '';
}

function formatArray(value: readonly unknown[], depth: number): string {
  const { length } = value;
  if (length <= LONGEST_ARRAY && depth < DEEPEST_ARRAY) {
    const entries = Array.from({ length }, (_, i) => (i in value ? format(value[i], depth + 1) : 'nothing'));
    const text = `[${entries.join(', ')}]`;
    if (text.length <= LONGEST_TEXT) return text;
  }
  return `an array of ${length}`;
}

/** The name of a class or function if it is one and not some text, which could do harm in a terminal. */
function identifier(name: unknown): string | undefined {
  return typeof name === 'string' && name.length <= LONGEST_QUOTE && /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? name : undefined;
}

function shorten(text: string): string {
  return text.length <= LONGEST_QUOTE ? text : `${text.slice(0, LONGEST_QUOTE)}...`;
}

/** The text in quotation marks, without characters that a terminal obeys, and not all of a long one. */
export function quote(text: string): string {
  const rest = text.length - LONGEST_QUOTE;
  return `${printableName(JSON.stringify(text.slice(0, LONGEST_QUOTE)))}${rest > 0 ? ` and ${rest} more characters` : ''}`;
}

/** Longer lists of what is no number are a mistake: an array that is all holes, an iterable without end. */
export const MOST_ENTRIES = 1_000_000;

/**
 * The entries of an array, read once each into a plain copy, so that what was checked is what is used, whatever a getter or proxy gives the
 * second time. A hole is undefined. Gives undefined for what is no array and for one of more than `most` entries.
 */
export function readArray(value: unknown, most = MOST_ENTRIES): unknown[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const length: unknown = value.length;
  if (!Number.isSafeInteger(length) || (length as number) > most) return undefined;
  return Array.from({ length: length as number }, (_, i) => (value as unknown[])[i]);
}

/**
 * What an iterable gives. Gives undefined for what is none, for a typed array, whose memory may be gone, and for more than `most` values, of
 * which there may be no end.
 */
export function readIterable(value: unknown, most = MOST_ENTRIES): unknown[] | undefined {
  if (Array.isArray(value)) return readArray(value, most);
  const { [Symbol.iterator]: iterator } = Object(value) as Partial<Iterable<unknown>>;
  if (typeof iterator !== 'function' || ArrayBuffer.isView(value)) return undefined;
  const values: unknown[] = [];
  for (const each of value as Iterable<unknown>) {
    if (values.length === most) return undefined;
    values.push(each);
  }
  return values;
}

/**
 * Refuses an options object with a key outside `allowed`, naming the nearest allowed one.
 * @throws StridenetError ERR_UNKNOWN_OPTION, or ERR_INVALID_ARGUMENT when `options` is not an object
 */
export function checkOptions(where: string, options: unknown, allowed: readonly string[]): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects an options object but got ${formatValue(options)}.`);
  }
  for (const key of Object.keys(options)) {
    if (allowed.includes(key)) continue;
    const near = nearest(key, allowed);
    const hint = near ? `Did you mean "${near}"?` : `Known options: ${allowed.join(', ') || 'none'}.`;
    throw new StridenetError('ERR_UNKNOWN_OPTION', `${where} has no option ${quote(key)}. ${hint}`);
  }
}

/** The candidate within an edit distance of a third of its length, or undefined. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best !== undefined && bestDistance <= Math.max(1, Math.ceil(best.length / 3)) ? best : undefined;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      current[j] = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}

/** Checks that `value` is an integer of at least `min`. */
export function checkInteger(where: string, name: string, value: unknown, min: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects ${name} to be an integer of at least ${min} but got ${formatValue(value)}.`,
    );
  }
  return value;
}

/** Checks that `value` is true or false. */
export function checkBoolean(where: string, name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${name} to be true or false but got ${formatValue(value)}.`);
}

/** The largest finite float32; what rounds to more is infinite there. */
const MAX_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

/** Checks that `value` is a number in [min, max] that is finite in float32, too, in which everything is computed. */
export function checkNumber(where: string, name: string, value: unknown, min = -Infinity, max = Infinity): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max) {
    const range = min === -Infinity && max === Infinity ? '' : ` in [${min}, ${max}]`;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects ${name} to be a finite number${range} but got ${formatValue(value)}.`,
    );
  }
  if (Number.isFinite(Math.fround(value))) return value;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${name} to be finite in float32, at most ${MAX_FLOAT32.toPrecision(6)} in size, but got ${value}.`,
  );
}

/** Checks that `value` is a number, which may be infinite or NaN. */
export function checkNumeric(where: string, name: string, value: unknown): number {
  if (typeof value === 'number') return value;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${name} to be a number but got ${formatValue(value)}.`);
}

/** Checks that `value` is a function. */
export function checkFunction(where: string, name: string, value: unknown): (...args: never) => unknown {
  if (typeof value === 'function') return value as (...args: never) => unknown;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${name} to be a function but got ${formatValue(value)}.`);
}
