/** earlyStopping: ends training when what is watched gets no better, and puts the best weights back. */

import { checkBoolean, checkInteger, checkNumber, checkOptions } from '../errors';
import type { Callback, FitContext } from '../train/callbacks';
import { Monitor, type MonitorMode } from './monitor';

/** Options of `callbacks.earlyStopping`. */
export interface EarlyStoppingOptions {
  /** What is watched: a number of the records of epochs. Default 'valLoss'. */
  monitor?: string | undefined;
  /** Default 'auto': more is better for accuracy, auc, f1, precision, recall, iou and topK, else less. */
  mode?: MonitorMode | undefined;
  /** Epochs without improvement after which training ends; default 0, which is as 1. Only epochs that measure it count. */
  patience?: number | undefined;
  /** Changes up to this are none; default 0. */
  minDelta?: number | undefined;
  /** What must be reached for training to go on at all; default none. */
  baseline?: number | undefined;
  /** Whether the model ends with the weights of the best epoch, however training ends; default true. */
  restoreBest?: boolean | undefined;
  /** Epochs before this one do not count; default 0. */
  startFromEpoch?: number | undefined;
}

/**
 * Ends training when `monitor` has not improved for `patience` epochs, as keras.callbacks.EarlyStopping does, but for `restoreBest`, which is
 * on: then the best weights are kept in memory and put back when training ends, also when it ends by its last epoch, a signal or an error. With
 * `ema` they are the averages. Checkpoints hold the best weights and the count, so that a resumed training ends as it would have; a training that
 * is not resumed begins anew, also with a callback that another one had.
 *
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION; in training ERR_INVALID_ARGUMENT when records have no number `monitor`
 * @example
 * await fit(model, train, { epochs: 100, validation, optimizer: optim.adam(), callbacks: [callbacks.earlyStopping({ patience: 5 })] });
 */
export function earlyStopping(options: EarlyStoppingOptions = {}): Callback {
  const where = 'callbacks.earlyStopping';
  checkOptions(where, options, ['monitor', 'mode', 'patience', 'minDelta', 'baseline', 'restoreBest', 'startFromEpoch']);
  const monitor = new Monitor(where, options.monitor ?? 'valLoss', options.mode, options.minDelta);
  const patience = checkInteger(where, 'patience', options.patience ?? 0, 0);
  const restoreBest = checkBoolean(where, 'restoreBest', options.restoreBest ?? true);
  const startFromEpoch = checkInteger(where, 'startFromEpoch', options.startFromEpoch ?? 0, 0);
  const { baseline } = options;
  if (baseline !== undefined) checkNumber(where, 'baseline', baseline);
  let wait = 0;
  let goesOn = false;
  const restore = async ({ trainer }: FitContext): Promise<void> => (restoreBest ? trainer.restoreBest() : undefined);
  return {
    name: `earlyStopping ${monitor.name}`,
    saveState: () => ({ best: monitor.best, wait }),
    loadState(state) {
      const { best, wait: waited } = (state ?? {}) as { best?: unknown; wait?: unknown };
      monitor.best = typeof best === 'number' ? best : undefined;
      wait = typeof waited === 'number' ? waited : 0;
      goesOn = true;
    },
    onTrainBegin(context) {
      monitor.checkBegins(context);
      // What another training came to does not count for this one.
      if (!goesOn) [monitor.best, wait] = [undefined, 0];
      goesOn = false;
    },
    async onEpochEnd(record, context) {
      const { trainer } = context;
      if (record.epoch < startFromEpoch) return;
      const value = monitor.valueOf(record, context);
      if (value === undefined) return;
      wait++;
      if (monitor.improves(value)) {
        if (restoreBest) await trainer.keepBest();
        // What does not reach the baseline is the best so far, but no reason to wait longer.
        if (baseline === undefined || monitor.compare(value, baseline) < 0) wait = 0;
      }
      if (wait >= Math.max(1, patience)) trainer.stop();
    },
    onTrainEnd: async (_history, context) => restore(context),
    onFinally: restore,
  };
}
