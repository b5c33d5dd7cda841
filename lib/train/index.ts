/** Training and inference on whole models. */

export type { BatchRecord, Callback, EpochRecord, FitContext, History } from './callbacks';
export { compile, CompiledModel, type CompileModelOptions, type WarmUpOptions } from './compile';
export { evaluate, type EvaluateOptions, type Metric, type Score } from './evaluate';
export { fit, type FitOptions } from './fit';
export type { ImageLayout, Preprocessing } from '../graph/preprocess';
export type { ImageDType, Images, Labels, ReadingOptions, Targets } from './images';
export type { AlgorithmMode } from '../compile/algorithm';
export type { ExecutionOptions } from './programs';
export type { StopSignal } from '../stopSignal';
export { Trainer, type StepResult, type TrainerOptions, type TrainerSaveOptions } from './trainer';
