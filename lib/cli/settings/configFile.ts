/** Config files: JSON, or a module whose default export is the object. */

import { stat } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { formatValue, StridenetError } from '../../errors';
import { fileError, openRegular } from '../../io/file';
import { parseJson } from '../../io/json';
import { settingsOfObject, type Settings } from './settings';

const MODULES = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'];
/** import() as it is: the compiler would make require() of it, which takes no module. */
const importModule = new Function('url', 'return import(url)') as (url: string) => Promise<unknown>;

/**
 * The settings in a config file.
 * @param path ending in .json, .js, .mjs, .cjs, .ts, .mts or .cts
 * @throws StridenetError ERR_FILE_ACCESS, ERR_BAD_FILE for what cannot be read as that; ERR_UNKNOWN_OPTION, ERR_INVALID_ARGUMENT for settings
 */
export async function readConfig(path: string): Promise<Settings> {
  return settingsOfObject(formatValue(path), await contentOf(path));
}

async function contentOf(path: string): Promise<unknown> {
  const ending = extname(path).toLowerCase();
  if (MODULES.includes(ending)) return defaultExport(path, ending);
  if (ending !== '.json') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `--config expects a file that ends in .json, ${MODULES.join(', ')} but got ${formatValue(path)}.`,
    );
  }
  const content = await readText(path);
  try {
    return parseJson(content);
  } catch (error) {
    throw new StridenetError('ERR_BAD_FILE', `${formatValue(path)} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
}

async function readText(path: string): Promise<string> {
  try {
    const { handle } = await openRegular(path);
    return await handle.readFile('utf8').finally(() => handle.close());
  } catch (error) {
    throw fileError('read', path, error);
  }
}

async function defaultExport(path: string, ending: string): Promise<unknown> {
  const isFile = await stat(path).then(
    (stats) => stats.isFile(),
    (error: unknown) => {
      throw fileError('read', path, error);
    },
  );
  if (!isFile) throw new StridenetError('ERR_FILE_ACCESS', `Cannot read ${formatValue(path)}: it is no file.`);
  let imported: unknown;
  try {
    imported = await importModule(pathToFileURL(resolve(path)).href);
  } catch (error) {
    throw importError(path, ending, error);
  }
  const module = imported as { default?: unknown };
  if (module.default === undefined) {
    throw new StridenetError('ERR_BAD_FILE', `${formatValue(path)} has no default export. Write \`export default { epochs: 10 }\`.`);
  }
  return module.default;
}

function importError(path: string, ending: string, error: unknown): StridenetError {
  const { message } = (error ?? {}) as { message?: unknown };
  if (ending.endsWith('ts') && typeof message === 'string' && message.startsWith('Unknown file extension')) {
    return new StridenetError(
      'ERR_BAD_FILE',
      `${formatValue(path)} is TypeScript, which Node.js ${process.version} does not run. It takes Node.js 22.18 or 23.6, or 22.6 with NODE_OPTIONS=--experimental-strip-types; ` +
        'or write the config as .mjs or .json.',
      { cause: error },
    );
  }
  return new StridenetError(
    'ERR_BAD_FILE',
    `${formatValue(path)} cannot be imported: ${typeof message === 'string' ? message : formatValue(error)}`,
    {
      cause: error,
    },
  );
}
