/** Every row of every table: gradient rules of first and second order against central differences, in float64 through the reference. */

import { rowSlopes } from '../support/checkGradient';
import { rowGraph } from '../support/opRow';
import { tables } from './tables';

describe.each(tables.map((table) => [table.family, table] as const))('%s', (_, table) => {
  test.each(table.rows.filter((row) => row.order !== 0).map((row) => [row.name, row] as const))('%s', (_name, row) => {
    for (const { order, comparison } of rowSlopes(rowGraph(row))) {
      const { analytic, numeric, scale } = comparison;
      // Constants such as 1/3 are float32 in the graph, hence not 1e-9.
      const tolerance = 2e-7 * scale + 1e-9;
      if (!(Math.abs(analytic - numeric) <= tolerance)) {
        throw new Error(`order ${order}: the gradient's slope is ${analytic}, central differences say ${numeric} (tolerance ${tolerance})`);
      }
    }
  });
});
