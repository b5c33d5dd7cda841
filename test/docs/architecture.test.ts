/** The files and names that ARCHITECTURE.md speaks of exist in the code, as the text cannot be compiled. */

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

const root = path.join(__dirname, '../..');
const document = readFileSync(path.join(root, 'ARCHITECTURE.md'), 'utf8');
const quoted = [...document.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
const isPath = (text: string): boolean => /^[\w.]+(\/[\w.]+)+$/.test(text);

const sources = ['lib', 'native', 'scripts']
  .flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => path.join(root, folder, file)),
  )
  .filter((file) => /\.(ts|js|cc|h|def)$/.test(file))
  .map((file) => readFileSync(file, 'utf8'))
  .join('\n');

test('every file and folder exists', () => {
  const paths = quoted.filter(isPath);
  expect(paths.length).toBeGreaterThan(30);
  expect(paths.filter((name) => !existsSync(path.join(root, name)))).toEqual([]);
});

test('every name is a name in the code', () => {
  const code = sources.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const known = new Set(code.match(/\w+/g));
  const names = quoted.filter((text) => !isPath(text)).flatMap((text) => text.match(/[A-Za-z]\w{2,}/g) ?? []);
  expect(names.length).toBeGreaterThan(60);
  expect(names.filter((name) => !known.has(name))).toEqual([]);
});

test('every word of the glossary has one row, and the code uses it', () => {
  const glossary = /^## Words$([\s\S]*?)^## /m.exec(document)![1]!;
  const words = [...glossary.matchAll(/^\| ([a-z0-9, ]+) \| [^|]/gm)].flatMap((match) => match[1]!.split(', '));
  expect(words.length).toBeGreaterThan(35);
  expect(words.filter((word, i) => words.indexOf(word) < i)).toEqual([]);
  expect(words.filter((word) => !new RegExp(`\\b${word}`, 'i').test(sources))).toEqual([]);
});
