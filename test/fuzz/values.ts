/** Values that nobody expects: what a caller's mistake, a mutated file or a malicious peer can hand to a function of JavaScript. */

import { readArray } from '../../lib/errors';
import { Tensor } from '../../lib/graph/tensor';
import { inputTensor, tensor } from '../../lib/graph/leaves';
import { Module } from '../../lib/nn/module';
import type { Random } from './random';

/** Thrown by getters, traps and callbacks of hostile values: that very object may come back to the caller. */
export class Thrown extends Error {}

/** What async callbacks reject with; who does not await them cannot handle it. */
export class Rejected extends Error {}

function raise(): never {
  throw new Thrown('thrown by a hostile value');
}

const NUMBERS = [
  NaN,
  -0,
  0,
  -1,
  1,
  0.5,
  1.5,
  2,
  7,
  32768,
  65536,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  2 ** 53 + 2,
  1e308,
  -1e308,
  Infinity,
  -Infinity,
  5e-324,
];
const STRINGS = [
  '',
  'x',
  'constructor',
  '__proto__',
  'toString',
  'length',
  '0',
  '\0',
  '\ud800',
  '\x1b[31m',
  '1e999',
  'same',
  'a'.repeat(1e5),
];

/** A nesting of arrays that is deeper than the stack. */
function deepArray(): unknown[] {
  let value: unknown[] = [1];
  for (let i = 0; i < 20_000; i++) value = [value];
  return value;
}

function cyclicArray(): unknown[] {
  const value: unknown[] = [1];
  value.push(value);
  return value;
}

/** Eight to the power of seven entries in seven arrays. */
function sharedArray(): unknown[] {
  let value: unknown[] = [1];
  for (let i = 0; i < 7; i++) value = Array<unknown>(8).fill(value);
  return value;
}

function throwingEntry(): unknown[] {
  return Object.defineProperty([1, 2], 1, { get: raise, enumerable: true });
}

function badIterator(): unknown[] {
  return Object.assign([1, 2, 3], { [Symbol.iterator]: raise });
}

function withHole(): unknown[] {
  const value = [1, 2];
  delete value[0];
  return value;
}

function cyclicObject(): object {
  const value: Record<string, unknown> = {};
  value['self'] = value;
  return value;
}

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

function throwingProxy(target: object): unknown {
  return new Proxy(target, {
    get: raise,
    has: raise,
    ownKeys: raise,
    getPrototypeOf: raise,
    getOwnPropertyDescriptor: raise,
    apply: raise,
    construct: raise,
  });
}

function detached(): Float32Array {
  const value = new Float32Array(16);
  structuredClone(value.buffer, { transfer: [value.buffer] });
  return value;
}

/** Of a buffer that has become smaller: out of bounds, or following the length. */
function resized(tracking: boolean): Uint8Array {
  // ES2024; the TypeScript library of this package does not know the option.
  const buffer = new (ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer & { resize(length: number): void })(
    16,
    {
      maxByteLength: 64,
    },
  );
  const value = tracking ? new Uint8Array(buffer) : new Uint8Array(buffer, 4, 12);
  buffer.resize(6);
  return value;
}

class OddModule extends Module {
  constructor(private readonly result: (x: Tensor) => unknown) {
    super();
  }
  forward(x: Tensor): Tensor {
    return this.result(x) as Tensor;
  }
}

function cyclicModule(): Module {
  const value = new OddModule((x) => x) as OddModule & { self?: Module };
  value.self = value;
  return value;
}

const primitives: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => true,
  () => false,
  () => Symbol('odd'),
  () => Symbol.iterator,
  () => 10n,
  () => -(2n ** 70n),
];

const functions: readonly (() => unknown)[] = [
  () => raise,
  () => () => NaN,
  () => () => undefined,
  () => (x: unknown) => x,
  () => class Odd extends Map {},
  () => async () => Promise.reject(new Rejected('rejected by a hostile value')),
  () => async () => Promise.resolve(1),
  () => throwingProxy(() => 1),
  () => revoked(() => 1),
];

const arrays: readonly (() => unknown)[] = [
  () => [],
  () => new Array(3),
  () => new Array(2 ** 32 - 1),
  withHole,
  deepArray,
  cyclicArray,
  sharedArray,
  throwingEntry,
  badIterator,
  () => [NaN],
  () => [-1, -8, 8],
  () => [0.5, 2],
  () => [2 ** 40],
  () => [65536, 65536, 65536],
  () => [[1], [2, 3]],
  () => ['a', Symbol('odd')],
  () => [null, undefined],
  () => [1n],
  () => throwingProxy([1, 2]),
  () => new Proxy([2, 3], {}),
  () => revoked([1]),
];

