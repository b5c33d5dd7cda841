/** stridenet sweep: trains every combination of some settings, and says which is the best. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatValue, nearest } from '../../errors';
import { fileError } from '../../io/file';
import { writeFileAtomic } from '../../io/replaceFile';
import { findModel } from '../../models/catalogue';
import { nativeInfo } from '../../runtime/binding';
import { UsageError, type Arguments, type Command, type Terminal } from '../arguments';
import { Interruption } from '../interruption';
import { readConfig } from '../settings/configFile';
import { withDefaults } from '../settings/settings';
import { Children } from '../sweep/children';
import { checkModels, combinationsOf, formatValues, parseParam, type Combination } from '../sweep/grid';
import { formatTable, knownMetrics, metricOf, rank, ResultsFile, type Finished } from '../sweep/results';
import { bestCallbacks, trainOptionsOf } from '../trainOptions';

export const sweep: Command = {
  name: 'sweep',
  operands: 'CONFIG',
  operandCount: [1, 1],
  purpose:
    'Trains every combination of some settings, each in a process of its own, and prints them from the best to the worst. CONFIG is a file as `stridenet train --config` takes it. Exit code 1 when a combination failed.',
  options: {
    param: {
      value: 'NAME=VALUES',
      help: 'what varies: lr=0.01,0.1 or optimizer.weightDecay=0,1e-4; again for each setting',
      repeats: true,
    },
    jobs: { value: 'N', default: '1', help: 'trainings at a time; threads are divided among them' },
    metric: { value: 'NAME', default: 'valAccuracy', help: 'what combinations are ranked by' },
    out: {
      value: 'DIR',
      help: 'keep results (results.jsonl) and configs there; a sweep that was interrupted goes on with the same command',
    },
    json: { help: 'print the result as one JSON object, last line of standard output' },
  },
  run,
};

interface Sweep {
  readonly config: string;
  readonly combinations: readonly Combination[];
  readonly metric: string;
  readonly jobs: number;
  readonly out: string | undefined;
  readonly json: boolean;
}

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const plan = await prepare(args);
  const folder = plan.out ?? (await mkdtemp(join(tmpdir(), 'stridenet-sweep-')));
  const interruption = new Interruption(terminal, 'ending the trainings that run');
  try {
    if (plan.out !== undefined) await makeFolder(plan.out);
    const finished = await trainAll(plan, folder, interruption, terminal);
    if (finished.length > 0) report(plan, finished, folder, terminal);
    if (interruption.exitCode !== undefined) {
      const advice =
        plan.out === undefined ? 'With --out DIR the same command would go on from here.' : 'The same command goes on from here.';
      terminal.err(`stridenet: interrupted; ${finished.length} of ${plan.combinations.length} combinations are done. ${advice}`);
      return interruption.exitCode;
    }
    return finished.every((each) => 'result' in each) ? 0 : 1;
  } finally {
    interruption.dispose();
    if (plan.out === undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** Reads the config and checks every combination before the first is trained. */
async function prepare(args: Arguments): Promise<Sweep> {
  const config = args.operands[0]!;
  const params = args.list('param').map(parseParam);
  if (params.length === 0) throw new UsageError('stridenet sweep expects --param NAME=VALUE,VALUE: what is to vary.');
  const [jobs, metric] = [args.integer('jobs', 1)!, args.required('metric')];
  const base = await readConfig(config);
  const combinations = combinationsOf(base, params);
  checkModels(formatValue(config), combinations);
  for (const { settings: given } of combinations) {
    const settings = withDefaults(given);
    const origin = { flags: {}, file: { path: formatValue(config), settings: given } };
    findModel(settings.model);
    trainOptionsOf(settings, origin);
    bestCallbacks(settings, origin);
    checkMetric(metric, settings.metrics);
  }
  return { config, combinations, metric, jobs, out: args.text('out'), json: args.flag('json') };
}

function checkMetric(metric: string, metrics: readonly string[]): void {
  const known = knownMetrics(metrics);
  if (known.includes(metric)) return;
  const near = nearest(metric, known);
  throw new UsageError(`--metric ${metric} is not measured. ${near ? `Did you mean "${near}"?` : `There are ${known.join(', ')}.`}`);
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw fileError('write', path, error);
  }
}

/** Runs what is not done yet, so many at a time. */
async function trainAll(plan: Sweep, folder: string, interruption: Interruption, terminal: Terminal): Promise<Finished[]> {
  const { combinations, metric, json } = plan;
  const results = await ResultsFile.open(join(folder, 'results.jsonl'));
  const finished = combinations.flatMap((each): Finished[] => {
    const outcome = results.found(each);
    return outcome ? [{ ...each, ...outcome }] : [];
  });
  if (finished.length > 0 && !json) terminal.out(`${finished.length} of ${combinations.length} combinations are done already.`);
  const done = new Set(finished.map(({ id }) => id));
  const waiting = combinations.filter(({ id }) => !done.has(id));
  const jobs = Math.max(1, Math.min(plan.jobs, waiting.length));
  const threads = Math.max(1, Math.floor(nativeInfo().threads / jobs));
  const children = new Children(interruption.signal);
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next && !interruption.signal.aborted; next = waiting.shift()) {
      const path = configPath(folder, next);
      await writeFileAtomic(path, [Buffer.from(`${JSON.stringify({ threads, ...next.settings }, undefined, 2)}\n`)]);
      const outcome = await children.train(path);
      if (!outcome) return;
      const each: Finished = { ...next, ...outcome };
      const count = finished.push(each);
      await results.add(each);
      if (!json) terminal.out(`${count}/${combinations.length}  ${formatValues(each.values)}  ${formatOutcome(each, metric)}`);
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, work));
  } finally {
    children.dispose();
  }
  // In the order of the combinations, whichever was quicker.
  const places = new Map(combinations.map(({ id }, i) => [id, i]));
  return finished.sort((a, b) => places.get(a.id)! - places.get(b.id)!);
}

function configPath(folder: string, { id }: Combination): string {
  return join(folder, `${id}.json`);
}

function formatOutcome(finished: Finished, metric: string): string {
  if ('error' in finished) return `failed: ${finished.error}`;
  return `${metric} ${metricOf(finished.result, metric)?.toFixed(4) ?? 'not measured'}`;
}

function report(
  { config, metric, combinations, json, out }: Sweep,
  finished: readonly Finished[],
  folder: string,
  terminal: Terminal,
): void {
  const ranked = rank(finished, metric);
  const [first] = ranked;
  const best = first?.value === undefined ? undefined : first;
  if (json) {
    const results = ranked.map(({ id, values, value, ...rest }) => ({
      id,
      parameters: values,
      ...('error' in rest ? { error: rest.error } : { value: value ?? null, result: rest.result }),
    }));
    const winner = best && { id: best.id, parameters: best.values, value: best.value, config: best.settings };
    terminal.out(JSON.stringify({ config, metric, combinations: combinations.length, results, best: winner ?? null }));
    return;
  }
  terminal.out(`\n${formatTable(ranked, metric)}\n`);
  if (!best) return;
  terminal.out(`best  ${formatValues(best.values)}${out === undefined ? '' : `  (stridenet train --config ${configPath(folder, best)})`}`);
}
