/**
 * Mutated files: safetensors, checkpoints and IDX files, plain or gzipped, with bytes changed at random or with a header that says something
 * else. What is not refused must hold what it says.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as stridenet from '../../lib/index';
import { elementCount } from '../../lib/graph/types';
import { judge, type Finding } from './calls';
import { REPOSITORY_DATA } from './places';
import type { Random } from './random';

const { data, models, nn, optim, Trainer } = stridenet;

interface Kind {
  readonly name: string;
  /** A file that is right, made on first use. */
  make(): Promise<Buffer> | Buffer;
  /** Changes what the header says; undefined when the bytes alone are changed. */
  rewrite?(bytes: Buffer, random: Random): Buffer;
  /** Reads the file in every way that there is. @throws what the library throws, or an Error when values do not fit */
  read(file: string): Promise<void>;
}

const KINDS: readonly Kind[] = [
  {
    name: 'weights.safetensors',
    async make() {
      await stridenet.saveSafetensors('right.safetensors', smallModel().stateDict(), { a: 'b' });
      return readFileSync('right.safetensors');
    },
    rewrite: rewriteHeader,
    async read(file) {
      const map = await stridenet.loadSafetensors(file);
      await stridenet.readSafetensorsMetadata(file);
      for (const [name, tensor] of map) await checkValues(name, tensor);
      smallModel().loadStateDict(map, { strict: false });
    },
  },
  {
    name: 'dtypes.safetensors',
    make: everyType,
    rewrite: rewriteHeader,
    async read(file) {
      for (const [name, tensor] of await stridenet.loadSafetensors(file)) await checkValues(name, tensor);
    },
  },
  {
    name: 'checkpoint.safetensors',
    async make() {
      const trainer = new Trainer(models.lenet5({ classes: 3 }), {
        optimizer: optim.sgd({ momentum: 0.9 }),
        input: [1, 28, 28],
        batchSize: 1,
        threads: 1,
      });
      await trainer.save('right.safetensors');
      trainer.close();
      return readFileSync('right.safetensors');
    },
    rewrite: rewriteHeader,
    async read(file) {
      const trainer = await Trainer.resume(file);
      trainer.close();
    },
  },
  {
    name: 'labels-idx1-ubyte',
    make: () => gunzipSync(readFileSync(path.join(REPOSITORY_DATA, 't10k-labels-idx1-ubyte.gz'))).subarray(0, 1000),
    rewrite: rewriteExtents,
    read: readArray,
  },
  {
    name: 'images-idx3-ubyte',
    make: () => gunzipSync(readFileSync(path.join(REPOSITORY_DATA, 't10k-images-idx3-ubyte.gz'))).subarray(0, 16 + 10 * 784),
    rewrite: rewriteExtents,
    read: readArray,
  },
  {
    name: 'images-idx3-ubyte.gz',
    make: () => gzipSync(Buffer.concat([Buffer.from([0, 0, 8, 1, 0, 0, 3, 232]), Buffer.alloc(1000, 7)])),
    read: readArray,
  },
  { name: 'text-idx1-ubyte.gz', make: () => gzipSync(Buffer.from('<!DOCTYPE html><p>not found')), read: readArray },
];

const originals = new Map<Kind, Buffer>();

export async function tryFile(random: Random): Promise<Finding | undefined> {
  // Building a model from a checkpoint takes much longer than reading a file.
  const kind = random.choose(random.chance(0.02) ? KINDS : KINDS.filter(({ name }) => !name.startsWith('checkpoint')));
  if (!originals.has(kind)) originals.set(kind, await kind.make());
  const original = originals.get(kind)!;
  const rewritten = kind.rewrite && random.chance(0.5) ? kind.rewrite(original, random) : original;
  const bytes = rewritten === original || random.chance(0.2) ? mutated(rewritten, random) : rewritten;
  writeFileSync(kind.name, bytes);
  try {
    await kind.read(kind.name);
    return undefined;
  } catch (error) {
    return judge(error, [kind.name]);
  }
}

function smallModel(): stridenet.nn.Module {
  return new nn.Sequential(new nn.Conv2d(1, 2, 3), new nn.BatchNorm2d(2), new nn.Linear(4, 3));
}

async function checkValues(name: string, tensor: stridenet.Tensor): Promise<void> {
  const { length } = await tensor.data();
  if (length !== elementCount(tensor.shape)) throw new Error(`${name} has ${length} values for shape [${tensor.shape.join()}]`);
}

async function readArray(file: string): Promise<void> {
  const array = await data.readIdx(file);
  if (array.data.length !== elementCount(array.shape)) throw new Error(`${array.data.length} values for shape [${array.shape.join()}]`);
}

