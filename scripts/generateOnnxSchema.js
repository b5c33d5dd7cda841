/**
 * Writes lib/onnx/onnx_pb.ts from lib/onnx/onnx.proto with protobuf-es. The compiler (buf) is large and the schema hardly ever changes,
 * so npx fetches both here instead of `npm ci`.
 */
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { dependencies } = require('../package.json');

const template = JSON.stringify({
  version: 'v2',
  plugins: [{ local: 'protoc-gen-es', out: 'lib/onnx', opt: ['target=ts', 'import_extension=none'] }],
});
const packages = ['@bufbuild/buf@1', `@bufbuild/protoc-gen-es@${dependencies['@bufbuild/protobuf']}`].map((name) => `--package=${name}`);
const { status } = spawnSync('npx', ['--yes', ...packages, '--', 'buf', 'generate', 'lib/onnx', '--template', template], {
  cwd: path.join(__dirname, '..'),
  stdio: 'inherit',
});
process.exit(status ?? 1);
