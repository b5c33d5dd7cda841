/**
 * Reads the symbols of every object compiled from native/isa with nm and fails when one of them exports anything but its kTable, has
 * weak symbols, or calls foreign code. Why: code in these objects may use instructions that the processor lacks. A weak copy of an
 * inline function compiled there (an AVX-512 std::vector::_M_realloc_insert, say) can be the one that the linker gives to everybody.
 *
 *   node scripts/checkIsaSymbols.js [folder]     where to look for objects, default build/Release
 */
const { execFileSync } = require('node:child_process');
const { readdirSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const nm = process.env.NM ?? 'nm';

/**
 * What compilers call on their own account (block copies, the mark of position-independent code), and libm's powf: the C library picks
 * its variant for the processor itself.
 */
const allowedUndefined = /^(memset|memcpy|memmove|memcmp|powf|_GLOBAL_OFFSET_TABLE_)$/;
const sanitizer = /^__(asan|ubsan|tsan)_/;

/** @returns {string[]} what is wrong with one object */
function checkObject(file) {
  const isa = path.basename(file).replace(/(\.cc)?\.o(bj)?$/, '');
  const problems = [];
  let tables = 0;
  for (const line of execFileSync(nm, ['-P', file], { encoding: 'utf8' }).split('\n')) {
    const [symbol, type] = line.split(' ');
    if (!symbol || !type) continue;
    if (type === 'U') {
      if (!allowedUndefined.test(symbol) && !sanitizer.test(symbol)) problems.push(`calls ${symbol}`);
    } else if ('VvWwui'.includes(type)) {
      problems.push(`weak or unique symbol ${symbol}`);
    } else if (type === 'b' || type === 'C') {
      problems.push(`mutable static ${symbol}`);
    } else if (type === type.toUpperCase() && type !== 'N') {
      if (symbol === `_ZN9stridenet${isa.length}${isa}6kTableE` && 'RD'.includes(type)) tables++;
      else problems.push(`exports ${symbol}`);
    }
  }
  if (tables !== 1) problems.push(`does not export stridenet::${isa}::kTable`);
  return problems;
}

function main() {
  const folder = path.resolve(root, process.argv[2] ?? 'build/Release');
  const objects = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /native[\\/]isa[\\/][a-z0-9]+(\.cc)?\.o$/.test(file))
    .map((file) => path.join(folder, file));
  if (objects.length === 0) {
    console.error(`No objects of native/isa under ${folder}: build first (npm run build:native).`);
    process.exit(1);
  }
  let failed = false;
  for (const object of objects) {
    const problems = checkObject(object);
    failed ||= problems.length > 0;
    console.log(`${path.relative(root, object)}: ${problems.length === 0 ? 'exports its kTable alone' : `\n  ${problems.join('\n  ')}`}`);
  }
  process.exit(failed ? 1 : 0);
}

main();
