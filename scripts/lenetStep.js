/** One LeNet training step through the built package (dist/), for emulated processors. Prints the kernels in use and the loss. */
const path = require('node:path');
const { Trainer, manualSeed, models, nn, optim } = require(path.resolve(process.argv[2] ?? path.join(__dirname, '..'), 'dist/index.js'));

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
