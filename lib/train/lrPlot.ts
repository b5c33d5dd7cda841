/** The result of `lrFinder` as an SVG picture: losses over learning rates, on a logarithmic axis. */

/** What is drawn. */
interface Curves {
  readonly rates: readonly number[];
  readonly losses: readonly number[];
  readonly smoothed: readonly number[];
  readonly suggestion: number | undefined;
}

const WIDTH = 640;
const HEIGHT = 380;
const LEFT = 56;
const RIGHT = 20;
const TOP = 36;
const BOTTOM = 48;
/** Lines of the grid from left to right. */
const LEVELS = 5;

const STYLE = `text { font: 12px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 14px } .grid { stroke: #d1d9e0 }
.raw { fill: none; stroke: #8c959f; stroke-opacity: 0.6 } .smooth { fill: none; stroke: #0072B2; stroke-width: 2 } .chosen { stroke: #D55E00; stroke-dasharray: 4 3 }
@media (prefers-color-scheme: dark) { text { fill: #f0f6fc } .grid { stroke: #3d444d } .smooth { stroke: #56B4E9 } }`;

/** @returns SVG text, which follows the colour scheme of where it is shown */
export function lrPlot({ rates, losses, smoothed, suggestion }: Curves): string {
  const [first, last] = [Math.log10(rates[0]!), Math.log10(rates.at(-1)!)];
  // Single losses of the steps before the end may be far above all others.
  const [low, high] = [Math.min(...losses, ...smoothed), Math.max(...smoothed)];
  // A little room above and below; a curve without height is drawn in the middle.
  const margin = 0.05 * (high - low) || 0.5;
  const [bottom, top] = [low - margin, high + margin];
  const x = (rate: number): number => LEFT + ((Math.log10(rate) - first) / (last - first || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (loss: number): number => TOP + ((top - Math.min(top, Math.max(bottom, loss))) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);
  const line = (values: readonly number[]): string => values.map((loss, i) => `${x(rates[i]!).toFixed(1)},${y(loss).toFixed(1)}`).join(' ');

  const parts: string[] = [];
  for (let power = Math.ceil(first); power <= Math.floor(last); power++) {
    const at = x(10 ** power).toFixed(1);
    parts.push(`<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/>`);
    parts.push(`<text text-anchor="middle" x="${at}" y="${HEIGHT - BOTTOM + 16}">${formatPower(power)}</text>`);
  }
  for (let i = 0; i <= LEVELS; i++) {
    const level = bottom + (i / LEVELS) * (top - bottom);
    const at = y(level).toFixed(1);
    parts.push(`<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/>`);
    parts.push(`<text text-anchor="end" dominant-baseline="middle" x="${LEFT - 6}" y="${at}">${Number(level.toPrecision(3))}</text>`);
  }
  parts.push(`<polyline class="raw" points="${line(losses)}"/>`, `<polyline class="smooth" points="${line(smoothed)}"/>`);
  if (suggestion !== undefined) {
    const at = x(suggestion).toFixed(1);
    parts.push(`<line class="chosen" x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/>`);
  }
  const title = suggestion === undefined ? 'Loss by learning rate' : `Loss by learning rate: steepest at ${suggestion.toPrecision(3)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`,
    `<title>${title}</title>`,
    `<style>${STYLE}</style>`,
    `<text class="title" x="${LEFT}" y="22">${title}</text>`,
    ...parts,
    `<text text-anchor="middle" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 10}">learning rate</text>`,
    '</svg>',
  ].join('\n');
}

function formatPower(power: number): string {
  return power >= -3 && power <= 3 ? String(Number((10 ** power).toPrecision(1))) : `1e${power}`;
}
