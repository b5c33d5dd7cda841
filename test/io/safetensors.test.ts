import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nn, ops, tensor, type Tensor } from '../../lib';
import { StridenetError } from '../../lib/errors';
import { variableTensor } from '../../lib/graph/leaves';
import { VariableStorage } from '../../lib/graph/storage';
import type { RawTensor } from '../../lib/io/elementTypes';
import { loadSafetensors, readSafetensors, readSafetensorsMetadata, saveSafetensors } from '../../lib/io/safetensors';
import { expectError, expectRejection } from '../support/expectError';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-io-'));
  path = join(folder, 'w.safetensors');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A file from a header (text or object) and data bytes. */
function craft(header: string | object, data: Uint8Array = new Uint8Array(0), length?: bigint): void {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const field = Buffer.alloc(8);
  field.writeBigUInt64LE(length ?? BigInt(text.length));
  writeFileSync(path, Buffer.concat([field, text, data]));
}

async function failure(promise: Promise<unknown>): Promise<StridenetError> {
  const error: unknown = await promise.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(StridenetError);
  return error as StridenetError;
}

describe('round trip', () => {
  it('keeps names, shapes, types and bits', async () => {
    const map = new Map<string, RawTensor | ReturnType<typeof tensor>>([
      ['conv.weight', tensor(Float32Array.of(1, -0, NaN, Infinity, 1e-45, 3.5), [1, 2, 3, 1])],
      ['labels', tensor(Int32Array.of(-5, 2 ** 31 - 1), [2])],
      ['ä "quoted"\n__proto__', tensor(Uint8Array.of(0, 255, 7), [3])],
      ['__proto__', tensor(1.5)],
      ['empty', { shape: [0, 4], dtype: 'float32', data: new Float32Array(0) }],
    ]);
    await saveSafetensors(path, map, { epoch: '3', format: 'pt' });
    const { tensors, metadata } = await readSafetensors(path);
    expect(metadata).toEqual({ epoch: '3', format: 'pt' });
    expect([...tensors.keys()].sort()).toEqual([...map.keys()].sort());
    expect(tensors.get('empty')).toEqual({ shape: [0, 4], dtype: 'float32', data: new Float32Array(0) });
    const weight = tensors.get('conv.weight')!;
    expect(weight.shape).toEqual([1, 2, 3, 1]);
    expect(new Uint8Array(weight.data.buffer)).toEqual(new Uint8Array(Float32Array.of(1, -0, NaN, Infinity, 1e-45, 3.5).buffer));
    expect(tensors.get('labels')!.data).toEqual(Int32Array.of(-5, 2 ** 31 - 1));
    expect(tensors.get('__proto__')!.data).toEqual(Float32Array.of(1.5));

    const loaded = await loadSafetensors(path);
    expect(loaded.get('ä "quoted"\n__proto__')!.dataSync()).toEqual(Uint8Array.of(0, 255, 7));
    expect(loaded.get('__proto__')!.shape).toEqual([]);
    expect(await readSafetensorsMetadata(path)).toEqual({ epoch: '3', format: 'pt' });
    expect([loaded.get('empty')!.shape, loaded.get('empty')!.dataSync()]).toEqual([[0, 4], new Float32Array(0)]);
  });

  it('gives equal bytes for equal contents in any order, data aligned to 8', async () => {
    const a = tensor([[1, 2]]);
    const b = tensor(Uint8Array.of(1, 2, 3));
    await saveSafetensors(path, new Map<string, Tensor>([['b', b], ['a', a]]), { y: '1', x: '2' }); // prettier-ignore
    const first = readFileSync(path);
    await saveSafetensors(path, new Map<string, Tensor>([['a', a], ['b', b]]), { x: '2', y: '1' }); // prettier-ignore
    expect(readFileSync(path)).toEqual(first);
    expect(Number(first.readBigUInt64LE()) % 8).toBe(0);
    expect(readdirSync(folder)).toEqual(['w.safetensors']);
  });

  it('stores the values of variables at the time of the call', async () => {
    const storage = new VariableStorage([2], () => Float32Array.of(1, 2));
    const saved = saveSafetensors(path, new Map([['w', variableTensor(storage, 'w')]]));
    storage.value().fill(9);
    await saved;
    expect((await loadSafetensors(path)).get('w')!.dataSync()).toEqual(Float32Array.of(1, 2));
  });

  it('holds more bytes than the root of what an integer can count', async () => {
    // [begin, end] of the second tensor: their product is not exact, and need not be.
    const count = 2 ** 23;
    await saveSafetensors(path, new Map([['a', tensor(new Float32Array(count), [count])], ['b', tensor(new Float32Array(count).fill(3), [count])]])); // prettier-ignore
    expect((await loadSafetensors(path)).get('b')!.dataSync()[count - 1]).toBe(3);
  });

  it('writes an empty map', async () => {
    await saveSafetensors(path, new Map());
    expect((await loadSafetensors(path)).size).toBe(0);
  });
});

