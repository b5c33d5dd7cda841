/** The comparison as an SVG picture: for each row a bar by family of peers, as long as it takes in relation to us, on a logarithmic axis. */

import type { RowResult } from './compare';
import { PEERS } from './peerProcess';
import { formatHeader, type Report } from './report';
import { bestOfFamilies, formatMs, nameOf } from './table';

interface Bar {
  readonly family: string;
  readonly label: string;
  readonly ratio: number;
  readonly text: string;
}

const WIDTH = 860;
const LEFT = 150;
const RIGHT = 190;
const BAR = 13;
const GAP = 12;
const HEADING = 34;
/** Fills that are told apart on light and on dark grounds, and by the colour-blind (Okabe and Ito). */
const COLORS: Readonly<Record<string, string>> = { js: '#E69F00', tfjs: '#CC79A7', ort: '#0072B2', torch: '#D55E00' };

const STYLE = `text { font: 12px system-ui, sans-serif; fill: #1f2328 } .small { font-size: 10px; fill: #59636e } .title { font-weight: 600; font-size: 14px }
.grid { stroke: #d1d9e0 } .one { stroke: #1a7f37; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #f0f6fc } .small { fill: #9198a1 } .grid { stroke: #3d444d } .one { stroke: #3fb950 } }`;

/** A picture of the report's inference and training. @returns SVG text */
export function chartOf(report: Report): string {
  const sections = [
    { title: 'Inference', rows: rowsOf(report.inference ?? []) },
    { title: 'Training step', rows: rowsOf(report.training ?? []) },
  ].filter(({ rows }) => rows.length > 0);
  const ratios = sections.flatMap(({ rows }) => rows.flatMap(({ bars }) => bars.map(({ ratio }) => ratio)));
  const low = Math.floor(Math.log2(Math.min(0.5, ...ratios)));
  const high = Math.ceil(Math.log2(Math.max(4, ...ratios)));
  const at = (ratio: number): number => LEFT + ((Math.log2(ratio) - low) / (high - low)) * (WIDTH - LEFT - RIGHT);

  const parts: string[] = [];
  let y = 44;
  for (const { title, rows } of sections) {
    parts.push(`<text class="title" x="8" y="${y + 14}">${title}: time relative to stridenet (right of the line: slower)</text>`);
    y += HEADING;
    const top = y;
    const height = rows.reduce((sum, { bars }) => sum + bars.length * BAR + GAP, 0);
    // Few enough labels not to touch.
    const every = Math.ceil((high - low) / 12);
    for (let power = low; power <= high; power++) {
      const x = at(2 ** power).toFixed(1);
      if (power !== 0) parts.push(`<line class="grid" x1="${x}" x2="${x}" y1="${top}" y2="${top + height}"/>`);
      if ((power - low) % every === 0 || power === 0) parts.push(`<text class="small" text-anchor="middle" x="${x}" y="${top + height + 13}">${factor(power)}</text>`); // prettier-ignore
    }
    for (const { name, own, bars } of rows) {
      y += GAP / 2;
      const middle = y + (bars.length * BAR) / 2;
      parts.push(`<text text-anchor="end" x="${LEFT - 8}" y="${middle}">${escape(name)}</text>`);
      parts.push(`<text class="small" text-anchor="end" x="${LEFT - 8}" y="${middle + 12}">${own}</text>`);
      for (const { family, label, ratio, text } of bars) {
        const [from, to] = [at(Math.min(1, ratio)), at(Math.max(1, ratio))];
        parts.push(
          `<rect x="${from.toFixed(1)}" y="${y + 1}" width="${(to - from).toFixed(1)}" height="${BAR - 3}" fill="${COLORS[family] ?? '#888'}"/>`,
        );
        parts.push(`<text class="small" x="${(to + 5).toFixed(1)}" y="${y + BAR - 3}">${escape(label)} ${text}</text>`);
        y += BAR;
      }
      y += GAP / 2;
    }
    parts.push(`<line class="one" x1="${at(1).toFixed(1)}" x2="${at(1).toFixed(1)}" y1="${top}" y2="${top + height}"/>`);
    y += 30;
  }
  const heading = `<text class="small" x="8" y="18">${escape(formatHeader(report).split('\n')[0]!)}</text>`;
  const size = `width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img"><style>${STYLE}</style>\n${heading}\n${parts.join('\n')}\n</svg>\n`;
}

function rowsOf(results: readonly RowResult[]): { name: string; own: string; bars: Bar[] }[] {
  return results.flatMap((result) => {
    const own = result.entries.find(({ peer }) => peer === 'stridenet')?.time?.median;
    const best = bestOfFamilies(result.entries);
    if (own === undefined || best.size === 0) return [];
    const bars = [...best].map(([family, { peer, time }]): Bar => {
      const ratio = time!.median / own;
      return { family, label: PEERS[peer].label, ratio, text: `${formatMs(time!.median)}, ${ratio.toPrecision(3)}x` };
    });
    return [{ name: nameOf(result), own: formatMs(own), bars }];
  });
}

function factor(power: number): string {
  return power < 0 ? `1/${2 ** -power}` : `${2 ** power}x`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
