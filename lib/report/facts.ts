/** Configuration and environment of a run, in words. */

import { arch, cpus, release, totalmem, type } from 'node:os';
import { formatShape } from '../errors';
import { nativeInfo } from '../runtime/binding';
import type { Trainer } from '../train/trainer';
import { packageVersion } from '../version';
import type { Facts } from './run';

/** What a trainer does, as far as it knows. */
export function configurationOf({ model, optimizer, batchSize, input, seed }: Trainer): [string, string][] {
  const parameters = model.parameters();
  const count = (of: typeof parameters): string => of.reduce((sum, { size }) => sum + size, 0).toLocaleString('en-US');
  const frozen = parameters.filter(({ requiresGrad }) => !requiresGrad);
  const options = Object.entries(optimizer.options ?? {}).map(([name, value]) => `${name} ${Array.isArray(value) ? formatShape(value) : String(value)}`); // prettier-ignore
  return [
    ['model', model.constructor.name],
    ['parameters', `${count(parameters)}${frozen.length > 0 ? `, of them ${count(frozen)} frozen` : ''}`],
    ['input', formatShape(input)],
    ['optimizer', [optimizer.name, ...options].join(', ')],
    ['batch size', String(batchSize)],
    ['seed', String(seed)],
  ];
}

/** What it runs on. */
export function environment(): Facts {
  const processors = cpus();
  const { isa, threads } = nativeInfo();
  return [
    ['stridenet', packageVersion()],
    ['Node.js', process.version],
    ['system', `${type()} ${release()}, ${arch()}`],
    ['processor', `${processors[0]?.model.trim() ?? 'unknown'}, ${processors.length} logical`],
    ['kernels', `${isa}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`],
    ['memory', `${(totalmem() / 2 ** 30).toFixed(1)} GiB`],
  ];
}
