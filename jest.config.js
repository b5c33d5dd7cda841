/** Tests run from the TypeScript sources (transpiled only; `npm run typecheck` checks the types) on the binary in build/Release. */

/** @type {import('jest').Config} */
module.exports = {
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  transform: { '\\.ts$': ['ts-jest', { tsconfig: '<rootDir>/tsconfig.check.json' }] },
  // The public name means the sources, so that tests and README snippets read like a user's program.
  moduleNameMapper: { '^stridenet$': '<rootDir>/lib/index.ts', '^stridenet/onnx$': '<rootDir>/lib/onnx/index.ts' },
  testEnvironment: 'node',
  // Kernels use every core themselves: more test processes than two only get in each other's way.
  maxWorkers: 2,
  testTimeout: 60_000,
};
