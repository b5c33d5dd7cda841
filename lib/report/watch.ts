/** The page of a report while the training goes on, on a port of this machine. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkInteger, checkOptions, formatValue, StridenetError } from '../errors';
import { Trainer } from '../train/trainer';
import { configurationOf, environment } from './facts';
import type { Run } from './run';
import { renderReport } from './writeReport';

/** Options of `watch`. */
export interface WatchOptions {
  /** The address that is listened on; default '127.0.0.1': this machine alone. Whoever reaches it sees the training. */
  host?: string | undefined;
  /** Seconds between two looks of a browser; default 2. */
  refresh?: number | undefined;
}

/** A page that is served. */
export interface Watch {
  /** Where a browser finds it, such as 'http://127.0.0.1:8123/'. */
  readonly url: string;
  /** Ends serving. It ends by itself when the process does: it keeps none alive. Idempotent. */
  close(): void;
  [Symbol.dispose](): void;
}

const MOST_PORTS = 65535;

/**
 * Shows a training in a browser while it goes on: curves and numbers of the epochs so far, where the epoch under way stands, configuration and
 * environment; the page of `callbacks.htmlReport` without what is only known at the end. It reloads itself.
 *
 * @param trainer that of `fit` (`context.trainer` in a callback), or of a loop of one's own, of which steps and learning rate are shown
 * @param port default 0: any that is free, which `url` tells
 * @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION; ERR_ADDRESS_IN_USE when the port is taken or may not be used
 * @example
 * await fit(model, train, {
 *   epochs: 10, optimizer: optim.adam(),
 *   callbacks: [{ onTrainBegin: async ({ trainer }) => console.log((await watch(trainer)).url) }],
 * });
 */
export async function watch(trainer: Trainer, port = 0, options: WatchOptions = {}): Promise<Watch> {
  if (!(trainer instanceof Trainer)) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `watch expects a Trainer, such as context.trainer in a callback of fit, but got ${formatValue(trainer)}.`,
    );
  }
  checkOptions('watch', options, ['host', 'refresh']);
  const { host = '127.0.0.1', refresh = 2 } = options;
  checkInteger('watch', 'port', port, 0);
  checkInteger('watch', 'refresh', refresh, 1);
  if (port > MOST_PORTS || typeof host !== 'string' || host === '') {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `watch expects a port up to ${MOST_PORTS} and an address for host but got ${formatValue(port)} and ${formatValue(host)}.`,
    );
  }
  const began = new Date();
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/') {
      response.writeHead(404).end();
      return;
    }
    runOf(trainer, began).then(
      (run) =>
        response
          .writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
          .end(renderReport(run, refresh)),
      () => response.writeHead(503, { 'retry-after': String(refresh) }).end(),
    );
  });
  await listen(server, port, host);
  server.unref();
  const { port: actual } = server.address() as AddressInfo;
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${actual}/`, close, [Symbol.dispose]: close };
}

/** What is known of a training at the moment. */
async function runOf(trainer: Trainer, began: Date): Promise<Run> {
  const progress = await trainer.progress?.();
  const { batches = 0, images = 0, weight = images, loss = 0 } = progress?.totals ?? {};
  const now: [string, string][] = [
    ['steps', String(trainer.steps)],
    ['learning rate', String(Number(trainer.learningRate.toPrecision(4)))],
    ...(batches > 0 ? [['epoch under way', `${batches} batches, loss ${(loss / weight).toFixed(4)}`] as [string, string]] : []),
  ];
  return {
    title: trainer.model.constructor.name,
    state: trainer.isClosed ? 'finished' : 'running',
    began,
    updated: new Date(),
    epochs: progress?.epochs ?? [],
    configuration: [...now, ...configurationOf(trainer)],
    environment: environment(),
  };
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new StridenetError(
          'ERR_ADDRESS_IN_USE',
          `watch cannot listen on port ${port} of ${host}: ${error.message}. Pass another port, or 0 for any.`,
          { cause: error },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
}
