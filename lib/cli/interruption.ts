/** Ending long work in order: on Ctrl-C, when the system asks, when the terminal goes away, and when nobody reads the output any more. */

import type { Terminal } from './arguments';

/** Exit codes are 128 and the number of the signal, by convention. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGPIPE: 141 } as const;
type Signal = keyof typeof EXIT_CODES;
const LISTENED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Ends what is under way when standard output has ended. */
let endInOrder: (() => void) | undefined;

/**
 * While it is there, the first signal aborts `signal`, and the second ends the process at once. One at a time.
 * @example
 * const interruption = new Interruption(terminal, 'stopping after this step');
 * try { await work(interruption.signal); } finally { interruption.dispose(); }
 */
export class Interruption {
  private readonly controller = new AbortController();
  private code: number | undefined;

  /** @param doing said when the first signal comes, and what is going on then: 'stopping after this step' */
  constructor(
    private readonly terminal: Terminal,
    public doing: string,
  ) {
    endInOrder = () => {
      if (this.code === undefined) this.stop('SIGPIPE');
    };
    for (const signal of LISTENED) process.on(signal, this.stop);
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** What the process should exit with; undefined as long as nothing interrupted it. */
  get exitCode(): number | undefined {
    return this.code;
  }

  readonly stop = (signal: Signal): void => {
    if (this.code !== undefined) process.exit(this.code);
    this.code = EXIT_CODES[signal];
    const once = signal === 'SIGINT' ? 'Ctrl-C again' : 'a second signal';
    this.terminal.err(`stridenet: ${this.doing}; ${once} ends at once without saving.`);
    this.controller.abort();
  };

  /** Signals do what they usually do again. */
  dispose(): void {
    endInOrder = undefined;
    for (const signal of LISTENED) process.removeListener(signal, this.stop);
  }
}

/**
 * Standard output takes no more: its reader has gone (`stridenet summary lenet5 | head -3`, which is no error), or its disk is full. What is
 * under way ends in order.
 */
export function outputEnded(error: NodeJS.ErrnoException): void {
  const isReaderGone = error.code === 'EPIPE' || error.code === 'EIO';
  if (!isReaderGone) process.stderr.write(`stridenet: standard output cannot be written: ${error.message}\n`);
  if (!endInOrder) process.exit(isReaderGone ? 0 : 1);
  endInOrder();
}
