/** compile: a model made ready for inference, one program for each number of images that comes. */

import { checkInteger, checkOptions, formatValue, readArray, StridenetError } from '../errors';
import type { Graph } from '../graph/graph';
import { formatObject, INSPECT, styleOf, type InspectOptions } from '../graph/inspect';
import { constantTensor } from '../graph/leaves';
import type { Preprocessing } from '../graph/preprocess';
import type { Tensor } from '../graph/tensor';
import { elementCount, newArray, type Shape, type TypedArray } from '../graph/types';
import type { Module } from '../nn/module';
import { Structure } from '../nn/structure';
import { checkModel, rowsGraph, type BatchForm } from './graphs';
import {
  checkInputShape,
  READING_OPTIONS,
  readImages,
  readingOf,
  type ImageBatch,
  type ImageDType,
  type Images,
  type ReadingOptions,
} from './images';
import { EXECUTION_OPTIONS, Programs, type ExecutionOptions, type FeedValues } from './programs';

const FLOAT_BYTES = 4;
/** Most runs, and most bytes of images unless one run takes more, that are handed over before the event loop turns. */
const GROUP_RUNS = 64;
const GROUP_BYTES = 16e6;

/** Options of `compile`. */
export interface CompileModelOptions extends ExecutionOptions, ReadingOptions {
  /** [channels, height, width] of one image, such as [1, 28, 28], whatever the layout. */
  input: Shape;
  /** Most images of one run of a program; more are run in slices. Default 32. */
  maxBatch?: number | undefined;
}

/** What is to be made ready before images come. */
export interface WarmUpOptions {
  /** Numbers of images; more than maxBatch stand for the slices in which they are run. Default [1]. */
  batches?: readonly number[] | undefined;
  /** How images will come: 'float32' (default) or 'uint8'. */
  dtype?: ImageDType | undefined;
}

/**
 * Makes a model ready for inference in evaluation mode: folds, fuses and packs once. The programs read the module's weights: when those
 * change, by training or `loadStateDict`, the next run packs them again; when a layer is replaced, programs are made anew. Images are read as in training, unless told otherwise
 * (`preprocess`, `layout`).
 *
 * @throws StridenetError ERR_SHAPE_MISMATCH when the model does not take the input or its output does not begin with the batch, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_NATIVE_UNAVAILABLE
 * @example
 * const net = await compile(model, { input: [1, 28, 28] });
 * const logits = await net.run(images); // Tensor [n, 10]
 */
export async function compile(model: Module, options: CompileModelOptions): Promise<CompiledModel> {
  checkModel('compile', model);
  checkOptions('compile', options, ['input', 'maxBatch', ...READING_OPTIONS, ...EXECUTION_OPTIONS]);
  const input = checkInputShape('compile', options?.input);
  const maxBatch = checkInteger('compile', 'maxBatch', options.maxBatch ?? 32, 1);
  const preprocess = readingOf('compile', model, input, options);
  const execution = { threads: options.threads, algorithm: options.algorithm };
  const graph = rowsGraph(model, { count: 1, dtype: 'float32', input, preprocess });
  const expectedBytes = FLOAT_BYTES * model.parameters().reduce((sum, parameter) => sum + parameter.size, 0);
  const makePrograms = (): Programs => new Programs('compile', execution, { releasesSources: true, expectedBytes });
  const net = CompiledModel.make(model, input, graph.outputs[0]!.shape.slice(1), maxBatch, preprocess, makePrograms);
  // The first program now, so that the first run need not wait for it.
  await net.prepare(graph);
  return net;
}

/** A model ready for inference; made by `compile`. */
export class CompiledModel {
  private readonly imageSize: number;
  private shape: Shape;
  private programs: Programs;
  private structure: Structure;
  private closed = false;

  private constructor(
    private readonly model: Module,
    /** Shape of one image. */
    readonly input: Shape,
    output: Shape,
    /** Most images of one run of a program. */
    readonly maxBatch: number,
    /** How raw images become what the model sees. */
    readonly preprocess: Preprocessing,
    private readonly makePrograms: () => Programs,
  ) {
    this.imageSize = elementCount(input);
    this.shape = output;
    this.programs = makePrograms();
    this.structure = new Structure(model);
  }

