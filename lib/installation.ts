/**
 * Where the package lies, for what it brings along beside its JavaScript: the native binary, data, its version. A bundler takes the JavaScript
 * away from there.
 */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { StridenetError, type ErrorCode } from './errors';

const NAME = 'stridenet';
/** A bundle that is an ES module has no __dirname. */
const HERE = typeof __dirname === 'string' ? __dirname : process.cwd();
/** Node's own require, which a bundler does not see through. */
export const nodeRequire = createRequire(path.join(HERE, 'installation.js'));

let known: string | undefined;

/**
 * The package's root. From within a bundle it is that of the package which Node finds installed from the bundle's folder.
 * @param code of the error
 * @throws StridenetError when the code runs from a bundle and no package is installed there
 */
export function packageRoot(code: ErrorCode): string {
  known ??= ownRoot() ?? installedRoot();
  if (known !== undefined) return known;
  throw new StridenetError(code, bundledMessage(HERE));
}

/** The folder above both lib and dist, unless this file was taken away from it. */
function ownRoot(): string | undefined {
  const root = path.join(HERE, '..');
  return isPackage(root) ? root : undefined;
}

function installedRoot(): string | undefined {
  try {
    const root = path.dirname(nodeRequire.resolve(`${NAME}/package.json`));
    return isPackage(root) ? root : undefined;
  } catch {
    return undefined;
  }
}

function isPackage(root: string): boolean {
  const manifest = path.join(root, 'package.json');
  try {
    return existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: unknown }).name === NAME;
  } catch {
    return false;
  }
}

function bundledMessage(folder: string): string {
  return (
    `${NAME} was bundled: its JavaScript runs from ${folder}, but its native binary and data stayed behind in the package, and the package ` +
    'is not installed where Node looks from there. Keep the package out of the bundle and install it where the bundle runs: ' +
    `esbuild --external:${NAME}; webpack externals: { ${NAME}: 'commonjs ${NAME}' }; Rollup external: ['${NAME}']; ` +
    `Vite ssr: { external: ['${NAME}'] }; Next.js serverExternalPackages: ['${NAME}'].`
  );
}
