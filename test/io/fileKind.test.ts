/** Files that were taken for weights are named. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { readIdx } from '../../lib/data/idx';
import { loadSafetensors } from '../../lib/io/safetensors';
import { expectRejection } from '../support/expectError';

/** The beginning of a zip archive. */
function zip(first: string): Buffer {
  const header = Buffer.alloc(30);
  header.write('PK\x03\x04', 'latin1');
  header.writeUInt16LE(first.length, 26);
  return Buffer.concat([header, Buffer.from(first), Buffer.alloc(200, 7)]);
}
const latin1 = (text: string): Buffer => Buffer.concat([Buffer.from(text, 'latin1'), Buffer.alloc(600, 0xee)]);
const tar = Buffer.alloc(1024);
tar.write('weights.bin');
tar.write('ustar', 257);

const FILES: [kind: string, bytes: Buffer][] = [
  ['a Git LFS pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n')],
  ['an HTML page', Buffer.from('<!DOCTYPE html>\n<html><head><title>404</title></head></html>')],
  ['an HTML page', Buffer.from('\ufeff\n <html lang="en">')],
  ['an XML text', Buffer.from('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>')],
  ['a PyTorch pickle', zip('archive/data.pkl')],
  ['a zip archive, perhaps a PyTorch pickle', Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(100, 8)])],
  ['a PyTorch pickle', latin1('\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.')],
  ['a NumPy archive (.npz)', zip('conv1.weight.npy')],
  ['a Keras archive', zip('metadata.json')],
  ['gzipped', gzipSync('weights')],
  ['compressed by xz', latin1('\xfd7zXZ\0')],
  ['compressed by bzip2', latin1('BZh9')],
  ['compressed by zstd', latin1('\x28\xb5\x2f\xfd')],
  ['a tar archive', tar],
  ['a NumPy array', latin1('\x93NUMPY\x01\x00v\x00{')],
  ['an HDF5 file', latin1('\x89HDF\r\n\x1a\n')],
  ['a GGUF file', latin1('GGUF\x03\0\0\0')],
  ['a TensorFlow Lite model', latin1('\x1c\0\0\0TFL3')],
  ['an ONNX model', latin1('\x08\x08\x12\x07pytorch')],
  ['a PNG picture', latin1('\x89PNG\r\n\x1a\n')],
  ['a JPEG picture', latin1('\xff\xd8\xff\xe0')],
  ['a PDF document', latin1('%PDF-1.7')],
  ['the JSON index of weights in several files', Buffer.from('{\n  "metadata": {},\n  "weight_map": { "a": "model-00001-of-00002.safetensors" }\n}')],
  ['JSON text', Buffer.from('{ "model_type": "resnet" }')],
  ['text', Buffer.from('These are no weights.\n')],
]; // prettier-ignore

let folder: string;
beforeAll(() => (folder = mkdtempSync(path.join(tmpdir(), 'stridenet-kind-'))));
afterAll(() => rmSync(folder, { recursive: true }));

test.each(FILES)('%s', async (kind, bytes) => {
  const file = path.join(folder, 'file');
  writeFileSync(file, bytes);
  await expectRejection('ERR_BAD_FILE', loadSafetensors(file), file, `is not a valid safetensors file: it is ${kind}`);
  if (kind !== 'gzipped') await expectRejection('ERR_BAD_FILE', readIdx(file), file, `is not a valid IDX file: it is ${kind}`);
});

test('safetensors for IDX, and what nobody knows', async () => {
  const file = path.join(folder, 'file');
  const header = Buffer.from('\x40\0\0\0\0\0\0\0{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', 'latin1');
  writeFileSync(file, header);
  await expectRejection('ERR_BAD_FILE', readIdx(file), 'it is a safetensors file');
  await expectRejection('ERR_BAD_FILE', loadSafetensors(file), 'it is truncated');
  writeFileSync(file, Buffer.alloc(600, 0xee));
  await expectRejection('ERR_BAD_FILE', loadSafetensors(file), 'its header claims');
  await expectRejection('ERR_BAD_FILE', readIdx(file), 'begins with the bytes eeeeeeee');
});
