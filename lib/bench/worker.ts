/** The process of one peer that is written in JavaScript: `node worker.js PEER` answers requests of protocol.ts. It decides nothing about when. */

import { createInterface } from 'node:readline';
import { CannotTakePart, type Measured, type Opened, type Peer, type Request, type Running } from './protocol';

/** By the name that the benchmark gives them. Loaded when asked for: a peer's process holds nothing of the others. */
const PEERS: Readonly<Record<string, () => Promise<Peer>>> = {
  stridenet: async () => (await import('./peers/stridenet.js')).stridenetPeer(),
  js: async () => (await import('./peers/js.js')).jsPeer(),
  'tfjs-cpu': async () => (await import('./peers/tfjs.js')).tfjsPeer('cpu'),
  'tfjs-wasm': async () => (await import('./peers/tfjs.js')).tfjsPeer('wasm'),
  ort: async () => (await import('./peers/ort.js')).ortPeer(),
};

/** After a first step that took longer there is no second one. */
const SLOW_MS = 10_000;

async function open(peer: Peer, task: Extract<Request, { do: 'open' }>['task']): Promise<{ running: Running; opened: Opened }> {
  const start = performance.now();
  const running = await peer.open(task);
  const loaded = performance.now();
  const first = await running.once();
  const firstMs = performance.now() - loaded;
  const opened = { loadMs: loaded - start, firstMs, residentBytes: process.memoryUsage.rss() };
  if (task.mode === 'inference') return { running, opened: { ...opened, logits: toBase64(first) } };
  const losses = firstMs > SLOW_MS ? [first[0]!] : [first[0]!, (await running.once())[0]!];
  return { running, opened: { ...opened, losses } };
}

async function measure(running: Running, seconds: number, warmup: number): Promise<Measured> {
  for (const end = performance.now() + 1e3 * warmup; performance.now() < end;) await running.once();
  const milliseconds: number[] = [];
  const end = performance.now() + 1e3 * seconds;
  do {
    const start = performance.now();
    await running.once();
    milliseconds.push(performance.now() - start);
  } while (performance.now() < end);
  return { milliseconds, peakBytes: process.resourceUsage().maxRSS * 1024 };
}

function toBase64(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

async function main(): Promise<void> {
  const name = process.argv[2]!;
  // Standard output is for answers.
  console.log = console.info = console.error;
  let peer: Peer | undefined;
  let running: Running | undefined;
  const answerTo = async (request: Request): Promise<object> => {
    peer ??= await PEERS[name]!();
    switch (request.do) {
      case 'hello':
        return { version: peer.version() };
      case 'open': {
        const { running: made, opened } = await open(peer, request.task);
        running = made;
        return opened;
      }
      case 'measure':
        return measure(running!, request.seconds, request.warmup);
    }
  };
  for await (const line of createInterface({ input: process.stdin })) {
    let answer: object;
    try {
      answer = await answerTo(JSON.parse(line) as Request);
    } catch (error) {
      answer =
        error instanceof CannotTakePart
          ? { unavailable: error.message }
          : { error: error instanceof Error ? error.message : String(error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  // Threads of a peer's runtime must not keep the process.
  process.exit(0);
}

if (require.main === module) void main();
