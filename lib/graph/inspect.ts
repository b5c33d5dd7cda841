/**
 * What `console.log` and `String` print of the package's objects: the parts that all of them share. Inspecting is cheap - it computes
 * nothing, waits for nothing and reads no large file - and never throws.
 */

import { printableName } from '../printable';

/** Where Node's util.inspect looks for a method that prints an object. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom');

/** util.inspect's default: `console.log` shows so many levels of objects in objects. */
const DEFAULT_DEPTH = 2;
const DEFAULT_WIDTH = 80;

/** What util.inspect hands such a method, as far as it is used. */
export interface InspectOptions {
  stylize(text: string, style: 'special' | 'number' | 'string' | 'boolean' | 'null' | 'name'): string;
  /** Columns; Infinity: everything on one line. */
  readonly breakLength?: number | undefined;
}

/** How an object is to be printed. */
export interface Style {
  /** Levels of objects below this one that are wanted; Infinity from util.inspect's default on. */
  readonly depth: number;
  /** Whether other objects stand around this one: one line is better then. */
  readonly nested: boolean;
  /** Columns of a line. */
  readonly width: number;
  stylize: InspectOptions['stylize'];
}

/** As `String` prints: everything, without colours. */
export const PLAIN: Style = { depth: Infinity, nested: false, width: DEFAULT_WIDTH, stylize: (text) => text };

/** The style that util.inspect asks for. */
export function styleOf(depth: number | null, { stylize, breakLength = DEFAULT_WIDTH }: InspectOptions): Style {
  const levels = depth ?? Infinity;
  return { depth: levels < DEFAULT_DEPTH ? levels : Infinity, nested: levels < DEFAULT_DEPTH, width: breakLength, stylize };
}

/**
 * `write`'s text, or what keeps it from being written: an object in a bad state must be printable most of all.
 * @param name class of the object
 */
export function printed(name: string, style: Style, write: () => string): string {
  if (style.depth < 0) return style.stylize(`[${name}]`, 'special');
  try {
    return write();
  } catch (error) {
    return style.stylize(`[${name}: ${printableName(messageOf(error))}]`, 'special');
  }
}

/** A line for an object that consists of others: `Trainer(LeNet, batchSize: 32, ...)`. */
export function formatObject(object: object, subject: object, fields: Readonly<Record<string, unknown>>, style: Style): string {
  const name = className(object);
  return printed(name, style, () => `${style.stylize(name, 'special')}(${className(subject)}, ${formatFields(fields, style)})`);
}

/** Says how an object is printed without giving it a field: JSON, spreading and comparing see what they saw. */
export function printedAs<T extends object>(object: T, name: string, write: (style: Style) => string): T {
  const inspect = (depth: number | null, options: InspectOptions): string => {
    const style = styleOf(depth, options);
    return printed(name, style, () => write(style));
  };
  return Object.defineProperty(object, INSPECT, { value: inspect });
}

function messageOf(error: unknown): string {
  const message: unknown = (error as Partial<Error> | null | undefined)?.message;
  return typeof message === 'string' ? message : 'it cannot be inspected';
}

/** The name of an object's class, fit for a terminal. */
export function className(object: object): string {
  try {
    const { name } = object.constructor as { name: unknown };
    if (typeof name === 'string' && name !== '') return printableName(name);
  } catch {
    // A getter of the user's.
  }
  return 'Object';
}

/** `name: value, name: value` as source text has it; undefined values are left out. */
export function formatFields(fields: Readonly<Record<string, unknown>>, { stylize }: Pick<Style, 'stylize'> = PLAIN): string {
  const one = (value: unknown): string => {
    if (Array.isArray(value)) return `[${value.map(one).join(', ')}]`;
    if (typeof value === 'string') return stylize(`'${printableName(value)}'`, 'string');
    if (typeof value === 'number') return stylize(String(value), 'number');
    if (typeof value === 'boolean') return stylize(String(value), 'boolean');
    return value === null ? stylize('null', 'null') : String(value);
  };
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${one(value)}`)
    .join(', ');
}
