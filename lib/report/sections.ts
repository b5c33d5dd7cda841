/** The parts of a report as HTML. Every text goes through `escapeHtml`. */

import { formatShape } from '../errors';
import type { LayerNorms } from '../train/gradientNorms';
import type { EpochRecord } from '../train/history';
import { escapeHtml, formatDuration, formatNumber, formatPercent, formatShare, formatShort, titleOf } from './format';
import { lineChart, type Series } from './lineChart';
import { measurementsOf, validationMetric } from './numbers';
import type { EpochNorms, Facts, Judgement, LayerTable, Mistake } from './run';

/** Matrices of more classes are shown by the most frequent confusions alone. */
const MOST_MATRIX_CLASSES = 30;
const MOST_PAIRS = 10;
/** Columns that a page has room for. */
const MOST_NORM_EPOCHS = 10;
/** Pictures of fewer pixels show them as squares. */
const SMALL_PIXELS = 64;

/** What was measured in training, what on the validation set. */
interface Measurement {
  readonly metric: string;
  readonly training: Series['points'];
  readonly validation: Series['points'];
}

export function measurements(epochs: readonly EpochRecord[]): Measurement[] {
  const metrics = new Map<string, { training: { x: number; y: number }[]; validation: { x: number; y: number }[] }>();
  for (const record of epochs) {
    for (const [name, y] of measurementsOf(record)) {
      const validated = validationMetric(name);
      const metric = validated ?? name;
      if (!metrics.has(metric)) metrics.set(metric, { training: [], validation: [] });
      metrics.get(metric)![validated === undefined ? 'training' : 'validation'].push({ x: record.epoch, y });
    }
  }
  // How fast it went comes after what came out.
  const last = ['learningRate', 'imagesPerSecond', 'seconds'];
  return [...metrics].map(([metric, points]) => ({ metric, ...points })).sort((a, b) => last.indexOf(a.metric) - last.indexOf(b.metric));
}

export function tiles(epochs: readonly EpochRecord[]): string {
  const last = epochs.at(-1);
  if (!last) return '';
  const values: [string, string][] = [['epochs', formatNumber(last.epoch)]];
  for (const { metric, training, validation } of measurements(epochs)) {
    if (metric === 'seconds' || metric === 'learningRate') continue;
    const [points, where] =
      validation.length > 0 ? [validation, 'validation '] : [training, metric === 'imagesPerSecond' ? '' : 'training '];
    const value = points.at(-1)!.y;
    const text = metric === 'imagesPerSecond' ? formatNumber(Math.round(value)) : metric === 'accuracy' ? formatShare(value, 2) : formatNumber(value); // prettier-ignore
    values.push([`${where}${titleOf(metric).toLowerCase()}`, text]);
  }
  values.push(['time', formatDuration(epochs.reduce((sum, { seconds }) => sum + seconds, 0))]);
  const cells = values.map(([name, value]) => `<div class="card tile"><b>${escapeHtml(value)}</b><span>${escapeHtml(name)}</span></div>`);
  return `<div class="tiles">${cells.join('')}</div>`;
}

export function curves(epochs: readonly EpochRecord[]): string {
  if (epochs.length === 0) return section('Learning curves', '<p class="muted">No epoch is over yet.</p>');
  const charts = measurements(epochs)
    .filter(({ metric }) => metric !== 'seconds')
    .map(({ metric, training, validation }) => {
      const series: Series[] = [
        { name: 'training', kind: 'training' as const, points: training },
        { name: 'validation', kind: 'validation' as const, points: validation },
      ].filter(({ points }) => points.length > 0);
      return `<div class="card">${lineChart(titleOf(metric), series)}</div>`;
    });
  return section('Learning curves', `<div class="charts">${charts.join('')}</div>`);
}

