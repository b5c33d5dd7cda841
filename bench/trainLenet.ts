/**
 * One LeNet training step (forward, backward, SGD with momentum; batch 256) and one prediction of a single image through runSync, ours and,
 * where python3 can import torch, PyTorch's. The sides take turns (A B C A B C ...) in one go and medians are compared, because times on a
 * shared machine drift: the ratio is the result, not the milliseconds. It does not measure accuracy.
 *
 *   npm run bench -- [--threads N] [--batch N] [--rounds N] [--json]
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { cpus } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Trainer, compile, manualSeed, models, nn, optim } from 'stridenet';

const { values: options } = parseArgs({
  options: {
    threads: { type: 'string', default: String(Math.min(2, cpus().length)) },
    batch: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
});
const threads = Number(options.threads);
const batch = Number(options.batch);
const rounds = Number(options.rounds);
const stepsPerTurn = 10;
const runsPerTurn = 200;

/** One contestant: seconds of each of `count` training steps or single predictions. */
interface Side {
  readonly name: string;
  measure(kind: 'train' | 'infer', count: number): Promise<number[]>;
  close(): void;
}

async function ours(): Promise<Side> {
  manualSeed(1);
  const images = Float32Array.from({ length: batch * 784 }, (_, i) => ((i * 37) % 101) / 101);
  const labels = Int32Array.from({ length: batch }, (_, i) => i % 10);
  const optimizer = optim.sgd({ lr: 0.05, momentum: 0.9 });
  const trainer = new Trainer(models.lenet5({ classes: 10 }), {
    optimizer,
    loss: nn.crossEntropy(),
    input: [1, 28, 28],
    batchSize: batch,
    threads,
  });
  const net = await compile(models.lenet5({ classes: 10 }), { input: [1, 28, 28], maxBatch: 1, threads });
  const one = images.slice(0, 784);
  const side: Side = {
    name: 'stridenet',
    async measure(kind, count) {
      const seconds: number[] = [];
      for (let i = 0; i < count; i++) {
        const start = performance.now();
        if (kind === 'train') await trainer.step(images, labels);
        else net.runSync(one);
        seconds.push((performance.now() - start) / 1000);
      }
      return seconds;
    },
    close: () => net.close(),
  };
  await side.measure('train', 5);
  await side.measure('infer', 500);
  return side;
}

/** PyTorch behind a pipe, or undefined when python3 has none. */
async function torch(variant: string): Promise<Side | undefined> {
  const script = path.join(__dirname, 'peers/torchLenet.py');
  const env = { ...process.env, OMP_NUM_THREADS: String(threads) };
  const child: ChildProcessWithoutNullStreams = spawn(process.env.PYTHON ?? 'python3', [script, variant, String(threads), String(batch)], {
    env,
  });
  child.stderr.resume();
  const started = new Promise<boolean>((resolve) => child.once('error', () => resolve(false)).once('spawn', () => resolve(true)));
  if (!(await started)) return undefined;
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const hello = await lines.next();
  if (hello.done) return undefined;
  return {
    name: `PyTorch ${hello.value.split(' ')[1]} ${variant}`,
    async measure(kind, count) {
      child.stdin.write(`${kind} ${count}\n`);
      const answer = await lines.next();
      if (answer.done) throw new Error('PyTorch ended early');
      return answer.value.split(' ').map(Number);
    },
    close: () => child.stdin.end(),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

async function main(): Promise<void> {
  const sides = [await ours(), await torch('eager'), await torch('channels_last')].filter((side): side is Side => side !== undefined);
  const seconds = sides.map(() => ({ train: [] as number[], infer: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const kind of ['train', 'infer'] as const) {
      for (const [i, side] of sides.entries()) {
        // Threads of the side before may still spin, and caches are its own: wait, and do not count the first few.
        await setTimeout(250);
        await side.measure(kind, 2);
        seconds[i]![kind].push(...(await side.measure(kind, kind === 'train' ? stepsPerTurn : runsPerTurn)));
      }
    }
  }
  for (const side of sides) side.close();

  const results = sides.map(({ name }, i) => {
    const { train, infer } = seconds[i]!;
    return {
      name,
      stepMs: median(train) * 1e3,
      bestStepMs: Math.min(...train) * 1e3,
      singleUs: median(infer) * 1e6,
      bestSingleUs: Math.min(...infer) * 1e6,
    };
  });
  const [own, ...peers] = results;
  console.log(`LeNet, ${threads} threads, batch ${batch}; medians of ${rounds} turns (best in brackets)`);
  for (const { name, stepMs, bestStepMs, singleUs, bestSingleUs } of results) {
    const step = `${stepMs.toFixed(2)} ms (${bestStepMs.toFixed(2)})`;
    console.log(`${name.padEnd(32)} step ${step.padEnd(20)} one image ${singleUs.toFixed(1)} us (${bestSingleUs.toFixed(1)})`);
  }
  /** How many times as long the best peer takes. */
  const ratio = (key: 'stepMs' | 'bestStepMs' | 'singleUs' | 'bestSingleUs'): number =>
    Math.min(...peers.map((peer) => peer[key])) / own![key];
  const ratios = { step: ratio('stepMs'), bestStep: ratio('bestStepMs'), single: ratio('singleUs'), bestSingle: ratio('bestSingleUs') };
  if (peers.length === 0) console.log('python3 cannot import torch: nothing to compare with');
  else {
    console.log(
      `a step is ${ratios.step.toFixed(2)} times as fast as the best of PyTorch (best against best ${ratios.bestStep.toFixed(2)})`,
    );
    console.log(`a single prediction ${ratios.single.toFixed(2)} times (${ratios.bestSingle.toFixed(2)})`);
    console.log(
      'When the two ratios differ much, other programs were at work: PyTorch waits for its threads by spinning. Repeat on a quiet machine.',
    );
  }
  if (options.json) console.log(JSON.stringify({ threads, batch, rounds, results, ratios: peers.length > 0 ? ratios : null }));
}

void main();
