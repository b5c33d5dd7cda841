/**
 * Writes bench/shapes/<network>.txt from the models: the distinct operations that `stridenet bench kernels` measures. Needs dist/
 * (npm run build:ts). test/bench fails when the files do not fit the models.
 */
const { writeFileSync } = require('node:fs');
const path = require('node:path');
const { findNetwork } = require('../dist/bench/networks.js');
const { formatShapeLine, SHAPE_FILES, shapesOf } = require('../dist/bench/shapes.js');

for (const name of SHAPE_FILES) {
  const network = findNetwork(name);
  const head = `# Distinct operations of ${name} for one image of ${network.input.join('x')}; count: how often. Made by scripts/generateShapes.js.`;
  const lines = [head, ...shapesOf(network).map(formatShapeLine)];
  writeFileSync(path.join(__dirname, `../bench/shapes/${name}.txt`), `${lines.join('\n')}\n`);
}
