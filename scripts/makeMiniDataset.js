#!/usr/bin/env node
/**
 * Makes data/fashion-mnist-mini: the first 600 training and the first 100 test images of each class of Fashion-MNIST, in their original
 * order, as gzipped IDX files. The contents depend on the source alone.
 *
 *   node scripts/makeMiniDataset.js [SOURCE]   SOURCE: folder with the four .gz files, default that of Debian's dataset-fashion-mnist
 */
'use strict';

const { mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { gunzipSync, gzipSync } = require('node:zlib');

const source = process.argv[2] ?? '/usr/share/datasets/fashion-mnist';
const target = join(__dirname, '..', 'data', 'fashion-mnist-mini');
const CLASSES = 10;
const MAX_TOTAL_BYTES = 3.5e6;

function idx(shape, data) {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.writeUInt32BE(0x0800 | shape.length, 0);
  shape.forEach((extent, axis) => header.writeUInt32BE(extent, 4 + 4 * axis));
  return Buffer.concat([header, data]);
}

function write(name, bytes) {
  const packed = gzipSync(bytes, { level: 9, memLevel: 9 });
  packed[9] = 0xff; // the operating system that packed it, which is nobody's business
  writeFileSync(join(target, `${name}.gz`), packed);
  console.log(`${name}.gz  ${packed.length} bytes`);
  return packed.length;
}

function subset(part, perClass) {
  const read = (name) => gunzipSync(readFileSync(join(source, `${name}.gz`)));
  const images = read(`${part}-images-idx3-ubyte`);
  const labels = read(`${part}-labels-idx1-ubyte`).subarray(8);
  const [height, width] = [images.readUInt32BE(8), images.readUInt32BE(12)];
  const size = height * width;
  const seen = new Array(CLASSES).fill(0);
  const chosen = [...labels.keys()].filter((i) => seen[labels[i]]++ < perClass);
  if (chosen.length !== perClass * CLASSES) throw new Error(`${part}: a class has fewer than ${perClass} images`);
  const pixels = chosen.map((i) => images.subarray(16 + i * size, 16 + (i + 1) * size));
  return (
    write(`${part}-images-idx3-ubyte`, idx([chosen.length, height, width], Buffer.concat(pixels))) +
    write(`${part}-labels-idx1-ubyte`, idx([chosen.length], Buffer.from(chosen.map((i) => labels[i]))))
  );
}

mkdirSync(target, { recursive: true });
const total = subset('train', 600) + subset('t10k', 100);
console.log(`total ${total} bytes`);
if (total > MAX_TOTAL_BYTES) throw new Error(`the set should take at most ${MAX_TOTAL_BYTES} bytes`);
