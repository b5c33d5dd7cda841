/**
 * How `fit` shows where it stands, on standard error: on a terminal one line, redrawn at most ten times a second, which becomes the line of its
 * epoch; elsewhere, as in a file or a CI's log, the lines of the epochs alone.
 */

import { performance } from 'node:perf_hooks';

const INTERVAL_MS = 100;
/** Of the bar, where there is room for it, and the least that says anything. */
const WIDTH = 24;
const LEAST_WIDTH = 6;
/** Where the terminal does not say. */
const COLUMNS = 80;

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
  readonly learningRate?: number;
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
  /** Where the epoch under way was first seen. */
  private first: { readonly epoch: number; readonly batch: number; readonly at: number } | undefined;
  /** What the last whole epoch took, with its validation. */
  private epochSeconds: number | undefined;

  /** @param now seconds */
  constructor(
    private readonly terminal: Terminal = process.stderr,
    private readonly now: () => number = () => performance.now() / 1000,
  ) {}

  /** Whether there is a terminal, with a line that is not fresh enough. */
  get isDue(): boolean {
    return Boolean(this.terminal.isTTY) && !(this.visible && 1000 * (this.now() - this.drawnAt) < INTERVAL_MS);
  }

  /** Shows where training stands, if that is due. */
  update(progress: Progress): void {
    if (!this.isDue) return;
    const now = this.now();
    const { epoch, batch } = progress;
    if (this.first?.epoch !== epoch) this.first = { epoch, batch, at: now };
    this.drawnAt = now;
    this.draw(formatProgress(progress, this.secondsLeft(progress, now), this.columns));
  }

  /** Leaves the line of an epoch that is over behind. */
  finish(text: string): void {
    if (!this.terminal.isTTY) {
      this.terminal.write(`${text}\n`);
      return;
    }
    if (this.first) this.epochSeconds = this.now() - this.first.at;
    this.draw(text.slice(0, this.columns));
    this.terminal.write('\n');
    this.visible = false;
  }

  /** Wipes an unfinished line. */
  clear(): void {
    if (this.visible) this.terminal.write('\r\x1b[K');
    this.visible = false;
  }

  /** The cursor stands behind the text, and must not go to the next line. */
  private get columns(): number {
    return (this.terminal.columns ?? COLUMNS) - 1;
  }

  private draw(text: string): void {
    this.terminal.write(`\r\x1b[K${text}`);
    this.visible = true;
  }

  /** Up to the last epoch's end: batches are taken to go on as in this epoch, and epochs to take what the last one took. */
  private secondsLeft({ epoch, epochs, batch, batches }: Progress, now: number): number | undefined {
    const done = batch - this.first!.batch;
    if (done <= 0 || batches === undefined) return undefined;
    const ofBatch = (now - this.first!.at) / done;
    return (batches - batch) * ofBatch + (epochs - epoch) * (this.epochSeconds ?? batches * ofBatch);
  }
}

/**
 * `epoch 2/10 [=====>     ] 120/235  loss 0.4321  accuracy 0.8456  lr 0.05  61,000 images/s  0:42 left`, shortened to the columns: the bar gets
 * narrower, then it is left out, then the text is cut.
 */
export function formatProgress(p: Progress, secondsLeft: number | undefined, columns: number): string {
  const parts = [
    `${p.batch}/${p.batches ?? '?'}`,
    `loss ${p.loss.toFixed(4)}`,
    ...(p.accuracy === undefined ? [] : [`accuracy ${p.accuracy.toFixed(4)}`]),
    ...(p.learningRate === undefined ? [] : [`lr ${Number(p.learningRate.toPrecision(3))}`]),
    `${Math.round(p.imagesPerSecond).toLocaleString('en-US')} images/s`,
    ...(secondsLeft === undefined ? [] : [`${formatClock(secondsLeft)} left`]),
  ];
  const head = `epoch ${p.epoch}/${p.epochs} `;
  const tail = parts.join('  ');
  const width = Math.min(WIDTH, columns - head.length - tail.length - '[] '.length);
  if (width < LEAST_WIDTH) return (head + tail).slice(0, Math.max(columns, 0));
  const filled = p.batches === undefined ? 0 : Math.round((width * p.batch) / p.batches);
  const bar = `${'='.repeat(filled)}${filled < width ? '>' : ''}`.slice(0, width).padEnd(width);
  return `${head}[${bar}] ${tail}`;
}

/** 42 -> '0:42', 3723 -> '1:02:03' */
function formatClock(seconds: number): string {
  const whole = Math.round(seconds);
  const pad = (n: number): string => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}
