/** What callbacks watch: one number of the records of epochs, and whether more of it or less is better. */

import { checkNumber, formatValue, StridenetError } from '../errors';
import type { FitContext } from '../train/callbacks';
import type { EpochRecord } from '../train/history';

/** Whether the least or the greatest value is the best; 'auto' tells by the name. */
export type MonitorMode = 'auto' | 'min' | 'max';

/** Names of which more is better. */
const MORE_IS_BETTER = /accuracy|auc|f1|precision|recall|iou|top\d/i;

export class Monitor {
  /** The best value so far. */
  best: number | undefined;
  private readonly sign: 1 | -1;

  /**
   * @param where the callback, for messages
   * @param minDelta a value is better only if it is by more than so much
   * @throws StridenetError ERR_INVALID_ARGUMENT
   */
  constructor(
    private readonly where: string,
    readonly name: string,
    mode: MonitorMode = 'auto',
    private readonly minDelta = 0,
  ) {
    if (typeof name !== 'string' || name === '') {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects monitor to be the name of a number in records, such as 'valLoss', but got ${formatValue(name)}.`,
      );
    }
    if (mode !== 'auto' && mode !== 'min' && mode !== 'max') {
      throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects mode to be 'auto', 'min' or 'max' but got ${formatValue(mode)}.`);
    }
    checkNumber(where, 'minDelta', minDelta, 0);
    this.sign = (mode === 'auto' ? MORE_IS_BETTER.test(name) : mode === 'max') ? 1 : -1;
  }

  /** Before training: whether there will be such a number. @throws StridenetError ERR_INVALID_ARGUMENT */
  checkBegins({ params }: FitContext): void {
    if (params.numbers.includes(this.name)) return;
    throw this.missing(params.numbers, params.hasValidation);
  }

  /** What is watched, or undefined in an epoch without validation. @throws StridenetError ERR_INVALID_ARGUMENT when records have no such number */
  valueOf(record: EpochRecord, { params }: FitContext): number | undefined {
    const value = record[this.name];
    if (typeof value === 'number') {
      if (Number.isNaN(value))
        process.emitWarning(`${this.where} watches ${this.name}, which is NaN in epoch ${record.epoch}: that is never better.`);
      return value;
    }
    const isOfValidation = this.name.startsWith('val');
    if (isOfValidation && params.hasValidation && record.valLoss === undefined) return undefined;
    throw this.missing(
      Object.keys(record).filter((name) => typeof record[name] === 'number'),
      params.hasValidation,
    );
  }

  private missing(numbers: readonly string[], hasValidation: boolean): StridenetError {
    return new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${this.where} expects records to have a number ${formatValue(this.name)} to monitor but they have ${numbers.join(', ')}.` +
        (this.name.startsWith('val') && !hasValidation ? ' Pass validation to fit.' : ''),
    );
  }

  /** Whether `value` is better than what was seen before; then it is the best. NaN never is. */
  improves(value: number): boolean {
    const isBetter = this.best === undefined ? !Number.isNaN(value) : this.sign * (value - this.best) > this.minDelta;
    if (isBetter) this.best = value;
    return isBetter;
  }

  /** Below 0 if `a` is better than `b`. */
  compare(a: number, b: number): number {
    return this.sign * (b - a);
  }
}
