/** Checkpoints of `stridenet train`: one file beside the weights, replaced after every epoch, gone when training is done. */

import type { Stats } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { StridenetError } from '../errors';
import type { Trainer } from '../train';
import type { Terminal } from './arguments';

const WEIGHTS_ENDING = '.safetensors';

export class CheckpointFile {
  /** @param metadata goes into the file */
  private constructor(
    readonly path: string,
    private readonly metadata: Readonly<Record<string, string>>,
    private readonly terminal: Terminal,
  ) {}

  /**
   * The checkpoints of a training that writes its weights to `out`: `lenet.checkpoint.safetensors` for `lenet.safetensors`. None for a pipe or
   * device.
   * @param resumed the checkpoint that this training goes on from
   */
  static async beside(
    out: string,
    metadata: Readonly<Record<string, string>>,
    resumed: string | undefined,
    terminal: Terminal,
  ): Promise<CheckpointFile | undefined> {
    if ((await statOf(out))?.isFile() === false) return undefined;
    const path = checkpointPath(out);
    const before = await statOf(path);
    const own = resumed === undefined ? undefined : await statOf(resumed);
    if (before && (before.ino !== own?.ino || before.dev !== own.dev)) {
      terminal.err(
        `stridenet: ${path} is from a training that did not end, and will be replaced after the first epoch. ` +
          `To go on with that training, stop now and pass --resume ${path}.`,
      );
    }
    return new CheckpointFile(path, metadata, terminal);
  }

  /** Says so when it cannot be written, and training goes on: the one before is still there. Returns whether it was written. */
  async save(trainer: Trainer): Promise<boolean> {
    try {
      await trainer.save(this.path, { metadata: this.metadata });
      return true;
    } catch (error) {
      if (!(error instanceof StridenetError)) throw error;
      this.terminal.err(`stridenet: warning: no checkpoint was written. ${error.message}`);
      return false;
    }
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true }).catch((error: Error) => {
      this.terminal.err(`stridenet: warning: ${this.path} could not be removed: ${error.message}`);
    });
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined);
}

function checkpointPath(out: string): string {
  const name = basename(out).endsWith(WEIGHTS_ENDING) ? basename(out).slice(0, -WEIGHTS_ENDING.length) : basename(out);
  return join(dirname(out), `${name}.checkpoint${WEIGHTS_ENDING}`);
}
