/** The environment variables: every one takes its values in any case and refuses all else, in a process of its own. */

import { Children, expectSuccess } from '../support/child';

let children: Children;
beforeAll(() => void (children = new Children()));
afterAll(() => children.remove());

const SOURCE = `
  const { tensor } = require('./lib');
  const { nativeInfo } = require('./lib/runtime/binding');
  tensor([1, 2]).add(1).data().then(
    (values) => console.log(JSON.stringify({ values: [...values], ...nativeInfo() })),
    (error) => console.log(JSON.stringify({ name: error.name, code: error.code, message: error.message })));
`;

async function run(variable: string, value: string): Promise<Record<string, unknown>> {
  const env = { STRIDENET_PLAN: undefined, STRIDENET_VALIDATE: undefined, STRIDENET_PROFILE: undefined, [variable]: value };
  return JSON.parse(expectSuccess(await children.runSource(SOURCE, { env })).split('\n')[0]!) as Record<string, unknown>;
}

test.each([
  ['STRIDENET_THREADS', 'two', 'an integer from 1 to 256'],
  ['STRIDENET_THREADS', '0', 'an integer from 1 to 256'],
  ['STRIDENET_ISA', 'sse9', 'scalar, avx2, avx512 or neon'],
  ['STRIDENET_PROFILE', 'please', '1, on, true or yes, or 0, off, false or no'],
  ['STRIDENET_VALIDATE', '2', '1, on, true or yes, or 0, off, false or no'],
  ['STRIDENET_PLAN', 'none', '1, on, true or yes, or 0, off, false or no'],
])('%s=%s is refused', async (variable, value, expected) => {
  expect(await run(variable, value)).toEqual({
    name: 'StridenetError',
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringMatching(new RegExp(`^The environment variable ${variable} expects ${expected},? but is '${value}'`)),
  });
});

test.each([
  ['STRIDENET_THREADS', '3', { threads: 3, threadsSource: 'STRIDENET_THREADS' }],
  ['STRIDENET_THREADS', '', {}],
  ['STRIDENET_ISA', 'Scalar', { isa: 'scalar' }],
  ['STRIDENET_PROFILE', 'yes', { profile: true }],
  ['STRIDENET_VALIDATE', 'TRUE', { validate: true }],
  ['STRIDENET_VALIDATE', 'off', { validate: false }],
  ['STRIDENET_PLAN', 'OFF', { plan: false }],
  ['STRIDENET_PLAN', '1', { plan: true }],
])('%s=%s takes', async (variable, value, expected) => {
  expect(await run(variable, value)).toMatchObject({ values: [2, 3], profile: false, validate: false, plan: true, ...expected });
});
