/** What a report is about: a training run as plain data. */

import type { LayerSummary } from '../summary';
import type { LayerNorms } from '../train/gradientNorms';
import type { EpochRecord } from '../train/history';

/** Names and values, shown in this order. */
export type Facts = readonly (readonly [name: string, value: string])[];

/** A layer as `summary` describes it, and how long it takes. */
export interface LayerRow extends LayerSummary {
  /** Of one forward pass; undefined for a layer that is computed together with another one. */
  readonly seconds: number | undefined;
}

/** The layers of a model. */
export interface LayerTable {
  readonly rows: readonly LayerRow[];
  /** Images that the times are for. */
  readonly batch: number;
}

/** The norms of the layers in the first step of an epoch. */
export interface EpochNorms {
  readonly epoch: number;
  readonly layers: readonly LayerNorms[];
}

/** An image that a model takes for another class. */
export interface Mistake {
  /** The image as a PNG file, and its pixels. */
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
  /** Place in the data set, from 0. */
  readonly index: number;
  readonly label: number;
  readonly predicted: number;
  /** That the model gives the predicted class and the right one. */
  readonly probability: number;
  readonly labelProbability: number;
}

/** How a model does on the images of a data set. */
export interface Judgement {
  /** Names of the classes. */
  readonly classes: readonly string[];
  /** Images of class i that were taken for class j, at i * classes.length + j. */
  readonly confusion: Uint32Array;
  /** The worst first. */
  readonly mistakes: readonly Mistake[];
}

/** A run so far. */
export interface Run {
  readonly title: string;
  readonly state: 'running' | 'finished';
  readonly began: Date;
  /** When this was the state of things. */
  readonly updated: Date;
  readonly epochs: readonly EpochRecord[];
  /** Of the epochs in which they were measured. */
  readonly norms?: readonly EpochNorms[] | undefined;
  readonly judgement?: Judgement | undefined;
  readonly layers?: LayerTable | undefined;
  readonly configuration: Facts;
  readonly environment: Facts;
}
