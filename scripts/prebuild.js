/**
 * Puts the release binary of this platform, stripped, under prebuilds/<platform>-<arch>/, where the published package looks for it,
 * and reports the oldest glibc it runs on. It does not cross-compile. npm also runs it as the hook before `npm run build`.
 */
const { execFileSync, spawnSync } = require('node:child_process');
const { copyFileSync, mkdirSync, renameSync, rmSync, statSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');

/** The newest version of a symbol family ("GLIBC", "GLIBCXX") that a binary asks for, "2.17", or undefined. */
function newestVersion(binary, family) {
  const listing = execFileSync('objdump', ['-T', binary], { encoding: 'utf8', maxBuffer: 1 << 26 });
  const versions = [...listing.matchAll(new RegExp(`\\(?${family}_([0-9.]+)\\)?`, 'g'))].map((match) => match[1].split('.').map(Number));
  versions.sort((a, b) => a[0] - b[0] || (a[1] ?? 0) - (b[1] ?? 0) || (a[2] ?? 0) - (b[2] ?? 0));
  return versions.at(-1)?.join('.');
}

function main() {
  const build = spawnSync(process.execPath, [path.join(__dirname, 'buildNative.js')], { stdio: 'inherit' });
  if (build.status !== 0) process.exit(build.status ?? 1);

  const folder = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  const target = path.join(folder, 'stridenet.node');
  const temporary = `${target}.tmp`;
  mkdirSync(folder, { recursive: true });
  copyFileSync(path.join(root, 'build/Release/stridenet.node'), temporary);
  execFileSync('strip', process.platform === 'darwin' ? ['-x', temporary] : ['--strip-unneeded', temporary]);
  // A rename, not a write: a process that has the old file mapped keeps it.
  rmSync(target, { force: true });
  renameSync(temporary, target);

  const size = `${(statSync(target).size / 1024).toFixed(0)} KiB`;
  const glibc = process.platform === 'linux' ? `, needs glibc ${newestVersion(target, 'GLIBC') ?? 'of any version'}` : '';
  const cxx = process.platform === 'linux' ? newestVersion(target, 'GLIBCXX') : undefined;
  if (cxx) {
    console.error(`${target} needs a shared libstdc++ (GLIBCXX_${cxx}); it must be linked with -static-libstdc++ -static-libgcc.`);
    process.exit(1);
  }
  console.log(`prebuild: ${path.relative(root, target)}, ${size}${glibc}`);
}

main();
