/** Programs by key, so that each is made once. Those that were not asked for longest are given up, but not before their runs are over. */

import { RecentMap } from '../recentMap';

/** Programs kept: as many as a model has for its batch sizes in two element types up to the default of `maxBatch`. */
const CAPACITY = 64;

/** A program in a cache, or as much of it as there is. */
export class CachedProgram<T> {
  private runs = 0;
  private isForgotten = false;

  /** @param unload gives back what the program takes */
  constructor(
    readonly value: T,
    private readonly unload: (value: T) => void,
  ) {}

  /** A run of it was asked for. */
  runBegins(): void {
    this.runs++;
  }

  /** That run is over. */
  runEnds(): void {
    this.runs--;
    this.unloadUnused();
  }

  /** Nobody will ask for it again. */
  forget(): void {
    this.isForgotten = true;
    this.unloadUnused();
  }

  private unloadUnused(): void {
    if (this.isForgotten && this.runs === 0) this.unload(this.value);
  }
}

export class ProgramCache<T> {
  private readonly entries = new RecentMap<string, CachedProgram<T>>(CAPACITY, (entry) => entry.forget());

  /** @param unload told of each program that was given up, when no run of it is left */
  constructor(private readonly unload: (value: T) => void) {}

  get size(): number {
    return this.entries.size;
  }

  /** The program of `key`; `make` makes it when there is none. */
  get(key: string, make: () => T): CachedProgram<T> {
    let entry = this.entries.get(key);
    if (!entry) {
      entry = new CachedProgram(make(), this.unload);
      this.entries.set(key, entry);
    }
    return entry;
  }

  /** The next who asks for it makes it again; nothing is unloaded. */
  delete(key: string): void {
    this.entries.delete(key);
  }

  /** Empties the cache and gives what was in it; nothing is unloaded. */
  takeAll(): T[] {
    const all = Array.from(this.entries.values(), ({ value }) => value);
    this.entries.clear();
    return all;
  }
}
