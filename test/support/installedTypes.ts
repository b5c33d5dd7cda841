/**
 * The package's declarations as a user has them: compiled from lib/ as the build compiles them, in node_modules/stridenet of an empty folder,
 * with package.json beside them. No other package is there unless a test links it.
 */

import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ts from 'typescript';

const root = path.join(__dirname, '../..');

export class InstalledTypes {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'stridenet-types-'));
  private readonly dist = path.join(this.folder, 'node_modules/stridenet/dist');

  constructor() {
    const { config } = ts.readConfigFile(path.join(root, 'tsconfig.json'), ts.sys.readFile.bind(ts.sys)) as { config: object };
    const { options, fileNames } = ts.parseJsonConfigFileContent(config, ts.sys, root);
    Object.assign(options, { outDir: this.dist, emitDeclarationOnly: true, sourceMap: false });
    const { emitSkipped } = ts.createProgram(fileNames, options).emit();
    if (emitSkipped) throw new Error('lib/ gave no declarations');
    for (const entry of ['.', 'onnx']) writeFileSync(path.join(this.dist, entry, 'index.d.mts'), "export * from './index.js';\n");
    cpSync(path.join(root, 'package.json'), path.join(this.dist, '../package.json'));
    this.write('package.json', '{ "name": "app", "private": true }\n');
  }

  /** Makes a package of the repository's node_modules visible. */
  link(name: string): void {
    const target = path.join(this.folder, 'node_modules', name);
    mkdirSync(path.dirname(target), { recursive: true });
    symlinkSync(path.join(root, 'node_modules', name), target);
  }

  /** Writes a file of the user's program and gives its path. */
  write(name: string, text: string): string {
    const file = path.join(this.folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
