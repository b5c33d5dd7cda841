import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseCsv, readCsvText } from '../../lib/data/csv';
import { atOnce } from '../../lib/work';
import { expectError, expectRejection } from '../support/expectError';

const table = (text: string): string[][] => {
  const { columns, rows } = atOnce(parseCsv('list.csv', text));
  return [[...columns], ...rows.map(({ fields }) => [...fields])];
};
const lines = (text: string): number[] => atOnce(parseCsv('list.csv', text)).rows.map(({ line }) => line);

it.each<[string, string, string[][]]>([
  ['lines with LF, the last without', 'a,b\n1,2\n3,4', [['a', 'b'], ['1', '2'], ['3', '4']]],
  ['lines with CRLF', 'a,b\r\n1,2\r\n', [['a', 'b'], ['1', '2']]],
  ['a byte order mark', '\ufeffa,b\n1,2\n', [['a', 'b'], ['1', '2']]],
  ['commas, quotes and lines within quotes', 'a,b\n"x, y","say ""hi""\nthere"\n"",""\n', [['a', 'b'], ['x, y', 'say "hi"\nthere'], ['', '']]],
  ['empty fields', 'a,b,c\n,,\n1,,\n,,3', [['a', 'b', 'c'], ['', '', ''], ['1', '', ''], ['', '', '3']]],
  ['a byte order mark before a quote', '\ufeff"a","b"\r\n"1","2"', [['a', 'b'], ['1', '2']]],
  ['empty lines', 'a,b\n\n1,2\r\n\r\n\n', [['a', 'b'], ['1', '2']]],
  ['blanks, which belong to fields', 'a, b\n 1 ,2\n', [['a', ' b'], [' 1 ', '2']]],
  ['a carriage return within a field', 'a\n1\r2\n', [['a'], ['1\r2']]],
  ['no rows', 'a', [['a']]],
])('reads %s', (_, text, expected) => expect(table(text)).toEqual(expected)); // prettier-ignore

it('knows the lines of rows', () => expect(lines('a,b\n\n"1\n\n2",3\n4,5\r\n6,7')).toEqual([3, 6, 7]));

it.each([
  ['', 'it is empty'],
  ['\n\n', 'it is empty'],
  ['a,a\n', 'more than one column "a"'],
  ['a,b\n1\n', 'line 2 has 1 fields but the header has 2'],
  ['a,b\n1,2\n1,2,3\n', 'line 3 has 3 fields'],
  ['a,b\n1,"2\n3', 'a quote that begins in line 2 is never closed'],
  ['a,b\n1,2"3"\n', 'line 2 has a quote within a field'],
  ['a,b\n"1"x,2\n', 'line 2 has "x" behind a closing quote'],
])('refuses %j', (text, fault) => expectError('ERR_BAD_FILE', () => table(text), '"list.csv" is not a valid CSV file', fault));

it('yields between pieces', () => {
  const work = parseCsv('list.csv', `a\n${'1\n'.repeat(5000)}`);
  expect(work.next().done).toBe(false);
});

it('reads UTF-8', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stridenet-csv-'));
  try {
    const file = join(folder, 'list.csv');
    writeFileSync(file, 'Käse \ufffd');
    expect(await readCsvText(file)).toBe('Käse \ufffd');
    writeFileSync(file, Buffer.from('Käse', 'latin1'));
    await expectRejection('ERR_BAD_FILE', readCsvText(file), 'not encoded as UTF-8');
    await expectRejection('ERR_FILE_ACCESS', readCsvText(join(folder, 'none')), 'no such file');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
