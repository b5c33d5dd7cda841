/** Where the fuzzers find the repository's files. A worker runs in a copy of the sources, in which these are links. */

import path from 'node:path';

const ROOT = path.join(__dirname, '..', '..');

export const REPOSITORY_DATA = path.join(ROOT, 'data', 'fashion-mnist-mini');
/** Written by the parent: by class, the members that are no part of the public interface. */
export const INTERNALS = path.join(ROOT, 'internals.json');
