/**
 * What `fit` and `evaluate` need of an AbortSignal. An interface of its own, so that the package's types need neither those of Node.js nor
 * those of the DOM.
 */

/** An AbortSignal, as `new AbortController().signal` and `AbortSignal.timeout(ms)` give it. */
export interface StopSignal {
  /** Whether work should stop. */
  readonly aborted: boolean;
  /** Why, for whoever waits for the work. */
  readonly reason: unknown;
  /** Throws the reason if work should stop. */
  throwIfAborted(): void;
}
