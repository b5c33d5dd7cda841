/** Which members of classes users cannot see, read from the sources: those that are private, protected or documented as @internal. */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

/** Names by class; 'constructor' among them when users make no instances themselves. */
export type Internals = Readonly<Record<string, readonly string[]>>;

export function findInternals(library: string): Internals {
  const found: Record<string, string[]> = {};
  for (const name of readdirSync(library, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    const file = path.join(library, name);
    const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022, true);
    ts.forEachChild(source, (node) => {
      if (!ts.isClassDeclaration(node) || !node.name) return;
      const hidden = node.members
        .filter(isHidden)
        .map((member) => (ts.isConstructorDeclaration(member) ? 'constructor' : member.name!.getText()));
      found[node.name.text] = [...(found[node.name.text] ?? []), ...hidden];
    });
  }
  return found;
}

function isHidden(member: ts.ClassElement): boolean {
  const flags = ts.getCombinedModifierFlags(member);
  return (
    (flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0 ||
    ts.getJSDocTags(member).some((tag) => tag.tagName.text === 'internal')
  );
}
