/** Lint rules. Formatting is prettier's; this file holds what a reader cannot see at a glance: promises, exhaustiveness, and the layers. */
const js = require('@eslint/js');
const prettier = require('eslint-config-prettier');
const globals = require('globals');
const tseslint = require('typescript-eslint');
const { libBase, libLayers } = require('./scripts/layers.js');

/** Refuses imports of `files` that lead, by `prefix`, to another part of lib/ than those of `allowed`. */
function importRule(files, prefix, allowed) {
  return {
    files,
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: `^${prefix}(?!(${allowed.join('|')})(/|$))`,
              message: `Of lib/, these files may import only ${allowed.join(', ')} (scripts/layers.js).`,
            },
          ],
        },
      ],
    },
  };
}

/** The rules of one layer of lib/: a folder, where a path goes up as many levels as the file is deep, or a file beside the folders. */
function layerRules([layer, mayImport]) {
  const allowed = [layer, ...mayImport, ...libBase];
  return [
    importRule([`lib/${layer}.ts`], '\\./', allowed),
    importRule([`lib/${layer}/*.ts`], '\\.\\./', allowed),
    importRule([`lib/${layer}/*/*.ts`], '(\\.\\./){2}', allowed),
  ];
}

/** Globals of Node that environments such as Jest's jsdom lack or replace with a browser's; the library imports them from node: modules. */
const notEverywhere = [
  ...['setImmediate', 'clearImmediate', 'setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'queueMicrotask', 'structuredClone'],
  ...['performance', 'TextDecoder', 'TextEncoder', 'URL', 'URLSearchParams', 'Blob', 'ReadableStream', 'MessageChannel', 'MessagePort'],
  ...['BroadcastChannel', 'AbortController', 'DOMException', 'Event', 'EventTarget', 'WebAssembly', 'crypto', 'navigator', 'atob', 'btoa'],
];

module.exports = tseslint.config(
  { ignores: ['build/', 'build-*/', 'dist/', 'prebuilds/', 'coverage/', 'node_modules/', 'lib/**/*_pb.ts'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strict, tseslint.configs.stylistic],
    languageOptions: { parserOptions: { project: './tsconfig.check.json', tsconfigRootDir: __dirname } },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unnecessary-type-assertion': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/return-await': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // noUncheckedIndexedAccess makes every a[i] of a numeric loop possibly undefined; `!` states that the index is in range.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/prefer-for-of': 'off',
      '@typescript-eslint/consistent-type-definitions': 'off',
      eqeqeq: 'error',
    },
  },
  {
    files: ['lib/**/*.ts'],
    // Programs of their own run in no foreign environment.
    ignores: ['lib/cli/**', 'lib/bench/**'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...notEverywhere.map((name) => ({ name, message: "Import it from its node: module: Jest's jsdom environment lacks it." })),
      ],
    },
  },
  {
    files: ['**/*.js', '**/*.cjs'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { sourceType: 'commonjs', globals: globals.node },
  },
  { files: ['**/*.mjs'], languageOptions: { sourceType: 'module', globals: globals.node } },
  ...Object.entries(libLayers).flatMap(layerRules),
  importRule(
    libBase.map((file) => `lib/${file}.ts`),
    '\\./',
    libBase,
  ),
  prettier,
);
