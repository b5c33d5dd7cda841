/** What a caller of metrics does: batches of different sizes, gathered, and the value of all. */

import { ops, type metrics, type Tensor } from 'stridenet';
import { measureBatch } from '../../lib/metrics/metric';

/** The value of a metric over the examples of axis 0, in two batches. */
export async function scoreOf(metric: metrics.Metric, output: Tensor, target: Tensor): Promise<metrics.MetricValue> {
  const examples = output.shape[0]!;
  const cut = Math.floor((examples * 2) / 3);
  const batches: (Float32Array | Int32Array | Uint8Array)[][] = [];
  for (const [from, to] of [
    [0, cut],
    [cut, examples],
  ] as const) {
    const parts = [output, target].map((x) => ops.slice(x, [from], [to])) as [Tensor, Tensor];
    batches.push(await Promise.all(measureBatch(metric, ...parts).map((x) => x.data())));
  }
  const totals = batches[0]!.map((first, k) => {
    const second = batches[1]![k]!;
    if (metric.gather !== 'concat') return Float64Array.from(first, (v, i) => v + second[i]!);
    return first instanceof Int32Array ? Int32Array.of(...first, ...second) : Float32Array.of(...first, ...second);
  });
  return metric.value(totals, examples);
}
