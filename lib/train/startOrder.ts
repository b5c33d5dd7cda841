/** Starts things in the order in which they were asked for, although some have to be made ready first. */

export class StartOrder {
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  /** Whether all that was asked for has been started. */
  get allStarted(): boolean {
    return this.waiting === 0;
  }

  /** Makes ready and starts when all before are started; does not wait for their ends. @returns what `start` gives in the end */
  async enter<Ready, T>(makeReady: () => Promise<Ready>, start: (ready: Ready) => Promise<T>): Promise<T> {
    const before = this.last;
    const starting = async (): Promise<{ started: Promise<T> }> => {
      try {
        await before;
        return { started: start(await makeReady()) };
      } finally {
        this.waiting--;
      }
    };
    this.waiting++;
    const mine = starting();
    this.last = mine.catch(() => undefined);
    return (await mine).started;
  }
}
