/** docs/errors.md and the error codes of lib/ and native/ name each other, in both directions. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { findModel } from '../../lib/models/catalogue';
import { StridenetError, data, loadSafetensors, nn, ones, ops, optim, saveSafetensors, zeros, type Tensor } from '../../lib';
import { exportOnnx } from '../../lib/onnx';

const root = path.join(__dirname, '../..');

/** The text of every file of a folder whose name matches, joined. */
function textOf(folder: string, name: RegExp, except = ''): string {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => name.test(file) && file !== except)
    .map((file) => readFileSync(path.join(root, folder, file), 'utf8'))
    .join('\n');
}

const declaration = /export type ErrorCode =([\s\S]*?);/.exec(readFileSync(path.join(root, 'lib/errors.ts'), 'utf8'))![1]!;
const declared = [...declaration.matchAll(/'(ERR_\w+)'/g)].map((match) => match[1]!);
const document = readFileSync(path.join(root, 'docs/errors.md'), 'utf8');
const sections = document.split(/^## /m).slice(1);
const documented = sections.map((section) => section.split('\n')[0]!.trim());

test('every code has its section, in the order of lib/errors.ts, and no section is left over', () => {
  expect(documented).toEqual(declared);
});

test.each(documented)('%s: meaning, example message, what to do', (code) => {
  const section = sections[documented.indexOf(code)]!;
  expect(section).toMatch(/^> \S.*[.?\w\]]$/m);
  expect(section).toMatch(/^\*\*What to do\.\*\* \S/m);
  expect(section.split('\n')[2]).toMatch(/^\S.{30}/);
});

test('every code is raised somewhere', () => {
  const code =
    textOf('lib', /\.ts$/, 'errors.ts') +
    textOf('native', /\.(cc|h)$/) +
    readFileSync(path.join(root, 'lib/errors.ts'), 'utf8').split('export class')[1]!;
  expect(declared.filter((name) => !code.includes(name))).toEqual([]);
});

test('native code uses declared codes only', () => {
  const used = new Set([...textOf('native', /\.(cc|h)$/).matchAll(/"(ERR_[A-Z_]+)"/g)].map((match) => match[1]!));
  expect([...used].filter((name) => !declared.includes(name))).toEqual([]);
});

test('codes that documents and comments mention exist', () => {
  const mentioned =
    textOf('docs', /\.md$/) +
    textOf('lib', /\.ts$/) +
    ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].map((file) => readFileSync(path.join(root, file), 'utf8')).join('\n');
  const names = new Set([...mentioned.matchAll(/\bERR_[A-Z]+(?:_[A-Z]+)*\b/g)].map((match) => match[0]));
  expect([...names].filter((name) => !declared.includes(name))).toEqual([]);
});

class BatchShare extends nn.Module {
  forward(x: Tensor): Tensor {
    return ops.mul(x, 1 / x.shape[0]!, { name: 'head' });
  }
}

/** Calls whose messages docs/errors.md quotes, word for word. Those that need a broken machine or network are quoted from the source. */
const quoted: Partial<Record<string, () => unknown>> = {
  ERR_SHAPE_MISMATCH: () => ops.conv2d(zeros([32, 128, 28, 28]), zeros([128, 64, 3, 3]), { name: 'layer2.0.conv1' }),
  ERR_DTYPE_MISMATCH: () => ops.crossEntropy(zeros([2, 3]), zeros([2])),
  ERR_INVALID_ARGUMENT: () => optim.sgd({ lr: -1 }),
  ERR_UNKNOWN_OPTION: () => optim.sgd({ lr: 0.1, momentun: 0.9 } as object),
  ERR_UNKNOWN_MODEL: () => findModel('lenet'),
  ERR_NOT_DIFFERENTIABLE: () => ops.grad(ops.sum(zeros([2])), [ones([3])]),
  ERR_NOT_EXPORTABLE: () => exportOnnx(new BatchShare(), { input: [2], path: 'share.onnx' }),
  ERR_STATE_DICT_MISMATCH: () => new nn.Linear(4, 2).loadStateDict(new nn.Linear(5, 2).stateDict()),
  ERR_BAD_FILE: () => loadSafetensors(path.join(root, 'LICENSE')),
  ERR_FILE_ACCESS: () => saveSafetensors('no/such/folder/lenet5.safetensors', new Map()),
  ERR_DATA_UNAVAILABLE: () => data.directory('docs'),
};

test.each(Object.keys(quoted))('%s: the quoted message is what the package says', async (code) => {
  const quote = /^> (.*)$/m.exec(sections[documented.indexOf(code)]!)![1]!;
  let error: unknown;
  try {
    await quoted[code]!();
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(StridenetError);
  expect({ code: (error as StridenetError).code, message: (error as StridenetError).message.replaceAll(root, '.') }).toEqual({
    code,
    message: quote,
  });
});
