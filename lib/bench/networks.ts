/** What is measured: networks by name, and the rows that a benchmark without options has. It measures nothing. */

import { findModel, MODELS, type ModelOptions } from '../models/catalogue';
import type { Module } from '../nn';

export type Mode = 'inference' | 'training';

/** A model with the images that it is measured on. Plain data: it is sent to other processes. */
export interface Network {
  readonly name: string;
  /** Its name in the command line's table of models. */
  readonly model: string;
  readonly options: ModelOptions;
  /** [channels, height, width] */
  readonly input: readonly [number, number, number];
}

/** Peers that are compared on a row when none are named. */
export type PeerSet = 'native' | 'all';

export interface Row {
  readonly network: Network;
  readonly batch: number;
  /** `all` includes those in JavaScript and WebAssembly, which take minutes on large networks. */
  readonly peers: PeerSet;
}

/** Variants that have a name of their own beside the models of the command line. */
const VARIANTS: readonly Network[] = [
  { name: 'resnet18-cifar', model: 'resnet18', options: { classes: 10, stem: 'cifar' }, input: [3, 32, 32] },
  { name: 'vgg11bn-64', model: 'vgg11bn', options: {}, input: [3, 64, 64] },
];

/** Every name that --models takes. */
export const NETWORK_NAMES: readonly string[] = [...Object.keys(MODELS), ...VARIANTS.map(({ name }) => name)];

/** @throws StridenetError ERR_UNKNOWN_MODEL */
export function findNetwork(name: string): Network {
  return VARIANTS.find((variant) => variant.name === name) ?? { name, model: name, options: {}, input: findModel(name).input };
}

/** A fresh module with initial weights. */
export function buildNetwork({ model, options }: Network): Module {
  return findModel(model).build(options);
}

type DefaultRow = readonly [network: string, batch: number, peers?: PeerSet];

const DEFAULT_ROWS: Readonly<Record<Mode, readonly DefaultRow[]>> = {
  inference: [
    ['lenet5', 1, 'all'],
    ['lenet5', 32, 'all'],
    ['alexnet', 1],
    ['alexnet', 8],
    ['vgg16', 1],
    ['vgg16', 8],
    ['resnet18', 1, 'all'],
    ['resnet18', 8],
    ['resnet50', 1],
    ['resnet50', 8],
    ['mobilenetV2', 1],
    ['densenet121', 1],
  ],
  training: [
    ['lenet5', 256, 'all'],
    ['resnet18-cifar', 1, 'all'],
    ['resnet18-cifar', 64],
    ['vgg11bn-64', 32],
    ['alexnet', 32],
    ['resnet18', 16],
    ['resnet50', 8],
  ],
};

/**
 * The rows of a benchmark.
 * @param names networks; default: those of the default rows
 * @param batches default: those that the default rows have for a network, else 1 (inference) or 32 (training)
 */
export function rowsOf(mode: Mode, names: readonly string[] | undefined, batches: readonly number[] | undefined): Row[] {
  const defaults = DEFAULT_ROWS[mode];
  return [...new Set(names ?? defaults.map(([name]) => name))].flatMap((name) => {
    const network = findNetwork(name);
    const known = defaults.filter(([other]) => other === name);
    const wanted = batches ?? (known.length > 0 ? known.map(([, batch]) => batch) : [mode === 'inference' ? 1 : 32]);
    return [...new Set(wanted)].map((batch) => ({ network, batch, peers: known.find(([, own]) => own === batch)?.[2] ?? 'native' }));
  });
}