  /** Shape of one image's output: [10] for ten classes. */
  get output(): Shape {
    return this.shape;
  }

  /** @internal `compile` calls it. */
  static make(
    model: Module,
    input: Shape,
    output: Shape,
    maxBatch: number,
    preprocess: Preprocessing,
    makePrograms: () => Programs,
  ): CompiledModel {
    return new CompiledModel(model, input, output, maxBatch, preprocess, makePrograms);
  }

  /** @internal Makes the program of one image, whose graph is known. */
  async prepare(graph: Graph): Promise<void> {
    await this.programs.prepare(programKey(1, 'float32'), () => graph);
  }

  /**
   * Makes the first run of each number of images as quick as those after it: compiles, packs weights and touches memory, off the event loop,
   * by runs on images of zeros. They queue with other runs.
   *
   * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_OUT_OF_MEMORY, ERR_CLOSED
   * @example
   * const net = await compile(model, { input: [1, 28, 28] });
   * await net.warmUp({ batches: [1, 8, 32] });
   */
  async warmUp(options: WarmUpOptions = {}): Promise<void> {
    checkOptions('warmUp', options, ['batches', 'dtype']);
    const { batches: given = [1], dtype = 'float32' } = options;
    const batches = readArray(given);
    if (!batches) {
      throw new StridenetError(
        'ERR_INVALID_ARGUMENT',
        `warmUp expects batches to be an array of numbers of images but got ${formatValue(given)}.`,
      );
    }
    checkImageDType('warmUp', dtype);
    const counts = new Set<number>();
    for (const [i, batch] of batches.entries()) {
      const count = checkInteger('warmUp', `batches[${i}]`, batch, 1);
      if (count >= this.maxBatch) counts.add(this.maxBatch);
      if (count % this.maxBatch > 0) counts.add(count % this.maxBatch);
    }
    // The largest first, so that memory that programs share has its size at once.
    for (const count of [...counts].sort((a, b) => b - a)) {
      const images = newArray('warmUp', [count, ...this.input], dtype);
      await this.current().run(programKey(count, dtype), this.builder(count, dtype), () => ({ images }));
    }
  }

  /**
   * Runs off the event loop, but for what takes less time than handing it over does (some 20 microseconds). Calls may overlap: they queue in
   * order. The input may be reused as soon as this returns its promise.
   *
   * @param images n images, one after the other, in the order of `layout`; a Tensor [n, ...input]
   * @returns [n, ...output]
   * @throws StridenetError ERR_SHAPE_MISMATCH for a length that is no number of images, and when the model does not give a row for each;
   *   ERR_INVALID_ARGUMENT, ERR_CLOSED
   */
  async run(images: Images): Promise<Tensor<'float32'>> {
    const batch = readImages('run', images, this.input, this.preprocess.layout);
    const programs = this.current();
    const shape = this.output;
    const runsOfGroup = this.runsOfGroup(batch);
    if (batch.count > runsOfGroup * this.maxBatch) return this.runInGroups(programs, batch, runsOfGroup);
    const results = await Promise.all(
      this.slices(batch).map(async ({ data, dtype, count }) => {
        const [output] = await programs.run(programKey(count, dtype), this.builder(count, dtype), () => ({ images: data }));
        return output as Float32Array;
      }),
    );
    return join([batch.count, ...shape], results);
  }

  /**
   * Like `run`, but waits: the fastest way for one small input.
   * @throws StridenetError as `run`
   */
  runSync(images: Images): Tensor<'float32'> {
    const batch = readImages('runSync', images, this.input, this.preprocess.layout);
    const programs = this.current();
    const results = this.slices(batch).map(({ data, dtype, count }) => {
      const [output] = programs.runSync(programKey(count, dtype), this.builder(count, dtype), { images: data });
      return output as Float32Array;
    });
    return join([batch.count, ...this.output], results);
  }

  /** The program for `count` images as text, one line for each instruction. */
  listing(count = 1, dtype: ImageDType = 'float32'): string {
    checkInteger('listing', 'count', count, 1);
    checkImageDType('listing', dtype);
    return this.current().listing(programKey(count, dtype), this.builder(count, dtype));
  }

  /** Frees threads and memory; runs that wait reject with ERR_CLOSED. Idempotent. */
  close(): void {
    this.closed = true;
    this.programs.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions): string {
    const { input, output, maxBatch } = this;
    return formatObject(this, this.model, { input, output, maxBatch }, styleOf(depth, options));
  }

