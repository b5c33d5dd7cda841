/** What `stridenet train` prints: epochs as they go, and what came out. */

import { resolve } from 'node:path';
import { Monitor } from '../callbacks/monitor';
import type { Module } from '../nn';
import { nativeInfo } from '../runtime/binding';
import { evaluate, type EpochRecord, type History } from '../train';
import type { Transform } from '../transforms';
import type { Terminal } from './arguments';
import { formatSkipped, type AnyLoaded } from './datasets';
import { confusion, formatConfusion, predictClasses } from './predictions';
import type { TrainSettings } from './settings/settings';

/** The exit code of a training that is done and saved, though a log or report of it could not be written. */
export const EXIT_UNWRITTEN = 3;

/** A training that is done. */
export interface Trained {
  readonly settings: TrainSettings;
  readonly model: Module;
  readonly test: AnyLoaded;
  /** What was measured after each epoch: the test images or others. */
  readonly validation: AnyLoaded;
  /** What is done to either's pictures. */
  readonly transforms: readonly Transform[] | undefined;
  readonly history: History;
  /** Where the weights are. */
  readonly out: string | undefined;
  readonly seconds: number;
  /** Files that were left out until now; undefined when none may be. */
  skipped(): readonly string[] | undefined;
}

/** Numbers of one epoch by name, and other things that metrics give. */
type Numbers = Record<string, unknown>;

export async function reportTraining(trained: Trained, asJson: boolean, terminal: Terminal): Promise<void> {
  const { settings, out, history, seconds, test } = trained;
  const last = history.epochs.at(-1)!;
  const kept = keptEpoch(settings, history);
  const measured = await measureTest(trained, kept);
  const predictions =
    asJson || settings.fastDevRun ? undefined : await predictClasses(trained.model, test, trained.transforms, settings.threads);
  const skipped = trained.skipped();
  const { isa, threads } = nativeInfo();
  const result = {
    model: settings.model,
    data: settings.data,
    epochs: history.epochs.length,
    trainLoss: last.loss,
    trainAccuracy: last.accuracy,
    testLoss: measured.loss,
    testAccuracy: measured.accuracy,
    // Of the epoch whose weights were kept.
    validation: { epoch: kept.epoch, ...validationNumbers(kept) },
    // Every epoch has as many images, so the mean speed is the harmonic one.
    imagesPerSecond: history.epochs.length / history.epochs.reduce((sum, epoch) => sum + 1 / epoch.imagesPerSecond, 0),
    seconds,
    threads: settings.threads ?? threads,
    isa,
    weights: out === undefined ? null : resolve(out),
    ...(skipped && { skipped }),
    ...(history.unwritten && { unwritten: history.unwritten }),
  };
  if (asJson) {
    terminal.out(JSON.stringify(result));
    return;
  }
  if (predictions) {
    const { labels, predicted } = predictions;
    terminal.out(`\n${formatConfusion(confusion(labels, predicted, test.classes.length), test.classes)}\n`);
  }
  const rows = [
    [
      'test accuracy',
      `${fixed(result.testAccuracy)}  (loss ${fixed(result.testLoss)}, ${settings.fastDevRun ? 'one batch' : `${test.length} images`})`,
    ],
    ['train accuracy', `${fixed(result.trainAccuracy)}  (loss ${fixed(result.trainLoss)}, mean over the last epoch)`],
    ...(kept === last ? [] : [['best epoch', `${kept.epoch}, whose weights were kept`] as const]),
    ['speed', `${Math.round(result.imagesPerSecond).toLocaleString('en-US')} images/s in training; ${seconds.toFixed(1)} s in all; ${result.threads} threads, ${isa}`], // prettier-ignore
    ['weights', result.weights ?? (settings.fastDevRun ? 'not saved (--fast-dev-run)' : 'not saved (no --out)')],
    ...(skipped ? [['left out', formatSkipped(skipped)] as const] : []),
  ] as const;
  for (const [name, value] of rows) terminal.out(`${name.padEnd(14)} ${value}`);
}

/** @param validates what validates is called */
export function formatEpoch(record: EpochRecord, epochs: number, validates: string): string {
  const speed = Math.round(record.imagesPerSecond).toLocaleString('en-US');
  const part = (name: string, value: unknown): string[] => (typeof value === 'number' ? [`${name} ${value.toFixed(4)}`] : []);
  return [
    `epoch ${record.epoch}/${epochs}`,
    ...part('loss', record.loss),
    ...part('accuracy', record.accuracy),
    ...part(`${validates} loss`, record.valLoss),
    ...part(`${validates} accuracy`, record.valAccuracy),
    `${speed} images/s`,
  ].join('  ');
}

/** The record of the epoch whose weights the model ends with. */
function keptEpoch({ earlyStopping, keepBest, monitor }: TrainSettings, { epochs }: History): EpochRecord {
  const last = epochs.at(-1)!;
  const restores = keepBest === true || (earlyStopping !== undefined && earlyStopping['restoreBest'] !== false);
  if (!restores) return last;
  const options = { monitor: monitor ?? 'valLoss', mode: undefined, minDelta: undefined, startFromEpoch: 0, ...earlyStopping } as {
    monitor: string;
    mode?: 'auto' | 'min' | 'max';
    minDelta?: number;
    startFromEpoch: number;
  };
  const watch = new Monitor('train', options.monitor, options.mode, options.minDelta);
  const better = epochs.filter((record) => {
    const value = record.epoch < options.startFromEpoch ? undefined : record[options.monitor];
    return typeof value === 'number' && watch.improves(value);
  });
  return better.at(-1) ?? last;
}

/** The test images, unless they were measured when the weights were these. */
async function measureTest(
  { settings, model, test, validation, transforms }: Trained,
  kept: EpochRecord,
): Promise<{ loss: number | undefined; accuracy: number | undefined }> {
  const isWhole = settings.limitBatches === undefined || settings.fastDevRun === true;
  if (validation === test && isWhole && kept.valAccuracy !== undefined) return { loss: kept.valLoss, accuracy: kept.valAccuracy };
  if (settings.fastDevRun) return { loss: undefined, accuracy: undefined };
  return evaluate(model, test, { transforms, threads: settings.threads }) as Promise<{ loss: number; accuracy: number }>;
}

/** { valLoss: 1, valTop5: 2 } as { loss: 1, top5: 2 } */
function validationNumbers(record: EpochRecord): Numbers {
  const entries = Object.entries(record).filter(([name, value]) => /^val[A-Z]/.test(name) && typeof value === 'number');
  return Object.fromEntries(entries.map(([name, value]) => [name[3]!.toLowerCase() + name.slice(4), value]));
}

function fixed(value: number | undefined): string {
  return value?.toFixed(4) ?? 'not measured';
}
