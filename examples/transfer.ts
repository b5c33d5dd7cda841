/**
 * Transfer learning on a folder of pictures: a network that knows some classes learns others from a few pictures of each. Its head is replaced and
 * trained alone; then all of it learns on, the layers that it brought along at a tenth of the rate.
 *
 *   npx ts-node examples/transfer.ts [FOLDER WEIGHTS.safetensors]
 *
 * FOLDER has a folder for each class. Without arguments both are made first: weights that know six kinds of clothes, and 300 pictures of the four
 * others. Needs sharp (npm install sharp).
 */

import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { callbacks, data, evaluate, fit, loadSafetensors, manualSeed, models, optim, saveSafetensors, transforms } from 'stridenet';

/** Side of the pictures as the network sees them. */
const SIDE = 28;
/** Classes that the weights know; the others are to be learned. */
const KNOWN = 6;

type Log = (line: string) => void;

/** A network for grey pictures; the same function makes it for other classes. */
const network = (classes: number): ReturnType<typeof models.resnetCifar> => models.resnetCifar(8, { classes, inChannels: 1 });

/** Weights of a network that was trained on the classes that come first. */
async function pretrain(file: string): Promise<void> {
  const { train } = await data.mini();
  const known = data.subset(train, [...train.labels.keys()].filter((i) => train.labels[i]! < KNOWN)); // prettier-ignore
  const model = network(KNOWN);
  const options = { epochs: 3, batchSize: 64, optimizer: optim.adamw({ lr: 3e-3 }), schedule: optim.oneCycle(), seed: 1, progress: false };
  await fit(model, known, options);
  await saveSafetensors(file, model.stateDict());
}

/** `count` pictures of the other classes, as files in a folder for each. */
async function writePictures(folder: string, count: number): Promise<void> {
  const { train } = await data.mini();
  const chosen = [...train.labels.keys()].filter((i) => train.labels[i]! >= KNOWN).slice(0, count); // prettier-ignore
  for (const i of chosen) {
    const kind = path.join(folder, train.classes[train.labels[i]!]!.toLowerCase().replace(/\W/g, '-'));
    mkdirSync(kind, { recursive: true });
    const raw = { width: SIDE, height: SIDE, channels: 1 } as const;
    await sharp(train.images.slice(i * SIDE ** 2, (i + 1) * SIDE ** 2) as Uint8Array, { raw })
      .png()
      .toFile(path.join(kind, `${i}.png`));
  }
}

/** @returns the accuracy on pictures that were held out: of the new head alone, then of the whole network */
export async function transfer(folder: string, weights: string, log: Log = () => undefined): Promise<{ head: number; all: number }> {
  manualSeed(1);
  const pictures = await data.imageFolder(folder, { size: [SIDE, SIDE], channels: 1, onError: 'skip' });
  const { train, validation } = data.split(pictures, { validation: 0.3, seed: 1 });
  log(`${train.length} pictures of ${pictures.classes.join(', ')}; ${validation.length} more to measure with`);

  const model = network(pictures.classes.length);
  // All but the head, which has other classes.
  const { mismatched = [] } = model.loadStateDict(await loadSafetensors(weights), { ignoreMismatched: true });
  log(`not taken over: ${mismatched.join(', ')}`);

  model.freeze(); // normalisation rests, too
  model.linear.unfreeze();
  const augment = [transforms.randomCrop(SIDE, { padding: 2 }), transforms.randomHorizontalFlip()];
  const common = { batchSize: 16, augment, seed: 1, progress: false };
  await fit(model, train, { ...common, epochs: 6, optimizer: optim.adamw({ lr: 1e-2 }) });
  const head = (await evaluate(model, validation)).accuracy!;
  log(`the head alone: accuracy ${head.toFixed(3)}`);

  model.unfreeze();
  const optimizer = optim.adamw({ lr: 3e-3, groups: [{ match: model.linear }, { match: /./, lr: 3e-4 }] });
  const stop = callbacks.earlyStopping({ monitor: 'valAccuracy', patience: 6 }); // ends with the best weights
  await fit(model, train, { ...common, epochs: 12, validation, optimizer, schedule: optim.cosine(), callbacks: [stop] });
  const all = (await evaluate(model, validation)).accuracy!;
  log(`all layers: accuracy ${all.toFixed(3)}`);
  return { head, all };
}

async function main([folder, weights]: readonly string[]): Promise<void> {
  if (folder !== undefined && weights !== undefined) {
    await transfer(folder, weights, console.log);
    return;
  }
  const made = mkdtempSync(path.join(tmpdir(), 'stridenet-transfer-'));
  await makeInputs(made, 300);
  await transfer(path.join(made, 'pictures'), path.join(made, 'weights.safetensors'), console.log);
  console.log(`pictures and weights are in ${made}`);
}

/** Writes pictures/ and weights.safetensors into a folder. */
export async function makeInputs(folder: string, pictures: number): Promise<void> {
  await pretrain(path.join(folder, 'weights.safetensors'));
  await writePictures(path.join(folder, 'pictures'), pictures);
}

if (require.main === module) void main(process.argv.slice(2));
