/**
 * The documents' code is code: every ```ts block of README.md and docs/ must compile against the package's types, and those marked
 * ```ts run are run. In them a line `expression; // => value` states a result, which is compared.
 */
import * as fs from 'node:fs';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ts from 'typescript';
import * as stridenet from '../../lib';
import * as onnx from '../../lib/onnx';
import { typeErrors } from '../support/typeErrors';

const packages: Readonly<Record<string, unknown>> = { stridenet, 'stridenet/onnx': onnx, 'node:fs': fs };
const root = path.join(__dirname, '../..');

interface Snippet {
  readonly title: string; // README.md:32
  readonly runs: boolean;
  readonly code: string;
}

function snippetsOf(file: string): Snippet[] {
  const text = readFileSync(path.join(root, file), 'utf8');
  return [...text.matchAll(/^```ts( run)?\n([\s\S]*?)^```$/gm)].map((match) => ({
    title: `${file}:${text.slice(0, match.index).split('\n').length}`,
    runs: match[1] !== undefined,
    code: match[2]!,
  }));
}

const documents = ['README.md', ...readdirSync(path.join(root, 'docs')).map((file) => `docs/${file}`)].filter((file) =>
  file.endsWith('.md'),
);
const snippets = documents.flatMap(snippetsOf);

/** Runs a snippet as the body of an async function and returns the stated results: [actual, expected] each. */
async function run({ code }: Snippet): Promise<[unknown, unknown][]> {
  const imports = code.match(/^import [\s\S]*?;$/gm) ?? [];
  const body = code.replace(/^import [\s\S]*?;$/gm, '').replace(/^(\s*)(\S.*); \/\/ => (.+)$/gm, '$1__results.push([$2, $3]);');
  const source = `${imports.join('\n')}\nexport async function __run(__results: [unknown, unknown][], console: object) {\n${body}\n}`;
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
  });
  const exports: { __run?: (results: [unknown, unknown][], console: object) => Promise<void> } = {};

  new Function('exports', 'require', outputText)(exports, (name: string) => packages[name]);
  const results: [unknown, unknown][] = [];
  await exports.__run!(results, { log: () => undefined });
  return results;
}

test('the snippets compile', () => {
  expect(typeErrors(snippets)).toEqual([]);
});

describe('the snippets run and give what they say', () => {
  const home = process.cwd();
  let folder: string;
  beforeAll(() => process.chdir((folder = mkdtempSync(path.join(tmpdir(), 'stridenet-readme-')))));
  afterAll(() => {
    process.chdir(home);
    rmSync(folder, { recursive: true });
  });
  const runnable = snippets.filter((snippet) => snippet.runs);
  test.each(runnable.map((snippet) => [snippet.title, snippet] as const))('%s', async (_title, snippet) => {
    const results = await run(snippet);
    expect(results.length).toBe([...snippet.code.matchAll(/; \/\/ => /g)].length);
    for (const [actual, expected] of results) expect(actual).toEqual(expected);
  });
});

test('README names the two commands that a newcomer needs, and they exist', () => {
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
  const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  expect(readme).toContain('npm ci && npm start');
  expect(readme).toContain('npm ci && npm test');
  for (const file of ['README.md', 'CONTRIBUTING.md']) {
    const used = [...readFileSync(path.join(root, file), 'utf8').matchAll(/npm run ([\w:]+)/g)].map((match) => match[1]!);
    expect(used.filter((name) => !(name in scripts))).toEqual([]);
  }
});

test('README lists every switch that the code reads, and no other', () => {
  const sources = ['lib', 'native']
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => path.join(root, folder, file)),
    )
    .filter((file) => /\.(ts|cc|h)$/.test(file));
  const read = new Set<string>();
  for (const file of sources) {
    for (const match of readFileSync(file, 'utf8').matchAll(/['"](STRIDENET_[A-Z]+)['"]/g)) read.add(match[1]!);
  }
  const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
  const listed = [...readme.matchAll(/^\| `(STRIDENET_\w+)` /gm)].map((match) => match[1]!);
  expect([...read].sort()).toEqual([...listed].sort());
});