describe('conversions', () => {
  const one = (dtype: string, data: Uint8Array, count: number) =>
    craft({ x: { dtype, shape: [count], data_offsets: [0, data.length] } }, data);
  const bytes = (data: ArrayBufferView) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

  it('float16', async () => {
    one('F16', bytes(Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x7c00, 0xfc00, 0x7e00, 0x8000, 0x3555)), 10);
    const values = (await loadSafetensors(path)).get('x')!.dataSync();
    expect([...values]).toEqual([1, -2, 65504, 2 ** -24, 1023 * 2 ** -24, Infinity, -Infinity, NaN, -0, 0.333251953125]);
  });
  it('bfloat16', async () => {
    one('BF16', bytes(Uint16Array.of(0x3f80, 0xc000, 0x7f80, 0x4049)), 4);
    expect([...(await loadSafetensors(path)).get('x')!.dataSync()]).toEqual([1, -2, Infinity, 3.140625]);
  });
  it('float64 across the buffer of conversion', async () => {
    const values = Float64Array.from({ length: 300_001 }, (_, i) => i / 3);
    one('F64', bytes(values), values.length);
    const x = (await loadSafetensors(path)).get('x')!;
    expect(x.dtype).toBe('float32');
    const bytesOf = (data: ArrayBufferView) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    expect(bytesOf(x.dataSync()).equals(bytesOf(Float32Array.from(values)))).toBe(true);
  });
  it.each([
    ['I64', BigInt64Array.of(-(2n ** 31n), 2n ** 31n - 1n, 7n), [-(2 ** 31), 2 ** 31 - 1, 7], BigInt64Array.of(0n, -(2n ** 31n) - 1n)],
    ['U64', BigUint64Array.of(0n, 2n ** 31n - 1n), [0, 2 ** 31 - 1], BigUint64Array.of(0n, 2n ** 63n)],
    ['U32', Uint32Array.of(0, 2 ** 31 - 1), [0, 2 ** 31 - 1], Uint32Array.of(2 ** 31)],
  ])('%s within int32; what is outside fails when it is asked for', async (dtype, good, values, bad) => {
    one(dtype, bytes(good), good.length);
    expect((await loadSafetensors(path)).get('x')!.dataSync()).toEqual(Int32Array.from(values));
    one(dtype, bytes(bad), bad.length);
    const x = (await loadSafetensors(path)).get('x')!;
    const outside = String([...bad].find((v) => v !== 0n));
    for (let i = 0; i < 2; i++) await expectRejection('ERR_BAD_FILE', x.data(), '"x"', `holds ${outside}, which does not fit int32`);
    await expectRejection('ERR_BAD_FILE', readSafetensors(path), outside);
  });
  it.each([
    ['BOOL', Uint8Array.of(0, 1, 1), Uint8Array.of(0, 1, 1)],
    ['I8', Int8Array.of(-128, 127, 0), Int32Array.of(-128, 127, 0)],
    ['I16', Int16Array.of(-32768, 32767), Int32Array.of(-32768, 32767)],
    ['U16', Uint16Array.of(0, 65535), Int32Array.of(0, 65535)],
    // Values of torch.tensor(bits, dtype=torch.uint8).view(torch.float8_...).float()
    ['F8_E4M3', Uint8Array.of(0x00, 0x01, 0x07, 0x08, 0x38, 0x7e, 0x7f, 0x80, 0xc4, 0xff), Float32Array.of(0, 2 ** -9, 7 * 2 ** -9, 2 ** -6, 1, 448, NaN, -0, -3, NaN)],
    ['F8_E5M2', Uint8Array.of(0x01, 0x03, 0x04, 0x3c, 0x7b, 0x7c, 0x7d, 0x80, 0xc2, 0xfc), Float32Array.of(2 ** -16, 3 * 2 ** -16, 2 ** -14, 1, 57344, Infinity, NaN, -0, -3, -Infinity)],
    ['F8_E4M3FNUZ', Uint8Array.of(0x01, 0x08, 0x40, 0x7f, 0x80, 0xc4), Float32Array.of(2 ** -10, 2 ** -7, 1, 240, NaN, -1.5)],
    ['F8_E5M2FNUZ', Uint8Array.of(0x01, 0x04, 0x40, 0x7f, 0x80, 0xc2), Float32Array.of(2 ** -17, 2 ** -15, 1, 57344, NaN, -1.5)],
    ['F8_E8M0', Uint8Array.of(0, 127, 130, 254, 255), Float32Array.of(2 ** -127, 1, 8, 2 ** 127, NaN)],
  ])('%s', async (dtype, data, values) => {
    one(dtype, bytes(data), data.length);
    const x = (await loadSafetensors(path)).get('x')!;
    expect(x.dataSync()).toEqual(values);
    expect(bytes(x.dataSync())).toEqual(bytes(values));
  }); // prettier-ignore
});

