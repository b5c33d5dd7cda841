/** What npm packs: every file that the documents in the tarball link to is in it as well. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const root = path.join(__dirname, '../..');

test('links between documents lead to files in the tarball', async () => {
  const pack = ['pack', '--dry-run', '--json', '--ignore-scripts'];
  const { stdout } = await promisify(execFile)('npm', pack, { cwd: root, maxBuffer: 1 << 26 });
  const [{ files }] = Object.values(JSON.parse(stdout) as Record<string, { files: { path: string }[] }>) as [{ files: { path: string }[] }];
  const packed = new Set(files.map((file) => file.path));
  const documents = [...packed].filter((file) => file.endsWith('.md'));
  expect(documents).toEqual(expect.arrayContaining(['README.md', 'CHANGELOG.md', 'docs/errors.md']));
  const links = documents.flatMap((document) =>
    [...readFileSync(path.join(root, document), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
      (match) => `${document}: ${path.posix.join(path.posix.dirname(document), match[1]!)}`,
    ),
  );
  expect(links.length).toBeGreaterThan(4);
  expect(links.filter((link) => !packed.has(link.split(': ')[1]!))).toEqual([]);
});
