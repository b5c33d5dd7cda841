/** The package inside a user's bundle: it works while it is installed there too, and says what to do when it is not. */

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { REPOSITORY, transpileTo } from '../support/transpile';

const run = promisify(execFile);
const { makeEsmEntry } = createRequire(__filename)('../../scripts/makeEsmEntry.js') as { makeEsmEntry(folder: string): void };

let app: string;
let elsewhere: string;
beforeAll(() => {
  app = mkdtempSync(path.join(tmpdir(), 'stridenet-bundle-app-'));
  elsewhere = mkdtempSync(path.join(tmpdir(), 'stridenet-bundle-alone-'));
  installInto(app);
  writeFileSync(path.join(app, 'package.json'), '{ "name": "app" }');
  writeFileSync(
    path.join(app, 'app.mjs'),
    `import { data, tensor } from 'stridenet';
    const report = (what, promise) => promise.then(
      (value) => console.log(what, JSON.stringify(value)),
      (error) => console.log(what, error.name, error.code, error.message));
    report('sum', tensor([1, 2]).add(1).array()).then(() => report('data', data.mini().then(({ train }) => train.length)));`,
  );
});
afterAll(() => {
  for (const folder of [app, elsewhere]) rmSync(folder, { recursive: true, force: true });
});

/** The package as npm would install it, on this machine's binary. */
function installInto(folder: string): void {
  const root = path.join(folder, 'node_modules', 'stridenet');
  mkdirSync(root, { recursive: true });
  transpileTo(root);
  renameSync(path.join(root, 'lib'), path.join(root, 'dist'));
  for (const name of ['build', 'prebuilds', 'data']) symlinkSync(path.join(REPOSITORY, name), path.join(root, name));
  cpSync(path.join(REPOSITORY, 'package.json'), path.join(root, 'package.json'));
  symlinkSync(path.join(REPOSITORY, 'node_modules/@bufbuild'), path.join(folder, 'node_modules/@bufbuild')); // its dependency
  makeEsmEntry(path.join(root, 'dist'));
}

/** Bundles the app and runs it in `folder`. */
async function bundled(folder: string, options: { external?: string[]; minify?: boolean } = {}): Promise<string> {
  const outfile = path.join(folder, 'out', 'bundle.cjs');
  const { warnings } = await build({
    entryPoints: [path.join(app, 'app.mjs')],
    outfile,
    bundle: true,
    platform: 'node',
    logLevel: 'silent',
    ...options,
  });
  expect(warnings).toEqual([]);
  return (await run(process.execPath, [outfile], { cwd: folder })).stdout;
}

const WORKS = 'sum [2,3]\ndata 6000\n';

test('it works beside the installed package, bundled or external', async () => {
  expect(await bundled(app)).toBe(WORKS);
  expect(await bundled(app, { minify: true })).toBe(WORKS);
  expect(await bundled(app, { external: ['stridenet'] })).toBe(WORKS);
});

test('alone it says that it was bundled and how to keep it out', async () => {
  const [sum, data] = (await bundled(elsewhere)).split('\n') as [string, string];
  expect(sum).toMatch(/^sum StridenetError ERR_NATIVE_UNAVAILABLE stridenet was bundled: /);
  expect(data).toMatch(/^data StridenetError ERR_DATA_UNAVAILABLE stridenet was bundled: /);
  const advice = [
    '--external:stridenet',
    "webpack externals: { stridenet: 'commonjs stridenet' }",
    'ssr: { external',
    'serverExternalPackages',
  ];
  for (const part of [path.join(elsewhere, 'out'), ...advice]) expect(sum).toContain(part);
});
