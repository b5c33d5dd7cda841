/**
 * Hostile calls: an exported function with arguments that work but for one or two places, or with arguments of any kind. What comes back
 * is used as well: functions are called, objects' methods too, tensors are computed.
 */

import { inspect, types } from 'node:util';
import { StridenetError } from '../../lib/errors';
import { Tensor } from '../../lib/graph/tensor';
import { Module } from '../../lib/nn/module';
import type { Random } from './random';
import { World } from './samples';
import { findTargets, type Target } from './targets';
import { distorted, hostile, Thrown } from './values';

/** What a case may find wrong. */
export interface Finding {
  /** Equal for findings of one cause. */
  readonly signature: string;
  /** What was called. */
  readonly where: string;
  readonly detail: string;
}

/** Longer messages are refused: an array of shared arrays must not become one of its printed size. */
const LONGEST_MESSAGE = 3000;
/** Results of more elements are not computed: time belongs to the calls. */
const MOST_ELEMENTS = 1e5;

let targets: readonly Target[] | undefined;

export async function tryCall(random: Random): Promise<Finding | undefined> {
  targets ??= findTargets();
  const target = random.choose(targets);
  const world = new World();
  const calls: string[] = [];
  try {
    const valid = await target.sample?.(world);
    const args = valid && random.chance(0.85) ? mutated(random, [...valid]) : anything(random);
    calls.push(target.name);
    await use(random, await target.call(world, args), calls, world);
    return undefined;
  } catch (error) {
    return judge(error, calls, world);
  } finally {
    world.close();
  }
}

function anything(random: Random): unknown[] {
  return Array.from({ length: random.integer(0, 3) }, () => hostile(random));
}

function mutated(random: Random, args: unknown[]): unknown[] {
  if (args.length === 0) return anything(random);
  for (let i = random.chance(0.3) ? 2 : 1; i > 0; i--) {
    const roll = random.unit();
    if (roll < 0.05) args.push(hostile(random));
    else if (roll < 0.1) args.pop();
    else mutate(random, args, random.integer(0, Math.max(0, args.length - 1)), 0);
  }
  return args;
}

/** Replaces the value at `key`, or something inside of it. */
function mutate(random: Random, holder: object, key: PropertyKey, depth: number): void {
  const value = Reflect.get(holder, key) as unknown;
  const inside = depth < 3 && isPlain(value) && random.chance(0.7) ? Object.keys(value) : [];
  if (inside.length > 0) return mutate(random, value as object, random.choose(inside), depth + 1);
  const roll = random.unit();
  if (isPlain(value) && Object.isExtensible(value) && roll < 0.2) {
    Reflect.set(value, random.choose(['extra', '__proto__', 'constructor', '0']), hostile(random));
  } else if (isPlain(value) && Object.isExtensible(value) && roll < 0.4 && !Array.isArray(value) && Object.keys(value).length > 0) {
    Object.defineProperty(value, random.choose(Object.keys(value)), { get: () => hostile(random), enumerable: true, configurable: true });
  } else {
    Reflect.set(holder, key, random.chance(0.4) ? distorted(random, value) : hostile(random));
  }
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === Object.prototype || prototype === null;
}

/** Goes on with what a call gave. */
async function use(random: Random, result: unknown, calls: string[], world: World): Promise<void> {
  if (types.isProxy(result)) return;
  if (result instanceof Tensor || result instanceof Module) {
    calls.push('inspect');
    inspect(result);
    calls.pop();
  }
  if (result instanceof Tensor) {
    if (result.size <= MOST_ELEMENTS && random.chance(0.5)) {
      calls.push('dataSync');
      result.dataSync();
    }
    return;
  }
  if (result instanceof Module) {
    if (
      !random.chance(0.5) ||
      typeof result.forward !== 'function' ||
      Object.keys(result).some((key) => types.isProxy(Reflect.get(result, key)))
    )
      return;
    calls.push('forward');
    await use(random, result.forward(random.chance(0.7) ? world.image() : world.matrix()), calls, world);
    return;
  }
  if (typeof result === 'function' && result !== Thrown && random.chance(0.5) && isOurs(result)) {
    calls.push('the result');
    (result as (...args: unknown[]) => unknown)(...anything(random));
    return;
  }
  if (typeof result !== 'object' || result === null) return;
  if ('close' in result && typeof result.close === 'function') world.closing(result as { close(): void });
  if (types.isGeneratorObject(result)) for (let i = 0; i < 3; i++) result.next();
}

/** Functions that a call handed through are the caller's own. */
function isOurs(value: object): boolean {
  return Function.prototype.toString.call(value).includes('checkTensor') || 'recipe' in value || (value as { name?: string }).name === '';
}

/** Errors that the language itself throws at whoever touches the value. */
const LANGUAGE = [
  /has been revoked/,
  /cannot be invoked without 'new'/,
  /^'\w+' on proxy: /,
  // Built-in methods that are called on a proxy of what they belong to.
  /^this is not a typed array/,
  /called on incompatible receiver/,
];

/** What is wrong with an error that a call ended in. */
export function judge(error: unknown, calls: readonly string[], world?: World): Finding | undefined {
  const where = calls.join(', ');
  if (error instanceof Thrown || (world && error === world.signal.reason)) return undefined;
  // The reason of AbortSignal.timeout, which is among the hostile values.
  if (error instanceof DOMException && error.name === 'TimeoutError') return undefined;
  if (error instanceof StridenetError) {
    const { message } = error;
    if (error.code === 'ERR_PROGRAM_INVALID') return { signature: message.slice(0, 80), where, detail: String(error.stack) };
    if (message.length > LONGEST_MESSAGE)
      return {
        where,
        signature: `a message of more than ${LONGEST_MESSAGE} characters (${libraryFrame(error)})`,
        detail: message.slice(0, 500),
      };
    return undefined;
  }
  if (error instanceof TypeError && LANGUAGE.some((pattern) => pattern.test(error.message))) return undefined;
  const { name, message, stack } = error instanceof Error ? error : { name: typeof error, message: String(error), stack: '' };
  return { signature: `${name}: ${message.slice(0, 80)} (${libraryFrame(error)})`, where, detail: String(stack).slice(0, 2000) };
}

/** The innermost place in the library that an error came from. */
function libraryFrame(error: unknown): string {
  return /lib\/[\w/]+\.js:\d+/.exec(String((error as Error | undefined)?.stack))?.[0] ?? 'outside of lib';
}
