/**
 * stridenet/onnx: models in the ONNX format (https://onnx.ai). Apart from `stridenet`, so that only its users load protobuf.
 *
 * @packageDocumentation
 */

import './textEncoding';
import '../runtime/evaluate';

export { exportOnnx, type ExportOnnxOptions } from './exportOnnx';
