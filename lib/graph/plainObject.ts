/** Whether an object is what `{ ... }` makes, and not an instance of a class or an array. */

/** Of any realm (vm contexts, test runners): the prototype of a plain object has none itself. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || (Object.getPrototypeOf(prototype) === null && !Array.isArray(value));
}
