/** Long work that whoever needs the result drives: in slices between which the event loop turns, or, when it cannot wait, to the end at once. */

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import { atOnce, type Work } from '../work';

/** How long the event loop stands at a time. */
const SLICE_MILLISECONDS = 8;

export class Task<T> {
  private outcome: { readonly value: T } | { readonly error: unknown } | undefined;
  private slicing: Promise<T> | undefined;

  constructor(private readonly work: Work<T>) {}

  /** The result, if it is there. */
  get value(): T | undefined {
    return this.outcome && 'value' in this.outcome ? this.outcome.value : undefined;
  }

  /** Does what is left on the calling thread. @throws what the work threw, each time */
  now(): T {
    this.proceed(() => ({ value: atOnce(this.work) }));
    return this.take();
  }

  /** Does what is left in slices; callers share them. */
  inSlices(): Promise<T> {
    return (this.slicing ??= this.slice());
  }

  /** Gives up unless it is done: whoever waits for the result gets `error`. */
  cancel(error: unknown): void {
    this.outcome ??= { error };
  }

  private async slice(): Promise<T> {
    while (!this.outcome) {
      await nextTurn();
      const end = performance.now() + SLICE_MILLISECONDS;
      this.proceed(() => {
        do {
          const piece = this.work.next();
          if (piece.done) return { value: piece.value };
        } while (performance.now() < end);
        return undefined;
      });
    }
    return this.take();
  }

  private proceed(body: () => { readonly value: T } | undefined): void {
    if (this.outcome) return;
    try {
      this.outcome = body();
    } catch (error) {
      this.outcome = { error };
    }
  }

  private take(): T {
    if ('error' in this.outcome!) throw this.outcome.error;
    return this.outcome!.value;
  }
}

/** Those who wait for a turn of the event loop of their own: so much work as there may be, one slice at a time. */
const waiting: (() => void)[] = [];

/** Lets the event loop turn. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    // The second one comes after the timers and events of a whole turn, the first one may come before any.
    if (waiting.push(resolve) === 1) setImmediate(setImmediate, serve);
  });
}

function serve(): void {
  waiting.shift()!();
  if (waiting.length > 0) setImmediate(serve);
}
