/** The listings of every model of the zoo are those that are recorded: a change of the compiler or of a cost shows what it does to them. */

import { ISAS, makeListings } from './replay/listings';
import { differingNames, readRecord, unifiedDiff } from './replay/record';

const SHOWN_LINES = 60;

test.each(ISAS)('listings of every model for %s', (isa) => {
  const expected = Object.fromEntries(Object.entries(readRecord()).filter(([name]) => name.endsWith(` ${isa}`)));
  const made = makeListings([isa]);
  expect(Object.keys(made).length).toBeGreaterThan(0);
  const names = differingNames(expected, made);
  if (names.length === 0) return;
  const lines = unifiedDiff(expected, made).split('\n');
  throw new Error(
    `${names.length} of ${Object.keys(made).length} listings differ from the record: ${names.join(', ')}\n\n` +
      `${lines.slice(0, SHOWN_LINES).join('\n')}\n\n"npm run replay" shows all of it, "npm run replay -- --accept" records it.`,
  );
});
