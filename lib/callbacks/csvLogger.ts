/** callbacks.csvLogger: a table of the epochs as a file. */

import { checkBoolean, checkOptions, formatValue, StridenetError } from '../errors';
import { AppendedFile } from '../io/appendedFile';
import { checkPath } from '../io/file';
import { asWriter, type Callback } from '../train/callbacks';
import { numbersOf } from '../report/numbers';

/** Options of `callbacks.csvLogger`. */
export interface CsvLoggerOptions {
  /**
   * Go on with the file, if there is one, under its header: after `resume`, where rows of later epochs than that of the checkpoint are cut off, which
   * come again. Default false: a file that is there is replaced.
   */
  append?: boolean | undefined;
  /** Between columns: `','`, `';'` or a tab, say. Default `','`. */
  separator?: string | undefined;
}

const NAME = 'callbacks.csvLogger';

/**
 * Writes a row for each epoch into a CSV file (Keras's CSVLogger), which is created when training begins; its folder must be there. The columns
 * are the numbers of the first record: epoch, loss, metrics. A number that a later record lacks leaves its cell empty, and one that is new has
 * no column. Numbers are written in full, those that are not finite as NaN, Infinity and -Infinity. Each row is written at once.
 *
 * @param path of the file
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION; when training begins ERR_FILE_ACCESS, naming the file; later a
 *   warning, and training goes on
 * @example await fit(model, train, { epochs: 10, optimizer, callbacks: [callbacks.csvLogger('log.csv')] });
 */
export function csvLogger(path: string, options: CsvLoggerOptions = {}): Callback {
  checkPath(NAME, path);
  checkOptions(NAME, options, ['append', 'separator']);
  const append = checkBoolean(NAME, 'append', options.append ?? false);
  const separator = checkSeparator(options.separator ?? ',');
  let file: AppendedFile;
  let columns: readonly string[] | undefined;
  return asWriter('log', {
    async onTrainBegin({ trainer }) {
      columns = undefined;
      if (!append) {
        file = await AppendedFile.create(path);
        return;
      }
      const cellsOf = (line: string): string[] => line.split(separator).map(unquoted);
      // A training that was killed may have come further than the checkpoint that this one goes on from.
      const isAhead = (line: string, header: string): boolean =>
        trainer.epoch > 0 && Number(cellsOf(line)[cellsOf(header).indexOf('epoch')]) > trainer.epoch;
      const { file: continued, firstLine } = await AppendedFile.continueLines(path, isAhead);
      file = continued;
      columns = firstLine === undefined ? undefined : cellsOf(firstLine);
    },
    async onEpochEnd(record) {
      const numbers = new Map(numbersOf(record));
      const names = columns ?? [...numbers.keys()];
      const header = columns ? '' : `${names.map((name) => quoted(name, separator)).join(separator)}\n`;
      await file.append(`${header}${names.map((name) => numbers.get(name) ?? '').join(separator)}\n`);
      columns = names; // once the header is there: the disk may have been full
    },
  });
}

function checkSeparator(separator: unknown): string {
  if (typeof separator === 'string' && /^[^\w."\r\n+-]$/u.test(separator)) return separator;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${NAME} expects separator to be one character that no number and no name has, such as ',' or ';', but got ${formatValue(separator)}.`,
  );
}

/** A name as a cell (RFC 4180). */
function quoted(name: string, separator: string): string {
  return name.includes(separator) || /["\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}

function unquoted(cell: string): string {
  return cell.startsWith('"') && cell.endsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell;
}
