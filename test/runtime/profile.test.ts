/** The table of STRIDENET_PROFILE: as text, and printed by a process of its own when a session closes. */

import { formatProfile } from '../../lib/runtime/profile';
import { Children, expectSuccess } from '../support/child';

test('rows that took time, the longest first', () => {
  const row = (name: string, seconds: number, list: 'prepare' | 'step' = 'step'): Parameters<typeof formatProfile>[1][number] => ({
    list,
    opcode: 'conv2d',
    name,
    seconds,
  });
  const rows = [row('packed', 0.001, 'prepare'), row('first', 0.002), row('never', 0), row('second', 0.005)];
  expect(formatProfile('program 1', rows)).toBe(
    [
      'stridenet profile, program 1: 8.000 ms',
      '       5.000 ms   62.5%  conv2d second',
      '       2.000 ms   25.0%  conv2d first',
      '       1.000 ms   12.5%  conv2d packed (prepare)',
    ].join('\n'),
  );
  expect(formatProfile('program 1', [row('never', 0)])).toBe('stridenet profile, program 1: 0.000 ms');
});

describe('a process', () => {
  const children = new Children();
  afterAll(() => children.remove());
  const source = `
    const { compile, nn } = require('./lib');
    compile(new nn.Linear(4, 3), { input: [4] }).then((net) => {
      net.runSync(new Float32Array(4));
      net.close();
    });`;

  test('prints the table with STRIDENET_PROFILE=1', async () => {
    const result = await children.runSource(source, { env: { STRIDENET_PROFILE: '1' } });
    expectSuccess(result);
    expect(result.stderr).toMatch(/stridenet profile, program 1 of 1 \([\d.]+ (Ki)?B\): [\d.]+ ms\n +[\d.]+ ms +[\d.]+% +\w+/);
    expect(result.stderr).toContain('matmul');
  });

  test('prints nothing without', async () => {
    const result = await children.runSource(source, { env: { STRIDENET_PROFILE: undefined } });
    expectSuccess(result);
    expect(result.stderr).toBe('');
  });
});
