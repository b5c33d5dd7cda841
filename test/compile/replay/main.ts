/**
 * Shows how the compiler's listings differ from those that are recorded, or records them: `npm run replay`, `npm run replay -- --accept`.
 * Ends with code 1 when they differ and are not accepted.
 */

import { parseArgs } from 'node:util';
import { ISAS, makeListings } from './listings';
import { differingNames, readRecord, unifiedDiff, writeRecord } from './record';

const { values } = parseArgs({ options: { accept: { type: 'boolean' } } });
const [before, after] = [readRecord(), makeListings(ISAS)];
const names = differingNames(before, after);
console.log(unifiedDiff(before, after));
console.log(
  `${names.length} of ${Object.keys(after).length} listings differ from the record${names.length > 0 ? `:\n${names.join('\n')}` : '.'}`,
);
if (values.accept) {
  writeRecord(after);
} else if (names.length > 0) {
  process.exitCode = 1;
}
