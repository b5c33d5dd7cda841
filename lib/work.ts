/**
 * Long work in pieces: a generator that yields between them and returns the result. Whoever drives it may do something else meanwhile, such
 * as letting the event loop turn (lib/runtime/task.ts).
 */

export type Work<T> = Generator<void, T, void>;

/** Does all of it at once. */
export function atOnce<T>(work: Work<T>): T {
  for (;;) {
    const piece = work.next();
    if (piece.done) return piece.value;
  }
}

/** How many items a loop handles before it yields: few enough to take some milliseconds, enough for yielding to cost nothing. */
const ITEMS = 16;

/** The items of a list with their numbers, to be walked by `yield*`: yields now and then. */
export function* inPieces<T>(items: Iterable<T>, body: (item: T, index: number) => void): Work<void> {
  let i = 0;
  for (const item of items) {
    if (i % ITEMS === 0) yield;
    body(item, i++);
  }
}
