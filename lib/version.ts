/** The version in package.json. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './installation';

/** @throws StridenetError ERR_NATIVE_UNAVAILABLE when the code runs from a bundle and the package is not installed there */
export function packageVersion(): string {
  const manifest = readFileSync(join(packageRoot('ERR_NATIVE_UNAVAILABLE'), 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
