/** Everything that users can call, found by walking the exports: functions, constructors, and the methods and accessors of instances. */

import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import * as stridenet from '../../lib/index';
import * as onnx from '../../lib/onnx';
import type { Internals } from './internals';
import { INTERNALS } from './places';
import { SAMPLES, type Arguments, type World } from './samples';

export interface Target {
  /** Such as `ops.conv2d`, `new nn.Linear`, `Trainer.step`. */
  readonly name: string;
  /** Arguments that work, if they are known. */
  readonly sample: Arguments | undefined;
  call(world: World, args: readonly unknown[]): unknown;
}

type Method = (...args: readonly unknown[]) => unknown;
type Constructor = new (...args: readonly unknown[]) => object;

/** Instances of classes whose constructor is not for users, and of abstract ones. */
const MADE: Readonly<Record<string, (world: World) => unknown>> = {
  Tensor: (w) => w.image(),
  CompiledModel: (w) => w.compiled(),
  CompiledStep: (w) => w.compiledStep(),
  'nn.Module': (w) => w.model(),
};

/** Properties of every class that say nothing of the package. */
const PLAIN = new Set(['constructor', 'length', 'name', 'prototype']);

export function findTargets(): Target[] {
  const internals = JSON.parse(readFileSync(INTERNALS, 'utf8')) as Internals;
  const targets: Target[] = [];
  const walk = (prefix: string, namespace: object): void => {
    for (const [key, value] of Object.entries(namespace) as [string, unknown][]) {
      const name = prefix + key;
      if (typeof value === 'object' && value !== null) walk(`${name}.`, value);
      else if (typeof value === 'function' && isClass(value)) targets.push(...ofClass(name, value as Constructor, internals));
      else if (typeof value === 'function') targets.push({ name, sample: SAMPLES[name], call: (_, args) => (value as Method)(...args) });
    }
  };
  walk('', stridenet);
  walk('', onnx);
  return targets;
}

function isClass(value: unknown): boolean {
  return Function.prototype.toString.call(value).startsWith('class');
}

function ofClass(name: string, type: Constructor, internals: Internals): Target[] {
  const hidden = new Set<string>([...PLAIN]);
  for (let each: unknown = type; typeof each === 'function' && each.name; each = Object.getPrototypeOf(each)) {
    for (const member of internals[each.name] ?? []) hidden.add(member);
  }
  const make = MADE[name];
  const targets: Target[] = [];
  if (!make) {
    targets.push({ name: `new ${name}`, sample: SAMPLES[name], call: (_, args) => new type(...args) });
  }
  const instance = async (world: World): Promise<object> => {
    if (make) return (await make(world)) as object;
    const value = new type(...((await SAMPLES[name]?.(world)) ?? []));
    return 'close' in value ? world.closing(value as object & { close(): void }) : value;
  };
  for (const [key, sample, descriptor] of members(name, type, hidden)) {
    const label = `${name}.${String(key)}`;
    if (typeof descriptor.value === 'function') {
      const call = async (world: World, args: readonly unknown[]): Promise<unknown> => {
        const receiver = await instance(world);
        return (Reflect.get(receiver, key) as Method).apply(receiver, [...args]);
      };
      targets.push({ name: label, sample, call });
    } else {
      const call = async (world: World, args: readonly unknown[]): Promise<unknown> => {
        const receiver = await instance(world);
        if (descriptor.set) Reflect.set(receiver, key, args[0]);
        return Reflect.get(receiver, key) as unknown;
      };
      targets.push({ name: label, sample, call });
    }
  }
  for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(type))) {
    if (typeof descriptor.value !== 'function' || hidden.has(key)) continue;
    targets.push({
      name: `${name}.${key}`,
      sample: SAMPLES[`${name}.${key}`],
      call: (_, args) => (descriptor.value as Method).apply(type, [...args]),
    });
  }
  return targets;
}

/**
 * Methods and accessors along the chain of prototypes, with the sample of the class that has one. What a layer inherits from Module is called
 * on nn.Module alone, but for forward.
 */
function members(name: string, type: Constructor, hidden: ReadonlySet<string>): [PropertyKey, Arguments | undefined, PropertyDescriptor][] {
  const found = new Map<PropertyKey, [PropertyKey, Arguments | undefined, PropertyDescriptor]>();
  for (
    let prototype = type.prototype as object;
    prototype !== Object.prototype && prototype !== Error.prototype;
    prototype = Object.getPrototypeOf(prototype) as object
  ) {
    for (const key of Reflect.ownKeys(prototype)) {
      // Node alone calls what util.inspect looks for; hostile calls show their results with it.
      if (found.has(key) || hidden.has(String(key)) || key === inspect.custom) continue;
      if (prototype === stridenet.nn.Module.prototype && name !== 'nn.Module' && key !== 'forward') continue;
      const text = String(key);
      const sample = SAMPLES[`${name}.${text}`] ?? SAMPLES[`Tensor.${text}`] ?? SAMPLES[`nn.Module.${text}`];
      found.set(key, [key, sample, Object.getOwnPropertyDescriptor(prototype, key)!]);
    }
  }
  return [...found.values()];
}
