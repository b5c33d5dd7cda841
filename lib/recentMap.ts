/** A map that forgets what was not asked for longest, so that it stays small whatever comes. */
export class RecentMap<K, V> {
  /** Last used comes last. */
  private readonly entries = new Map<K, V>();
  private newest: { readonly key: K; readonly value: V } | undefined;

  /** @param capacity entries kept @param forgotten told of each value that is dropped to make room */
  constructor(
    private readonly capacity: number,
    private readonly forgotten: (value: V) => void = () => undefined,
  ) {}

  get size(): number {
    return this.entries.size;
  }

  get(key: K): V | undefined {
    if (this.newest?.key === key) return this.newest.value;
    const value = this.entries.get(key);
    if (value === undefined) return undefined;
    this.entries.delete(key);
    this.entries.set(key, value);
    this.newest = { key, value };
    return value;
  }

  set(key: K, value: V): void {
    this.delete(key);
    this.entries.set(key, value);
    this.newest = { key, value };
    if (this.entries.size <= this.capacity) return;
    const [oldest] = this.entries as Iterable<[K, V]>;
    this.entries.delete(oldest![0]);
    this.forgotten(oldest![1]);
  }

  delete(key: K): void {
    this.entries.delete(key);
    if (this.newest?.key === key) this.newest = undefined;
  }

  values(): Iterable<V> {
    return this.entries.values();
  }

  clear(): void {
    this.entries.clear();
    this.newest = undefined;
  }
}
