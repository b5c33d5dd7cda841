/**
 * Writes native/kernels/costs.h, what work takes, from the measurements in bench/costs, and prints how good the compiler's choices of
 * algorithms are by it. To measure an instruction set, on a machine with nothing else to do:
 *
 *   STRIDENET_ISA=avx2 stridenet bench kernels --algorithm all --threads 1 --batch 1,8 --models ... --json > report.txt
 *   npx ts-node --transpile-only scripts/fitCosts.ts report.txt
 *
 * Several reports of one instruction set are parts of one measurement, or repeat it: the least times count.
 * Without reports the costs are fitted anew to what bench/costs has, as is needed after a change of what plans count. `--check` writes nothing
 * and fails if the header is not what would be written. `--mistakes N` prints the N most expensive wrong choices.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Report } from '../lib/bench/report';
import { binding } from '../lib/runtime/binding';
import { judgeChoices } from './costs/choices';
import { fitCosts, type Fits } from './costs/fit';
import { headerText, ISAS } from './costs/header';
import { keepMeasurements, readMeasurements } from './costs/measurements';
import { planConvolutions } from './costs/plans';

const { values, positionals } = parseArgs({
  options: { check: { type: 'boolean' }, mistakes: { type: 'string', default: '0' } },
  allowPositionals: true,
});
const header = path.join(__dirname, '..', 'native', 'kernels', 'costs.h');

if (positionals.length > 0) {
  const reports = positionals.map((file) => JSON.parse(readFileSync(file, 'utf8').trimEnd().split('\n').at(-1)!) as Report);
  console.log(`${reports.length} reports are kept as measurements of ${keepMeasurements(reports)}`);
}

const kinds = binding().workKinds();
const fits: Fits = new Map();
for (const isa of ISAS) {
  const measured = readMeasurements(isa);
  if (!measured) continue;
  const ways = planConvolutions(measured.models, measured.batches, isa);
  const fit = fitCosts(kinds, measured, ways);
  fits.set(isa, fit);
  for (const [costs, of] of [
    [kinds.map((kind) => fit.costs.get(kind)!), 'fitted costs'],
    [undefined, 'costs as built'],
  ] as const) {
    const { operations, fastest, near, chosen, best, mistakes } = judgeChoices(measured, ways, costs);
    const loss = (100 * (chosen / best - 1)).toFixed(1);
    const counts = `${operations} operations, chosen the fastest ${fastest} times, within 5 % ${near}`;
    console.log(`${isa}, ${of}: ${counts}; ${chosen.toFixed(1)} ms, at best ${best.toFixed(1)}: ${loss} % lost`);
    if (costs) for (const { lost, text } of mistakes.slice(0, Number(values.mistakes))) console.log(`  ${lost.toFixed(3)} ms: ${text}`);
  }
}

const text = headerText(kinds, fits);
if (!values.check) {
  writeFileSync(header, text);
  console.log('native/kernels/costs.h is written: build, and look at `npm run replay`');
} else if (readFileSync(header, 'utf8') !== text) {
  console.error('native/kernels/costs.h is not what bench/costs gives: run npx ts-node --transpile-only scripts/fitCosts.ts');
  process.exitCode = 1;
}
