/** Long work on the calling thread in slices of some milliseconds, between which the event loop turns. */

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import type { Work } from '../work';

const SLICE_MILLISECONDS = 8;

/** Tells when a slice is over. */
export class Slices {
  private end = performance.now() + SLICE_MILLISECONDS;

  /** Lets the event loop turn if it stood for a slice. */
  async pause(): Promise<void> {
    if (performance.now() < this.end) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.end = performance.now() + SLICE_MILLISECONDS;
  }
}

/** Does all of it. */
export async function inSlices<T>(work: Work<T>): Promise<T> {
  const slices = new Slices();
  for (;;) {
    const piece = work.next();
    if (piece.done) return piece.value;
    await slices.pause();
  }
}
