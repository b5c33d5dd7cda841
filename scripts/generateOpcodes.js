/**
 * Writes what both languages have of native/program/ops.def, the single list of instructions and enumerations.
 *   node scripts/generateOpcodes.js           writes the files
 *   node scripts/generateOpcodes.js --check   exits with 1 when a file on disk differs
 */
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { enumsH, instructionsH } = require('./opcodes/cpp');
const { parseOpsDef } = require('./opcodes/opsDef');
const { opcodesTs } = require('./opcodes/typescript');

const root = path.join(__dirname, '..');
const opsDef = parseOpsDef(fs.readFileSync(path.join(root, 'native/program/ops.def'), 'utf8'));
const files = {
  'lib/compile/opcodes.ts': opcodesTs(opsDef),
  'native/base/enums.h': enumsH(opsDef),
  'native/base/instructions.h': instructionsH(opsDef),
};

for (const [name, text] of Object.entries(files)) {
  const file = path.join(root, name);
  if (!process.argv.includes('--check')) {
    fs.writeFileSync(file, text);
  } else if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text) {
    console.error(`${name} does not match native/program/ops.def. Run: node scripts/generateOpcodes.js`);
    process.exitCode = 1;
  }
}
