/**
 * Runs after `npm ci` or `npm install` in a clone (never for those who install the package): builds binary and JavaScript from
 * source. Without the development dependencies (--omit=dev) there is nothing to build with, and nothing is done.
 */
const { spawnSync } = require('node:child_process');
const path = require('node:path');

const tools = ['typescript/bin/tsc', 'node-gyp/bin/node-gyp.js'];
const missing = tools.filter((tool) => {
  try {
    require.resolve(tool);
    return false;
  } catch {
    return true;
  }
});

if (missing.length > 0) {
  console.log('prepare: the development dependencies are absent, nothing was built.');
} else {
  for (const script of ['buildNative.js', 'buildTs.js']) {
    const { status } = spawnSync(process.execPath, [path.join(__dirname, script)], { stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  }
}
