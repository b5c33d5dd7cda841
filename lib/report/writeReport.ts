/** A training run as one HTML file: style, curves and pictures are in it, and it fetches nothing and runs no script. */

import { writeFileAtomic } from '../io/replaceFile';
import { escapeHtml } from './format';
import type { Run } from './run';
import { confusionMatrix, curves, facts, gradients, layers, mistakes, numbers, tiles } from './sections';
import { STYLE } from './style';

/** What the page may do, should a text in it have come through as code after all. */
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/** The page. @param refresh seconds after which a browser is to load it again, for one that is served */
export function renderReport(run: Run, refresh?: number): string {
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}"><meta name="viewport" content="width=device-width,initial-scale=1">`,
    ...(refresh === undefined ? [] : [`<meta http-equiv="refresh" content="${refresh}">`]),
    `<title>${escapeHtml(run.title)}</title><link rel="icon" href="data:,"><style>${STYLE}</style></head>`,
    `<body><main>${renderBody(run)}</main></body></html>\n`,
  ].join('\n');
}

function renderBody(run: Run): string {
  const { title, state, began, updated, epochs, judgement, layers: table, norms = [], configuration, environment } = run;
  const times = `began ${timeOf(began)}, ${state === 'finished' ? 'ended' : 'as of'} ${timeOf(updated)}`;
  return [
    `<header><h1>${escapeHtml(title)}</h1><span class="badge">${state}</span><span class="muted">${times}</span></header>`,
    tiles(epochs),
    curves(epochs),
    numbers(epochs),
    ...(judgement ? [confusionMatrix(judgement), mistakes(judgement)] : []),
    ...(table ? [layers(table)] : []),
    ...(norms.length > 0 ? [gradients(norms)] : []),
    `<div class="two">${facts('Configuration', configuration)}${facts('Environment', environment)}</div>`,
  ].join('\n');
}

/** 2026-01-31 12:34:56 UTC */
function timeOf(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** Writes the page; a reader sees the old file or the new one. @throws StridenetError ERR_FILE_ACCESS with the path and the reason */
export async function writeReport(path: string, run: Run): Promise<void> {
  await writeFileAtomic(path, [Buffer.from(renderReport(run))]);
}