export function numbers(epochs: readonly EpochRecord[]): string {
  if (epochs.length === 0) return '';
  const rows = measurements(epochs).map(({ metric, training, validation }) => {
    const measured = (validation.length > 0 ? validation : training).filter(({ y }) => Number.isFinite(y));
    const by = (better: (a: number, b: number) => boolean): string => {
      const [first, ...rest] = measured;
      if (!first) return '';
      const best = rest.reduce((found, point) => (better(point.y, found.y) ? point : found), first);
      return `${formatNumber(best.y)} <span class="muted">(${best.x})</span>`;
    };
    const last = (points: Series['points']): string => (points.length > 0 ? formatNumber(points.at(-1)!.y) : '');
    const cells = [last(training), last(validation), by((a, b) => a < b), by((a, b) => a > b)];
    return `<tr><td class="left">${escapeHtml(titleOf(metric))}</td>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  const head =
    '<tr><th class="left">measured</th><th>training, last</th><th>validation, last</th><th>lowest (epoch)</th><th>highest (epoch)</th></tr>';
  const columns = [...new Set(epochs.flatMap((record) => ['epoch', ...measurementsOf(record).map(([name]) => name)]))];
  const all = epochs.map((record) => {
    const values = new Map<string, number>([['epoch', record.epoch], ...measurementsOf(record)]);
    return `<tr>${columns.map((column) => `<td>${values.has(column) ? formatNumber(values.get(column)!) : ''}</td>`).join('')}</tr>`;
  });
  const table = `<table><thead><tr>${columns.map((name) => `<th>${escapeHtml(titleOf(name))}</th>`).join('')}</tr></thead><tbody>${all.join('')}</tbody></table>`;
  return section(
    'Numbers',
    `<p class="note">Training numbers are means over an epoch, measured while the weights moved. Lowest and highest are those of the validation set, where it was measured.</p>` +
      `<div class="card scroll"><table><thead>${head}</thead><tbody>${rows.join('')}</tbody></table></div>` +
      `<details class="card scroll" style="margin-top:12px"><summary>Every epoch</summary>${table}</details>`,
  );
}

export function confusionMatrix({ classes, confusion }: Judgement): string {
  const n = classes.length;
  const totals = classes.map((_, i) => confusion.subarray(i * n, (i + 1) * n).reduce((sum, count) => sum + count, 0));
  const total = totals.reduce((sum, count) => sum + count, 0);
  const right = classes.reduce((sum, _, i) => sum + confusion[i * n + i]!, 0);
  const note = `<p class="note">Validation set after training: ${formatNumber(right)} of ${formatNumber(total)} images right (${formatShare(right / total, 2)}).`;
  const list = confusionList(classes, confusion, totals);
  if (n > MOST_MATRIX_CLASSES) return section('Confusions', `${note}</p>${list}`);
  const most = Math.max(1, ...confusion.filter((_, i) => Math.floor(i / n) !== i % n));
  const head = classes.map((name) => `<th class="name" title="${escapeHtml(name)}"><span>${escapeHtml(name)}</span></th>`).join('');
  const rows = classes.map((name, i) => {
    const cells = classes.map((other, j) => {
      const count = confusion[i * n + j]!;
      if (count === 0) return '<td class="zero">0</td>';
      const share = i === j ? count / totals[i]! : count / most;
      const title = `${formatNumber(count)} of ${formatNumber(totals[i]!)} images of ${name} ${i === j ? 'recognised' : `taken for ${other}`}`;
      return `<td class="${i === j ? 'right' : 'wrong'}" style="--share:${share.toFixed(3)}" title="${escapeHtml(title)}">${formatNumber(count)}</td>`;
    });
    const recall = totals[i]! > 0 ? formatShare(confusion[i * n + i]! / totals[i]!) : '';
    return `<tr><th title="${escapeHtml(name)}">${escapeHtml(name)}</th>${cells.join('')}<td>${recall}</td></tr>`;
  });
  return section(
    'Confusion matrix',
    `${note} Rows are the true classes, columns what the model takes their images for.</p>` +
      `<div class="beside"><div class="card scroll"><table class="confusion"><thead><tr><th class="corner">is &darr; &nbsp; taken for &rarr;</th>${head}<th class="name"><span>recall</span></th></tr></thead><tbody>${rows.join('')}</tbody></table></div>${list}</div>`,
  );
}

/** The most frequent confusions; nothing when there are none. */
function confusionList(classes: readonly string[], confusion: Uint32Array, totals: readonly number[]): string {
  const n = classes.length;
  const pairs: { count: number; label: number; predicted: number }[] = [];
  for (const [i, count] of confusion.entries()) {
    const [label, predicted] = [Math.floor(i / n), i % n];
    if (label === predicted || count <= (pairs[MOST_PAIRS - 1]?.count ?? 0)) continue;
    pairs.push({ count, label, predicted });
    pairs.sort((a, b) => b.count - a.count).splice(MOST_PAIRS);
  }
  if (pairs.length === 0) return '';
  const rows = pairs.map(({ count, label, predicted }) => {
    const names = [label, predicted].map((i) => `<td class="left name" title="${escapeHtml(classes[i]!)}">${escapeHtml(classes[i]!)}</td>`);
    return `<tr>${names.join('')}<td>${formatNumber(count)} <span class="muted">${escapeHtml(formatPercent(count / totals[label]!))}</span></td></tr>`;
  });
  const head = '<tr><th class="left">class</th><th class="left">taken for</th><th>images</th></tr>';
  return `<div class="card scroll"><table class="pairs"><thead>${head}</thead><tbody>${rows.join('')}</tbody></table></div>`;
}

export function mistakes({ classes, mistakes: worst }: Judgement): string {
  if (worst.length === 0) return section('Worst mistakes', '<p class="muted">Every image of the validation set is recognised.</p>');
  const figures = worst.map((mistake) => figureOf(mistake, classes));
  return section(
    'Worst mistakes',
    `<p class="note">Images of the validation set that the model is most wrong about: the <span class="is">true class</span> and <span class="taken">what it takes them for</span>, each with the probability that the model gives.</p>` +
      `<div class="mistakes">${figures.join('')}</div>`,
  );
}

function figureOf(
  { png, width, height, index, label, predicted, probability, labelProbability }: Mistake,
  classes: readonly string[],
): string {
  const [is, taken] = [escapeHtml(classes[label]!), escapeHtml(classes[predicted]!)];
  const line = (kind: string, name: string, share: number): string =>
    `<div class="${kind}" title="${name}"><span>${name}</span><span>${escapeHtml(formatPercent(share))}</span></div>`;
  const small = Math.max(width, height) <= SMALL_PIXELS ? ' class="small"' : '';
  const source = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
  return (
    `<figure class="card"><img${small} src="${source}" alt="image ${index} of class ${is}">` +
    `<figcaption>${line('is', is, labelProbability)}${line('taken', taken, probability)}<div class="muted">image ${index}</div></figcaption></figure>`
  );
}

export function layers({ rows, batch }: LayerTable): string {
  const total = rows.reduce((sum, { seconds = 0 }) => sum + seconds, 0);
  // As many digits for each layer as the whole has.
  const digits = Math.min(Math.max(2 - Math.floor(Math.log10(1e3 * total)), 0), 6);
  const milliseconds = (seconds: number): string => `${(1e3 * seconds).toFixed(digits)} ms`;
  const sum = (of: (row: LayerTable['rows'][0]) => number): string => formatNumber(rows.reduce((all, row) => all + of(row), 0));
  const lines = rows.map(({ path, kind, outputShape, parameters, multiplyAdds, seconds }) => {
    const time =
      seconds === undefined
        ? '<td class="muted">-</td>'
        : `<td class="bar" style="--share:${(seconds / total).toFixed(3)}">${milliseconds(seconds)}</td>`;
    const cells = [formatShape(outputShape.slice(1)), formatNumber(parameters), formatNumber(multiplyAdds / (outputShape[0] ?? 1))];
    return `<tr><td class="left">${escapeHtml(path || '(model)')}</td><td class="left">${escapeHtml(kind)}</td>${cells.map((cell) => `<td>${cell}</td>`).join('')}${time}</tr>`;
  });
  const foot = `<tr><td class="left"><b>total</b></td><td></td><td></td><td>${sum((row) => row.parameters)}</td><td>${sum((row) => row.multiplyAdds / (row.outputShape[0] ?? 1))}</td><td>${milliseconds(total)}</td></tr>`;
  const head =
    '<tr><th class="left">layer</th><th class="left">kind</th><th>output</th><th>parameters</th><th>multiply-adds</th><th>time</th></tr>';
  return section(
    'Layers',
    `<p class="note">Output and multiply-adds of one image; times of a forward pass of ${batch} images, measured after training. A layer without a time is computed together with the one before it.</p>` +
      `<div class="card scroll"><table><thead>${head}</thead><tbody>${lines.join('')}${foot}</tbody></table></div>`,
  );
}

/** Epochs that the gradients are shown of: the first, the last and others at equal distances. */
function shownEpochs(epochs: readonly EpochNorms[]): EpochNorms[] {
  const count = Math.min(epochs.length, MOST_NORM_EPOCHS);
  const places = Array.from({ length: count }, (_, i) => Math.round((i * (epochs.length - 1)) / Math.max(count - 1, 1)));
  return places.map((place) => epochs[place]!);
}

/** Norms of gradients by layer and epoch, and those of the weights. */
export function gradients(epochs: readonly EpochNorms[]): string {
  const shown = shownEpochs(epochs);
  // The depth of its colour says how large a gradient is among all that are shown, by its logarithm.
  const sizes = shown.flatMap((epoch) => epoch.layers.map(({ gradient }) => Math.log10(gradient))).filter(Number.isFinite);
  const [least, range] = [Math.min(...sizes), Math.max(...sizes) - Math.min(...sizes)];
  const cellOf = (epoch: number, norms: LayerNorms | undefined): string => {
    if (!norms) return '<td class="muted">-</td>';
    const size = Math.log10(norms.gradient);
    const share = size === -Infinity ? 0 : Number.isFinite(size) && range > 0 ? (size - least) / range : 1;
    const title = `${norms.path || '(model)'}, epoch ${epoch}: gradient ${formatNumber(norms.gradient)}, weights ${formatNumber(norms.weights)}`;
    return `<td class="heat" style="--share:${share.toFixed(3)}" title="${escapeHtml(title)}">${escapeHtml(formatShort(norms.gradient))}</td>`;
  };
  const layers = new Map(shown.flatMap((epoch) => epoch.layers.map((layer) => [layer.path, layer])));
  const rows = [...layers.values()].map(({ path, kind, gradient, weights }) => {
    const cells = shown.map(({ epoch, layers: own }) => cellOf(epoch, own.find((each) => each.path === path))); // prettier-ignore
    const ratio = weights > 0 ? formatShort(gradient / weights) : '-';
    return (
      `<tr><td class="left">${escapeHtml(path || '(model)')}</td><td class="left">${escapeHtml(kind)}</td>${cells.join('')}` +
      `<td>${escapeHtml(formatShort(weights))}</td><td>${escapeHtml(ratio)}</td></tr>`
    );
  });
  const head =
    `<tr><th class="left" rowspan="2">layer</th><th class="left" rowspan="2">kind</th><th class="over" colspan="${shown.length}">gradient in epoch</th>` +
    '<th rowspan="2">weights</th><th rowspan="2">gradient / weights</th></tr>' +
    `<tr>${shown.map(({ epoch }) => `<th>${epoch}</th>`).join('')}</tr>`;
  const some = shown.length < epochs.length ? ` ${shown.length} of ${epochs.length} epochs are shown.` : '';
  return section(
    'Gradients',
    `<p class="note">Norms (L2) of the gradient of the loss with respect to the parameters of each layer, in the first step of an epoch and before they are clipped; the deeper the colour the larger, by logarithm. Weights and their ratio are those of the last epoch.${some}</p>` +
      `<div class="card scroll"><table class="norms"><thead>${head}</thead><tbody>${rows.join('')}</tbody></table></div>`,
  );
}

export function facts(title: string, pairs: Facts): string {
  const rows = pairs.map(([name, value]) => `<tr><td>${escapeHtml(name)}</td><td>${escapeHtml(value)}</td></tr>`);
  return section(title, `<div class="card"><table class="facts"><tbody>${rows.join('')}</tbody></table></div>`);
}

function section(title: string, content: string): string {
  return `<section><h2>${title}</h2>${content}</section>`;
}
