/**
 * Writes dist/index.mjs and dist/index.d.mts: a thin ES module over the CommonJS build. There is one implementation and one state
 * (random numbers, native threads), whichever way a program imports the package. It does not look inside the modules.
 */
const { readFileSync, writeFileSync } = require('node:fs');
const path = require('node:path');

/** Names that `exports` of a CommonJS module carries, found by loading it. */
function exportedNames(file) {
  return Object.keys(require(file)).filter((name) => name !== 'default' && name !== '__esModule');
}

/** Replaces a file only if its text differs, so that watchers stay quiet. */
function writeIfChanged(file, text) {
  let previous;
  try {
    previous = readFileSync(file, 'utf8');
  } catch {
    // The file is new.
  }
  if (previous !== text) writeFileSync(file, text);
}

/** @param {string} dist the folder that holds index.js */
function makeEsmEntry(dist) {
  const names = exportedNames(path.join(dist, 'index.js'));
  if (names.length === 0) throw new Error(`${dist}/index.js exports nothing`);
  const lines = [
    "import implementation from './index.js';",
    '',
    'export const {',
    ...names.map((name) => `  ${name},`),
    '} = implementation;',
    '',
  ];
  writeIfChanged(path.join(dist, 'index.mjs'), lines.join('\n'));
  writeIfChanged(path.join(dist, 'index.d.mts'), "export * from './index.js';\n");
}

module.exports = { makeEsmEntry };
