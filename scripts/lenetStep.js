/**
 * One LeNet training step, for emulated processors. Takes the package from dist/, or from the folder given (its dist/ or lib/).
 *   node scripts/lenetStep.js [FOLDER]
 */
const { existsSync } = require('node:fs');
const path = require('node:path');

const folder = path.resolve(process.argv[2] ?? path.join(__dirname, '..'));
const entry = ['dist/index.js', 'lib/index.js'].map((file) => path.join(folder, file)).find(existsSync);
const { Trainer, manualSeed, models, nn, optim } = require(entry);

async function main() {
  manualSeed(1);
  const trainer = new Trainer(models.lenet5({ classes: 10 }), {
    optimizer: optim.sgd({ lr: 0.1 }),
    loss: nn.crossEntropy(),
    input: [1, 28, 28],
    batchSize: 8,
  });
  const images = Float32Array.from({ length: 8 * 28 * 28 }, (_, i) => ((i * 37) % 101) / 101);
  const { loss } = await trainer.step(
    images,
    Int32Array.from({ length: 8 }, (_, i) => i),
  );
  if (!(loss > 1 && loss < 4)) throw new Error(`one LeNet step: the loss is ${loss}, expected about ${Math.log(10)}`);
  console.log(`one LeNet step: loss ${loss.toFixed(4)}`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
