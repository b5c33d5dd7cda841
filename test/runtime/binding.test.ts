/** Finding the binary: what is tried, what is refused, and what the messages say. */

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { OPS_HASH } from '../../lib/compile/opcodes';
import { StridenetError } from '../../lib/errors';
import { binaryCandidates, fromNative, loadBinding } from '../../lib/runtime/binding';

const folder = mkdtempSync(path.join(tmpdir(), 'stridenet-binding-'));
const [first, second, absent] = ['first.node', 'second.node', 'absent.node'].map((name) => path.join(folder, name)) as [
  string,
  string,
  string,
];
writeFileSync(first, 'not a shared object');
writeFileSync(second, '');

test('a local build is preferred to a prebuilt binary', () => {
  const [local, prebuilt] = binaryCandidates('/root').map((file) => file.split(path.sep).join('/'));
  expect(local).toMatch(/\/root\/build\/Release\/stridenet\.node$/);
  expect(prebuilt).toMatch(new RegExp(`/root/prebuilds/${process.platform}-${process.arch}/stridenet\\.node$`));
});

test('takes the first file that loads and was built from the same ops.def', () => {
  const fitting = { opsHash: OPS_HASH | 0 };
  const load = (file: string): unknown => (file === first ? { opsHash: 1 } : fitting);
  expect(loadBinding([absent, first, second], load)).toEqual({ binding: fitting, file: second });
});

test('says what was tried and what to do when nothing loads', () => {
  const attempt = (): unknown =>
    loadBinding([absent, first, second], (file) => (file === second ? { opsHash: 1 } : jest.requireActual(file)));
  expect(attempt).toThrow(expect.objectContaining({ code: 'ERR_NATIVE_UNAVAILABLE' }));
  expect(attempt).toThrow(`${absent}: no such file`);
  expect(attempt).toThrow(`${first}: `);
  expect(attempt).toThrow(`${second}: built from other sources than this JavaScript (instruction set 1, expected ${OPS_HASH})`);
  expect(attempt).toThrow('npm run build');
});

test('a wrong switch is reported as it is', () => {
  const refuse = (): never => {
    throw Object.assign(new Error('This processor has no avx512.'), { code: 'ERR_UNSUPPORTED_ISA' });
  };
  expect(() => loadBinding([first], refuse)).toThrow(
    expect.objectContaining({ code: 'ERR_UNSUPPORTED_ISA', message: 'This processor has no avx512.' }),
  );
});

describe('fromNative', () => {
  const native = Object.assign(new Error('The session is closed.'), { code: 'ERR_CLOSED' });

  test("keeps code and message and shows the caller's stack", () => {
    function userCode(): Error {
      return new Error();
    }
    const error = fromNative(native, userCode()) as StridenetError;
    expect(error).toBeInstanceOf(StridenetError);
    expect([error.code, error.message, error.cause]).toEqual(['ERR_CLOSED', 'The session is closed.', native]);
    expect(error.stack).toMatch(/^StridenetError: The session is closed\.\n {4}at userCode /);
  });

  test('leaves everything else alone', () => {
    const foreign = Object.assign(new Error('no'), { code: 'ENOENT' });
    const own = new StridenetError('ERR_CLOSED', 'closed');
    for (const value of [foreign, own, undefined, 'text']) expect(fromNative(value)).toBe(value);
  });
});
