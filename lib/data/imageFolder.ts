/** imageFolder: a folder with a folder of pictures for each class. */

import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { formatNames, formatValue, readArray, StridenetError } from '../errors';
import { checkPath, fileError } from '../io/file';
import { checkClassNames } from './dataset';
import { readPictureFilesOptions, type PictureDataset, type PictureFilesOptions } from './picture';
import { pictureDataset } from './pictures';

/** Options of `data.imageFolder`. */
export interface ImageFolderOptions extends PictureFilesOptions {
  /**
   * Names of the classes, in label order: those of the training pictures, so that the labels of other folders are the same. Folders of other names are then refused;
   * a class may be missing. Default: the names of the folders, sorted.
   */
  classes?: readonly string[] | undefined;
  /** Ends of the names of pictures, in any case. Default ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.avif', '.tif', '.tiff']. */
  extensions?: readonly string[] | undefined;
}

/** What sharp decodes in every build. */
const EXTENSIONS = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.avif', '.tif', '.tiff'];
const MOST_EXTENSIONS = 100;

/**
 * The pictures of a folder that has one folder for each class. Names are sorted, folders below that of a class belong to it, and hidden files are none.
 * Pictures are decoded when they are needed, beside the training, by the package sharp, as `data.readImage` decodes them.
 *
 * @param dir the folder
 * @throws StridenetError ERR_DATA_UNAVAILABLE when the folder has no such folders, or one without pictures; ERR_FILE_ACCESS; ERR_MISSING_DEPENDENCY without
 *   sharp; ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION; with a cache what reading pictures throws: ERR_BAD_FILE for a file that is no picture
 * @example
 * const pictures = await data.imageFolder('pictures', { size: [64, 64], onError: 'skip', cache: true });
 * const { train, validation } = data.split(pictures, { validation: 0.2, seed: 1 });
 */
export async function imageFolder(dir: string, options: ImageFolderOptions): Promise<PictureDataset> {
  const where = 'data.imageFolder';
  checkPath(where, dir);
  const settings = readPictureFilesOptions(where, options, ['classes', 'extensions']);
  const extensions = readExtensions(where, options.extensions);
  const given = options.classes === undefined ? undefined : checkClassNames(where, 'classes', options.classes);
  const folders = await classFolders(dir, extensions);
  const classes = given ?? folders;
  const strange = folders.filter((name) => !classes.includes(name));
  if (strange.length > 0) {
    throw unavailable(dir, `has folders that are none of the classes: ${formatNames(strange, formatValue)}. The classes are ${formatNames(classes, formatValue)}`);
  }
  if (classes.length < 2) throw unavailable(dir, `has one folder only, ${formatValue(classes[0])}, where there should be one for each of at least two classes`);
  const paths: string[] = [];
  const numbers: number[] = [];
  for (const name of folders) {
    const before = paths.length;
    await collect(join(dir, name), extensions, [], paths);
    if (paths.length === before) throw unavailable(join(dir, name), `has no pictures (${extensions.join(', ')}). Remove it if it is no class`);
    const label = classes.indexOf(name);
    for (let i = before; i < paths.length; i++) numbers.push(label);
  }
  const { scale, mean, std } = options;
  const title = `${where}(${formatValue(dir)})`;
  const files = { title, origin: dir, root: dir, paths, labels: Int32Array.from(numbers), classes, scale, mean, std };
  return pictureDataset(where, files, settings);
}

/** The names of the folders in a folder, sorted. */
async function classFolders(dir: string, extensions: readonly string[]): Promise<string[]> {
  const { folders, files } = await list(dir);
  if (folders.length > 0) return folders;
  const pictures = files.filter((name) => isPicture(name, extensions));
  throw unavailable(
    dir,
    pictures.length > 0
      ? `has pictures (${formatNames(pictures, formatValue, 2)}) but no folders: pictures of each class lie in a folder of their own, whose name is that of the class. ` +
          'If a file says which picture is of which class, use data.imageList'
      : 'has no folders: there should be one with pictures for each class',
  );
}

/** Adds the pictures of a folder and of those in it, in the order of their paths. @param above real paths of the folders around it */
async function collect(folder: string, extensions: readonly string[], above: readonly string[], paths: string[]): Promise<void> {
  const real = await realpath(folder);
  if (above.includes(real)) throw fileError('read', folder, Object.assign(new Error(), { code: 'ELOOP' }));
  const { folders, files } = await list(folder);
  // A folder stands where its name and the slash behind it belong.
  const entries = [...folders.map((name) => `${name}/`), ...files.filter((name) => isPicture(name, extensions))].sort(compare);
  for (const name of entries) {
    if (name.endsWith('/')) await collect(join(folder, name.slice(0, -1)), extensions, [...above, real], paths);
    else paths.push(join(folder, name));
  }
}

/** What is in a folder, sorted, without hidden entries; links are what they lead to. */
async function list(folder: string): Promise<{ folders: string[]; files: string[] }> {
  const folders: string[] = [];
  const files: string[] = [];
  try {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const kind = entry.isSymbolicLink() ? await statOf(join(folder, entry.name)) : entry;
      if (kind.isDirectory()) folders.push(entry.name);
      else if (kind.isFile()) files.push(entry.name);
    }
  } catch (error) {
    throw fileError('read', folder, error);
  }
  return { folders: folders.sort(compare), files: files.sort(compare) };
}

async function statOf(path: string): Promise<{ isDirectory(): boolean; isFile(): boolean }> {
  try {
    return await stat(path);
  } catch (error) {
    throw fileError('read', path, error);
  }
}

/** Order that is the same everywhere, whatever the language of the system. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function isPicture(name: string, extensions: readonly string[]): boolean {
  return extensions.includes(extname(name).toLowerCase());
}

function readExtensions(where: string, extensions: unknown): readonly string[] {
  if (extensions === undefined) return EXTENSIONS;
  const ends = readArray(extensions, MOST_EXTENSIONS) ?? [];
  if (ends.length > 0 && ends.every((end) => typeof end === 'string' && /^\.[^./\\]+$/.test(end))) return ends.map((end) => (end as string).toLowerCase());
  throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects extensions to be ends of names, such as ['.jpg', '.png'], but got ${formatValue(extensions)}.`);
}

function unavailable(dir: string, fault: string): StridenetError {
  return new StridenetError('ERR_DATA_UNAVAILABLE', `The folder ${formatValue(dir)} ${fault}.`);
}
