/** Checks the C++ sources against .clang-format, or with --write brings them into shape. The rules are clang-format 14's (Debian 12). */
const { spawnSync } = require('node:child_process');
const { existsSync, readdirSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const files = ['native', 'test', 'bench']
  .filter((folder) => existsSync(path.join(root, folder)))
  .flatMap((folder) => readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => path.join(folder, file)))
  .filter((file) => /\.(cc|h)$/.test(file));

const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '-Werror'];
const { status, error } = spawnSync('clang-format', [...mode, ...files], { cwd: root, stdio: 'inherit' });
if (error) {
  console.error(`clang-format could not be started (${error.message}). It is in the package of that name: apt-get install clang-format.`);
  process.exit(1);
}
process.exit(status ?? 1);
