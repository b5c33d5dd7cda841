import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
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
  let answer: (name: string) => Buffer | number | ((response: ServerResponse) => void);
  beforeEach(async () => {
    requests = [];
    answer = (name) => FILES[name] ?? 404;
    server = createServer((request, response) => {
      const name = request.url!.split('/').at(-1)!;
      requests.push(name);
      const body = answer(name);
      if (typeof body === 'number') response.writeHead(body).end();
      else if (typeof body === 'function') body(response);
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

  describe('a server that keeps the connection and sends next to nothing', () => {
    // What runs out in a test is short, all else long, so that a machine that stands still for a moment changes nothing.
    const patience = { answer: 1000, stall: 300, total: 60_000 };
    const drip = (bytes: number, every: number) => (response: ServerResponse) => {
      const timer = setInterval(() => response.write(Buffer.alloc(bytes)), every);
      response.on('close', () => clearInterval(timer));
      response.flushHeaders();
    };
    const large = { ...TOY, files: TOY.files.map((file) => ({ ...file, bytes: 1e9 })) };

    it.each<[string, () => Buffer | ((response: ServerResponse) => void), typeof patience, string]>([
      ['no answer', () => () => undefined, patience, 'the server did not answer within 1 seconds'],
      ['an answer without a body', () => drip(0, 1e6), patience, 'the server sent 0 bytes in 0.3 seconds, after 0 before'],
      ['a byte now and then', () => drip(1, 20), patience, 'bytes in 0.3 seconds, after 0 before'],
      [
        'enough to go on for ever',
        () => drip(2048, 50),
        { ...patience, stall: 1000, total: 1200 },
        'the download was not complete after 1.2 seconds',
      ],
    ])('%s', async (_, make, limits, reason) => {
      answer = make;
      const error = await failure(loadNamed(large, { cacheDir: folder, url, download: true }, limits));
      expect(error.code).toBe('ERR_DATA_UNAVAILABLE');
      expect(error.message).toContain(reason);
      expect(existsSync(join(folder, 'toy'))).toBe(false);
    });

    it('the next address is tried', async () => {
      answer = () => () => undefined;
      const second = createServer((request, response) => void response.end(FILES[request.url!.split('/').at(-1)!]));
      await new Promise<void>((resolve) => second.listen(0, '127.0.0.1', resolve));
      const urls = [url, `http://127.0.0.1:${(second.address() as AddressInfo).port}`];
      expect((await loadNamed({ ...TOY, urls }, { cacheDir: folder, download: true }, patience)).train.length).toBe(2);
      second.closeAllConnections();
      second.close();
    });

    it('a slow but steady one is waited for', async () => {
      const body = Buffer.alloc(8192, 'x');
      const slow = { ...TOY, files: [{ name: 'slow', bytes: body.length, sha256: sha256(body) }] };
      answer = () => (response) => {
        let sent = 0;
        const timer = setInterval(() => {
          response.write(body.subarray(sent, (sent += 1024)));
          if (sent >= body.length) response.end(() => clearInterval(timer));
        }, 150);
      };
      await failure(loadNamed(slow, { cacheDir: folder, url, download: true }, { ...patience, stall: 1000 })); // the other files are not there
      expect(readFileSync(join(folder, 'toy', 'slow')).equals(body)).toBe(true);
    });

    it('is left at once when the caller gives up', async () => {
      answer = () => drip(1, 20);
      const reason = new Error('no more');
      const controller = new AbortController();
      const loading = loadNamed(large, { cacheDir: folder, url, download: true, signal: controller.signal });
      setTimeout(() => controller.abort(reason), 100);
      await expect(loading).rejects.toBe(reason);
      await expect(loadNamed(TOY, { cacheDir: folder, signal: controller.signal })).rejects.toBe(reason);
      expect((await failure(loadNamed(TOY, { signal: 3 } as object))).message).toContain('expects signal to be an AbortSignal but got 3');
    });
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
