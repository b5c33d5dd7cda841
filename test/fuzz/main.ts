/** `npm run fuzz -- --kind calls --count 50000 --seed 1`: see CONTRIBUTING.md. */

import { parseArgs } from 'node:util';
import { runCampaign } from './campaign';

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kind: { type: 'string' },
      count: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      verbose: { type: 'boolean' },
    },
  });
  const [kind, count, seed] = [values.kind, Number(values.count), Number(values.seed)];
  const start = Date.now();
  const findings = await runCampaign({
    kind: kind!,
    count,
    seed,
    onFinding: (finding) => {
      console.log(`seed ${finding.seed}: ${finding.where}: ${finding.signature}${values.verbose ? `\n${finding.detail}` : ''}`);
    },
  });
  const seconds = ((Date.now() - start) / 1000).toFixed(0);
  console.log(`fuzz ${kind}: seed ${seed}, ${count} cases, ${seconds} s, ${findings.length} findings`);
  return findings.length === 0 ? 0 : 1;
}

void main().then((code) => (process.exitCode = code));
