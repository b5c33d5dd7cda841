/** The layers of native/ as scripts/layers.js states them, read from the #include lines and a few words that give a breach away. */
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { findCircle } from './circles';

interface Layers {
  readonly nativeLayers: Readonly<Record<string, readonly string[]>>;
}
const { nativeLayers } = createRequire(__filename)('../../scripts/layers.js') as Layers;

const root = path.join(__dirname, '../..');

interface SourceFile {
  readonly name: string; // native/isa/avx2.cc
  readonly layer: string; // isa
  readonly code: string; // without comments
  readonly includes: readonly string[]; // as written, without brackets
}

const sources: SourceFile[] = readdirSync(path.join(root, 'native'), { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(cc|h|def)$/.test(file))
  .map((file) => {
    const text = readFileSync(path.join(root, 'native', file), 'utf8');
    const code = text.replace(/\/\/.*$/gm, '').replace(/\/\*[\s\S]*?\*\//g, '');
    return {
      name: `native/${file.replaceAll('\\', '/')}`,
      layer: file.split(/[\\/]/)[0]!,
      code,
      includes: [...code.matchAll(/^\s*#\s*include\s+[<"]([^">]+)[">]/gm)].map((match) => match[1]!),
    };
  });

/** Files among `layers` (or outside them) that include what `forbidden` matches, as "file: include". */
function offenders(inside: (layer: string) => boolean, forbidden: RegExp): string[] {
  return sources
    .filter((source) => inside(source.layer))
    .flatMap(({ name, includes }) => includes.filter((include) => forbidden.test(include)).map((include) => `${name}: ${include}`));
}

const intrinsicsHeader = /^(immintrin|x86intrin|xmmintrin|emmintrin|arm_neon|arm_sve|cpuid)\.h$/;

test('there are sources to check', () => {
  expect(sources.map((source) => source.layer)).toEqual(expect.arrayContaining(['program', 'ops', 'kernels', 'runtime']));
});

test('only native/addon speaks Node-API', () => {
  expect(offenders((layer) => layer !== 'addon', /^(napi|node_api|js_native_api|node|v8|uv)\b/)).toEqual([]);
});

test('only native/isa holds intrinsics', () => {
  // cpuid.h is how native/runtime asks the processor what it has.
  const outside = offenders((layer) => layer !== 'isa', intrinsicsHeader).filter((line) => line !== 'native/runtime/cpu.cc: cpuid.h');
  expect(outside).toEqual([]);
  const inline = sources.filter(({ layer, code }) => layer !== 'isa' && /\b_mm(256|512)?_\w+\(|\bv(ld|st)1q_/.test(code));
  expect(inline.map(({ name }) => name)).toEqual([]);
});

test('native/isa and native/kernels include only cstddef, cstdint, intrinsics and their own headers', () => {
  // enums.h and instructions.h hold numbers and structs, no code.
  const allowed = /^(cstddef|cstdint|native\/(isa|kernels)\/.*|native\/base\/(enums|instructions)\.h)$/;
  const foreign = sources
    .filter(({ layer }) => layer === 'isa' || layer === 'kernels')
    .flatMap(({ name, includes }) =>
      includes.filter((include) => !allowed.test(include) && !intrinsicsHeader.test(include)).map((include) => `${name}: ${include}`),
    );
  expect(foreign).toEqual([]);
});

test('native/isa and native/kernels have no mutable statics', () => {
  const statics = sources
    .filter(({ layer }) => layer === 'isa' || layer === 'kernels')
    .flatMap(({ name, code }) =>
      [...code.matchAll(/^\s+static (?!const\b|constexpr\b|inline\b|_*[Aa]ttribute)[^()]*[;={].*$/gm)].map(
        (match) => `${name}: ${match[0].trim()}`,
      ),
    );
  expect(statics).toEqual([]);
});

test('every folder is a layer, and layers include those below them', () => {
  expect([...new Set(sources.map(({ layer }) => layer))].sort()).toEqual(Object.keys(nativeLayers).sort());
  const order = Object.keys(nativeLayers);
  for (const [i, layer] of order.entries()) expect(order.slice(0, i)).toEqual(expect.arrayContaining(nativeLayers[layer]!));
});

test('files include what their layer may include', () => {
  for (const [layer, mayInclude] of Object.entries(nativeLayers)) {
    const others = new RegExp(`^native/(?!(${[layer, ...mayInclude].join('|')})/)`);
    expect(offenders((name) => name === layer, others)).toEqual([]);
  }
});

test('no circle, a header and the source file of its name taken as one', () => {
  const unitOf = (file: string): string => file.replace(/\.(h|cc)$/, '');
  const units = new Map<string, string[]>();
  for (const { name, includes } of sources) {
    const own = includes.filter((include) => include.startsWith('native/')).map(unitOf);
    units.set(unitOf(name), [...(units.get(unitOf(name)) ?? []), ...own.filter((unit) => unit !== unitOf(name))]);
  }
  expect(findCircle(units)).toBeUndefined();
});
