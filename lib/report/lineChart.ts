/** Curves over epochs as SVG: axes with round numbers, a legend, and what a point stands for under the mouse. It runs no script. */

import { escapeHtml, formatNumber, formatTick } from './format';

/** One curve. Numbers that are not finite leave a gap. */
export interface Series {
  readonly name: string;
  readonly kind: 'training' | 'validation';
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

const WIDTH = 480;
const HEIGHT = 270;
const LEFT = 58;
const RIGHT = 14;
const TOP = 44;
const BOTTOM = 42;
/** More points than these have no marks. */
const MOST_MARKS = 60;
const TICKS = 5;

/** @param title of the chart, which says what y is */
export function lineChart(title: string, series: readonly Series[]): string {
  const points = series.flatMap((each) => each.points).filter(({ y }) => Number.isFinite(y));
  const xAxis = axisOf(points.map(({ x }) => x), true); // prettier-ignore
  const yAxis = axisOf(points.map(({ y }) => y), false); // prettier-ignore
  const place = ({ x, y }: { x: number; y: number }): [number, number] => [
    rounded(LEFT + ((x - xAxis.low) / (xAxis.high - xAxis.low)) * (WIDTH - LEFT - RIGHT)),
    rounded(HEIGHT - BOTTOM - ((y - yAxis.low) / (yAxis.high - yAxis.low)) * (HEIGHT - TOP - BOTTOM)),
  ];
  const grid = yAxis.ticks.map((y) => {
    const [, at] = place({ x: xAxis.low, y });
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/><text class="tick" x="${LEFT - 8}" y="${at + 4}" text-anchor="end">${formatTick(y)}</text>`;
  });
  const marks = xAxis.ticks.map((x) => {
    const [at] = place({ x, y: yAxis.low });
    return `<text class="tick" x="${at}" y="${HEIGHT - BOTTOM + 17}" text-anchor="middle">${formatTick(x)}</text>`;
  });
  const caption = series.length > 1 ? legend(series) : '';
  return [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)} by epoch">`,
    `<text class="title" x="${LEFT}" y="20">${escapeHtml(title)}</text>`,
    caption,
    ...grid,
    `<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM}"/>`,
    ...marks,
    `<text class="tick" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 8}" text-anchor="middle">epoch</text>`,
    ...series.map((each) => curveOf(each, place)),
    '</svg>',
  ].join('');
}

function curveOf({ name, kind, points }: Series, place: (point: { x: number; y: number }) => [number, number]): string {
  const runs: [number, number][][] = [[]];
  for (const point of points) {
    if (Number.isFinite(point.y)) runs.at(-1)!.push(place(point));
    else runs.push([]);
  }
  const lines = runs
    .filter((run) => run.length > 1)
    .map((run) => `<polyline points="${run.map(([x, y]) => `${x},${y}`).join(' ')}"><title>${escapeHtml(name)}</title></polyline>`);
  const shown = points.length <= MOST_MARKS ? points.filter(({ y }) => Number.isFinite(y)) : [];
  const marks = shown.map((point) => {
    const [x, y] = place(point);
    const text = `<title>${escapeHtml(name)}, epoch ${point.x}: ${formatNumber(point.y)}</title>`;
    return mark(kind, x, y, text);
  });
  return `<g class="${kind}">${lines.join('')}${marks.join('')}</g>`;
}

/** Round for training and square for validation, so that colour is not all that tells them apart. */
function mark(kind: Series['kind'], x: number, y: number, content = ''): string {
  return kind === 'training'
    ? `<circle cx="${x}" cy="${y}" r="3">${content}</circle>`
    : `<rect x="${rounded(x - 2.8)}" y="${rounded(y - 2.8)}" width="5.6" height="5.6">${content}</rect>`;
}

function legend(series: readonly Series[]): string {
  let x = WIDTH - RIGHT;
  const entries = [...series].reverse().map(({ name, kind }) => {
    x -= 7 * name.length + 34;
    const line = `<line x1="${x}" x2="${x + 20}" y1="16" y2="16"/>`;
    return `<g class="${kind}">${line}${mark(kind, x + 10, 16)}</g><text class="tick" x="${x + 26}" y="20">${escapeHtml(name)}</text>`;
  });
  return entries.join('');
}

interface Axis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
}

/** An axis from one round number to another that holds all values; epochs begin and end with themselves. */
function axisOf(values: readonly number[], isEpoch: boolean): Axis {
  let [min, max] = [Infinity, -Infinity];
  for (const value of values) [min, max] = [Math.min(min, value), Math.max(max, value)];
  if (min > max) [min, max] = [0, 1];
  if (isEpoch) {
    const step = Math.max(1, Math.ceil(roundStep((max - min) / TICKS)));
    const from = Math.ceil(min / step) * step;
    const ticks = [...new Set([min, ...steps(from, max, step).filter((tick) => tick - min >= step / 2)])];
    return min === max ? { low: min - 1, high: max + 1, ticks: [min] } : { low: min, high: max, ticks };
  }
  if (min === max) {
    const margin = Math.abs(min) / 2 || 1;
    [min, max] = [min - margin, max + margin];
  }
  const step = roundStep((max - min) / TICKS);
  const low = Math.floor(min / step + 1e-9) * step;
  const high = Math.ceil(max / step - 1e-9) * step;
  return { low, high, ticks: steps(low, high, step) };
}

function steps(from: number, to: number, step: number): number[] {
  const count = Math.floor((to - from) / step + 1e-9) + 1;
  return Array.from({ length: Math.max(count, 0) }, (_, i) => Number((from + i * step).toPrecision(12)));
}

/** The least of 1, 2, 5, 10, 20, ... (and their tenths) that is not below a number. */
function roundStep(wanted: number): number {
  if (!(wanted > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= wanted * (1 - 1e-9))!;
}

function rounded(x: number): number {
  return Math.round(10 * x) / 10;
}
