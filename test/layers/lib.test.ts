/** The layers of lib/ as scripts/layers.js states them. Imports of types count: what a file is made of is what a reader has to know first. */
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import ts from 'typescript';
import { findCircle, type ImportGraph } from './circles';

interface Layers {
  readonly libBase: readonly string[];
  readonly libLayers: Readonly<Record<string, readonly string[]>>;
}
const { libBase, libLayers } = createRequire(__filename)('../../scripts/layers.js') as Layers;

const lib = path.join(__dirname, '../../lib');

const files = readdirSync(lib, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.replaceAll('\\', '/'));

/** Files of lib/ that a file imports, in any form: statements, types such as `import('./x').X`, declarations of modules. */
function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(path.join(lib, file), 'utf8'));
  return importedFiles
    .filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => {
      const target = path.posix.join(path.posix.dirname(file), fileName.replace(/\.js$/, ''));
      const found = [`${target}.ts`, path.posix.join(target, 'index.ts')].find((candidate) => files.includes(candidate));
      if (found === undefined) throw new Error(`${file} imports ${fileName}, which is no file of lib/`);
      return found;
    });
}

const graph: ImportGraph = new Map(files.map((file) => [file, importsOf(file)]));

/** 'compile' for compile/lower.ts, 'summary' for summary.ts. */
const layerOf = (file: string): string => file.split('/')[0]!.replace(/\.ts$/, '');

test('every file belongs to a layer', () => {
  expect([...new Set(files.map(layerOf))].sort()).toEqual([...libBase, ...Object.keys(libLayers)].sort());
});

test('layers import those below them', () => {
  const order = Object.keys(libLayers);
  for (const [i, layer] of order.entries()) expect(order.slice(0, i)).toEqual(expect.arrayContaining(libLayers[layer]!));
});

test('files import what their layer may import', () => {
  const offenders = [...graph].flatMap(([file, imports]) => {
    const layer = layerOf(file);
    const allowed = [layer, ...libBase, ...(libLayers[layer] ?? [])];
    return imports.filter((imported) => !allowed.includes(layerOf(imported))).map((imported) => `${file}: ${imported}`);
  });
  expect(offenders).toEqual([]);
});

test('no circle', () => {
  expect(findCircle(graph)).toBeUndefined();
});
