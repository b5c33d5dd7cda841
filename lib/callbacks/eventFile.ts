/** TensorBoard's event files: events as protobuf messages in TFRecord frames. It knows nothing of training. */

import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { AppendedFile } from '../io/appendedFile';
import { fileError } from '../io/file';
import { encodePngSync, type Picture } from '../io/png';
import {
  DataType,
  EventSchema,
  HParamsPluginDataSchema,
  Status,
  type HParamValue,
  type Summary_Image,
  type Summary_ValueSchema,
} from './event_pb';
import type { Histogram } from './histogram';
import type { PlainValue } from './plainValues';
import { frameRecord } from './tfRecord';

type Value = MessageInitShape<typeof Summary_ValueSchema>;

/** Files that this process made: two of one second have other names. */
let made = 0;

export class EventFile {
  private constructor(private readonly file: AppendedFile) {}

  /** A new event file in a folder, which is made if need be; TensorBoard joins it to those that are there. @throws StridenetError ERR_FILE_ACCESS */
  static async create(folder: string): Promise<EventFile> {
    await mkdir(folder, { recursive: true }).catch((error: unknown) => {
      throw fileError('write', folder, error);
    });
    // TensorBoard looks for "tfevents" and reads the files of a folder in the order of their names.
    const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0');
    const name = `events.out.tfevents.${seconds}.${hostname().replace(/[^\w.-]/g, '_')}.${process.pid}.${made++}.v2`;
    const events = new EventFile(await AppendedFile.create(join(folder, name)));
    await events.file.append(frame({ what: { case: 'fileVersion', value: 'brain.Event:2' } }));
    return events;
  }

  /** Values of one step, written at once. @throws StridenetError ERR_FILE_ACCESS */
  async add(step: number, values: readonly Value[]): Promise<void> {
    if (values.length === 0) return;
    await this.file.append(frame({ step: BigInt(step), what: { case: 'summary', value: { value: [...values] } } }));
  }
}

function frame(event: MessageInitShape<typeof EventSchema>): Buffer {
  return frameRecord(toBinary(EventSchema, create(EventSchema, { wallTime: Date.now() / 1000, ...event })));
}

export function scalarValue(tag: string, value: number): Value {
  return { tag, value: { case: 'simpleValue', value } };
}

export function histogramValue(tag: string, { min, max, count, sum, sumOfSquares, limits, counts }: Histogram): Value {
  const histo = { min, max, num: count, sum, sumSquares: sumOfSquares, bucketLimit: [...limits], bucket: [...counts] };
  return { tag, value: { case: 'histo', value: histo } };
}

export function imageValue(tag: string, picture: Picture): Value {
  const { width, height, channels: colorspace } = picture;
  const image: Omit<Summary_Image, '$typeName'> = { width, height, colorspace, encodedImageString: encodePngSync(picture) };
  return { tag, value: { case: 'image', value: image } };
}

/** @param markdown shown as such */
export function textValue(tag: string, markdown: string): Value {
  return {
    tag,
    metadata: { pluginData: { pluginName: 'text' } },
    value: { case: 'tensor', value: { dtype: DataType.DT_STRING, tensorShape: {}, stringVal: [Buffer.from(markdown)] } },
  };
}

/** What the HParams tab knows a run by. */
export function hyperparametersValue(hyperparameters: Readonly<Record<string, PlainValue>>): Value {
  const hparams = Object.fromEntries(Object.entries(hyperparameters).map(([name, value]) => [name, { kind: kindOf(value) }]));
  return sessionValue('_hparams_/session_start_info', {
    data: { case: 'sessionStartInfo', value: { hparams, startTimeSecs: Date.now() / 1000 } },
  });
}

/** That the run with these hyperparameters is over: it came to its end, or something ended it before. */
export function endedValue(isComplete: boolean): Value {
  const status = isComplete ? Status.SUCCESS : Status.FAILURE;
  return sessionValue('_hparams_/session_end_info', {
    data: { case: 'sessionEndInfo', value: { status, endTimeSecs: Date.now() / 1000 } },
  });
}

function sessionValue(tag: string, data: MessageInitShape<typeof HParamsPluginDataSchema>): Value {
  const content = toBinary(HParamsPluginDataSchema, create(HParamsPluginDataSchema, data));
  return {
    tag,
    metadata: { pluginData: { pluginName: 'hparams', content } },
    // All of it is in the metadata; a value there must be nevertheless.
    value: { case: 'tensor', value: { dtype: DataType.DT_FLOAT, tensorShape: { dim: [{ size: 0n }] } } },
  };
}

function kindOf(value: PlainValue): HParamValue['kind'] {
  if (typeof value === 'number') return { case: 'numberValue', value };
  return typeof value === 'string' ? { case: 'stringValue', value } : { case: 'boolValue', value };
}
