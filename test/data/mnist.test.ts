import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FASHION_MNIST, fashionMnist, loadNamed, MNIST, mnist, type NamedDataset } from '../../lib/data/mnist';
import { failure, idxBytes } from './support';

const FILES: Record<string, Buffer> = {
  'train-images-idx3-ubyte.gz': gzipSync(idxBytes([2, 1, 2], [1, 2, 3, 4])),
  'train-labels-idx1-ubyte.gz': gzipSync(idxBytes([2], [1, 0])),
  't10k-images-idx3-ubyte.gz': gzipSync(idxBytes([1, 1, 2], [5, 6])),
  't10k-labels-idx1-ubyte.gz': gzipSync(idxBytes([1], [1])),
};
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A published data set of three images. */
const TOY: NamedDataset = {
  title: 'Toy',
  call: 'data.toy',
  folder: 'toy',
  classes: ['a', 'b'],
  files: Object.entries(FILES).map(([name, bytes]) => ({ name, bytes: bytes.length, sha256: sha256(bytes) })),
  urls: ['http://127.0.0.1:1/unused'],
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'stridenet-mnist-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('where a named data set is found', () => {
  const put = (dir: string): void => {
    mkdirSync(dir, { recursive: true });
    for (const [name, bytes] of Object.entries(FILES)) writeFileSync(join(dir, name), bytes);
  };

  it('in the folder given, then the cache, then the system folder', async () => {
    const system = { dir: join(folder, 'system'), install: 'install it' };
    const toy = { ...TOY, system };
    for (const [place, options] of [
      [system.dir, { cacheDir: join(folder, 'cache') }],
      [join(folder, 'cache', 'toy'), { cacheDir: join(folder, 'cache') }],
      [join(folder, 'given'), { dir: join(folder, 'given'), cacheDir: join(folder, 'cache') }],
    ] as const) {
      expect((await failure(loadNamed(toy, options))).code).toBe('ERR_DATA_UNAVAILABLE');
      put(place);
      const { train, test } = await loadNamed(toy, options);
      expect(train).toEqual({ images: Uint8Array.of(1, 2, 3, 4), labels: Uint8Array.of(1, 0), shape: [1, 1, 2], classes: ['a', 'b'], length: 2 });
      expect(test.length).toBe(1);
      rmSync(place, { recursive: true });
    }
  });

  it('lists every place tried and how to get it', async () => {
    const cacheDir = join(folder, 'cache');
    put(join(cacheDir, 'mnist'));
    rmSync(join(cacheDir, 'mnist', 't10k-labels-idx1-ubyte.gz'));
    const error = await failure(mnist({ dir: join(folder, 'given'), cacheDir }));
    expect(error.code).toBe('ERR_DATA_UNAVAILABLE');
    expect(error.message).toContain(`${join(folder, 'given')} (the folder given): not there`);
    expect(error.message).toContain(`${join(cacheDir, 'mnist')} (cache): lacks t10k-labels-idx1-ubyte`);
    expect(error.message).toContain('data.mnist({ download: true }), on the command line --download');
  });

  it('$XDG_CACHE_HOME is the default cache', async () => {
    const before = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = folder;
    try {
      put(join(folder, 'stridenet', 'toy'));
      expect((await loadNamed(TOY, {})).train.length).toBe(2);
    } finally {
      if (before === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = before;
    }
  });

  it('checks options', async () => {
    expect((await failure(fashionMnist({ dowload: true } as object))).message).toContain('Did you mean "download"?');
    expect((await failure(fashionMnist({ dir: 3 } as unknown as object))).code).toBe('ERR_INVALID_ARGUMENT');
    expect((await failure(fashionMnist({ download: 'yes' } as unknown as object))).code).toBe('ERR_INVALID_ARGUMENT');
  });
});

