/** How a training was started: what its checkpoints say about that, and how `--resume` goes on with it. */

import { resolve } from 'node:path';
import { formatValue, StridenetError } from '../errors';
import { readSafetensorsMetadata } from '../io/safetensors';
import { UsageError, type Arguments } from './arguments';
import { dataSource } from './datasets';

interface TrainingRun {
  readonly model: string;
  /** Values of the command line's options by name, defaults included. */
  readonly options: Readonly<Record<string, string>>;
}

const RUN_KEY = 'stridenet.train';

/** Options that say where and how a training runs and not what comes out. */
const OF_THE_MOMENT = new Set(['threads', 'resume']);
/** Options that a resumed training may be given anew: its weights or data lie elsewhere by now, or it is to go on for longer. */
const CHANGEABLE = new Set(['data', 'out', 'epochs']);

/** Metadata for the checkpoints of a training. */
export async function runMetadata(args: Arguments): Promise<Record<string, string>> {
  const options: Record<string, string> = {};
  for (const name of args.valueNames) {
    const value = args.text(name);
    if (value !== undefined && !OF_THE_MOMENT.has(name)) options[name] = value;
  }
  // Whoever resumes may be in another folder.
  if (options['out'] !== undefined) options['out'] = resolve(options['out']);
  options['data'] = await dataSource(args);
  const run: TrainingRun = { model: args.operands[0]!, options };
  return { [RUN_KEY]: JSON.stringify(run) };
}

/**
 * The arguments with what the training of the `--resume` file was started with in place of what is not given. A file that `trainer.save` wrote in
 * a program of the user's says nothing about that.
 * @throws UsageError when something else is given; StridenetError ERR_FILE_ACCESS, ERR_BAD_FILE
 */
export async function continuedArguments(args: Arguments): Promise<Arguments> {
  const path = args.text('resume');
  const run = path === undefined ? undefined : await readRun(path);
  if (!run) return args;
  const [model] = args.operands;
  if (model !== run.model) {
    throw new UsageError(`${formatValue(path)} is from a training of ${formatValue(run.model)}, not of ${formatValue(model)}.`);
  }
  for (const [name, before] of Object.entries(run.options)) {
    const given = args.given(name);
    if (given === undefined || CHANGEABLE.has(name) || given === before || Number(given) === Number(before)) continue;
    throw new UsageError(
      `--${name} ${given} is not the ${before} that ${formatValue(path)} was trained with. A resumed training goes on as it began: leave --${name} out.`,
    );
  }
  const added = args.valueNames.find((name) => args.given(name) !== undefined && !isKept(name) && !Object.hasOwn(run.options, name));
  if (added !== undefined) {
    throw new UsageError(
      `--${added} was not given when ${formatValue(path)} was trained. A resumed training goes on as it began: leave it out.`,
    );
  }
  return args.withDefaults(run.options);
}

function isKept(name: string): boolean {
  return OF_THE_MOMENT.has(name) || CHANGEABLE.has(name);
}

async function readRun(path: string): Promise<TrainingRun | undefined> {
  const text = (await readSafetensorsMetadata(path))[RUN_KEY];
  if (text === undefined) return undefined;
  try {
    const { model, options } = JSON.parse(text) as Partial<TrainingRun>;
    const isText = (value: unknown): boolean => typeof value === 'string';
    if (isText(model) && typeof options === 'object' && options !== null && Object.values(options).every(isText)) {
      return { model: model!, options };
    }
  } catch {
    // Refuses it in the words that any other content gets.
  }
  throw new StridenetError('ERR_BAD_FILE', `${formatValue(path)} has a damaged description of its training in its metadata (${RUN_KEY}).`);
}
