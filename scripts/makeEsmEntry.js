/**
 * Writes index.mjs and index.d.mts beside the index.js of every entry of the package: a thin ES module over the CommonJS build. There is one implementation and one state
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

/** @param {string} folder the folder that holds index.js */
function makeEsmEntry(folder) {
  const names = exportedNames(path.join(folder, 'index.js'));
  if (names.length === 0) throw new Error(`${folder}/index.js exports nothing`);
  const lines = [
    "import implementation from './index.js';",
    '',
    'export const {',
    ...names.map((name) => `  ${name},`),
    '} = implementation;',
    '',
  ];
  writeIfChanged(path.join(folder, 'index.mjs'), lines.join('\n'));
  writeIfChanged(path.join(folder, 'index.d.mts'), "export * from './index.js';\n");
}

module.exports = { makeEsmEntry };
