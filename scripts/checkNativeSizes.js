/**
 * Fails when a file of native/ops has more than 350 lines or a function of it more than 60. Functions are found by the indentation that
 * clang-format gives them. op_table.cc is generated.
 *
 *   node scripts/checkNativeSizes.js
 */
const { readFileSync, readdirSync } = require('node:fs');
const path = require('node:path');

const MOST_LINES = 350;
const MOST_FUNCTION_LINES = 60;

/** The functions among lines [from, to), whose declarations are indented by `indent`, and those of the structs among them. */
function functionsAmong(lines, from, to, indent) {
  const functions = [];
  for (let start = from, end; start < to; start = end + 1) {
    end = start;
    if (/^\s*(\/\/|#|public:|private:|$)/.test(lines[start]) || /^(namespace\b.*\{|\}.*)$/.test(lines[start])) continue;
    // A declaration ends with its first line that ends so; a body goes on to the brace below the declaration's first letter.
    while (!/[;{}]$/.test(withoutNote(lines[end]))) end++;
    const head = lines
      .slice(start, end + 1)
      .map(withoutNote)
      .join(' ')
      .trim();
    const inside = end + 1;
    if (head.endsWith('{')) end = lines.findIndex((line, i) => i > end && line.startsWith(`${' '.repeat(indent)}}`));
    if (/^(template <.*> )?(struct|class|union)\b/.test(head)) functions.push(...functionsAmong(lines, inside, end, indent + 2));
    else if (/\(/.test(head) && !/^[^(]* = /.test(head)) functions.push({ line: start + 1, length: end - start + 1, head });
  }
  return functions;
}

/** A line without the comment at its end. */
function withoutNote(line) {
  return line.replace(/\s+\/\/.*$/, '').trim();
}

function problemsOf(folder, file) {
  const lines = readFileSync(path.join(folder, file), 'utf8').trimEnd().split('\n');
  const long = functionsAmong(lines, 0, lines.length, 0).filter(({ length }) => length > MOST_FUNCTION_LINES);
  return [
    ...(lines.length > MOST_LINES ? [`${file}: ${lines.length} lines, at most ${MOST_LINES} are allowed`] : []),
    ...long.map(({ line, length, head }) => `${file}:${line}: ${length} lines, at most ${MOST_FUNCTION_LINES} are allowed: ${head}`),
  ];
}

const folder = path.join(__dirname, '..', 'native', 'ops');
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /\.(cc|h)$/.test(file) && file !== 'op_table.cc');
const problems = files.flatMap((file) => problemsOf(folder, file));
for (const problem of problems) console.error(`native/ops/${problem}`);
if (problems.length === 0)
  console.log(`native/ops: ${files.length} files within ${MOST_LINES} lines, functions within ${MOST_FUNCTION_LINES}`);
process.exitCode = problems.length > 0 ? 1 : 0;
