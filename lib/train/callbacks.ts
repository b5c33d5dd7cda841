/** Callbacks: objects to which `fit` reports what it does. */

import { checkFunction, checkOptions, formatValue, readArray, StridenetError } from '../errors';
import type { AnyDataset } from '../data/dataset';
import type { Module } from '../nn/module';
import type { Transform } from '../transforms/transform';
import { isPlainObject } from '../graph/plainObject';
import type { BatchRecord, EpochRecord, History } from './history';
import type { Trainer } from './trainer';

/** What callbacks get to work with. */
export interface FitContext {
  /** The model in training. */
  readonly model: Module;
  /** For `save`, `learningRate` and `evaluate`. */
  readonly trainer: Trainer;
  /** What training is to be. */
  readonly params: FitParams;
}

/** What a fit was asked for. */
export interface FitParams {
  /** Passes over the data set. */
  readonly epochs: number;
  /** Batches of an epoch; undefined for a stream that does not say how long it is. */
  readonly batchesPerEpoch: number | undefined;
  /** Whether there is a validation set. */
  readonly hasValidation: boolean;
  /** Names of what records of epochs will have beside `epoch`; those of the validation set in epochs that measure it. */
  readonly numbers: readonly string[];
}

/**
 * Functions that `fit` awaits. What one throws ends training and is what `fit` rejects with. Of the package's loggers and reports this is
 * so before the first step only: when a disk is full later, a warning says so once, and the history has it as `unwritten`.
 */
export interface Callback {
  /** Under which checkpoints keep what `saveState` gives; needed with it. */
  readonly name?: string;
  /** What is to be kept in checkpoints, as plain data. */
  saveState?(): unknown;
  /** Gets that back, before `onTrainBegin`, when training is resumed. */
  loadState?(state: unknown): void;
  /** Before the first epoch. */
  onTrainBegin?(context: FitContext): unknown;
  /** Not called when training ends early. */
  onTrainEnd?(history: History, context: FitContext): unknown;
  /** Before each epoch, which counts from 1. */
  onEpochBegin?(epoch: number, context: FitContext): unknown;
  /** However training ends, also by an error: to close files, say. */
  onFinally?(context: FitContext): unknown;
  /** After each epoch and its validation. */
  onEpochEnd?(record: EpochRecord, context: FitContext): unknown;
  /** With one of these, the next batch waits for it: gathering and computing no longer overlap. */
  onBatchEnd?(record: BatchRecord, context: FitContext): unknown;
}

const EVENTS = ['onTrainBegin', 'onTrainEnd', 'onFinally', 'onEpochBegin', 'onEpochEnd', 'onBatchEnd', 'saveState', 'loadState'] as const;

type EventName = (typeof EVENTS)[number];

/** @throws StridenetError ERR_INVALID_ARGUMENT; ERR_UNKNOWN_OPTION for a misspelled event of a plain object */
export function checkCallbacks(where: string, callbacks: unknown): readonly Callback[] {
  if (callbacks === undefined) return [];
  const list = readArray(callbacks);
  if (!list) {
    throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects callbacks to be an array but got ${formatValue(callbacks)}.`);
  }
  for (const [i, callback] of list.entries()) {
    if (typeof callback !== 'object' || callback === null) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `${where} expects callbacks[${i}] to be an object but got ${formatValue(callback)}.`,
      );
    }
    // An instance of a class may have fields of its own.
    if (isPlainObject(callback)) checkOptions(`${where} callbacks[${i}]`, callback, ['name', ...EVENTS]);
    for (const event of EVENTS) handlerOf(where, i, callback, event);
    checkName(where, list as Callback[], i);
  }
  return list as Callback[];
}

/** What is kept in checkpoints is found by name. @throws StridenetError ERR_INVALID_ARGUMENT */
function checkName(where: string, callbacks: readonly Callback[], i: number): void {
  const { name, saveState } = callbacks[i]!;
  if (saveState === undefined) return;
  const twice = callbacks.findIndex((other) => other.name === name && other.saveState !== undefined) < i;
  if (typeof name === 'string' && name !== '' && !twice) return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects callbacks[${i}], which keeps state, to have a name of its own but its name is ${formatValue(name)}${twice ? ', as that of another' : ''}.`,
  );
}

/** What a callback has for an event at present. @throws StridenetError ERR_INVALID_ARGUMENT for what is no function */
function handlerOf<E extends EventName>(where: string, i: number, callback: Callback, event: E): Callback[E] {
  const handler: unknown = callback[event] ?? undefined;
  if (handler !== undefined) checkFunction(where, `callbacks[${i}].${event}`, handler);
  return handler as Callback[E];
}

/** What a callback keeps. @throws StridenetError ERR_INVALID_ARGUMENT for what a file of JSON cannot hold as it is */
function plainState({ name, saveState }: Callback): unknown {
  const state: unknown = saveState!();
  const isPlain = (value: unknown, depth: number): boolean => {
    if (value === null || value === undefined || typeof value === 'string' || typeof value === 'boolean') return true;
    if (typeof value === 'number') return Number.isFinite(value);
    if (depth === 0) return false;
    if (Array.isArray(value)) return value.every((entry) => isPlain(entry, depth - 1));
    return isPlainObject(value) && Object.values(value).every((entry) => isPlain(entry, depth - 1));
  };
  if (isPlain(state, 16)) return state;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `The callback ${formatValue(name)} must keep plain data (objects, arrays, texts, booleans and finite numbers) but saveState gave ${formatValue(state)}.`,
  );
}

