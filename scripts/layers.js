/** The layers of the source tree, lowest first, and what each may import: read by eslint.config.js and by the tests in test/layers. */

/** Files of lib/ that belong to no folder. Every layer may import them; they import each other only. */
const libBase = ['errors', 'installation', 'printable', 'random', 'recentMap', 'stopSignal', 'version', 'work'];

/** Folders of lib/ and the two files that stand above them. Each may import `libBase` and the layers that it names, all of which stand before it. */
const libLayers = {
  graph: [],
  ops: ['graph'],
  compile: ['graph', 'ops'],
  runtime: ['graph', 'ops', 'compile'],
  nn: ['graph', 'ops'],
  metrics: ['graph', 'ops', 'runtime'],
  models: ['graph', 'ops', 'nn'],
  optim: ['graph', 'ops'],
  io: ['graph'],
  transforms: ['graph', 'runtime'],
  data: ['graph', 'io', 'transforms'],
  train: ['graph', 'ops', 'compile', 'runtime', 'nn', 'metrics', 'models', 'optim', 'io', 'transforms', 'data'],
  summary: ['graph', 'ops', 'compile', 'runtime', 'nn', 'optim', 'train'],
  report: ['graph', 'compile', 'runtime', 'nn', 'io', 'metrics', 'transforms', 'data', 'train', 'summary'],
  callbacks: ['graph', 'runtime', 'nn', 'io', 'metrics', 'transforms', 'data', 'train', 'report'],
  index: [
    'graph',
    'ops',
    'runtime',
    'nn',
    'metrics',
    'models',
    'optim',
    'io',
    'transforms',
    'data',
    'train',
    'summary',
    'report',
    'callbacks',
  ],
  onnx: ['graph', 'ops', 'compile', 'runtime', 'nn', 'io', 'train'],
  bench: ['graph', 'ops', 'compile', 'runtime', 'nn', 'models', 'optim', 'io', 'transforms', 'data', 'train', 'onnx'],
  cli: [
    'graph',
    'ops',
    'runtime',
    'nn',
    'metrics',
    'models',
    'optim',
    'io',
    'transforms',
    'data',
    'train',
    'summary',
    'report',
    'callbacks',
    'bench',
  ],
};

/** Folders of native/, whose files may include those of their own and of the layers that these name. */
const nativeLayers = {
  base: [],
  augment: ['base'],
  kernels: ['base'],
  isa: ['base', 'kernels'],
  program: ['base', 'kernels'],
  ops: ['base', 'kernels', 'program'],
  runtime: ['base', 'kernels', 'program', 'ops'],
  addon: ['base', 'augment', 'kernels', 'program', 'ops', 'runtime'],
};

module.exports = { libBase, libLayers, nativeLayers };
