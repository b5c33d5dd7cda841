/**
 * The sources and the kernel tables as plain JavaScript, for processes that must start fast or cannot run a TypeScript compiler: children,
 * worker threads, emulated processors. Types are not checked. As a program:
 *
 *   node -r ts-node/register/transpile-only test/support/transpile.ts FOLDER
 *
 * makes FOLDER/lib and FOLDER/test; the binary is looked for in FOLDER/build/Release and FOLDER/prebuilds/<platform>-<arch>.
 */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ts from 'typescript';

export const REPOSITORY = path.join(__dirname, '..', '..');
const SOURCES = ['lib', 'test/support', 'test/ops', 'test/reference', 'test/fuzz'];

const compilerOptions: ts.CompilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS, esModuleInterop: true };

export function transpileTo(folder: string): void {
  for (const source of SOURCES) {
    for (const file of readdirSync(path.join(REPOSITORY, source), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue;
      const from = path.join(REPOSITORY, source, file);
      const to = path.join(folder, source, file.replace(/\.ts$/, '.js'));
      mkdirSync(path.dirname(to), { recursive: true });
      writeFileSync(to, ts.transpileModule(readFileSync(from, 'utf8'), { compilerOptions, fileName: from }).outputText);
    }
  }
}

/** A folder of plain JavaScript on this machine's binary; `remove` takes it away. */
export function transpiledCopy(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'stridenet-test-'));
  transpileTo(folder);
  for (const name of ['build', 'prebuilds', 'bench', 'data', 'package.json'])
    symlinkSync(path.join(REPOSITORY, name), path.join(folder, name));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

if (require.main === module) transpileTo(path.resolve(process.argv[2]!));
