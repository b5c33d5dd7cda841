/** Work that waits outside the event loop, not too much of it at a time. */

export class Limiter {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** @param most how many run at a time */
  constructor(private readonly most: number) {}

  /** What `work` gives, once its turn came. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.most) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running++;
    try {
      return await work();
    } finally {
      // Its place is handed on, so that nobody who comes meanwhile takes it.
      const next = this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }

  /**
   * Works on 0 to count - 1, and waits for all that began before it rejects: nobody writes to a buffer that the caller believes to be free.
   * After a failure no more begin.
   */
  async each(count: number, work: (i: number) => Promise<void>): Promise<void> {
    let next = 0;
    let failure: { readonly error: unknown } | undefined;
    const lane = async (): Promise<void> => {
      while (next < count && !failure) {
        const i = next++;
        try {
          await this.run(() => work(i));
        } catch (error) {
          failure ??= { error };
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(count, this.most) }, lane));
    if (failure) throw failure.error;
  }
}
