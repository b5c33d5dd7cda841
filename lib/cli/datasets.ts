/** The --data option: a data set by name, or a folder of IDX files. */

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { formatValue, nearest, StridenetError } from '../errors';
import { directory, fashionMnist, mini, mnist, type TrainTest } from '../data';
import type { Arguments, OptionSpec } from './arguments';

const NAMED: Readonly<Record<string, (options: { download: boolean }) => Promise<TrainTest>>> = {
  'fashion-mnist': fashionMnist,
  mnist,
  mini: () => mini(),
};

export const DATA_OPTIONS: Readonly<Record<string, OptionSpec>> = {
  data: { value: 'NAME|DIR', default: 'mini', help: 'fashion-mnist, mnist, mini (embedded), or a folder with the four IDX files' },
  download: { help: 'fetch fashion-mnist or mnist into the cache when it is not on this machine' },
};

/** What --data says, a folder by its full path. */
export async function dataSource(args: Arguments): Promise<string> {
  const name = args.required('data');
  const isFolder = !Object.hasOwn(NAMED, name) && (await stat(name).catch(() => undefined))?.isDirectory();
  return isFolder ? resolve(name) : name;
}

/** @throws StridenetError ERR_DATA_UNAVAILABLE when it is neither a known name nor a folder, and as the loaders of lib/data */
export async function loadData(args: Arguments): Promise<TrainTest> {
  const name = args.required('data');
  if (Object.hasOwn(NAMED, name)) return NAMED[name]!({ download: args.flag('download') });
  const stats = await stat(name).catch(() => undefined);
  if (stats?.isDirectory()) return directory(name);
  const names = Object.keys(NAMED);
  const near = nearest(name, names);
  throw new StridenetError(
    'ERR_DATA_UNAVAILABLE',
    `--data ${formatValue(name)} is neither a folder nor one of ${names.join(', ')}.${near ? ` Did you mean "${near}"?` : ''}`,
  );
}
