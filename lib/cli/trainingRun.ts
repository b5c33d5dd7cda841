/** How a training is started: its settings out of flags, config file and checkpoint, and what its own checkpoints say about them. */

import { resolve } from 'node:path';
import { formatValue, StridenetError } from '../errors';
import { parseJson } from '../io/json';
import { readSafetensorsMetadata } from '../io/safetensors';
import type { FitOptions } from '../train/fit';
import { UsageError, type Arguments } from './arguments';
import { dataSource } from './datasets';
import { readConfig } from './settings/configFile';
import { flagOf, leavesOf, merge, settingsOfFlags, withDefaults, type Settings, type TrainSettings } from './settings/settings';
import { SETTINGS } from './settings/table';
import type { Origin } from './trainOptions';

export interface TrainingRun {
  readonly settings: TrainSettings;
  readonly origin: Origin;
  /** The checkpoint that it goes on from. */
  readonly resume: string | undefined;
  /** What may be others than in that checkpoint (see `fit`): what was given anew, and what follows from it. */
  readonly resumeChanges: NonNullable<FitOptions['resumeChanges']>;
}

const RUN_KEY = 'stridenet.train';

/** Settings that say where and how a training runs and not what comes out: no checkpoint has them. */
const OF_THE_MOMENT = ['threads'];
/** Files and folders: whoever resumes may be in another folder. */
const PATHS = ['out', 'log', 'tensorboard', 'report'] as const;
/** What a resumed training may be given anew: its data or files lie elsewhere by now, or it is to go on for longer. */
const CHANGEABLE = new Set(['data', 'epochs', ...PATHS, ...OF_THE_MOMENT]);

/** Metadata for the checkpoints of a training. */
export async function runMetadata(settings: TrainSettings): Promise<Record<string, string>> {
  const kept = Object.fromEntries(Object.entries(settings).filter(([name]) => !OF_THE_MOMENT.includes(name)));
  kept['data'] = await dataSource(settings.data);
  for (const name of PATHS) if (settings[name] !== undefined) kept[name] = resolve(settings[name]);
  return { [RUN_KEY]: JSON.stringify({ settings: kept }) };
}

/**
 * The settings of a training: flags go before the config file, and this before the defaults. With `--resume` they are those that the checkpoint
 * was trained with; a file that `trainer.save` wrote in a program of the user's says nothing about them.
 * @throws UsageError; StridenetError ERR_FILE_ACCESS, ERR_BAD_FILE, ERR_UNKNOWN_OPTION, ERR_INVALID_ARGUMENT
 */
export async function trainingRun(args: Arguments): Promise<TrainingRun> {
  const [model] = args.operands;
  const flags = { ...settingsOfFlags(args.withoutDefaults(), SETTINGS), ...(model !== undefined && { model }) };
  const path = args.text('config');
  const file = path === undefined ? undefined : { path: formatValue(path), settings: await readConfig(path) };
  const origin: Origin = { flags, file };
  const resume = args.text('resume');
  const before = resume === undefined ? undefined : await readRun(resume);
  const anew = (name: string): boolean => resume !== undefined && merge(file?.settings ?? {}, flags)[name] !== undefined;
  const images = anew('data') ? (['images'] as const) : [];
  if (before) {
    // A schedule of other length may have another warm-up.
    const resumeChanges = [...images, ...(anew('epochs') ? (['schedule'] as const) : [])];
    return { settings: continued(resume!, before, origin) as unknown as TrainSettings, origin, resume, resumeChanges };
  }
  const given = merge(file?.settings ?? {}, flags);
  if (given['model'] === undefined) {
    throw new UsageError(`stridenet train expects MODEL.${file ? ` ${file.path} has no setting config.model either.` : ''}`);
  }
  return { settings: withDefaults(given), origin, resume, resumeChanges: images };
}

/** The settings of a checkpoint with what may change. @throws UsageError when something else is given */
function continued(path: string, before: Settings, { flags, file }: Origin): Settings {
  if (file) checkSame(path, before, file.settings, file.path);
  checkSame(path, before, flags, undefined);
  const changes = Object.entries({ ...file?.settings, ...flags }).filter(([key]) => CHANGEABLE.has(key));
  return { ...before, ...Object.fromEntries(changes) };
}

/** @param file undefined for flags */
function checkSame(path: string, before: Settings, given: Settings, file: string | undefined): void {
  if (given['model'] !== undefined && given['model'] !== before['model']) {
    throw new UsageError(
      `${formatValue(path)} is from a training of ${formatValue(before['model'])}, not of ${formatValue(given['model'])}.`,
    );
  }
  const known = leavesOf(before);
  for (const [place, value] of leavesOf(given)) {
    if (CHANGEABLE.has(place)) continue;
    const name = file === undefined ? flagOf(place) : `config.${place} of ${file}`;
    if (!known.has(place)) {
      throw new UsageError(
        `${name} was not given when ${formatValue(path)} was trained. A resumed training goes on as it began: leave it out.`,
      );
    }
    const then = known.get(place);
    if (JSON.stringify(value) === JSON.stringify(then)) continue;
    throw new UsageError(
      `${name} ${textOf(value)} is not the ${textOf(then)} that ${formatValue(path)} was trained with. A resumed training goes on as it began: leave ${file === undefined ? name : 'it'} out.`,
    );
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

async function readRun(path: string): Promise<Settings | undefined> {
  const text = (await readSafetensorsMetadata(path))[RUN_KEY];
  if (text === undefined) return undefined;
  try {
    const { settings } = parseJson(text) as { settings?: unknown };
    const { model, data, optimizer, schedule } = (settings ?? {}) as Record<string, unknown>;
    const areObjects = [optimizer, schedule].every((section) => typeof section === 'object' && section !== null);
    if (typeof model === 'string' && typeof data === 'string' && areObjects) return settings as Settings;
  } catch {
    // Refuses it in the words that any other content gets.
  }
  throw new StridenetError('ERR_BAD_FILE', `${formatValue(path)} has a damaged description of its training in its metadata (${RUN_KEY}).`);
}
