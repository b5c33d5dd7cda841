/**
 * What the compiler makes of every model of lib/models: listings with the place of every operand in memory, scratch and the estimated time, for
 * inference and training, with and without algorithms of larger rounding errors, by the kernels of each instruction set. Nothing runs.
 */

import type { AlgorithmMode } from '../../../lib/compile/algorithm';
import { compileGraph } from '../../../lib/compile/compile';
import { disassemble } from '../../../lib/compile/disassemble';
import type { NativeQueries } from '../../../lib/compile/ir';
import type { Graph } from '../../../lib/graph/graph';
import type { Tensor } from '../../../lib/graph/tensor';
import type { Shape } from '../../../lib/graph/types';
import * as models from '../../../lib/models';
import { crossEntropy } from '../../../lib/nn/loss';
import type { Module } from '../../../lib/nn/module';
import { Variable } from '../../../lib/nn/parameter';
import { sgd } from '../../../lib/optim/sgd';
import { manualSeed } from '../../../lib/random';
import { binding } from '../../../lib/runtime/binding';
import { makeQueries, planProgram } from '../../../lib/runtime/queries';
import { inferenceGraph, type BatchForm } from '../../../lib/train/graphs';
import { CLASS_NUMBERS } from '../../../lib/train/target';
import { makeKept } from '../../../lib/train/kept';
import { accuracy } from '../../../lib/metrics/accuracy';
import { trainingGraph } from '../../../lib/train/trainingGraph';

/** By name, `resnet18 training 8 fast avx2`. */
export type Listings = Readonly<Record<string, string>>;

export const ISAS = ['avx512', 'avx2', 'neon'];

const MODES: readonly AlgorithmMode[] = ['fast', 'exact'];

/** Listings depend on it where scratch is one for each thread. */
const THREADS = 4;

interface ZooModel {
  readonly name: string;
  /** Of an image, [C, H, W]. */
  readonly input: Shape;
  readonly build: () => Module;
}

const IMAGENET = [3, 224, 224];
const CIFAR = [3, 32, 32];

/** Every function of lib/models as it builds its network by default, which those for other images than ImageNet's cannot. */
function zoo(): ZooModel[] {
  const { lenet5, resnetCifar, ...others } = models;
  return [
    ...Object.entries(others).map(([name, build]) => ({ name, input: IMAGENET, build: () => build() })),
    { name: 'lenet5', input: [1, 28, 28], build: () => lenet5() },
    { name: 'resnetCifar20', input: CIFAR, build: () => resnetCifar(20) },
    { name: 'resnet18cifar', input: CIFAR, build: () => models.resnet18({ stem: 'cifar', classes: 10 }) },
  ];
}

/** The graphs that are compiled of a model, by what they are for and the number of images. */
function graphsOf({ input, build }: ZooModel): Record<string, Graph> {
  manualSeed(0);
  const form = (count: number): BatchForm => ({ count, dtype: 'float32', input, preprocess: {} });
  const model = build();
  const optimizer = sgd({ lr: 0.1, momentum: 0.9, weightDecay: 1e-4 });
  const training = {
    model,
    loss: crossEntropy(),
    metrics: [accuracy()],
    optimizer,
    keptOf: (parameter: Tensor) => makeKept(optimizer, parameter),
    lastApplied: new Variable([]),
  };
  return {
    'inference 1': inferenceGraph(model, form(1)),
    'inference 8': inferenceGraph(model, form(8)),
    'training 8': trainingGraph(training, form(8), CLASS_NUMBERS),
  };
}

export function makeListings(isas: readonly string[]): Listings {
  const queries = new Map(isas.map((isa) => [isa, makeQueries(binding(), isa)]));
  const listings: Record<string, string> = {};
  for (const model of zoo()) {
    for (const [use, graph] of Object.entries(graphsOf(model))) {
      for (const algorithm of MODES) {
        for (const [isa, native] of queries) listings[`${model.name} ${use} ${algorithm} ${isa}`] = listing(graph, algorithm, isa, native);
      }
    }
  }
  return listings;
}

function listing(graph: Graph, algorithm: AlgorithmMode, isa: string, native: NativeQueries): string {
  const program = compileGraph(graph, native, { algorithm, validate: true });
  const costs = planProgram(binding(), program.words, isa, THREADS);
  const seconds = costs.reduce((sum, cost) => sum + cost.seconds, 0);
  const text = disassemble(program, { places: true, scratchBytes: (index) => costs[index]!.scratchBytes });
  return `${text}\nestimate: ${(seconds * 1e3).toPrecision(9)} ms`;
}
