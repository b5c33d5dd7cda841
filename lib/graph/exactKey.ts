/** Texts that plain data is told apart by. */

/**
 * A text for numbers, strings, booleans, arrays and objects of them, such as the attributes of a node: equal exactly when the data is. JSON
 * is no such text, for it writes NaN and both infinities as null and -0 as 0. Keys of programs, of derived values and of equal nodes are
 * made of it.
 */
export function exactKey(data: unknown): string {
  if (typeof data === 'number') return Object.is(data, -0) ? '-0' : String(data);
  if (typeof data === 'string') return JSON.stringify(data);
  if (typeof data !== 'object' || data === null) return String(data);
  if (Array.isArray(data) || ArrayBuffer.isView(data)) return `[${Array.from(data as ArrayLike<unknown>, exactKey).join()}]`;
  const fields = Object.entries(data).map(([name, value]) => `${JSON.stringify(name)}:${exactKey(value)}`);
  return `{${fields.join()}}`;
}
