/** callbacks.jsonLogger: records as lines of JSON. */

import { checkBoolean, checkOptions } from '../errors';
import { AppendedFile } from '../io/appendedFile';
import { checkPath } from '../io/file';
import { asWriter, type Callback } from '../train/callbacks';
import type { BatchRecord, EpochRecord } from '../train/history';
import { numbersOf } from '../report/numbers';

/** Options of `callbacks.jsonLogger`. */
export interface JsonLoggerOptions {
  /** Go on with the file, if there is one: after `resume`. Default false: a file that is there is replaced. */
  append?: boolean | undefined;
  /** A line for each batch as well, which has `batch` and `step`. Default false. */
  everyBatch?: boolean | undefined;
}

const NAME = 'callbacks.jsonLogger';

/**
 * Writes the numbers of each epoch as one line of JSON, such as `{"epoch":1,"loss":0.5,"accuracy":0.8}`, into a file that is created when
 * training begins; its folder must be there. What is not finite, which JSON has no numbers for, is one of the texts "NaN", "Infinity" and
 * "-Infinity". Each line is written at once.
 *
 * @param path of the file
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION; when training begins ERR_FILE_ACCESS, naming the file; later a
 *   warning, and training goes on
 * @example await fit(model, train, { epochs: 10, optimizer, callbacks: [callbacks.jsonLogger('log.jsonl')] });
 */
export function jsonLogger(path: string, options: JsonLoggerOptions = {}): Callback {
  checkPath(NAME, path);
  checkOptions(NAME, options, ['append', 'everyBatch']);
  const append = checkBoolean(NAME, 'append', options.append ?? false);
  const everyBatch = checkBoolean(NAME, 'everyBatch', options.everyBatch ?? false);
  let file: AppendedFile;
  const write = async (record: EpochRecord | BatchRecord): Promise<void> => {
    const fields = numbersOf(record).map(([name, value]) => [name, Number.isFinite(value) ? value : String(value)]);
    await file.append(`${JSON.stringify(Object.fromEntries(fields))}\n`);
  };
  return asWriter('log', {
    async onTrainBegin() {
      file = append ? (await AppendedFile.continueLines(path)).file : await AppendedFile.create(path);
    },
    onEpochEnd: write,
    ...(everyBatch ? { onBatchEnd: write } : {}),
  });
}