  /**
   * So many runs are handed over before the event loop turns. That takes some milliseconds, because each copies its
   * images.
   */
  private runsOfGroup({ data }: ImageBatch): number {
    const bytes = this.maxBatch * this.imageSize * data.BYTES_PER_ELEMENT;
    return Math.min(Math.max(Math.floor(GROUP_BYTES / bytes), 2), GROUP_RUNS);
  }

  /** `run` for so many images that handing all of them over would take long. */
  private async runInGroups(programs: Programs, given: ImageBatch, runsOfGroup: number): Promise<Tensor<'float32'>> {
    const { maxBatch, imageSize } = this;
    const { count, dtype } = given;
    const shape = [count, ...this.output];
    const outputs = newArray('run', shape, 'float32');
    const data = newArray('run', [given.data.length], dtype);
    data.set(given.data); // the caller may use it again at once
    let at = 0;
    const append = (output: TypedArray): void => {
      outputs.set(output, at);
      at += output.length;
    };
    const full = count - (count % maxBatch);
    const imagesFrom = (start: number, end: number): ImageBatch['data'] => data.subarray(start * imageSize, end * imageSize);
    function* groups(): Generator<FeedValues[]> {
      const length = runsOfGroup * maxBatch;
      for (let first = 0; first < full; first += length) {
        const runs = Math.min(length, full - first) / maxBatch;
        yield Array.from({ length: runs }, (_, i) => ({ images: imagesFrom(first + i * maxBatch, first + (i + 1) * maxBatch) }));
      }
    }
    const all = programs.runGroups(programKey(maxBatch, dtype), this.builder(maxBatch, dtype), groups(), (results) => {
      for (const [output] of results) append(output!);
    });
    const rest = count - full;
    const last =
      rest > 0
        ? programs.run(programKey(rest, dtype), this.builder(rest, dtype), () => ({ images: imagesFrom(full, count) }))
        : Promise.resolve([]);
    const [, [output]] = await Promise.all([all, last]);
    if (output) append(output);
    return constantTensor(outputs, shape, 'float32');
  }

  /** At most maxBatch images each. */
  private slices(batch: ImageBatch): ImageBatch[] {
    const { data, dtype, count } = batch;
    if (count <= this.maxBatch) return [batch];
    return Array.from({ length: Math.ceil(count / this.maxBatch) }, (_, i) => {
      const start = i * this.maxBatch;
      const n = Math.min(this.maxBatch, count - start);
      return { data: data.subarray(start * this.imageSize, (start + n) * this.imageSize), dtype, count: n };
    });
  }

  /** The programs of the model as it is: when a layer or a parameter was replaced, all are made anew. */
  private current(): Programs {
    if (this.closed || this.structure.isSame) return this.programs;
    const graph = rowsGraph(this.model, this.form(1, 'float32')); // refuses what does not fit, and then all stays as it is
    this.shape = graph.outputs[0]!.shape.slice(1);
    this.structure = new Structure(this.model);
    this.programs.retire();
    this.programs = this.makePrograms();
    return this.programs;
  }

  /** Rows are checked for each number of images: for one of them they may be right by accident. */
  private builder(count: number, dtype: ImageDType): () => Graph {
    return () => rowsGraph(this.model, this.form(count, dtype), this.shape);
  }

  private form(count: number, dtype: ImageDType): BatchForm {
    return { count, dtype, input: this.input, preprocess: this.preprocess };
  }
}

/** The results of slices as one tensor. */
function join(shape: Shape, results: readonly Float32Array[]): Tensor<'float32'> {
  if (results.length === 1) return constantTensor(results[0]!, shape, 'float32');
  const all = newArray('run', shape, 'float32');
  let at = 0;
  for (const result of results) {
    all.set(result, at);
    at += result.length;
  }
  return constantTensor(all, shape, 'float32');
}

function programKey(count: number, dtype: ImageDType): string {
  return `${count} ${dtype}`;
}

function checkImageDType(where: string, dtype: unknown): void {
  if (dtype === 'float32' || dtype === 'uint8') return;
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects dtype to be 'float32' or 'uint8' but got ${formatValue(dtype)}.`);
}