/** Calls every callback of an event in order, each after the one before has finished. */
export class Notifier {
  private readonly failed = new Map<Callback, string>();
  private readonly warned = new Set<Callback>();

  constructor(
    private readonly callbacks: readonly Callback[],
    private readonly context: FitContext,
  ) {}

  get wantsBatches(): boolean {
    return this.callbacks.some((callback) => callback.onBatchEnd !== undefined);
  }

  async trainBegin(): Promise<void> {
    await this.call('onTrainBegin', this.context);
  }

  async trainEnd(history: History): Promise<void> {
    await this.call('onTrainEnd', history, this.context);
  }

  /** What logs and reports could not write, in words: one sentence for each that lacks something. */
  get unwritten(): readonly string[] {
    return [...this.failed.values()];
  }

  async epochBegin(epoch: number): Promise<void> {
    await this.call('onEpochBegin', epoch, this.context);
  }

  async epochEnd(record: EpochRecord): Promise<void> {
    await this.call('onEpochEnd', record, this.context);
  }

  async batchEnd(record: BatchRecord): Promise<void> {
    await this.call('onBatchEnd', record, this.context);
  }

  /** Every callback is told, also when one before it throws. @throws what the first threw */
  async finally(): Promise<void> {
    const thrown: unknown[] = [];
    for (const [i, callback] of this.callbacks.entries()) {
      try {
        await handlerOf('fit', i, callback, 'onFinally')?.call(callback, this.context);
      } catch (error) {
        thrown.push(error);
      }
    }
    if (thrown.length > 0) throw thrown[0];
  }

  /** What callbacks keep in checkpoints, by their names. */
  states(): Record<string, unknown> {
    const kept = this.callbacks.filter(({ name, saveState }) => name !== undefined && saveState !== undefined);
    return Object.fromEntries(kept.map((callback) => [callback.name!, plainState(callback)]));
  }

  /** Gives callbacks back what they kept. */
  loadStates(states: Readonly<Record<string, unknown>>): void {
    for (const callback of this.callbacks) {
      if (callback.name !== undefined && Object.hasOwn(states, callback.name)) callback.loadState?.(states[callback.name]);
    }
  }

  /** What an event calls is looked up every time: a callback may change it. */
  private async call<E extends EventName>(event: E, ...args: Parameters<NonNullable<Callback[E]>>): Promise<void> {
    for (const [i, callback] of this.callbacks.entries()) {
      const handler = handlerOf('fit', i, callback, event) as ((...args: unknown[]) => unknown) | undefined;
      if (!handler) continue;
      try {
        await handler.apply(callback, args);
        if (writers.get(callback) === 'report') this.failed.delete(callback); // all of it is there again
      } catch (error) {
        if (event === 'onTrainBegin' || !this.goesOnWithout(callback, error)) throw error;
      }
    }
  }

  /** Hours of training are worth more than a line of a log: whether that is all that is lost, which is told once. */
  private goesOnWithout(callback: Callback, error: unknown): boolean {
    const kind = writers.get(callback);
    if (kind === undefined || kind === 'checkpoint') return false;
    if (!(error instanceof StridenetError) || error.code !== 'ERR_FILE_ACCESS') return false;
    if (!this.failed.has(callback)) this.failed.set(callback, error.message);
    if (this.warned.has(callback)) return true;
    this.warned.add(callback);
    process.emitWarning(`${error.message} Training goes on, and the file lacks what cannot be written.`, 'StridenetWarning');
    return true;
  }
}

/**
 * What a callback writes: a 'log' gets something added at a time, a 'report' is written as a whole each time, and a 'checkpoint' is what
 * training is for, without which it does not go on.
 */
type WriterKind = 'log' | 'report' | 'checkpoint';

const writers = new WeakMap<Callback, WriterKind>();

/**
 * The callback itself, which writes files: it is not called in a try-out. When a log or a report cannot be written once training has begun,
 * training goes on.
 */
export function asWriter<C extends Callback>(kind: WriterKind, callback: C): C {
  writers.set(callback, kind);
  return callback;
}

/** Whether it was given to `asWriter`. */
export function writesFiles(callback: Callback): boolean {
  return writers.has(callback);
}

/** Makes the callback that writes a page about a training. */
type ReportMaker = (
  path: string,
  options: { validation?: AnyDataset | undefined; transforms?: readonly Transform[] | undefined },
) => Callback;

let reportMaker: ReportMaker | undefined;

/** What `report` of `fit` uses; a layer above this one gives it. */
export function registerReport(maker: ReportMaker): void {
  reportMaker = maker;
}

/** The callback that writes a page to `path`. @throws StridenetError as callbacks.htmlReport does */
export function makeReport(...args: Parameters<ReportMaker>): Callback {
  if (!reportMaker)
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      'fit expects the whole package to be loaded for report: import stridenet, not a part of it.',
    );
  return reportMaker(...args);
}
