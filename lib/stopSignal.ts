/**
 * What long work, such as `fit` and downloads, needs of an AbortSignal. An interface of its own, so that the package's types need neither those of Node.js nor
 * those of the DOM.
 */

import { formatValue, StridenetError } from './errors';

/** An AbortSignal, as `new AbortController().signal` and `AbortSignal.timeout(ms)` give it. */
export interface StopSignal {
  /** Whether work should stop. */
  readonly aborted: boolean;
  /** Why, for whoever waits for the work. */
  readonly reason: unknown;
  /** Throws the reason if work should stop. */
  throwIfAborted(): void;
}

/** @throws StridenetError ERR_INVALID_ARGUMENT unless `signal` is one, of any realm, or absent */
export function checkSignal(where: string, signal: unknown): void {
  const { throwIfAborted } = (signal ?? {}) as Partial<StopSignal>;
  if (signal === undefined || typeof throwIfAborted === 'function') return;
  throw new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects signal to be an AbortSignal, such as new AbortController().signal, but got ${formatValue(signal)}.`,
  );
}
