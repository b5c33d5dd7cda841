/** Compiles lib/ to dist/ with tsc and writes the ES module entries beside it. A file that lost its source does not stay in dist/. */
const { spawnSync } = require('node:child_process');
const { existsSync, readdirSync, rmSync } = require('node:fs');
const path = require('node:path');
const { makeEsmEntry } = require('./makeEsmEntry.js');

const root = path.join(__dirname, '..');
const dist = path.join(root, 'dist');

/** Removes outputs whose source is gone, so that a package never carries a deleted module. */
function removeOrphans() {
  if (!existsSync(dist)) return;
  for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    const source = file.replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
    if (source !== file && !existsSync(path.join(root, 'lib', source))) rmSync(path.join(dist, file));
  }
}

function main() {
  removeOrphans();
  const tsc = spawnSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.json'], { cwd: root, stdio: 'inherit' });
  if (tsc.status !== 0) process.exit(tsc.status ?? 1);
  for (const entry of ['.', 'onnx']) makeEsmEntry(path.join(dist, entry));
}

main();
