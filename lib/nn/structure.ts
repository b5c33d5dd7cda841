/** Which layers and parameters a module is made of, to notice when one is replaced. */

import { types } from 'node:util';
import { Tensor } from '../graph/tensor';
import { isPlainObject } from '../graph/plainObject';
import { LONGEST_DENSE, Module } from './module';

/** The places of one object that hold layers, parameters or nothing yet, and what they hold. */
interface Snapshot {
  readonly owner: Record<string, unknown>;
  readonly names: readonly string[];
  readonly values: readonly unknown[];
}

/** The layers and parameters of all modules below a root at one moment. */
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
      if (types.isMap(value)) {
        const entries = [...value];
        this.maps.push({ map: value, entries });
        open.push(...entries.map(([, entry]) => entry).filter(isContainer));
      } else {
        const owner = value as Record<string, unknown>;
        // An array also by its length: one more layer changes no place that was there.
        const names = Object.keys(owner).filter((name) => isPart(owner[name]));
        if (Array.isArray(value) && names.length > 0) names.push('length');
        if (names.length > 0) this.snapshots.push({ owner, names, values: names.map((name) => owner[name]) });
        open.push(...Object.values(owner).filter(isContainer));
      }
    }
  }

  /** Whether all places hold what they held. Called before every run, so it looks at nothing else and makes nothing. */
  get isSame(): boolean {
    for (const { owner, names, values } of this.snapshots) {
      for (let i = 0; i < names.length; i++) if (owner[names[i]!] !== values[i]) return false;
    }
    for (const { map, entries } of this.maps) {
      if (map.size !== entries.length || !entries.every(([key, value]) => map.get(key) === value)) return false;
    }
    return true;
  }
}

function isPart(value: unknown): boolean {
  return value === null || value === undefined || value instanceof Tensor || isContainer(value);
}

/** What is looked into: modules, and arrays, maps and plain objects that may hold some, not lists of numbers. */
function isContainer(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Tensor || ArrayBuffer.isView(value)) return false;
  if (value instanceof Module || types.isMap(value)) return true;
  if (Array.isArray(value) && value.length <= LONGEST_DENSE) return value.some((entry) => typeof entry === 'object');
  if (Array.isArray(value)) return Object.values(value).some((entry) => typeof entry === 'object');
  return isPlainObject(value) && Object.values(value).some((entry) => typeof entry === 'object');
}
