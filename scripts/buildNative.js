/**
 * Builds the native addon with node-gyp into build/Release (or build/Debug with --debug), incrementally. Prints one line when all
 * goes well and the whole log when it does not. It never downloads Node's headers when the running Node brought them along.
 */
const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const debug = process.argv.includes('--debug');

/** The prefix of an installed Node (its archives, Docker images and distribution packages have include/node), or undefined. */
function nodeDirectory() {
  const prefix = path.dirname(path.dirname(process.execPath));
  return existsSync(path.join(prefix, 'include/node/common.gypi')) ? prefix : undefined;
}

function main() {
  const started = Date.now();
  const args = [require.resolve('node-gyp/bin/node-gyp.js'), 'configure', 'build', debug ? '--debug' : '--release'];
  args.push('--jobs=max', '--loglevel=warn');
  const nodedir = nodeDirectory();
  if (nodedir) args.push(`--nodedir=${nodedir}`);
  const { status, stdout, stderr, error } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  const binary = `build/${debug ? 'Debug' : 'Release'}/stridenet.node`;
  if (status !== 0 || !existsSync(path.join(root, binary))) {
    process.stderr.write(`${stdout ?? ''}${stderr ?? ''}${error ? `${error.message}\n` : ''}`);
    process.stderr.write('The native build failed. It needs g++ (10 or newer), make and python3: apt-get install g++ make python3.\n');
    process.exit(status || 1);
  }
  try {
    require(path.join(root, binary));
  } catch (loading) {
    process.stderr.write(`${binary} was built but does not load: ${loading.message}\n`);
    process.stderr.write('A symbol that is undefined is in a file that native/sources.gypi does not list.\n');
    process.exit(1);
  }
  console.log(`native: ${binary} is current (${((Date.now() - started) / 1000).toFixed(1)} s)`);
}

main();
