/**
 * Writes the messages of protobuf schemas with protobuf-es: lib/onnx/onnx_pb.ts from lib/onnx/onnx.proto, lib/callbacks/event_pb.ts from
 * lib/callbacks/event.proto. The compiler (buf) is large and the schemas hardly ever change, so npx fetches both here instead of `npm ci`.
 */
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { dependencies } = require('../package.json');

const packages = ['@bufbuild/buf@1', `@bufbuild/protoc-gen-es@${dependencies['@bufbuild/protobuf']}`].map((name) => `--package=${name}`);

for (const folder of ['lib/onnx', 'lib/callbacks']) {
  const plugin = { local: 'protoc-gen-es', out: folder, opt: ['target=ts', 'import_extension=none'] };
  const template = JSON.stringify({ version: 'v2', plugins: [plugin] });
  const { status } = spawnSync('npx', ['--yes', ...packages, '--', 'buf', 'generate', folder, '--template', template], {
    cwd: path.join(__dirname, '..'),
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
