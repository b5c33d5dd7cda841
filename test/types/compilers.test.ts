/**
 * Strict programs compile against the declarations of the package with the oldest and the newest compilers of TypeScript, in every way of
 * resolving modules, with declarations checked (`skipLibCheck` off), without the types of the DOM and of Node.js and with those of Node.js.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { InstalledTypes } from '../support/installedTypes';

/** The packages of the compilers, oldest first. */
const compilers = ['typescript-5.4', 'typescript', 'typescript-6', 'typescript-7'] as const;

/** Nothing but the language: neither DOM nor Node.js. */
const bare = { strict: true, noEmit: true, skipLibCheck: false, types: [], lib: ['ES2022'], target: 'es2022' };
const projects: Readonly<
  Record<string, { readonly compilerOptions: object; readonly compilers?: readonly string[]; readonly node?: boolean }>
> = {
  node16: { compilerOptions: { ...bare, module: 'node16' } },
  bundler: { compilerOptions: { ...bare, module: 'esnext', moduleResolution: 'bundler' } },
  // Everything that can be switched on.
  strictest: {
    compilerOptions: {
      ...bare,
      module: 'nodenext',
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      noPropertyAccessFromIndexSignature: true,
    },
  },
  // What a folder without settings gets; older compilers would compile to ES5.
  defaults: { compilerOptions: { noEmit: true, skipLibCheck: false }, compilers: ['typescript-6', 'typescript-7'] },
  // The resolution before `exports`, which newer compilers have given up.
  node10: { compilerOptions: { ...bare, module: 'commonjs', moduleResolution: 'node10' }, compilers: ['typescript-5.4', 'typescript'] },
  // The types of Node.js are their own authors' to check.
  'with @types/node': { compilerOptions: { ...bare, module: 'nodenext', types: ['node'], skipLibCheck: true }, node: true },
};

let installed: InstalledTypes;
beforeAll(() => {
  installed = new InstalledTypes();
  // Found from a folder of its own, so that other projects do not see it.
  for (const name of ['@types/node', 'undici-types']) installed.link(name);
});
afterAll(() => installed.remove());

/** What a compiler prints for a project; nothing when all is well. */
function compile(compiler: string, project: string): Promise<string> {
  const tsc = path.join(path.dirname(require.resolve(`${compiler}/package.json`)), 'bin/tsc');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [tsc, '-p', project], { cwd: installed.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve(code === 0 ? output : output || `exit code ${code}`));
  });
}

const fixture = (name: string): string => readFileSync(path.join(__dirname, `${name}.ts`), 'utf8');

describe.each(Object.entries(projects))('%s', (name, { compilerOptions, compilers: only = compilers, node = false }) => {
  beforeAll(() => {
    const folder = name.replaceAll(/\W/g, '');
    for (const file of node ? ['node'] : ['program', 'onnx']) {
      // As an ES module and as CommonJS: the two see other declaration files.
      for (const kind of name === 'node10' || name === 'defaults' ? ['ts'] : ['mts', 'cts']) {
        installed.write(`${folder}/${file}.${kind}`, fixture(file));
      }
    }
    installed.write(`${folder}/tsconfig.json`, JSON.stringify({ compilerOptions, include: ['.'] }));
  });
  test.each(only)('%s', async (compiler) => {
    expect(await compile(compiler, name.replaceAll(/\W/g, ''))).toBe('');
  });
});

test('a mistake is found, so that silence means something', async () => {
  installed.write('mistake/main.mts', "import { tensor } from 'stridenet';\nexport const x: Int32Array = tensor([1]).dataSync();\n");
  installed.write('mistake/tsconfig.json', JSON.stringify({ compilerOptions: { ...bare, module: 'nodenext' }, include: ['.'] }));
  expect(await compile('typescript', 'mistake')).toContain("not assignable to type 'Int32Array");
});
