"""Sends ResNet-18 through files both ways: PyTorch's safetensors file gives PyTorch's logits here, and ours loads in PyTorch. Run by hand after
`npm run build`, because it needs PyTorch and torchvision; it writes nothing that stays.

    python test/golden/exchange.py

The weights are torchvision's initial ones of seed 0, with running statistics of a few batches. The way there: torchvision saves, `loadSafetensors` and
`loadStateDict` (strict) read, logits are compared with float64. The way back: we train three steps from there, save, `load_state_dict` (strict) reads, and
logits of the trained weights are compared. transfer.test.ts does the same with small files of four element types, without Python.
"""

import json
import pathlib
import subprocess
import tempfile

import torch

from safetensors.torch import load_file, save_file

from torchvisionCpu import torchvision

ROOT = pathlib.Path(__file__).parents[2]
TOLERANCE = 1e-4

OURS = """
const { readFileSync, writeFileSync } = require('node:fs');
const { compile, loadSafetensors, models, nn, optim, saveSafetensors, Trainer } = require('stridenet');
const [folder] = process.argv.slice(1);
const images = new Float32Array(readFileSync(`${folder}/images.bin`).buffer.slice(0));

async function logits(model) {
  const net = await compile(model, { input: [3, 224, 224], maxBatch: 2 });
  const values = await (await net.run(images)).data();
  net.close();
  return Array.from(values);
}

(async () => {
  const model = models.resnet18();
  const result = model.loadStateDict(await loadSafetensors(`${folder}/theirs.safetensors`));
  const before = await logits(model);
  const trainer = new Trainer(model, { optimizer: optim.sgd({ lr: 0.01 }), loss: nn.crossEntropy(), input: [3, 224, 224], batchSize: 2 });
  for (let step = 0; step < 3; step++) await trainer.step(images, Int32Array.of(3, 7));
  trainer.close();
  await saveSafetensors(`${folder}/ours.safetensors`, model.stateDict());
  writeFileSync(`${folder}/result.json`, JSON.stringify({ result, before, after: await logits(model) }));
})();
"""


def difference(ours, theirs):
    theirs = theirs.reshape(-1)
    return ((torch.tensor(ours, dtype=torch.float64) - theirs).abs().max() / theirs.abs().max()).item()


def logits(model, images):
    with torch.no_grad():
        return model.double().eval()(images.double())


def main():
    torch.manual_seed(0)
    model = torchvision.models.resnet18()
    for _ in range(3):
        model(2 * torch.randn(4, 3, 64, 64) + 0.5)  # moves the running statistics
    images = torch.randn(2, 3, 224, 224)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        save_file(model.state_dict(), folder / "theirs.safetensors", metadata={"format": "pt"})
        (folder / "images.bin").write_bytes(images.numpy().tobytes())
        subprocess.run(["node", "-e", OURS, name], cwd=ROOT, check=True)
        answer = json.loads((folder / "result.json").read_text())
        there = difference(answer["before"], logits(model, images))
        state = load_file(folder / "ours.safetensors")
        trained = torchvision.models.resnet18()
        keys = trained.load_state_dict(state)
        back = difference(answer["after"], logits(trained, images))
        moved = difference(answer["after"], logits(model, images))
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}: resnet18, {len(state)} tensors")
    print(f"theirs here: {answer['result']}, logits differ by {there:.1e} of the largest")
    print(f"ours there after training: {keys}, logits differ by {back:.1e}; training changed them by {moved:.1e}")
    assert max(there, back) < TOLERANCE < moved, "the logits disagree"


main()
