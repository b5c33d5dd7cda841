/** Writing files: what stands in the place of the new one, what fails half-way, what killed writers leave. */

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkWritable, writeFileAtomic } from '../../lib/io/replaceFile';
import { temporaryName } from '../../lib/io/temporaryFiles';
import { Children, expectSuccess } from '../support/child';
import { expectRejection } from '../support/expectError';

const isRoot = process.getuid?.() === 0;
const onUnix = process.platform === 'win32' ? test.skip : test;
const onLinux = process.platform === 'linux' ? test : test.skip;
const asRoot = isRoot ? test : test.skip;

const text = (value: string): Uint8Array[] => [Buffer.from(value)];

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'stridenet-replace-'));
  file = path.join(folder, 'file');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('what stands in the place of the new file', () => {
  onUnix('links stay, and what they lead to is replaced, be it there or not', async () => {
    const [real, other] = [path.join(folder, 'real'), path.join(folder, 'other')];
    for (const name of [real, other]) mkdirSync(name);
    writeFileSync(path.join(real, 'target'), 'old');
    symlinkSync('real', path.join(folder, 'folder')); // a link whose ".." is not the text's
    symlinkSync('../real/target', path.join(other, 'second'));
    symlinkSync('other/second', file);
    symlinkSync(path.join(folder, 'folder', '..', 'real', 'dangling'), path.join(folder, 'absolute'));
    await writeFileAtomic(file, text('new'));
    await writeFileAtomic(path.join(folder, 'absolute'), text('made'));
    expect(readlinkSync(file)).toBe('other/second');
    expect(readFileSync(path.join(real, 'target'), 'utf8')).toBe('new');
    expect(readFileSync(path.join(real, 'dangling'), 'utf8')).toBe('made');
    expect(readdirSync(real).sort()).toEqual(['dangling', 'target']);
    expect(readdirSync(other)).toEqual(['second']);
    symlinkSync('circle', path.join(folder, 'circle'));
    await expectRejection('ERR_FILE_ACCESS', writeFileAtomic(path.join(folder, 'circle'), text('x')), 'circle', 'ELOOP');
  });

  onUnix('permissions stay as they were, from the first byte on', async () => {
    writeFileSync(file, 'old');
    chmodSync(file, 0o640);
    const modes: number[] = [];
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('new');
      await Promise.resolve();
      for (const name of readdirSync(folder)) if (name !== 'file') modes.push(statSync(path.join(folder, name)).mode & 0o777);
    };
    await writeFileAtomic(file, chunks());
    expect(modes).toEqual([0o600]);
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(readFileSync(file, 'utf8')).toBe('new');
    const umask = process.umask(0o077);
    await writeFileAtomic(path.join(folder, 'fresh'), text('x'));
    process.umask(umask);
    expect(statSync(path.join(folder, 'fresh')).mode & 0o777).toBe(0o600);
  });

  asRoot('the owner stays', async () => {
    writeFileSync(file, 'old');
    chownSync(file, 12345, 23456);
    await writeFileAtomic(file, text('new'));
    expect(statSync(file)).toMatchObject({ uid: 12345, gid: 23456 });
  });

  onUnix('devices are written to and stay devices', async () => {
    await writeFileAtomic('/dev/null', text('nothing'));
    await checkWritable('/dev/null');
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
    symlinkSync('/dev/null', file);
    await writeFileAtomic(file, text('nothing'));
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
  });

  onLinux('a device that is full is an error', async () => {
    await expectRejection('ERR_FILE_ACCESS', writeFileAtomic('/dev/full', text('x')), '/dev/full', 'the disk is full (ENOSPC)');
  });

  onUnix('a pipe is written to, however slow its reader; without a reader it is an error', async () => {
    execFileSync('mkfifo', [file]);
    await expectRejection('ERR_FILE_ACCESS', writeFileAtomic(file, text('x')), 'nobody reads from this pipe (ENXIO)');
    const bytes = Buffer.alloc(1_000_000, 'stride'); // more than a pipe holds
    const read = readFile(file);
    await expect(retry(() => writeFileAtomic(file, [bytes]))).resolves.toBeUndefined();
    expect((await read).equals(bytes)).toBe(true);
    expect(lstatSync(file).isFIFO()).toBe(true);
  });

  test('folders, and names that end like one, are refused', async () => {
    for (const name of [folder, `${folder}/`, `${file}/`]) {
      await expectRejection('ERR_FILE_ACCESS', writeFileAtomic(name, text('x')), 'it is a folder');
      await expectRejection('ERR_FILE_ACCESS', checkWritable(name), 'it is a folder');
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  (isRoot || process.platform === 'win32' ? test.skip : test)('a file that may not be written to is not replaced either', async () => {
    writeFileSync(file, 'old', { mode: 0o444 });
    await expectRejection('ERR_FILE_ACCESS', writeFileAtomic(file, text('new')), 'permission denied');
    expect(readFileSync(file, 'utf8')).toBe('old');
  });

  /** The reader opens the pipe in its own time. */
  async function retry(action: () => Promise<void>): Promise<void> {
    for (let i = 0; i < 100; i++) {
      try {
        return await action();
      } catch (error) {
        if (!(error as Error).message.includes('ENXIO')) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    return action();
  }
});

test.each(['a'.repeat(231), 'a'.repeat(255), 'ä'.repeat(127), '日'.repeat(85), `${'a'.repeat(107)}${'日'.repeat(40)}`])(
  'a name of as many bytes as the system takes: %s',
  async (name) => {
    await checkWritable(path.join(folder, name));
    await writeFileAtomic(path.join(folder, name), text('x'));
    expect(readdirSync(folder)).toEqual([name]);
    await expectRejection('ERR_FILE_ACCESS', writeFileAtomic(path.join(folder, `${name}${'b'.repeat(30)}`), text('x')), 'ENAMETOOLONG');
    expect(readdirSync(folder)).toEqual([name]);
  },
);

describe('when writing fails', () => {
  test('in the middle, the old file is whole and nothing else is left', async () => {
    writeFileSync(file, 'old');
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('new');
      await Promise.resolve();
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
    };
    await expectRejection('ERR_FILE_ACCESS', writeFileAtomic(file, chunks()), 'the disk is full (ENOSPC)');
    await expectRejection('ERR_INVALID_ARGUMENT', writeFileAtomic(file, text('new'), 5), '2 of 5 bytes went missing');
    expect(readdirSync(folder)).toEqual(['file']);
    expect(readFileSync(file, 'utf8')).toBe('old');
  });

  describe('for lack of space', () => {
    const children = new Children();
    afterAll(() => children.remove());
    const source = (target: string): string => `
      const { saveSafetensors, tensor } = require('./lib');
      const save = (n) => saveSafetensors(${JSON.stringify(target)}, new Map([['w', tensor(new Float32Array(n).fill(n), [n])]]));
      save(1000).then(() => save(500_000)).catch(({ code, message }) => console.log(code, message))`;

    /** What the process says, and that the file is the first of the two. */
    function expectOldFile(output: string, reason: RegExp, size: number): void {
      expect(output).toMatch(/^ERR_FILE_ACCESS Cannot write /);
      expect(output).toMatch(reason);
      expect(size).toBeLessThan(5000);
      expect(size).toBeGreaterThan(4000);
    }

    onLinux('files limited to 1 MiB (ulimit -f)', () => {
      const script = 'ulimit -f 1024 && exec "$0" -e "$1"';
      const child = spawnSync('bash', ['-c', script, process.execPath, source(file)], { cwd: children.folder, encoding: 'utf8' });
      expectOldFile(child.stdout + child.stderr, /larger than the system allows \(EFBIG\)/, statSync(file).size);
      expect(readdirSync(folder)).toEqual(['file']);
    });

    // A file system of one's own takes root or user namespaces, which not every system gives.
    const mount = 'mount -t tmpfs -o size=1m none "$0"';
    const unshare = isRoot ? ['unshare', '-m'] : ['unshare', '-rm'];
    const mounts = process.platform === 'linux' && spawnSync(unshare[0]!, [unshare[1]!, 'bash', '-c', mount, tmpdir()]).status === 0;
    (mounts ? test : test.skip)('a disk of 1 MiB', () => {
      const script = `${mount} && "$1" -e "$2"; stat -c %s "$0"/*; ls -A "$0"`;
      const args = [unshare[1]!, 'bash', '-c', script, folder, process.execPath, source(file)];
      const child = spawnSync(unshare[0]!, args, { cwd: children.folder, encoding: 'utf8' });
      const [output, size, ...names] = (child.stdout + child.stderr).trim().split('\n');
      expectOldFile(output!, /the disk is full \(ENOSPC\)/, Number(size));
      expect(names).toEqual(['file']);
    });

    onLinux('a current folder that was deleted', async () => {
      const output = expectSuccess(
        await children.runSource(`
          const { loadSafetensors, saveSafetensors, ones } = require('./lib'), fs = require('fs');
          const folder = fs.mkdtempSync(${JSON.stringify(`${folder}/`)}); process.chdir(folder); fs.rmdirSync(folder);
          const say = ({ code, message }) => console.log(code, message);
          loadSafetensors('x').catch(say).then(() => saveSafetensors('x', new Map([['a', ones([1])]]))).catch(say)`),
      );
      const line = (action: string): string =>
        `ERR_FILE_ACCESS Cannot ${action} "x": the current folder was deleted; give a whole path (ENOENT).`;
      expect(output.split('\n')).toEqual([line('read'), line('write')]);
    });
  });
});

describe('temporary files of writers that were killed', () => {
  /** A process that is over: its number with the time when it started. */
  async function nameOfDeadWriter(name: string): Promise<string> {
    const own = await temporaryName(name);
    // Another start of a process with our number: what a number that came again looks like.
    return own.replace(/-\d+-[0-9a-z]+-(?=[0-9a-f]{8}\.tmp$)/, `-${process.pid}-1-`);
  }

  onLinux('are removed by the next write of the same file, those of the living and of other files are not', async () => {
    const dead = await nameOfDeadWriter('file');
    const gone = (await temporaryName('file')).replace(/-\d+-/, '-4194305-'); // above the largest number of a process
    const kept = [await temporaryName('file'), await nameOfDeadWriter('file2'), '.file.12-3-4-5.tmp', `${dead}.txt`];
    for (const name of [dead, gone, ...kept]) writeFileSync(path.join(folder, name), 'x');
    await checkWritable(file);
    expect(existsSync(path.join(folder, dead))).toBe(true);
    await writeFileAtomic(file, text('x'));
    expect(readdirSync(folder).sort()).toEqual(['file', ...kept].sort());
  });

  onLinux('of another machine are left for an hour', async () => {
    const [young, old] = await Promise.all(
      ['file', 'file'].map(async (name) => (await temporaryName(name)).replace(/\.[0-9a-f]{8}-/, '.00000000-')),
    );
    for (const name of [young!, old!]) writeFileSync(path.join(folder, name), 'x');
    utimesSync(path.join(folder, old!), new Date(), new Date(Date.now() - 2 * 3600 * 1000));
    await writeFileAtomic(file, text('x'));
    expect(readdirSync(folder).sort()).toEqual([young, 'file'].sort());
  });

  onLinux('a process that is killed at any moment leaves nothing behind the next save', async () => {
    const children = new Children();
    try {
      const source = `
        const { saveSafetensors } = require('./lib'), data = new Float32Array(4e6);
        (async () => { for (let i = 0; ; i++) { await saveSafetensors(${JSON.stringify(file)}, new Map([['w', { shape: [4e6], dtype: 'float32', data: data.fill(i) }]])); if (i === 0) setTimeout(() => process.kill(process.pid, 'SIGKILL'), DELAY); } })()`;
      let left = 0;
      for (const delay of [1, 4, 9, 15]) {
        expect((await children.runSource(source.replace('DELAY', String(delay)))).signal).toBe('SIGKILL');
        left += readdirSync(folder).length - 1;
      }
      expect(left).toBeGreaterThan(0); // otherwise no process was killed while it wrote
      expect(readdirSync(folder).length).toBeLessThanOrEqual(2); // each save removes what the one before left
      await writeFileAtomic(file, text('x'));
      expect(readdirSync(folder)).toEqual(['file']);
    } finally {
      children.remove();
    }
  });

  test('two writes of one file at a time do not hinder each other', async () => {
    await Promise.all(Array.from({ length: 8 }, (_, i) => writeFileAtomic(file, text(String(i).repeat(1000)))));
    expect(readFileSync(file, 'utf8')).toMatch(/^(\d)\1{999}$/);
    expect(readdirSync(folder)).toEqual(['file']);
  });
});
