/** The progress bar of `fit`: one line on standard error, redrawn at most ten times a second, and only on a terminal. */

const INTERVAL_MS = 100;
const WIDTH = 24;

/** What a line shows. */
export interface Progress {
  readonly epoch: number;
  readonly epochs: number;
  /** Batches done. */
  readonly batch: number;
  /** Batches in all, if that is known. */
  readonly batches: number | undefined;
  readonly loss: number;
  readonly accuracy?: number | undefined;
  readonly imagesPerSecond: number;
}

/** Where the line goes; process.stderr is one. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export class ProgressBar {
  private drawnAt = 0;
  private visible = false;

  constructor(private readonly terminal: Terminal = process.stderr) {}

  /** Whether there is a terminal, with a line that is not fresh enough. */
  get isDue(): boolean {
    return Boolean(this.terminal.isTTY) && !(this.visible && Date.now() - this.drawnAt < INTERVAL_MS);
  }

  /** Shows where training stands, if that is due. */
  update(progress: Progress): void {
    if (!this.isDue) return;
    this.drawnAt = Date.now();
    this.draw(formatProgress(progress));
  }

  /** Leaves a finished line behind. */
  finish(text: string): void {
    if (!this.terminal.isTTY) return;
    this.draw(text);
    this.terminal.write('\n');
    this.visible = false;
  }

  /** Wipes an unfinished line. */
  clear(): void {
    if (this.visible) this.terminal.write('\r\x1b[K');
    this.visible = false;
  }

  private draw(text: string): void {
    this.terminal.write(`\r\x1b[K${text.slice(0, (this.terminal.columns ?? 80) - 1)}`);
    this.visible = true;
  }
}

/** `epoch 2/10 [=====>     ] 120/235  loss 0.4321  accuracy 0.8456  61,000 images/s` */
export function formatProgress(p: Progress): string {
  const filled = p.batches === undefined ? 0 : Math.round((WIDTH * p.batch) / p.batches);
  const bar = `${'='.repeat(filled)}${filled < WIDTH ? '>' : ''}`.slice(0, WIDTH).padEnd(WIDTH);
  const parts = [
    `epoch ${p.epoch}/${p.epochs} [${bar}] ${p.batch}/${p.batches ?? '?'}`,
    `loss ${p.loss.toFixed(4)}`,
    ...(p.accuracy === undefined ? [] : [`accuracy ${p.accuracy.toFixed(4)}`]),
    `${Math.round(p.imagesPerSecond).toLocaleString('en-US')} images/s`,
  ];
  return parts.join('  ');
}
