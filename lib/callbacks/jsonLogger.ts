/** callbacks.jsonLogger: records as lines of JSON. */

import { checkBoolean, checkOptions } from '../errors';
import { AppendedFile } from '../io/appendedFile';
import { checkPath } from '../io/file';
import { parseJson } from '../io/json';
import { asWriter, type Callback } from '../train/callbacks';
import type { BatchRecord, EpochRecord } from '../train/history';
import type { Trainer } from '../train/trainer';
import { numbersOf } from '../report/numbers';

/** Options of `callbacks.jsonLogger`. */
export interface JsonLoggerOptions {
  /**
   * Go on with the file, if there is one: after `resume`, where records of what comes behind the checkpoint are cut off, which come again. Default false:
   * a file that is there is replaced.
   */
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
    async onTrainBegin({ trainer }) {
      // A training that was killed may have come further than the checkpoint that this one goes on from.
      const isAhead = (line: string): boolean => trainer.steps > 0 && isOfLater(line, trainer);
      file = append ? (await AppendedFile.continueLines(path, isAhead)).file : await AppendedFile.create(path);
    },
    onEpochEnd: write,
    ...(everyBatch ? { onBatchEnd: write } : {}),
  });
}

/** Whether a line is the record of a batch or of an epoch that the trainer has not come to. */
function isOfLater(line: string, { epoch, steps }: Trainer): boolean {
  try {
    const record = parseJson(line) as { epoch?: unknown; step?: unknown } | null;
    return typeof record?.step === 'number' ? record.step > steps : Number(record?.epoch) > epoch;
  } catch {
    return false;
  }
}
