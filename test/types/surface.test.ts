/**
 * What an editor shows of the package: text for every name, constructor, member and option when the mouse rests on it, and a completion list
 * without internals. Asked of TypeScript's language service, over the declarations that users get.
 */
import path from 'node:path';
import ts from 'typescript';
import { InstalledTypes } from '../support/installedTypes';

let installed: InstalledTypes;
let service: ts.LanguageService;
/** The program that completion and hovering are tried in; replaced by `ask`. */
let text = '';
let version = 0;
let file: string;

beforeAll(() => {
  installed = new InstalledTypes();
  file = installed.write('main.mts', '');
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    types: [],
    lib: ['lib.es2022.d.ts'],
  };
  const declarations = ['index.d.ts', 'onnx/index.d.ts'].map((entry) => path.join(installed.folder, 'node_modules/stridenet/dist', entry));
  service = ts.createLanguageService({
    getCompilationSettings: () => options,
    getScriptFileNames: () => [file, ...declarations],
    getScriptVersion: (name) => (name === file ? String(version) : '0'),
    getScriptSnapshot: (name) => {
      const content = name === file ? text : ts.sys.readFile(name);
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content);
    },
    getCurrentDirectory: () => installed.folder,
    getDefaultLibFileName: (settings) => ts.getDefaultLibFilePath(settings),
    fileExists: ts.sys.fileExists.bind(ts.sys),
    readFile: ts.sys.readFile.bind(ts.sys),
    readDirectory: ts.sys.readDirectory.bind(ts.sys),
    directoryExists: ts.sys.directoryExists.bind(ts.sys),
  });
});
afterAll(() => installed.remove());

/** Everything public that has no text, by its path: `nn.Conv2d.stride`. */
function undocumented(): string[] {
  const program = service.getProgram()!;
  const checker = program.getTypeChecker();
  const missing: string[] = [];
  const seen = new Set<ts.Symbol>();
  const own = (declaration: ts.Declaration | undefined): boolean =>
    declaration?.getSourceFile().fileName.includes('/node_modules/stridenet/') ?? false;
  const check = (where: string, parts: ts.SymbolDisplayPart[]): void => {
    if (ts.displayPartsToString(parts).trim() === '') missing.push(where);
  };

  const members = (where: string, type: ts.Type): void => {
    for (const member of type.getProperties()) {
      const declaration = member.declarations?.[0];
      if (!own(declaration) || member.name.startsWith('__') || member.name.startsWith('#')) continue;
      if (ts.getCombinedModifierFlags(declaration!) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) continue;
      visit(`${where}.${member.name}`, member);
    }
  };
  const signature = (where: string, { parameters }: ts.Signature): void => {
    for (const parameter of parameters) {
      const type = checker.getTypeOfSymbol(parameter);
      // Options that are written where they are taken; those with a name are visited by it.
      if (checker.getNonNullableType(type).symbol?.name === '__type')
        members(`${where}(${parameter.name})`, checker.getNonNullableType(type));
    }
  };
  const visit = (where: string, given: ts.Symbol): void => {
    const symbol = given.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(given) : given;
    if (seen.has(symbol)) return;
    seen.add(symbol);
    if (symbol.flags & ts.SymbolFlags.Module) {
      for (const exported of checker.getExportsOfModule(symbol)) visit(`${where}.${exported.name}`, exported);
      return;
    }
    check(where, symbol.getDocumentationComment(checker));
    if (symbol.flags & ts.SymbolFlags.Class) {
      const type = checker.getTypeOfSymbol(symbol);
      for (const constructor of type.getConstructSignatures()) {
        const { declaration } = constructor;
        if (!declaration || !own(declaration) || !ts.isConstructorDeclaration(declaration)) continue;
        if (!(ts.getCombinedModifierFlags(declaration) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected))) {
          check(`new ${where}`, constructor.getDocumentationComment(checker));
          signature(`new ${where}`, constructor);
        }
      }
      // The fields of a model are torchvision's names of its parts.
      if (where.startsWith('models.')) return;
      members(where, checker.getDeclaredTypeOfSymbol(symbol));
      for (const member of checker.getPropertiesOfType(type))
        if (own(member.declarations?.[0]) && member.name !== 'prototype') visit(`${where}.${member.name}`, member);
    } else if (symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.TypeAlias)) {
      members(where, checker.getDeclaredTypeOfSymbol(symbol));
    } else {
      for (const call of checker.getTypeOfSymbol(symbol).getCallSignatures()) signature(where, call);
    }
  };

  for (const entry of ['index.d.ts', 'onnx/index.d.ts']) {
    const source = program.getSourceFile(path.join(installed.folder, 'node_modules/stridenet/dist', entry))!;
    for (const exported of checker.getExportsOfModule(checker.getSymbolAtLocation(source)!)) visit(exported.name, exported);
  }
  return missing;
}

test('everything public has text', () => {
  expect(undocumented()).toEqual([]);
});

/** Completions at the `|` of a program that imports the package's names, sorted. */
function completions(program: string): string[] {
  ask(program);
  const entries = service.getCompletionsAtPosition(file, text.indexOf('|'), {})?.entries ?? [];
  return entries.map(({ name }) => name).sort();
}

function ask(program: string): void {
  text = `import { compile, CompiledModel, nn, ops, tensor, Tensor, Trainer } from 'stridenet';\n${program}`;
  version++;
}

const tensorMembers = [
  ...[
    'add',
    'array',
    'arraySync',
    'data',
    'dataSync',
    'detach',
    'div',
    'dtype',
    'exp',
    'flatten',
    'inputs',
    'item',
    'itemSync',
    'log',
    'matmul',
    'max',
  ],
  ...[
    'mean',
    'mul',
    'name',
    'neg',
    'op',
    'pow',
    'rank',
    'reshape',
    'shape',
    'size',
    'sqrt',
    'sub',
    'sum',
    'toString',
    'transpose',
    'value',
  ],
];

test('completion offers what is public and nothing else', () => {
  expect(completions('tensor([1]).|')).toEqual(tensorMembers);
  expect(completions('new nn.Linear(1, 1).weight.|')).toEqual([...tensorMembers, 'initialize', 'requiresGrad'].sort());
  for (const program of ['declare const net: CompiledModel; net.|', 'declare const trainer: Trainer; trainer.|', 'new nn.ReLU().|']) {
    const names = completions(program);
    expect(names.length).toBeGreaterThan(5);
    for (const internal of ['programs', 'accuracy', 'loss', 'slots', 'last', 'progress', 'make', 'storage', 'is', 'imageSize']) {
      expect(names).not.toContain(internal);
    }
  }
  for (const type of ['Tensor', 'CompiledModel']) {
    const names = completions(`${type}.|`).filter((name) => !(name in Function.prototype));
    expect(names).toEqual(['prototype']);
  }
});

test.each([
  ['a constructor', 'new nn.Conv|2d(1, 2, 3)', 'two-dimensional'],
  ['an operation', 'ops.e|xp(1)', 'exponential'],
  ['an option', 'ops.conv2d(tensor([1]), tensor([1]), { gro|ups: 1 })', 'groups'],
  ['a method', 'tensor([1]).da|ta()', 'row-major'],
])('hovering %s shows text', (_what, program, words) => {
  ask(program);
  const at = text.indexOf('|');
  ask(program.replace('|', ''));
  const { documentation } = service.getQuickInfoAtPosition(file, at)!;
  expect(ts.displayPartsToString(documentation)).toContain(words);
});
