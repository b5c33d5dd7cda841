/** Training and inference on whole models. */

export type { Callback, FitContext, FitParams } from './callbacks';
export { compile, CompiledModel, type CompileModelOptions, type WarmUpOptions } from './compile';
export { evaluate, type EvaluateOptions, type Score } from './evaluate';
export type { EmaOptions, SwaOptions } from './weightAverage';
export { compileStep, CompiledStep, type CompileStepOptions, type StepResults } from './compileStep';
export { lrFinder, type LrFinderOptions, type LrFinderResult } from './lrFinder';
export type { StepGraph, StepIO, StepUpdate, Trained } from './stepGraph';
export type { StepInput, StepShape, StepValues } from './stepInputs';
export { fit, type FitOptions } from './fit';
export type { BatchRecord, EpochRecord, History } from './history';
export type { ImageLayout, Preprocessing } from '../graph/preprocess';
export type { ImageDType, Images, Labels, ReadingOptions, Targets } from './images';
export type { AlgorithmMode } from '../compile/algorithm';
export type { ExecutionOptions } from './programs';
export type { StopSignal } from '../stopSignal';
export { Trainer, type StepResult, type TrainerResumeOptions, type TrainerSaveOptions, type TrainerStepOptions } from './trainer';
export type { TrainerOptions } from './trainerOptions';
