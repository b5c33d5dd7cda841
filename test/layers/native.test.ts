/**
 * The native layers as ARCHITECTURE.md draws them, read from the #include lines and a few words that give a breach away.
 * The TypeScript layers are an eslint rule (eslint.config.js).
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';

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
  // enums.h numbers the kinds of kernels and holds no code.
  const allowed = /^(cstddef|cstdint|native\/(isa|kernels)\/.*|native\/program\/enums\.h)$/;
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

test('lower layers do not know the upper ones', () => {
  const order: Record<string, RegExp> = {
    isa: /^native\/(program(?!\/enums\.h)|ops|runtime|addon)\b/,
    kernels: /^native\/(program(?!\/enums\.h)|ops|runtime|addon|isa)\b/,
    program: /^native\/addon\//,
    ops: /^native\/(addon|isa)\//,
    runtime: /^native\/(addon)\//,
  };
  for (const [layer, forbidden] of Object.entries(order)) expect(offenders((name) => name === layer, forbidden)).toEqual([]);
});