describe('an odd tensor does not spoil the others', () => {
  const usual = { dtype: 'F32', shape: [1, 1], data_offsets: [0, 4] };
  /** A file with an odd tensor behind a usual one, small or so large that the values stay in it. */
  const withOdd = (odd: object, count: number, large: boolean): void => {
    const more = large ? { z: { dtype: 'U8', shape: [2 ** 21], data_offsets: [4 + count, 4 + count + 2 ** 21] } } : {};
    craft({ 'conv.weight': usual, odd, ...more }, Buffer.alloc(4 + count + (large ? 2 ** 21 : 0)));
  };

  it.each([false, true])('of a type that tensors do not have (large: %j)', async (large) => {
    for (const [dtype, count] of [['C64', 16], ['F4', 1], ['F6_E2M3', 3], ['F6_E3M2', 3]] as const) {
      withOdd({ dtype, shape: [dtype === 'F6_E2M3' || dtype === 'F6_E3M2' ? 4 : 2], data_offsets: [4, 4 + count] }, count, large);
      const map = await loadSafetensors(path);
      expect(map.get('conv.weight')!.arraySync()).toEqual([[0]]);
      const pieces = ['"odd"', path, `of type ${dtype}, which cannot be read here`, 'F32, I32, U8'];
      await expectRejection('ERR_BAD_FILE', map.get('odd')!.array(), ...pieces);
      expectError('ERR_BAD_FILE', () => map.get('odd')!.dataSync(), ...pieces);
      await expectRejection('ERR_BAD_FILE', readSafetensors(path), ...pieces);
      // Nothing of it gets into a model.
      const layer = new nn.Linear(1, 1, { bias: false });
      expect(layer.loadStateDict(new Map([...map].map(([name, x]) => [name.replace('conv.', ''), x])), { strict: false }).missing).toEqual([]);
      class Odd extends nn.Module {
        odd = new nn.Parameter([map.get('odd')!.size]);
        forward = (x: Tensor): Tensor => x;
      }
      expectError('ERR_BAD_FILE', () => new Odd().loadStateDict(map, { strict: false }), ...pieces);
    }
  }); // prettier-ignore

  it.each([false, true])('that is empty or has many axes (large: %j)', async (large) => {
    for (const shape of [[0], [0, 3], [2 ** 52, 0], [1, 1, 1, 1, 1, 1, 2]]) {
      const count = shape.includes(0) ? 0 : 8;
      withOdd({ dtype: 'F32', shape, data_offsets: [4, 4 + count] }, count, large);
      const odd = (await loadSafetensors(path)).get('odd')!;
      expect([odd.shape, await odd.data()]).toEqual([shape, new Float32Array(count / 4)]);
      expectError('ERR_SHAPE_MISMATCH', () => ops.relu(odd), 'at most 6 axes with elements', `[${shape.join(', ')}]`);
      const copy = `${path}.copy`;
      await saveSafetensors(copy, new Map([['odd', odd]]));
      expect((await loadSafetensors(copy)).get('odd')!.shape).toEqual(shape);
    }
  });

  it('whose numbers do not fit into memory', async () => {
    // As long as 2^40 numbers, none of which lies on the disk.
    craft({
      x: { dtype: 'F32', shape: [2 ** 40], data_offsets: [0, 2 ** 42] },
      y: { dtype: 'I16', shape: [4], data_offsets: [2 ** 42, 2 ** 42 + 8] },
    });
    const { size } = statSync(path);
    try {
      truncateSync(path, size + 2 ** 42 + 8);
    } catch {
      return; // a file system that has no such files
    }
    const map = await loadSafetensors(path);
    expect([...map.get('y')!.dataSync()]).toEqual([0, 0, 0, 0]);
    expectError('ERR_OUT_OF_MEMORY', () => map.get('x')!.dataSync(), '"x"', String(2 ** 40));
    await expectRejection('ERR_OUT_OF_MEMORY', readSafetensors(path), '"x"');
  });
});

