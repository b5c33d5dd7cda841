/**
 * The one error class of the package and the checks that raise it. Every code stands in docs/errors.md; test/docs ties the two.
 */

import { printable } from './printable';

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
  | 'ERR_CLOSED' // a closed session was used
  | 'ERR_OUT_OF_MEMORY' // memory for a program or a tensor could not be had
  | 'ERR_NATIVE_UNAVAILABLE' // no native binary could be loaded
  | 'ERR_UNSUPPORTED_ISA' // STRIDENET_ISA asks for what the processor lacks
  | 'ERR_PROGRAM_INVALID'; // native code refused a program: a defect of the compiler or a stale build

export class StridenetError extends Error {
  override readonly name = 'StridenetError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(printable(message), options);
  }
}

/** Text of a shape for messages: `[32, 128, 28, 28]`. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** A short rendering of any value for messages. */
export function formatValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${(value as Uint8Array).length})`;
  if (Array.isArray(value)) return value.length <= 8 ? `[${value.map(formatValue).join(', ')}]` : `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) {
    const name = value.constructor?.name;
    return !name || name === 'Object' ? 'an object' : `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
  }
  return String(value);
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
    throw new StridenetError('ERR_UNKNOWN_OPTION', `${where} has no option "${key}". ${hint}`);
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

/** Checks that `value` is a finite number in [min, max]. */
export function checkNumber(where: string, name: string, value: unknown, min = -Infinity, max = Infinity): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max) {
    const range = min === -Infinity && max === Infinity ? '' : ` in [${min}, ${max}]`;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects ${name} to be a finite number${range} but got ${formatValue(value)}.`,
    );
  }
  return value;
}