const objects: readonly (() => unknown)[] = [
  () => ({}),
  () => Object.create(null) as object,
  () => Object.assign(Object.create(null) as object, { name: 'x', length: 2 }),
  () => ({ length: 2 ** 53 }),
  () => ({ length: -1, 0: 1 }),
  cyclicObject,
  () => ({ then: raise }),
  () => ({ get then() { return raise(); } }), // prettier-ignore
  () => ({ toString: raise, valueOf: raise, toJSON: raise }),
  () => ({ [Symbol.toPrimitive]: raise }),
  () => ({ get [Symbol.toStringTag]() { return raise(); } }), // prettier-ignore
  () => ({ constructor: null }),
  () => ({ constructor: { name: { toString: 1 } } }),
  () => ({ get constructor() { return raise(); } }), // prettier-ignore
  () => ({ get name() { return raise(); }, get length() { return raise(); }, get shape() { return raise(); } }), // prettier-ignore
  () => Object.freeze({ name: 'x' }),
  () => throwingProxy({}),
  () => new Proxy({}, {}),
  () => revoked({}),
  () => new Date(NaN),
  () => /x/g,
  () => new Map([['a', 1]]),
  () => new Set([1]),
  () => new Error('odd'),
  () => new URL('file:///nowhere'),
  () => Promise.resolve(1),
  () => AbortSignal.timeout(1),
  () => globalThis,
];

const buffers: readonly (() => unknown)[] = [
  () => new Float32Array(0),
  () => new Float32Array(16).fill(NaN),
  () => new Float64Array(16),
  () => new Int32Array(16).fill(-1),
  () => new Uint8Array(16).fill(255),
  () => new Uint8ClampedArray(16),
  () => new BigInt64Array(4),
  () => new DataView(new ArrayBuffer(16)),
  () => new ArrayBuffer(16),
  () => new SharedArrayBuffer(16),
  () => new Float32Array(new SharedArrayBuffer(64)),
  () => Buffer.alloc(16),
  detached,
  () => resized(true),
  () => resized(false),
  () => new (class Odd extends Float32Array {})(16),
  () => Object.create(Float32Array.prototype) as object,
  () => new Proxy(new Float32Array(16), {}),
  () => Object.defineProperty(new Float32Array(16), 'length', { value: 2 ** 40 }),
  () => Object.defineProperty(new Uint8Array(16), 'constructor', { get: raise }),
];

const ours: readonly (() => unknown)[] = [
  () => tensor(1),
  () => tensor([1, 2, 3]),
  () => tensor(new Int32Array([0, 1]), [2]),
  () => tensor(new Uint8Array(16), [1, 1, 4, 4]),
  () => inputTensor({ name: 'odd', feedDType: 'float32', layout: 'nchw' }, [1, 1, 4, 4], 'float32'),
  () => Object.create(Tensor.prototype) as object,
  () => new Proxy(tensor([1, 2]), {}),
  () => Object.create(Module.prototype) as object,
  () => new OddModule(raise),
  () => new OddModule(() => undefined),
  () => new OddModule((x) => x.shape),
  () => new OddModule(() => tensor([1])),
  () => new Proxy(new OddModule((x) => x), {}),
  cyclicModule,
];

const GROUPS = [primitives, functions, arrays, objects, buffers, ours];

/** Some hostile value. */
export function hostile(random: Random): unknown {
  const roll = random.unit();
  if (roll < 0.2) return random.choose(NUMBERS);
  if (roll < 0.28) return random.choose(STRINGS);
  return random.choose(random.choose(GROUPS))();
}

/** A value near `valid`: what passes a quick check and fails a thorough one. */
export function distorted(random: Random, valid: unknown): unknown {
  if (typeof valid === 'number') return random.choose([-valid, valid + 0.5, valid * 1e9, String(valid), 3n, [valid], valid + 1]);
  if (typeof valid === 'string') return random.choose([valid + ' ', valid.toUpperCase(), new String(valid), [valid]]);
  if (typeof valid === 'boolean') return random.choose([Number(valid), String(valid), new Boolean(valid)]);
  if (typeof valid !== 'object' || valid === null) return hostile(random);
  const target: object = valid;
  return random.choose<() => unknown>([
    () => new Proxy(target, {}),
    () => throwingProxy(target),
    () => changing(target, random),
    () => ({ ...target }),
    () => Object.create(target) as object,
    () => [target],
    () => [...(readArray(target) ?? [target]), 1],
    () => (readArray(target) ?? [target, target]).slice(1),
  ])();
}

/** A proxy whose properties, but for methods, are right when they are read first, and something else later. */
function changing(target: object, random: Random): unknown {
  const seen = new Set<PropertyKey>();
  return new Proxy(target, {
    get(of, key) {
      const value = Reflect.get(of, key) as unknown;
      if (seen.has(key) && typeof value !== 'function' && random.chance(0.5)) return hostile(random);
      seen.add(key);
      return value;
    },
  });
}
