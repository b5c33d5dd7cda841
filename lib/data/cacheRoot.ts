/** The folder of whatever the package keeps for later runs. */

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** The XDG base directory specification: a relative $XDG_CACHE_HOME is to be ignored. */
export function cacheRoot(): string {
  const configured = process.env.XDG_CACHE_HOME;
  return join(configured && isAbsolute(configured) ? configured : join(homedir(), '.cache'), 'stridenet');
}
