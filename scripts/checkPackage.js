/**
 * Proves that the packed tarball is what a user needs and no more: it is installed into an empty folder, offline, with
 * --ignore-scripts and with nothing but node on PATH; there a program trains LeNet some steps and predicts, once through `import` and
 * once through `require`, and a strict TypeScript program is type-checked against it. publint and attw judge the manifest.
 *
 *   node scripts/checkPackage.js [--keep]        --keep leaves the folder for a look
 */
const { spawnSync } = require('node:child_process');
const { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');
const maxUnpackedBytes = 9e6;
const { dependencies } = require('../package.json');

const program = `
async function main() {
  const { train, test } = await data.mini();
  if (train.length !== 6000 || test.length !== 1000) throw new Error('data.mini() has ' + train.length + ' and ' + test.length + ' images');
  const images = Float32Array.from(train.images.subarray(0, 640 * 784), (value) => value / 255);
  manualSeed(1);
  const model = models.lenet5({ classes: 10 });
  const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.03, momentum: 0.9 }), loss: nn.crossEntropy(), input: [1, 28, 28], batchSize: 64 });
  const losses = [];
  for (let step = 0; step < 100; step++) {
    const first = (step % 10) * 64;
    losses.push((await trainer.step(images.subarray(first * 784, (first + 64) * 784), train.labels.subarray(first, first + 64))).loss);
  }
  const last = losses.slice(-10).reduce((sum, loss) => sum + loss / 10, 0);
  if (!(last < 0.7 * losses[0])) throw new Error('the loss did not fall: ' + losses.join(' '));
  const net = await compile(model, { input: [1, 28, 28], maxBatch: 8 });
  const logits = net.runSync(images.subarray(0, 784));
  const later = await net.run(images.subarray(0, 784 * 2));
  if (logits.shape.join() !== '1,10' || later.shape.join() !== '2,10') throw new Error('wrong shape ' + logits.shape + ' ' + later.shape);
  if (!Array.from(logits.dataSync()).every(Number.isFinite)) throw new Error('logits are not finite');
  net.close();
  const { _cache: cache } = await import('node:module').then((module) => module.default);
  if (Object.keys(cache).some((file) => file.includes('protobuf'))) throw new Error('stridenet loads protobuf');
  const { exportOnnx } = await onnx();
  await exportOnnx(model, { input: [1, 28, 28], path: kind + '.onnx' });
  console.log(kind + ': loss ' + losses[0].toFixed(3) + ' -> ' + last.toFixed(3));
}
main().catch((error) => { console.error(error); process.exit(1); });
`;

const names = '{ Trainer, compile, data, manualSeed, models, nn, optim }';
const typed = `
import { compile, fit, data, models, nn, optim, ops, tensor, type Tensor } from 'stridenet';
import { exportOnnx } from 'stridenet/onnx';
async function main(): Promise<void> {
  const { train, test } = await data.mini();
  const model: nn.Module = models.lenet5({ classes: 10 });
  const history = await fit(model, train, { epochs: 1, batchSize: 64, validation: test, loss: nn.crossEntropy(), optimizer: optim.sgd({ lr: 0.1 }) });
  const loss: number | undefined = history.epochs.at(-1)?.loss;
  const net = await compile(model, { input: [1, 28, 28] });
  const y: Tensor = ops.relu(tensor([[1, -1]]));
  console.log(loss, net, y.shape);
  await exportOnnx(model, { input: [1, 28, 28], path: 'lenet5.onnx' });
  // @ts-expect-error misspelled options are refused by the types as well
  await fit(model, train, { epoch: 1 });
}
void main();
`;

function fail(message) {
  console.error(`package check: ${message}`);
  process.exit(1);
}

/** Runs a program to its end; anything but exit code 0 ends the check with its output. */
function run(what, command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (result.status !== 0)
    fail(`${what} failed (${result.error?.message ?? `exit code ${result.status ?? result.signal}`})\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

/** npm as a file that node can run, because PATH will hold node alone. */
function npmCli() {
  if (process.env.npm_execpath?.endsWith('npm-cli.js')) return process.env.npm_execpath;
  const found = run('looking for npm', 'sh', ['-c', 'command -v npm']).trim();
  return realpathSync(found);
}

function main() {
  const npm = npmCli();
  const work = mkdtempSync(path.join(tmpdir(), 'stridenet-package-'));
  try {
    run('npm run prepack', process.execPath, [npm, 'run', 'prepack'], { cwd: root });
    const packed = run('npm pack', process.execPath, [npm, 'pack', '--json', '--ignore-scripts', '--pack-destination', work], {
      cwd: root,
    });
    const parsed = JSON.parse(packed);
    const { filename, unpackedSize, size, files } = Array.isArray(parsed) ? parsed[0] : Object.values(parsed)[0];
    const tarball = path.join(work, filename);
    console.log(`${filename}: ${files.length} files, ${(size / 1e6).toFixed(2)} MB packed, ${(unpackedSize / 1e6).toFixed(2)} MB unpacked`);
    if (unpackedSize >= maxUnpackedBytes) fail(`${unpackedSize} bytes unpacked; ${maxUnpackedBytes} is the limit`);
    const stray = files
      .map((file) => file.path)
      .filter((file) => /^(lib|native|test|build|scripts|node_modules)\/|\.tsbuildinfo$/.test(file));
    if (stray.length > 0) fail(`the tarball carries ${stray.join(', ')}`);

    // Offline, the dependencies come from here.
    const needed = Object.keys(dependencies).map((name) => {
      const pack = ['pack', path.join(root, 'node_modules', name), '--json', '--ignore-scripts', '--pack-destination', work];
      const [{ filename: file }] = Object.values(JSON.parse(run(`npm pack ${name}`, process.execPath, [npm, ...pack], { cwd: work })));
      return path.join(work, file);
    });

    const bin = path.join(work, 'bin');
    const app = path.join(work, 'app');
    mkdirSync(bin);
    mkdirSync(app);
    symlinkSync(process.execPath, path.join(bin, 'node'));
    const environment = { PATH: bin, HOME: work };
    writeFileSync(path.join(app, 'package.json'), '{ "name": "app", "private": true }\n');
    const install = [
      'install',
      tarball,
      ...needed,
      '--offline',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      '--cache',
      path.join(work, 'cache'),
    ];
    run('npm install', process.execPath, [npm, ...install], { cwd: app, env: environment });
    const lock = JSON.parse(readFileSync(path.join(app, 'package-lock.json'), 'utf8'));
    const installed = Object.keys(lock.packages).flatMap((name) => name.split('node_modules/').slice(1));
    if (installed.sort().join() !== [...Object.keys(dependencies), 'stridenet'].sort().join())
      fail(`installing brought along ${installed.join(', ')}`);

    writeFileSync(
      path.join(app, 'esm.mjs'),
      `import ${names} from 'stridenet';\nconst kind = 'import';\nconst onnx = () => import('stridenet/onnx');\n${program}`,
    );
    writeFileSync(
      path.join(app, 'cjs.cjs'),
      `const ${names} = require('stridenet');\nconst kind = 'require';\nconst onnx = async () => require('stridenet/onnx');\n${program}`,
    );
    for (const file of ['esm.mjs', 'cjs.cjs']) {
      process.stdout.write(run(file, process.execPath, [file], { cwd: app, env: environment, timeout: 120_000 }));
    }
    const one = `import * as a from 'stridenet'; import { createRequire } from 'node:module'; const b = createRequire(import.meta.url)('stridenet');
      if (Object.keys(b).some((name) => a[name] !== b[name])) throw new Error('import and require give different objects');`;
    run('one implementation behind both entries', process.execPath, ['--input-type=module', '-e', one], { cwd: app, env: environment });
    const cli = path.join(app, 'node_modules/.bin/stridenet');
    if (!statSync(cli).isFile()) fail('node_modules/.bin/stridenet is missing');
    console.log(run('stridenet doctor', process.execPath, [realpathSync(cli), 'doctor'], { cwd: app, env: environment }).trim());

    symlinkSync(path.join(root, 'node_modules/@types'), path.join(app, 'node_modules/@types'));
    symlinkSync(path.join(root, 'node_modules/undici-types'), path.join(app, 'node_modules/undici-types'));
    const tsc = [
      require.resolve('typescript/bin/tsc'),
      '--noEmit',
      '--strict',
      '--target',
      'es2022',
      '--module',
      'node16',
      '--types',
      'node',
    ];
    for (const file of ['typed.mts', 'typed.cts']) {
      writeFileSync(path.join(app, file), typed);
      run(`type check of ${file}`, process.execPath, [...tsc, file], { cwd: app });
    }
    console.log('types: a strict program compiles as ES module and as CommonJS');

    const tool = (name) => path.join(root, 'node_modules/.bin', name);
    run('publint', tool('publint'), ['run', tarball, '--strict']);
    run('attw', tool('attw'), [tarball, '--no-definitely-typed', '--no-emoji', '--format', 'ascii'], { cwd: root });
    console.log('publint and attw: no problems');
  } finally {
    if (process.argv.includes('--keep')) console.log(`kept ${work}`);
    else rmSync(work, { recursive: true, force: true });
  }
}

main();