/** Every element type that the format knows, and an empty and a scalar tensor. */
function everyType(): Buffer {
  const bytes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 };
  const header: Record<string, unknown> = {};
  let offset = 0;
  for (const [dtype, size] of Object.entries(bytes)) {
    header[dtype] = { dtype, shape: [2, 3], data_offsets: [offset, offset + 6 * size] };
    offset += 6 * size;
  }
  header['scalar'] = { dtype: 'F32', shape: [], data_offsets: [offset, offset + 4] };
  header['empty'] = { dtype: 'F32', shape: [0, 3], data_offsets: [offset + 4, offset + 4] };
  return withHeader(JSON.stringify(header), Buffer.alloc(offset + 4, 1));
}

function withHeader(header: string, rest: Buffer): Buffer {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, rest]);
}

/** JSON that may stand in the place of any other. */
const ODD_JSON: readonly string[] = [
  ...[
    '0',
    '-1',
    '1',
    '0.5',
    '-0',
    '1e308',
    '1e999',
    '4294967296',
    '9007199254740993',
    'null',
    'true',
    '""',
    '"F32"',
    '"BF16"',
    '"__proto__"',
  ],
  ...[
    '[]',
    '{}',
    '[[[[1]]]]',
    '[0]',
    '[-1]',
    '[0.5]',
    '[1,1,1,1,1,1,1]',
    '[4294967296,4294967296]',
    '[1e308,1e308]',
    '["1"]',
    '[null]',
    '[0,4]',
    '[4,0]',
  ],
  ...[
    '{"constructor":{"name":{"toString":1}}}',
    '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}',
    '{"toJSON":1}',
    '"\\ud800"',
    '"\\u001b[31m"',
  ],
  ...['['.repeat(2000) + ']'.repeat(2000), `"${'x'.repeat(5000)}"`],
];

/** The same data under a header in which some values or names are others. */
function rewriteHeader(bytes: Buffer, random: Random): Buffer {
  const length = Number(bytes.readBigUInt64LE(0));
  // Every value and every name of the header's text.
  let header = bytes.subarray(8, 8 + length).toString();
  for (let i = random.integer(1, 3); i > 0; i--) {
    const parts = [...header.matchAll(/"[^"]*"|-?\d+|\[[^[\]]*\]|\{[^{}]*\}/g)];
    if (parts.length === 0) break;
    const part = random.choose(parts);
    header = header.slice(0, part.index) + random.choose(ODD_JSON) + header.slice(part.index + part[0].length);
  }
  return withHeader(header, bytes.subarray(8 + length));
}

/** IDX: another type, another number of extents, or an extent that is another. */
function rewriteExtents(bytes: Buffer, random: Random): Buffer {
  const changed = Buffer.from(bytes);
  const rank = changed[3]!;
  switch (random.integer(0, 2)) {
    case 0:
      changed[2] = random.choose([0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e, 0, 255]);
      break;
    case 1:
      changed[3] = random.choose([0, 1, 2, 3, 4, 7, 8, 255]);
      break;
    default:
      changed.writeUInt32BE(random.choose([0, 1, 2 ** 16, 2 ** 31, 2 ** 32 - 1]), 4 + 4 * random.integer(0, rank - 1));
  }
  return changed;
}

function mutated(bytes: Buffer, random: Random): Buffer {
  let changed = Buffer.from(bytes);
  for (let i = random.integer(1, 3); i > 0; i--) {
    // Headers say more than data.
    const at = random.integer(0, Math.max(0, Math.min(changed.length, random.chance(0.7) ? 256 : changed.length) - 1));
    switch (random.integer(0, 5)) {
      case 0:
        changed[at] = random.integer(0, 255);
        break;
      case 1:
        changed[at] = changed[at]! ^ (1 << random.integer(0, 7));
        break;
      case 2:
        changed = changed.subarray(0, random.chance(0.5) ? at : Math.max(0, changed.length - random.integer(1, 16)));
        break;
      case 3:
        changed = Buffer.concat([
          changed.subarray(0, at),
          Buffer.alloc(random.integer(1, 9), random.integer(0, 255)),
          changed.subarray(at),
        ]);
        break;
      case 4:
        changed = Buffer.concat([changed.subarray(0, at), changed.subarray(at + random.integer(1, 9))]);
        break;
      default:
        if (changed.length >= 8)
          changed.writeBigUInt64LE(random.choose([0n, 1n, 2n ** 31n, 2n ** 53n, 2n ** 64n - 1n, BigInt(changed.length)]), 0);
    }
  }
  return changed;
}
