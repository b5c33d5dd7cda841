/** What a module's graph depends on besides values: its layers, parameters and settings, to notice when one is replaced. */

import { Tensor } from '../graph/tensor';
import { Module } from './module';

/** Set while graphs are built and modules are walked; graphs of one mode do not depend on them. */
const PASSING: ReadonlySet<string> = new Set(['training', 'path']);

/** The fields of one object: how many it has, and what the ones that count hold. */
interface Snapshot {
  readonly owner: Record<string, unknown>;
  readonly count: number;
  readonly names: readonly string[];
  readonly values: readonly unknown[];
}

/** The fields of all modules below a root at one moment. */
export class Structure {
  private readonly snapshots: Snapshot[] = [];
  private readonly maps: { readonly map: ReadonlyMap<unknown, unknown>; readonly entries: readonly (readonly [unknown, unknown])[] }[] = [];

  constructor(root: Module) {
    const seen = new Set<unknown>();
    // Iterative: modules may be nested deeper than the call stack.
    const open: unknown[] = [root];
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      if (seen.has(value)) continue;
      seen.add(value);
      if (value instanceof Map) {
        const entries = [...(value as Map<unknown, unknown>)];
        this.maps.push({ map: value, entries });
        open.push(...entries.map(([, entry]) => entry).filter(isContainer));
      } else {
        const snapshot = snapshotOf(value as Record<string, unknown>);
        this.snapshots.push(snapshot);
        open.push(...snapshot.values.filter(isContainer));
      }
    }
  }

  /** Whether all fields hold what they held. Called before every run: it looks at each field and makes nothing. */
  get isSame(): boolean {
    for (const { owner, count, names, values } of this.snapshots) {
      if (Object.keys(owner).length !== count) return false;
      for (let i = 0; i < names.length; i++) if (!Object.is(owner[names[i]!], values[i])) return false;
    }
    return this.maps.every(({ map, entries }) => map.size === entries.length && entries.every(([key, value]) => map.get(key) === value));
  }
}

function snapshotOf(owner: Record<string, unknown>): Snapshot {
  const all = Object.keys(owner);
  const names = all.filter((name) => !PASSING.has(name));
  return { owner, count: all.length, names, values: names.map((name) => owner[name]) };
}

/** What is looked into: modules, and the arrays, maps and plain objects that hold them or settings; not tensors, which stand for themselves. */
function isContainer(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Tensor || ArrayBuffer.isView(value)) return false;
  if (value instanceof Module || Array.isArray(value) || value instanceof Map) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