describe('damaged and hostile files', () => {
  const entry = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const eight = new Uint8Array(8);
  const cases: [name: string, make: () => void, message: RegExp][] = [
    ['an empty file', () => writeFileSync(path, ''), /has 0 bytes and a header length alone takes 8/],
    ['a header beyond the end', () => craft('{}', eight, 1000n), /should end at byte 1008 but the file has 18 bytes: it is truncated/],
    ['a header over the limit', () => craft('{}', eight, 2n ** 63n), /claims 9223372036854775808 bytes, over the format's limit of 100000000/],
    ['no JSON', () => craft('{"x": '), /not JSON/],
    ['deep JSON', () => craft(`{"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`), /is not a valid safetensors file/],
    ['invalid UTF-8', () => { craft('{"?":1}'); const b = readFileSync(path); b[10] = 0xff; writeFileSync(path, b); }, /not JSON/], // prettier-ignore
    ['an array', () => craft('[]'), /does not begin with "\{"/],
    ['metadata that is no text', () => craft({ __metadata__: { a: 1 } }), /__metadata__ should be an object of strings/],
    ['an entry that is no object', () => craft({ x: 3 }), /tensor "x" should be described by an object/],
    ['an unknown type', () => craft({ x: { ...entry, dtype: 'F33' } }, eight), /element type "F33"; the format has F32, I32, U8, /],
    ['a type that is no text', () => craft({ x: { ...entry, dtype: { constructor: { name: { toString: 1 } } } } }, eight), /element type \{"constructor":/],
    ['a type from the prototype', () => craft({ x: { ...entry, dtype: 'constructor' } }, eight), /element type "constructor"/],
    ['a negative extent', () => craft({ x: { ...entry, shape: [-2] } }, eight), /shape \[-2\]; expected are at most 64 integers of at least 0/],
    ['an overflowing shape', () => craft({ x: { ...entry, shape: [2 ** 40, 2 ** 40] } }, eight), /expected are at most 64 integers/],
    ['offsets in reverse', () => craft({ x: { ...entry, data_offsets: [8, 0] } }, eight), /begin <= end/],
    ['a shape that does not fit', () => craft({ x: { ...entry, shape: [3] } }, eight), /should take 12 bytes but its data_offsets span 8/],
    ['an overlap', () => craft({ x: entry, y: { ...entry, data_offsets: [4, 12] } }, new Uint8Array(12)), /begin at data byte 8 but begins at 4: it overlaps/],
    ['a hole', () => craft({ x: { ...entry, data_offsets: [4, 12] } }, new Uint8Array(12)), /begin at data byte 0 but begins at 4: it leaves a hole/],
    ['truncated data', () => craft({ x: entry }, new Uint8Array(7)), /should end at byte \d+ but the file has \d+ bytes: it is truncated/],
    ['bytes after the data', () => craft({ x: entry }, new Uint8Array(9)), /bytes after the last tensor/],
  ]; // prettier-ignore
  it.each(cases)('%s', async (_, make, message) => {
    make();
    const error = await failure(loadSafetensors(path));
    expect(error.code).toBe('ERR_BAD_FILE');
    expect(error.message).toMatch(message);
    expect(error.message).toContain(path);
  });

  it('a header of brackets costs no more than its length, and so does one of the longest metadata', async () => {
    // 20 MB of them took seconds and a gigabyte.
    const deep = Buffer.concat([Buffer.from('{"a":'), Buffer.alloc(20e6, '[')]);
    craft(deep.toString());
    const before = process.memoryUsage().rss;
    expect((await failure(loadSafetensors(path))).message).toContain('inside each other more than 8 deep');
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
    craft(`{"__metadata__":{${Array.from({ length: 30_000 }, (_, i) => `"key ${i}":"${'v'.repeat(i % 50)}"`).join(',')}}}`);
    expect((await readSafetensorsMetadata(path))['key 29999']).toBe('v'.repeat(49));
    craft(`{"__metadata__":{"a":"${'v'.repeat(2e6)}"}}`);
    expect((await readSafetensorsMetadata(path))['a']).toHaveLength(2e6);
    craft(`{"__metadata__":{"a":"${'v'.repeat(2e6)}","b":[]}}`);
    expect((await failure(readSafetensorsMetadata(path))).message).toContain('more than 1 deep');
  });

  it('as many tensors as the largest models have', async () => {
    const count = 50_000;
    await saveSafetensors(path, new Map(Array.from({ length: count }, (_, i) => [`layer.${i}.weight`, tensor(i)])));
    const map = await loadSafetensors(path);
    expect(map.size).toBe(count);
    expect(map.get(`layer.${count - 1}.weight`)!.itemSync()).toBe(count - 1);
  });

  it('every truncation of a good file is refused', async () => {
    await saveSafetensors(path, new Map([['a', tensor([1, 2, 3])]]), { k: 'v' });
    const whole = readFileSync(path);
    for (let n = 0; n < whole.length; n++) {
      writeFileSync(path, whole.subarray(0, n));
      expect((await failure(loadSafetensors(path))).code).toBe('ERR_BAD_FILE');
    }
  });
});

describe('access', () => {
  it('names path and reason when reading fails', async () => {
    const missing = await failure(loadSafetensors(join(folder, 'none')));
    expect(missing.code).toBe('ERR_FILE_ACCESS');
    expect(missing.message).toContain('there is no such file (ENOENT)');
    expect((await failure(loadSafetensors(folder))).message).toContain('it is a folder');
  });

  it('leaves nothing behind when writing fails', async () => {
    const map = new Map([['a', tensor([1])]]);
    const missing = await failure(saveSafetensors(join(folder, 'no', 'w.safetensors'), map));
    expect(missing.code).toBe('ERR_FILE_ACCESS');
    expect(missing.message).toContain('does not exist; create it first (ENOENT)');
    expect((await failure(saveSafetensors(folder, map))).code).toBe('ERR_FILE_ACCESS');
    expect(readdirSync(folder)).toEqual([]);
    expect(readdirSync(join(folder, '..')).filter((f) => f.endsWith('.tmp') && f.includes('stridenet-io'))).toEqual([]);
  });

  it('refuses what would give a file that nobody reads', async () => {
    const save = saveSafetensors as (path: unknown, map: unknown) => Promise<void>;
    const fake = {
      length: 4,
      byteLength: 4,
      BYTES_PER_ELEMENT: 1,
      byteOffset: 0,
      buffer: new ArrayBuffer(4),
      [Symbol.toStringTag]: 'Float32Array',
    };
    await expectRejection('ERR_INVALID_ARGUMENT', save(path, new Map([['a', { shape: [4], dtype: 'float32', data: fake }]])), '"a"');
    const transferred = Float32Array.of(1, 2);
    structuredClone(transferred.buffer, { transfer: [transferred.buffer] });
    await expectRejection(
      'ERR_SHAPE_MISMATCH',
      save(path, new Map([['a', { shape: [2], dtype: 'float32', data: transferred }]])),
      'expects 2 values but got 0; was its array transferred to another thread?',
    );
    await expectRejection(
      'ERR_INVALID_ARGUMENT',
      save(path, new Map([['n'.repeat(2 ** 20), tensor(1)]])),
      'names of less than 1048576 bytes',
    );
    await expectRejection(
      'ERR_INVALID_ARGUMENT',
      save(path, new Map(Array.from({ length: 2 ** 18 }, (_, i) => [`${i}`, tensor(1)]))),
      '262144 tensors',
    );
    // One that is transferred while it is written.
    const late = new Float32Array(100);
    const saved = save(path, new Map([['a', { shape: [100], dtype: 'float32', data: late }]]));
    await new Promise((resolve) => setImmediate(resolve));
    structuredClone(late.buffer, { transfer: [late.buffer] });
    await saved.catch((error: unknown) => expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' }));
    for (const name of readdirSync(folder)) expect((await loadSafetensors(join(folder, name))).get('a')!.size).toBe(100);
  });

  it('refuses what cannot be stored', async () => {
    const save = saveSafetensors as (path: unknown, map: unknown, metadata?: unknown) => Promise<void>;
    expect((await failure(save('', new Map()))).code).toBe('ERR_INVALID_ARGUMENT');
    expect((await failure(save(path, { a: 1 }))).message).toContain('expects a Map of tensors by name but got');
    expect((await failure(save(path, new Map([['__metadata__', tensor(1)]])))).code).toBe('ERR_INVALID_ARGUMENT');
    expect((await failure(save(path, new Map([['a', Float32Array.of(1)]])))).code).toBe('ERR_INVALID_ARGUMENT');
    expect((await failure(save(path, new Map([['a', { shape: [2], dtype: 'float32', data: Float32Array.of(1) }]])))).code).toBe(
      'ERR_SHAPE_MISMATCH',
    );
    expect((await failure(save(path, new Map(), { epoch: 3 }))).code).toBe('ERR_INVALID_ARGUMENT');
    expect(readdirSync(folder)).toEqual([]);
  });
});
