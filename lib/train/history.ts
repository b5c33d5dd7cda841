/** What `fit` reports: records of batches and epochs, and the history that they make. */

import type { MetricValue } from '../metrics/metric';

/** One pass over the data set; further metrics by their names, those of the validation set as `valTop5` for `top5`. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  /** Mean over the images of the epoch, measured while the weights moved. */
  readonly loss: number;
  /** Fraction of correct images of the epoch, measured while the weights moved; absent without the metric. */
  readonly accuracy?: number;
  /** On the validation set after the epoch. */
  readonly valLoss?: number;
  /** Fraction of correct images of the validation set after the epoch. */
  readonly valAccuracy?: number;
  /** Of the last step. */
  readonly learningRate: number;
  /** Training images by time, without validation. */
  readonly imagesPerSecond: number;
  /** The whole epoch, with validation. */
  readonly seconds: number;
  readonly [metric: string]: MetricValue | undefined;
}

/** One step; further metrics by their names. */
export interface BatchRecord {
  /** From 1. */
  readonly epoch: number;
  /** Within the epoch, from 1. */
  readonly batch: number;
  /** Since training began, from 1. */
  readonly step: number;
  /** Mean over the images of the batch, before its update. */
  readonly loss: number;
  /** Fraction of correct images of the batch, before its update; absent without the metric. */
  readonly accuracy?: number;
  /** That the step had, or the next update has. */
  readonly learningRate: number;
  readonly [metric: string]: MetricValue | undefined;
}

/** What `fit` gives; `console.log` prints it as a table. */
export interface History {
  /** One record for each epoch. */
  readonly epochs: readonly EpochRecord[];
  /** Why logs and reports of the package lack something, by a sentence for each, such as that the disk was full; absent when all was written. */
  readonly unwritten?: readonly string[];
}

/** The name in records of a number of the validation set: 'valLoss' for 'loss'. */
export function validationName(name: string): string {
  return `val${name[0]!.toUpperCase()}${name.slice(1)}`;
}
