import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import * as data from '../../lib/data';
import { expectRejection } from '../support/expectError';

interface Golden {
  readable: Record<string, { file: string; dtype: string; shape: number[]; values: number[] }>;
  versions: Record<string, string>;
  refused: Record<string, string>;
  archives: Record<string, string>;
  large: number[];
}
/** Made by generateNumpy.py. */
const golden = JSON.parse(readFileSync(join(__dirname, '..', 'golden', 'numpy.json'), 'utf8')) as Golden;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-npy-'));
  path = join(folder, 'array.npy');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bytesOf = (base64: string): Buffer => Buffer.from(base64, 'base64');
const read = (bytes: Uint8Array | string): Promise<data.NpyArray> => {
  writeFileSync(path, bytes);
  return data.npy(path);
};
const unzip = (bytes: Uint8Array | string): Promise<Record<string, data.NpyArray>> => {
  writeFileSync(path, bytes);
  return data.npz(path);
};

describe('npy', () => {
  it.each(Object.keys(golden.readable))('reads %s', async (name) => {
    const { file, dtype, shape, values } = golden.readable[name]!;
    const array = await read(bytesOf(file));
    expect(array).toMatchObject({ dtype, shape });
    expect([...array.data]).toEqual(values);
    const kind = dtype.startsWith('float') ? Float32Array : ['bool', 'uint8'].includes(dtype) ? Uint8Array : Int32Array;
    expect(array.data).toBeInstanceOf(kind);
  });

  it.each(['1', '2', '3'])('reads version %s of the format', async (version) => {
    expect([...(await read(bytesOf(golden.versions[version]!))).data]).toEqual(golden.readable.int16!.values);
  });

  it('arrays go into data sets', async () => {
    const { data: images } = await read(bytesOf(golden.readable.uint8!.file));
    expect(data.arrays(images as Uint8Array, [0, 1], { shape: [1, 3, 4] }).length).toBe(2);
  });

  it('reads more than a piece', async () => {
    const values = Float64Array.from({ length: 300_000 }, (_, i) => i / 2);
    const array = await read(Buffer.concat([npyHeader("'<f8'", '(300000,)'), Buffer.from(values.buffer)]));
    expect(array.data).toEqual(Float32Array.from(values));
  });

  it.each([
    ['fortran', 'Fortran order', 'ascontiguousarray'],
    ['bigEndian', 'big endian', 'astype("<f4")'],
    ['objects', 'Python objects'],
    ['structures', 'structures'],
    ['text', 'of type "<U2"'],
    ['complex', 'of type "<c8"'],
    ['times', 'of type "<M8[s]"'],
    ['tooLarge', '1099511627776, which does not fit int32'],
  ])('refuses %s', async (name, ...pieces) => {
    await expectRejection('ERR_BAD_FILE', read(bytesOf(golden.refused[name]!)), JSON.stringify(path), 'is not a valid NumPy array', ...pieces);
  });

  it('refuses headers that are none', async () => {
    const refuse = (bytes: Uint8Array | string, ...pieces: string[]): Promise<void> => expectRejection('ERR_BAD_FILE', read(bytes), ...pieces);
    const whole = bytesOf(golden.readable.float32!.file);
    for (let length = 0; length < whole.length; length += 7) await refuse(whole.subarray(0, length));
    await refuse(Buffer.concat([whole, Buffer.from('x')]), 'more than belong to it');
    await refuse('text', 'it is text');
    await refuse(bytesOf(golden.archives.savez!), 'a NumPy archive (.npz)');
    await refuse(Buffer.concat([Buffer.from('\x93NUMPY\x04\0', 'latin1'), whole.subarray(8)]), 'version 4');
    await refuse(Buffer.concat([Buffer.from('\x93NUMPY\x02\0\xff\xff\xff\xff', 'latin1'), whole.subarray(8)]), 'header of 4294967295 bytes');
    for (const [descr, shape] of [["'<f4'", '(9007199254740993,)'], ["'<f4'", '(4000000000, 4000000000)'], ["'<f4'", '(1000000,)'], ["'<f4'", '(-1,)'], ["'<f4'", 'x'], ['x', '(1,)'],
      ["'<f4'", `(${'1, '.repeat(40)})`], ["'<f3'", '(1,)'], ["'<f4'", '(1,), evil()'], ["'|O'", '(1,)']] as const) { // prettier-ignore
      await refuse(Buffer.concat([npyHeader(descr, shape), Buffer.alloc(4)]));
    }
    await expectRejection('ERR_FILE_ACCESS', data.npy(join(folder, 'none.npy')), 'no such file');
    await expectRejection('ERR_INVALID_ARGUMENT', data.npy(5 as never), 'a path');
  });
});

