/**
 * Runs a fuzzer: `npm run fuzz -- --kind calls --count 50000 --seed 1`. CONTRIBUTING.md says what there is. Prints each cause once, with the
 * seed of the case that shows it, and ends with code 1 when there was any.
 */

import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { binding } from '../../lib/runtime/binding';
import { REPOSITORY } from '../support/transpile';
import { runCampaign, type CampaignFinding } from './campaign';

const KINDS = ['calls', 'files', 'graphs', 'programs'];
const USAGE = `usage: npm run fuzz -- --kind ${KINDS.join('|')} [--count N] [--seed N] [--isa NAME] [--verbose]`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kind: { type: 'string' },
      count: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      isa: { type: 'string' },
      verbose: { type: 'boolean' },
    },
  });
  const { kind = '', isa, verbose } = values;
  const [count, seed] = [Number(values.count), Number(values.seed)];
  if (!KINDS.includes(kind) || !(Number.isSafeInteger(count) && Number.isSafeInteger(seed))) {
    console.error(USAGE);
    return 2;
  }
  if (kind === 'programs') {
    const script = path.join(REPOSITORY, 'scripts', 'testSanitized.sh');
    return spawnSync('bash', [script, 'address', 'program_fuzz', String(seed), String(count)], { stdio: 'inherit' }).status ?? 1;
  }
  const onFinding = (finding: CampaignFinding): void => {
    console.log(`seed ${finding.seed}: ${finding.where}: ${finding.signature}${verbose ? `\n${finding.detail}` : ''}`);
  };
  // Kernels differ from instruction set to instruction set; the rest does not.
  const sets = kind !== 'graphs' ? [undefined] : isa ? [isa] : binding().info().availableIsas;
  let failed = false;
  for (const set of sets) {
    const start = Date.now();
    const findings = await runCampaign({ kind, count, seed, env: set ? { STRIDENET_ISA: set } : {}, onFinding });
    const seconds = ((Date.now() - start) / 1000).toFixed(0);
    console.log(`fuzz ${kind}${set ? ` on ${set}` : ''}: seed ${seed}, ${count} cases, ${seconds} s, ${findings.length} findings`);
    failed ||= findings.length > 0;
  }
  return failed ? 1 : 0;
}

void main().then((code) => (process.exitCode = code));
