/** checkpoint: saves training as it goes, the best or the last of it. */

import { rm } from 'node:fs/promises';
import { checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import { asWriter, type Callback } from '../train/callbacks';
import type { Trainer } from '../train/trainer';
import { Monitor, type MonitorMode } from './monitor';

/** Options of `callbacks.checkpoint`. */
export interface CheckpointOptions {
  /** The file; `{epoch}`, `{step}` and names of records in braces stand for numbers: 'model-{epoch}-{valLoss}.safetensors'. */
  path: string;
  /**
   * 'last' (default): after every epoch; 'best': when `monitor` is better than before; 'all': after every epoch, none is deleted; a number k: the k
   * best are kept, and what this callback wrote of others is deleted. 'all' and a number need a path with `{epoch}`.
   */
  keep?: 'last' | 'best' | 'all' | number | undefined;
  /** What 'best' is: a number of the records of epochs. Default 'valLoss'. */
  monitor?: string | undefined;
  /** Default 'auto': more is better for accuracy, auc, f1, precision, recall, iou and topK, else less. */
  mode?: MonitorMode | undefined;
  /** Save after every so many steps as well, with 'last' alone. Default: only after epochs. */
  everySteps?: number | undefined;
}

/** A file that was written, and what was measured of it. */
interface Saved {
  readonly path: string;
  readonly value: number;
}

/**
 * Saves checkpoints, from which `fit` goes on (`resume`) and whose weights `model.loadStateDict` takes with `{ strict: false }`. A file appears whole or not
 * at all: the last good one stays when saving fails or the process is killed.
 *
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION; in training ERR_FILE_ACCESS, and ERR_INVALID_ARGUMENT when records have no number
 *   `monitor`
 * @example
 * callbacks: [callbacks.checkpoint({ path: 'best.safetensors', keep: 'best', monitor: 'valAccuracy' }), callbacks.checkpoint({ path: 'last.safetensors' })]
 */
export function checkpoint(options: CheckpointOptions): Callback {
  const where = 'callbacks.checkpoint';
  checkOptions(where, options, ['path', 'keep', 'monitor', 'mode', 'everySteps']);
  const { path, keep = 'last', everySteps } = (options ?? {}) as Partial<CheckpointOptions>;
  if (typeof path !== 'string' || path === '') {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects path to be that of a file but got ${formatValue(path)}.`);
  }
  const most = keepCount(where, keep);
  if (most > 1 && !path.includes('{epoch}')) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects a path with {epoch} to keep several files, such as 'model-{epoch}.safetensors', but got ${formatValue(path)}.`,
    );
  }
  if (everySteps !== undefined) {
    checkInteger(where, 'everySteps', everySteps, 1);
    if (keep !== 'last')
      throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects everySteps with keep: 'last' alone: steps are not measured.`);
  }
  const monitored = keep === 'best' || typeof keep === 'number';
  const monitor = new Monitor(where, options.monitor ?? 'valLoss', options.mode);
  let saved: Saved[] = [];
  let goesOn = false;
  const write = async (trainer: Trainer, file: string): Promise<void> => trainer.save(file);
  return asWriter('checkpoint', {
    name: `checkpoint ${path}`,
    saveState: () => ({ best: monitor.best, saved }),
    loadState(state) {
      const { best, saved: files } = (state ?? {}) as { best?: unknown; saved?: unknown };
      monitor.best = typeof best === 'number' ? best : undefined;
      saved = Array.isArray(files) ? files.filter(isSaved) : [];
      goesOn = true;
    },
    onTrainBegin(context) {
      if (monitored) monitor.checkBegins(context);
      // What another training saved does not count for this one.
      if (!goesOn) [monitor.best, saved] = [undefined, []];
      goesOn = false;
    },
    async onEpochEnd(record, context) {
      const { trainer } = context;
      const fileOf = (): string => fill(where, path, { ...record, step: trainer.steps });
      if (!monitored) return write(trainer, fileOf());
      const value = monitor.valueOf(record, context);
      if (value === undefined) return;
      const file = fileOf();
      const isBest = monitor.improves(value);
      if (keep === 'best') return isBest ? write(trainer, file) : undefined;
      // The list is part of the file's state, so it is made first.
      const ranked = [...saved.filter((other) => other.path !== file), { path: file, value }].sort((a, b) =>
        monitor.compare(a.value, b.value),
      );
      if (!ranked.slice(0, most).some((kept) => kept.path === file)) return;
      saved = ranked.slice(0, most);
      await write(trainer, file);
      for (const { path: worse } of ranked.slice(most)) await rm(worse, { force: true });
    },
    ...(everySteps !== undefined && {
      onBatchEnd: async (record, { trainer }) => {
        if (record.step % everySteps === 0) await write(trainer, fill(where, path, record));
      },
    }),
  });
}

function keepCount(where: string, keep: unknown): number {
  if (keep === 'last' || keep === 'best') return 1;
  if (keep === 'all') return Infinity;
  if (Number.isSafeInteger(keep) && (keep as number) > 0) return keep as number;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects keep to be 'last', 'best', 'all' or a number of files but got ${formatValue(keep)}.`,
  );
}

/** Numbers in place of their names in braces. @throws StridenetError ERR_INVALID_ARGUMENT */
function fill(where: string, path: string, numbers: Readonly<Record<string, unknown>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = Object.hasOwn(numbers, name) ? numbers[name] : undefined;
    if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(4);
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where} expects path ${formatValue(path)} to name numbers of records but there is no ${formatValue(name)}.`,
    );
  });
}

function isSaved(given: unknown): given is Saved {
  const { path, value } = (given ?? {}) as Partial<Saved>;
  return typeof path === 'string' && typeof value === 'number';
}
