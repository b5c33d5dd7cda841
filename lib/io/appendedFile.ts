/**
 * Files that grow by records while something goes on, such as logs. Each record is on its way to the disk when `append` returns, and the file
 * is closed between records: nothing is lost, and nothing is left open, however the program ends. A record that does not fit on the disk is left
 * out as a whole. It knows no format.
 */

import { constants } from 'node:fs';
import { open, readFile, truncate } from 'node:fs/promises';
import { fileError } from './file';

// Opening a pipe that nobody reads fails at once instead of waiting for a reader.
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | (constants.O_NONBLOCK ?? 0);

const NEWLINE = 0x0a;

export class AppendedFile {
  private constructor(readonly path: string) {}

  /** An empty file, in place of what was there. @throws StridenetError ERR_FILE_ACCESS */
  static async create(path: string): Promise<AppendedFile> {
    const file = new AppendedFile(path);
    await file.write(FLAGS | constants.O_TRUNC, '');
    return file;
  }

  /**
   * A file of lines that is gone on with, and its first line; an empty one if there was none. What a killed writer left of its last line is cut
   * off, and the first line that is `tooFar` with all behind it.
   * @throws StridenetError ERR_FILE_ACCESS
   */
  static async continueLines(
    path: string,
    tooFar: (line: string, firstLine: string) => boolean = () => false,
  ): Promise<{ file: AppendedFile; firstLine: string | undefined }> {
    const file = new AppendedFile(path);
    await file.write(FLAGS, '');
    try {
      const bytes = await readFile(path);
      const lines: string[] = [];
      let end = 0;
      for (let next = bytes.indexOf(NEWLINE); next >= 0; next = bytes.indexOf(NEWLINE, end)) {
        const line = bytes.toString('utf8', end, next).replace(/\r$/, '');
        if (tooFar(line, lines[0] ?? line)) break;
        lines.push(line);
        end = next + 1;
      }
      if (end < bytes.length) await truncate(path, end);
      return { file, firstLine: lines[0] };
    } catch (error) {
      throw fileError('read', path, error);
    }
  }

  /** @throws StridenetError ERR_FILE_ACCESS with the path and the reason */
  async append(record: string | Uint8Array): Promise<void> {
    await this.write(FLAGS, record);
  }

  private async write(flags: number, record: string | Uint8Array): Promise<void> {
    try {
      const handle = await open(this.path, flags, 0o666);
      try {
        const { size } = await handle.stat();
        try {
          await handle.appendFile(record);
        } catch (error) {
          // A part of a record would spoil those behind it. What is no file, such as a pipe, cannot be cut off.
          await handle.truncate(size).catch(() => undefined);
          throw error;
        }
      } finally {
        await handle.close();
      }
    } catch (error) {
      throw fileError('write', this.path, error);
    }
  }
}
