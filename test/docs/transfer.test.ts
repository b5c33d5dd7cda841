/** The example of transfer learning learns from a folder of pictures what its weights do not know. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeInputs, transfer } from '../../examples/transfer';

test('a network that knows six classes learns four others from some pictures of each', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stridenet-transfer-'));
  try {
    await makeInputs(folder, 200);
    const lines: string[] = [];
    const { head, all } = await transfer(join(folder, 'pictures'), join(folder, 'weights.safetensors'), (line) => lines.push(line));
    expect(lines[1]).toBe('not taken over: linear.weight, linear.bias');
    expect(head).toBeGreaterThan(0.5);
    expect(all).toBeGreaterThan(0.7);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 120_000);
