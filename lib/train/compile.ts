/** compile: a model made ready for inference, one program for each number of images that comes. */

import type { Graph } from '../compile/compile';
import { checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import { formatObject, INSPECT, styleOf, type InspectOptions } from '../graph/inspect';
import { constantTensor } from '../graph/leaves';
import type { Preprocessing } from '../graph/preprocess';
import type { Tensor } from '../graph/tensor';
import { elementCount, type Shape } from '../graph/types';
import type { Module } from '../nn/module';
import type { LoadedProgram } from '../runtime/session';
import { checkModel, inferenceGraph } from './graphs';
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
import { EXECUTION_OPTIONS, Programs, type ExecutionOptions } from './programs';

const FLOAT_BYTES = 4;

/** Options of `compile`. */
export interface CompileModelOptions extends ExecutionOptions, ReadingOptions {
  /** [channels, height, width] of one image, such as [1, 28, 28], whatever the layout. */
  input: Shape;
  /** Most images of one run of a program; more are run in slices. Default 32. */
  maxBatch?: number;
}

/**
 * Makes a model ready for inference in evaluation mode: folds, fuses and packs once. The programs read the module's weights: when those
 * change, by training or `loadStateDict`, the next run packs them again. Images are read as in training, unless told otherwise
 * (`preprocess`, `layout`).
 *
 * @throws StridenetError ERR_SHAPE_MISMATCH when the model does not take the input, ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION, ERR_NATIVE_UNAVAILABLE
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
  const graph = inferenceGraph(model, { count: 1, dtype: 'float32', input, preprocess });
  const expectedBytes = FLOAT_BYTES * model.parameters().reduce((sum, parameter) => sum + parameter.size, 0);
  const programs = new Programs('compile', options, { releasesSources: true, expectedBytes });
  // The first program now, so that the first run need not wait for it.
  await programs.prepare(programKey(1, 'float32'), () => graph);
  return CompiledModel.make(model, input, graph.outputs[0]!.shape.slice(1), maxBatch, preprocess, programs);
}

/** A model ready for inference; made by `compile`. */
export class CompiledModel {
  private readonly imageSize: number;

  private constructor(
    private readonly model: Module,
    /** Shape of one image. */
    readonly input: Shape,
    /** Shape of one image's output: [10] for ten classes. */
    readonly output: Shape,
    /** Most images of one run of a program. */
    readonly maxBatch: number,
    /** How raw images become what the model sees. */
    readonly preprocess: Preprocessing,
    private readonly programs: Programs,
  ) {
    this.imageSize = elementCount(input);
  }

  /** @internal `compile` calls it. */
  static make(model: Module, input: Shape, output: Shape, maxBatch: number, preprocess: Preprocessing, programs: Programs): CompiledModel {
    return new CompiledModel(model, input, output, maxBatch, preprocess, programs);
  }

  /**
   * Runs off the event loop, but for what takes less time than handing it over does (some 20 microseconds). Calls may overlap: they queue in
   * order. The input may be reused as soon as this returns its promise.
   *
   * @param images n images, one after the other, in the order of `layout`; a Tensor [n, ...input]
   * @returns [n, ...output]
   * @throws StridenetError ERR_SHAPE_MISMATCH for a length that is no number of images, ERR_INVALID_ARGUMENT, ERR_CLOSED
   */
  async run(images: Images): Promise<Tensor<'float32'>> {
    const batch = readImages('run', images, this.input, this.preprocess.layout);
    const results = await Promise.all(
      this.slices(batch).map(async ({ data, dtype, count }) => {
        const [output] = await this.programs.run(programKey(count, dtype), this.builder(count, dtype), () => [data]);
        return output as Float32Array;
      }),
    );
    return this.join(batch.count, results);
  }

  /**
   * Like `run`, but waits: the fastest way for one small input.
   * @throws StridenetError as `run`
   */
  runSync(images: Images): Tensor<'float32'> {
    const batch = readImages('runSync', images, this.input, this.preprocess.layout);
    const results = this.slices(batch).map(
      ({ data, dtype, count }) => this.programs.session.runSync(this.program(count, dtype), [data])[0] as Float32Array,
    );
    return this.join(batch.count, results);
  }

  /** The program for `count` images as text, one line for each instruction. */
  listing(count = 1, dtype: ImageDType = 'float32'): string {
    checkInteger('listing', 'count', count, 1);
    if (dtype !== 'float32' && dtype !== 'uint8') {
      throw new StridenetError('ERR_INVALID_ARGUMENT', `listing expects dtype to be 'float32' or 'uint8' but got ${formatValue(dtype)}.`);
    }
    return this.programs.session.listing(this.program(count, dtype));
  }

  /** Frees threads and memory; runs that wait reject with ERR_CLOSED. Idempotent. */
  close(): void {
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

  private program(count: number, dtype: ImageDType): LoadedProgram {
    return this.programs.now(programKey(count, dtype), this.builder(count, dtype));
  }

  private builder(count: number, dtype: ImageDType): () => Graph {
    return () => inferenceGraph(this.model, { count, dtype, input: this.input, preprocess: this.preprocess });
  }

  private join(count: number, results: readonly Float32Array[]): Tensor<'float32'> {
    const shape = [count, ...this.output];
    if (results.length === 1) return constantTensor(results[0]!, shape, 'float32');
    const all = new Float32Array(elementCount(shape));
    let at = 0;
    for (const result of results) {
      all.set(result, at);
      at += result.length;
    }
    return constantTensor(all, shape, 'float32');
  }
}

function programKey(count: number, dtype: ImageDType): string {
  return `${count} ${dtype}`;
}
