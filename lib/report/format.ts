/** Text of a page: escaping, numbers and names. */

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text as HTML and as the value of an attribute. What no page may hold, such as lone control characters, is left out. */
export function escapeHtml(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '').replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}

/** Four digits: 0.84 -> '0.8400', 61234 -> '61,234', 0.00001234 -> '1.234e-5'. Integers as they are. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 1000) return size < 1e15 ? Math.round(value).toLocaleString('en-US') : value.toExponential(2);
  return size >= 1e-4 ? value.toPrecision(4) : value.toExponential(3);
}

/** Two digits: 0.0123 -> '0.012', 123.4 -> '120', 0.00001234 -> '1.2e-5'. */
export function formatShort(value: number): string {
  if (!Number.isFinite(value) || value === 0) return String(value);
  return value >= 1e-3 && value < 1e5 ? String(Number(value.toPrecision(2))) : value.toExponential(1);
}

/** A round number on an axis: 0.0005 -> '0.0005', 40000 -> '40,000', 0.00002 -> '2e-5'. */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e9) ? value.toExponential() : value.toLocaleString('en-US', { maximumFractionDigits: 12 });
}

/** 0.9123 -> '91.23 %' */
export function formatShare(share: number, decimals = 1): string {
  return `${(100 * share).toFixed(decimals)} %`;
}

/** 0.9123 -> '91 %'; what is neither none nor all does not look so: '<1 %', '>99 %'. */
export function formatPercent(share: number): string {
  if (share > 0 && share < 0.01) return '<1 %';
  return share < 1 && share > 0.99 ? '>99 %' : `${Math.round(100 * share)} %`;
}

/** 3723 -> '1 h 2 min' */
export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** 'learningRate' -> 'Learning rate' */
export function titleOf(metric: string): string {
  const words = metric.replace(/([a-z\d])([A-Z])/g, (_, before: string, letter: string) => `${before} ${letter.toLowerCase()}`);
  return words[0] === undefined ? words : words[0].toUpperCase() + words.slice(1);
}
