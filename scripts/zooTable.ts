/**
 * Prints, for every network of lib/models, parameters and multiply-adds as computed beside the published ones, and whether names and shapes of the state
 * dictionary are torchvision's. Exit code 1 when anything differs. test/models/zoo.test.ts asserts the same facts.
 *
 *   npm run build && npx ts-node --transpile-only scripts/zooTable.ts
 */

import { compute, PUBLISHED } from '../test/models/published';

const count = (n: number): string => n.toLocaleString('en-US');
const verdict = (equal: boolean): string => (equal ? 'yes' : 'NO');

const rows = PUBLISHED.map((model) => {
  const { torchvision: theirs } = model;
  const ours = compute(model);
  const parameters = ours.parameters === model.parameters && (theirs?.parameters ?? ours.parameters) === ours.parameters;
  const multiplyAdds = ours.rounded === model.multiplyAdds && (theirs?.multiplyAdds ?? ours.multiplyAdds) === ours.multiplyAdds;
  const names = theirs === undefined ? undefined : ours.state.join() === theirs.state.join();
  return {
    equal: parameters && multiplyAdds && names !== false,
    cells: [
      model.title,
      model.input.join(' x '),
      count(ours.parameters),
      count(model.parameters),
      verdict(parameters),
      count(ours.multiplyAdds),
      model.multiplyAdds,
      verdict(multiplyAdds),
      names === undefined ? '' : `${verdict(names)}, all ${ours.state.length}`,
    ],
  };
});
const header = [
  'model',
  'input',
  'parameters',
  'published',
  'equal',
  'multiply-adds',
  'published',
  'equal',
  "names and shapes torchvision's",
];
const table = [header, header.map(() => '---'), ...rows.map(({ cells }) => cells)];
const widths = header.map((_, i) => Math.max(...table.map((cells) => cells[i]!.length)));
for (const cells of table) console.log(`| ${cells.map((cell, i) => cell.padEnd(widths[i]!, cell === '---' ? '-' : ' ')).join(' | ')} |`);
if (rows.some(({ equal }) => !equal)) process.exitCode = 1;
