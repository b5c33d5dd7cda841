/** Checks programs that stand in documents against the package's types, with the repository's strict settings. */

import path from 'node:path';
import ts from 'typescript';

const root = path.join(__dirname, '../..');

/** Type errors of texts of programs, as "README.md:32 line: message". */
export function typeErrors(snippets: readonly { readonly title: string; readonly code: string }[]): string[] {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(path.join(root, 'tsconfig.check.json'), ts.sys.readFile.bind(ts.sys)).config,
    ts.sys,
    root,
  );
  Object.assign(options, {
    module: ts.ModuleKind.ES2022,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    noUnusedLocals: false,
    noEmit: true,
  });
  const virtual = new Map(snippets.map(({ code }, i) => [path.join(root, `snippet${i}.ts`), `${code}\nexport {};\n`]));
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (name) => virtual.has(name) || fileExists(name);
  host.readFile = (name) => virtual.get(name) ?? readFile(name);
  host.getSourceFile = (name, target, ...rest) =>
    virtual.has(name) ? ts.createSourceFile(name, virtual.get(name)!, target) : getSourceFile(name, target, ...rest);
  const program = ts.createProgram([...virtual.keys()], options, host);
  return [...virtual.keys()].flatMap((name, i) => {
    const source = program.getSourceFile(name);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ start, messageText }) =>
        `${snippets[i]!.title} line ${source!.getLineAndCharacterOfPosition(start ?? 0).line + 1}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
    );
  });
}
