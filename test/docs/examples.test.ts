/** The examples in the docstrings are code: each compiles under strict settings, with the names below and those that the package exports. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { typeErrors } from '../support/typeErrors';

const root = path.join(__dirname, '../..');
/** Folders whose functions users call. */
const folders = [
  'graph',
  'ops',
  'nn',
  'metrics',
  'models',
  'optim',
  'train',
  'callbacks',
  'report',
  'transforms',
  'data',
  'io',
  'onnx',
  '.',
];

/** What the examples take for granted. */
const prelude = [
  "import { callbacks, compile, compileStep, data, evaluate, fit, full, loadSafetensors, lrFinder, manualSeed, metrics, models, nn, ones, ops, optim, randn, readSafetensorsMetadata, saveSafetensors, summary, tensor, Tensor, Trainer, transforms, watch, zeros } from 'stridenet';",
  "import { exportOnnx } from 'stridenet/onnx';",
  "import { existsSync } from 'node:fs';",
  "import sharp from 'sharp';",
  'declare const model: nn.Module, train: data.Dataset, test: data.Dataset, images: Float32Array, labels: Int32Array, x: Tensor, a: Tensor, b: Tensor;',
  'declare const dataset: data.Dataset, loss: Tensor, weight: nn.Parameter, layer: nn.Linear, path: string;',
  'declare const optimizer: optim.Optimizer, validation: data.Dataset, pictures: data.LazyDataset;',
].join('\n');

function examplesOf(file: string): { title: string; code: string }[] {
  const text = readFileSync(path.join(root, file), 'utf8');
  return [...text.matchAll(/\/\*\*(?:(?!\*\/)[^])*?\*\//g)].flatMap((comment) =>
    [...comment[0].matchAll(/@example\b([^]*?)(?=\n\s*\* @\w|\s*\*\/)/g)].map((match) => ({
      title: `${file}:${text.slice(0, comment.index + match.index).split('\n').length}`,
      code: match[1]!.replaceAll(/^\s*\* ?/gm, ''),
    })),
  );
}

const examples = folders.flatMap((folder) =>
  readdirSync(path.join(root, 'lib', folder))
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => examplesOf(path.join('lib', folder, name))),
);

test('there are examples', () => {
  expect(examples.length).toBeGreaterThan(20);
});

test('every example compiles', () => {
  // A function around each: what it declares may have a name of the prelude.
  const programs = examples.map(({ title, code }) => ({ title, code: `${prelude}\nexport async function example() {\n${code}\n}` }));
  expect(typeErrors(programs)).toEqual([]);
});
