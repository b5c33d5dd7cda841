/** The other entry of the package, for compilers.test.ts; it must not need what the first one brings along. */
import { exportOnnx, type ExportOnnxOptions } from 'stridenet/onnx';

export const options: ExportOnnxOptions = { input: [1, 28, 28], path: 'model.onnx' };
export const write: (model: Parameters<typeof exportOnnx>[0]) => Promise<void> = (model) => exportOnnx(model, options);
