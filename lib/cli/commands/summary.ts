/** stridenet summary: the layers of a model with shapes, parameters and multiply-adds. */

import { findModel } from '../../models/catalogue';
import { summary as summarize } from '../../summary';
import { UsageError, type Arguments, type Command, type Terminal } from '../arguments';
import { MODEL_OPTIONS, variantOf } from '../models';

export const summary: Command = {
  name: 'summary',
  operands: 'MODEL',
  operandCount: [1, 1],
  purpose: 'Prints the layers of a model with output shapes, parameters, multiply-adds and receptive fields, and the memory it needs.',
  options: {
    input: { value: 'C,H,W', help: 'shape of one image (default: what the model is made for)' },
    batch: { value: 'N', default: '1', help: 'images at a time, for the planned memory' },
    ...MODEL_OPTIONS,
    json: { help: 'print the result as one JSON object, last line of standard output' },
  },
  run,
};

function run(args: Arguments, terminal: Terminal): number {
  const entry = findModel(args.operands[0]!);
  const shape = args.text('input')?.split(',').map(Number) ?? entry.input;
  if (shape.length !== 3 || shape.some((extent) => !Number.isSafeInteger(extent) || extent < 1)) {
    throw new UsageError(`--input expects three integers of at least 1, such as 3,224,224, but got "${args.text('input')}".`);
  }
  const result = summarize(entry.build({ inChannels: shape[0], ...variantOf(args) }), [1, ...shape], { batch: args.integer('batch', 1) });
  terminal.out(args.flag('json') ? JSON.stringify(result) : String(result));
  return 0;
}
