/** What a program does that has the types of Node.js: for compilers.test.ts. */
import { compile, fit, type StopSignal } from 'stridenet';

declare const [model, train, options]: [Parameters<typeof fit>[0], Parameters<typeof fit>[1], Parameters<typeof fit>[2]];

export async function stops(): Promise<void> {
  const signal: StopSignal = new AbortController().signal;
  await fit(model, train, { ...options, signal: AbortSignal.any([AbortSignal.timeout(1000), new AbortController().signal]) });
  signal.throwIfAborted();
}

export async function disposes(): Promise<void> {
  using net = await compile(model, { input: [1, 28, 28] });
  const { buffer } = await (await net.run(Buffer.alloc(784))).data();
  console.log(buffer.byteLength);
}
