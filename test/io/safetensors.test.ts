import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StridenetError } from '../../lib/errors';
import { tensor, variableTensor } from '../../lib/graph/leaves';
import type { Tensor } from '../../lib/graph/tensor';
import { VariableStorage } from '../../lib/graph/storage';
import { loadSafetensors, readSafetensors, readSafetensorsMetadata, saveSafetensors, type RawTensor } from '../../lib/io/safetensors';

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

    map.delete('empty');
    await saveSafetensors(path, map);
    const loaded = await loadSafetensors(path);
    expect(loaded.get('ä "quoted"\n__proto__')!.dataSync()).toEqual(Uint8Array.of(0, 255, 7));
    expect(loaded.get('__proto__')!.shape).toEqual([]);
    expect(await readSafetensorsMetadata(path)).toEqual({});
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
  it('int64 within int32, and refuses what is outside', async () => {
    one('I64', bytes(BigInt64Array.of(-(2n ** 31n), 2n ** 31n - 1n, 7n)), 3);
    expect((await loadSafetensors(path)).get('x')!.dataSync()).toEqual(Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 7));
    one('I64', bytes(BigInt64Array.of(0n, 2n ** 31n)), 2);
    const error = await failure(loadSafetensors(path));
    expect(error.code).toBe('ERR_BAD_FILE');
    expect(error.message).toContain('"x" holds 2147483648, which does not fit int32');
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
    ['an unknown type', () => craft({ x: { ...entry, dtype: 'F8_E4M3' } }, eight), /element type "F8_E4M3"; supported are F32, I32, U8, /],
    ['a type from the prototype', () => craft({ x: { ...entry, dtype: 'constructor' } }, eight), /element type "constructor"/],
    ['a negative extent', () => craft({ x: { ...entry, shape: [-2] } }, eight), /shape \[-2\]; expected are integers of at least 0/],
    ['an overflowing shape', () => craft({ x: { ...entry, shape: [2 ** 40, 2 ** 40] } }, eight), /expected are integers/],
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

  it('every truncation of a good file is refused', async () => {
    await saveSafetensors(path, new Map([['a', tensor([1, 2, 3])]]), { k: 'v' });
    const whole = readFileSync(path);
    for (let n = 0; n < whole.length; n++) {
      writeFileSync(path, whole.subarray(0, n));
      expect((await failure(loadSafetensors(path))).code).toBe('ERR_BAD_FILE');
    }
  });

  it('an empty tensor cannot become a Tensor', async () => {
    craft({ x: { dtype: 'F32', shape: [0], data_offsets: [0, 0] } });
    expect((await failure(loadSafetensors(path))).message).toContain('tensor "x" has shape [0], which cannot be a Tensor');
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
