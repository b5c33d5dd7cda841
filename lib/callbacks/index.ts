/** The public `callbacks` namespace: what `fit` can do beside training. */

export type { Callback, FitContext, FitParams } from '../train/callbacks';
export { checkpoint, type CheckpointOptions } from './checkpoint';
export { csvLogger, type CsvLoggerOptions } from './csvLogger';
export { earlyStopping, type EarlyStoppingOptions } from './earlyStopping';
export { htmlReport, type HtmlReportOptions } from './htmlReport';
export { jsonLogger, type JsonLoggerOptions } from './jsonLogger';
export { lambda } from './lambda';
export {
  learningRateMonitor,
  type LearningRateMonitor,
  type LearningRateMonitorOptions,
  type NotedLearningRate,
} from './learningRateMonitor';
export type { MonitorMode } from './monitor';
export { tensorBoard, type Pictures, type TensorBoardOptions } from './tensorBoard';
export type { PlainValue } from './plainValues';
export type { Picture } from '../io/png';