describe('npz', () => {
  it.each(['savez', 'savez_compressed'])('reads what numpy.%s wrote', async (name) => {
    const arrays = await unzip(bytesOf(golden.archives[name]!));
    expect(Object.keys(arrays).slice(0, 2)).toEqual(['images', 'labels']);
    expect(arrays.images).toMatchObject({ dtype: 'uint8', shape: [2, 3, 4] });
    expect([...arrays.images!.data]).toEqual(golden.readable.uint8!.values);
    expect([...arrays.labels!.data]).toEqual(golden.readable.int64!.values);
    if (arrays.large) expect([...arrays.large.data.subarray(-50)]).toEqual(golden.large);
    expect(arrays.large !== undefined).toBe(name === 'savez_compressed');
    expect(Object.keys(await unzip(bytesOf(golden.archives.unnamed!)))).toEqual(['arr_0']);
  });

  it('reads wide fields (zip64), stored ones and names that are no names elsewhere', async () => {
    const npy = bytesOf(golden.readable.uint8!.file);
    const arrays = await unzip(zip([['__proto__.npy', npy], ['folder/', Buffer.alloc(0)], ['b', npy]], true)); // prettier-ignore
    expect(Object.keys(arrays)).toEqual(['__proto__', 'b']);
    expect(arrays.b!.shape).toEqual([2, 3, 4]);
  });

  it('refuses what is damaged', async () => {
    const refuse = (bytes: Uint8Array | string, ...pieces: string[]): Promise<void> =>
      expectRejection('ERR_BAD_FILE', unzip(bytes), JSON.stringify(path), ...pieces);
    const whole = bytesOf(golden.archives.savez_compressed!);
    for (let length = 0; length < whole.length; length += 13) await refuse(whole.subarray(0, length));
    const damaged = Buffer.from(whole);
    damaged[100]! ^= 1;
    await refuse(damaged, 'is damaged');
    await refuse('text', 'it is text');
    await refuse(bytesOf(golden.readable.uint8!.file), 'it is a NumPy array (.npy)');
    const npy = bytesOf(golden.readable.uint8!.file);
    await refuse(zip([['a.npy', npy], ['a', npy]]), '"a" twice'); // prettier-ignore
    await refuse(zip([['a.npy', Buffer.from('text')]]), '"a.npy" of', 'not a valid NumPy array'); // prettier-ignore
    const claims = (field: number, value: number): Buffer => {
      const bytes = zip([['a.npy', npy]]); // prettier-ignore
      bytes.writeUInt32LE(value, bytes.lastIndexOf('PK\x01\x02', undefined, 'latin1') + field);
      return bytes;
    };
    await refuse(claims(24, 1e9), 'claims 1000000000 bytes');
    await refuse(claims(20, 1e9), 'claim 1000000000 bytes of a file');
    await refuse(claims(42, 1e9), 'ends before byte');
    await refuse(claims(42, 5), 'not where its directory says');
    await refuse(claims(16, 5), 'its checksum is another');
    await refuse(claims(10, 99), 'method 99');
    await refuse(claims(8, 1), 'encrypted');
  });

  it('does not inflate more than was claimed', async () => {
    const bytes = bytesOf(golden.archives.savez_compressed!);
    const entry = bytes.lastIndexOf('PK\x01\x02', undefined, 'latin1');
    bytes.writeUInt32LE(100, entry + 24);
    await expectRejection('ERR_BAD_FILE', unzip(bytes), '"large.npy" is damaged');
  });
});

function npyHeader(descr: string, shape: string): Buffer {
  const text = `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }\n`;
  const start = Buffer.from('\x93NUMPY\x01\0\0\0', 'latin1');
  start.writeUInt16LE(text.length, 8);
  return Buffer.concat([start, Buffer.from(text)]);
}

/** An archive of stored entries. @param wide whether sizes and places stand in zip64 fields */
function zip(entries: readonly (readonly [name: string, bytes: Buffer])[], wide = false): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let place = 0;
  for (const [name, bytes] of entries) {
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50);
    local.writeUInt16LE(name.length, 26);
    const extra = Buffer.alloc(wide ? 28 : 0);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50);
    entry.writeUInt32LE(crc32(bytes), 16);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt16LE(extra.length, 30);
    const fields = [[24, bytes.length], [20, bytes.length], [42, place]] as const; // prettier-ignore
    for (const [field, value] of fields) entry.writeUInt32LE(wide ? 0xffffffff : value, field);
    if (wide) {
      extra.writeUInt16LE(1, 0);
      extra.writeUInt16LE(24, 2);
      fields.forEach(([, value], i) => extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i));
    }
    directory.push(entry, Buffer.from(name), extra);
    parts.push(local, Buffer.from(name), bytes);
    place += 30 + name.length + bytes.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(wide ? 0xffff : entries.length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(place, 16);
  if (!wide) return Buffer.concat([...parts, list, end]);
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50);
  [[32, entries.length], [40, list.length], [48, place]].forEach(([field, value]) => record.writeBigUInt64LE(BigInt(value!), field)); // prettier-ignore
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50);
  locator.writeBigUInt64LE(BigInt(place + list.length), 8);
  return Buffer.concat([...parts, list, record, locator, end]);
}
