/** Records of plain values by name, as options. */

import { formatValue, StridenetError } from '../errors';
import { isPlainObject } from '../graph/plainObject';

/** What a description of a run is made of. */
export type PlainValue = number | string | boolean;

/** @param example of such a record, for messages @throws StridenetError ERR_INVALID_ARGUMENT */
export function checkPlainValues(where: string, name: string, given: unknown, example: string): Readonly<Record<string, PlainValue>> {
  if (typeof given !== 'object' || given === null || !isPlainObject(given)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects ${name} to be an object such as ${example} but got ${formatValue(given)}.`,
    );
  }
  const entries = Object.entries(given as Record<string, unknown>);
  for (const [key, value] of entries) {
    if (['number', 'string', 'boolean'].includes(typeof value)) continue;
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects every value of ${name} to be a number, a text or a boolean but that of ${formatValue(key)} is ${formatValue(value)}.`,
    );
  }
  return Object.fromEntries(entries) as Record<string, PlainValue>;
}