describe('download', () => {
  let server: Server;
  let url: string;
  let requests: string[];
  let answer: (name: string) => Buffer | number;
  beforeEach(async () => {
    requests = [];
    answer = (name) => FILES[name] ?? 404;
    server = createServer((request, response) => {
      const name = request.url!.split('/').at(-1)!;
      requests.push(name);
      const body = answer(name);
      if (typeof body === 'number') response.writeHead(body).end();
      else response.end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/files/`;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('happens only when asked for, once, and fills the cache', async () => {
    await failure(loadNamed(TOY, { cacheDir: folder, url }));
    expect(requests).toEqual([]);
    const { train } = await loadNamed(TOY, { cacheDir: folder, url, download: true });
    expect(train.length).toBe(2);
    expect(readdirSync(join(folder, 'toy')).sort()).toEqual(Object.keys(FILES).sort());
    await loadNamed(TOY, { cacheDir: folder, url, download: true });
    expect(requests).toHaveLength(4);
  });

  it.each<[string, Buffer]>([
    ['other bytes', Buffer.alloc(FILES['t10k-labels-idx1-ubyte.gz']!.length)],
    ['fewer bytes', FILES['t10k-labels-idx1-ubyte.gz']!.subarray(1)],
    ['endlessly more bytes', Buffer.alloc(10_000_000)],
  ])('writes nothing when the server sends %s', async (_, bytes) => {
    answer = (name) => (name === 't10k-labels-idx1-ubyte.gz' ? bytes : FILES[name]!);
    const error = await failure(loadNamed(TOY, { cacheDir: folder, url, download: true }));
    expect(error.code).toBe('ERR_CHECKSUM');
    expect(error.message).toContain(`SHA-256 ${TOY.files[3]!.sha256}`);
    expect(readdirSync(join(folder, 'toy'))).not.toContain('t10k-labels-idx1-ubyte.gz');
  });

  it('goes on to the next address, and says what each answered', async () => {
    const mirrored = { ...TOY, urls: ['http://127.0.0.1:1', url] };
    expect((await loadNamed(mirrored, { cacheDir: folder, download: true })).train.length).toBe(2);
    answer = () => 503;
    const error = await failure(loadNamed(mirrored, { cacheDir: join(folder, 'other'), download: true }));
    expect(error.code).toBe('ERR_DATA_UNAVAILABLE');
    expect(error.message).toMatch(/http:\/\/127\.0\.0\.1:1\/train-images-idx3-ubyte\.gz: .+\n/);
    expect(error.message).toContain('the server answered 503');
    expect(error.message).not.toContain('download: true');
  });

  it('says so when the cache cannot be written', async () => {
    writeFileSync(join(folder, 'file'), '');
    const error = await failure(loadNamed(TOY, { cacheDir: join(folder, 'file'), url, download: true }));
    expect(error.code).toBe('ERR_FILE_ACCESS');
  });
});

describe('published checksums', () => {
  it('are there for every file', () => {
    for (const { files } of [FASHION_MNIST, MNIST]) {
      expect(files).toHaveLength(4);
      for (const { sha256: sum, name } of files) expect([name, sum.length]).toEqual([name, 64]);
    }
  });

  // Debian stripped name and time from the published gzip headers and left the rest as it was: put back, the bytes are the published ones.
  const published: Record<string, number> = { train: 1504176606, t10k: 1504176627 };
  const debian = FASHION_MNIST.system!.dir;
  (existsSync(debian) ? it : it.skip)('agree with the files of the Debian package', () => {
    for (const { name, bytes, sha256: sum } of FASHION_MNIST.files) {
      const stripped = readFileSync(join(debian, name));
      const header = Buffer.from(stripped.subarray(0, 10));
      header[3] = 8; // a file name follows
      header.writeUInt32LE(published[name.split('-')[0]!]!, 4);
      const whole = Buffer.concat([header, Buffer.from(`${name.replace('.gz', '')}\0`), stripped.subarray(10)]);
      expect([name, whole.length, sha256(whole)]).toEqual([name, bytes, sum]);
    }
  });
});
