/** CSV as RFC 4180 has it: a header, fields in quotes or not, quotes doubled within quotes, lines that end in CRLF or LF. */

import { formatNames, formatValue, StridenetError } from '../errors';
import { fileError, openRegular } from '../io/file';
import type { Work } from '../work';

/** A table as text. */
export interface CsvTable {
  readonly columns: readonly string[];
  /** Fields in the order of the columns, with the line of the file that each row begins in, from 1. */
  readonly rows: readonly { readonly line: number; readonly fields: readonly string[] }[];
}

/** A list of files is no longer than this. */
const MOST_BYTES = 1 << 28;
/** So many rows take about a millisecond. */
const ROWS_OF_A_PIECE = 1000;

/** The text of a CSV file. @throws StridenetError ERR_FILE_ACCESS; ERR_BAD_FILE unless it is UTF-8 of at most 256 MiB */
export async function readCsvText(path: string): Promise<string> {
  try {
    const { handle, size } = await openRegular(path);
    try {
      if (size > MOST_BYTES) throw badCsv(path, `it has ${size} bytes; lists have at most ${MOST_BYTES}`);
      const bytes = await handle.readFile();
      const text = bytes.toString('utf8');
      if (text.includes('\ufffd') && !bytes.includes('\ufffd')) throw badCsv(path, 'it is not encoded as UTF-8. Save it as "CSV UTF-8"');
      return text;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError('read', path, error);
  }
}

/**
 * Reads a table piece by piece. A byte order mark and empty lines are passed over.
 * @throws StridenetError ERR_BAD_FILE with the line, for a quote out of place or never closed, another number of fields than the header has, no header, or a
 *   column that is there twice
 */
export function* parseCsv(path: string, text: string): Work<CsvTable> {
  const records: { line: number; fields: string[] }[] = [];
  let fields: string[] = [];
  let line = 1;
  let begin = 1;
  let at = text.startsWith('\ufeff') ? 1 : 0;
  while (at < text.length) {
    let field: string;
    if (text[at] === '"') {
      const end = closingQuote(path, text, at + 1, line);
      field = text.slice(at + 1, end).replaceAll('""', '"');
      line += lineBreaks(text, at, end);
      at = end + 1;
    } else {
      const end = endOfField(text, at);
      field = text.slice(at, end);
      if (field.includes('"')) throw badCsv(path, `line ${line} has a quote within a field that is not in quotes`);
      at = end;
    }
    fields.push(field);
    const end = text.startsWith('\r\n', at) ? 2 : 1;
    const next = text[at];
    if (next === ',' && at + 1 < text.length) {
      at++;
      continue;
    }
    if (next === ',') fields.push('');
    else if (next !== undefined && next !== '\n' && end === 1) throw badCsv(path, `line ${line} has ${formatValue(next)} behind a closing quote instead of a comma`);
    at += end;
    if (fields.length > 1 || fields[0] !== '') records.push({ line: begin, fields });
    fields = [];
    begin = ++line;
    if (records.length % ROWS_OF_A_PIECE === 0) yield;
  }
  const [header, ...rows] = records;
  if (!header) throw badCsv(path, 'it is empty; its first line should name the columns');
  const twice = header.fields.filter((name, i) => header.fields.indexOf(name) < i);
  if (twice.length > 0) throw badCsv(path, `it has more than one column ${formatNames(twice, formatValue)}`);
  const odd = rows.find((row) => row.fields.length !== header.fields.length);
  if (odd) throw badCsv(path, `line ${odd.line} has ${odd.fields.length} fields but the header has ${header.fields.length}`);
  return { columns: header.fields, rows };
}

/** @throws StridenetError ERR_BAD_FILE for a text that is no table */
export function badCsv(path: string, fault: string): StridenetError {
  return new StridenetError('ERR_BAD_FILE', `${formatValue(path)} is not a valid CSV file: ${fault}.`);
}

function closingQuote(path: string, text: string, from: number, line: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) if (text[at + 1] !== '"') return at;
  throw badCsv(path, `a quote that begins in line ${line} is never closed`);
}

function endOfField(text: string, at: number): number {
  let end = at;
  for (; end < text.length; end++) {
    const c = text[end];
    if (c === ',' || c === '\n' || (c === '\r' && text[end + 1] === '\n')) break;
  }
  return end;
}

function lineBreaks(text: string, from: number, end: number): number {
  let count = 0;
  for (let at = text.indexOf('\n', from); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
